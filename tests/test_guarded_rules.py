"""Rules with a guard band: limits made narrower, what their alarms tell, what `andon check` notes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.conditions import ConditionEngine
from alarms.figure_rules import FigureRules
from alarms.rules import compile_rules, guard_evidence, limit_of, specified_bounds, value_bounds, why
from andon.config.models import Plant, Rule
from andon.guard_bands import narrow_guard_bands
from andon.outputs import Figure
from andon.plant import PlantModel, SeriesSpec, rule_version
from andon.readings import NS_PER_S, Readings
from tests.command_line import Terminal, andon

__all__ = ["andon"]  # a fixture

ROOM = SeriesSpec("cold/room1", "air", "number", "Cel", -50, 50, 30, (), None, "", True)
LIMITS = {"above": ({"above": 8.0}, 7.8, 8.0), "below": ({"below": 2.0}, 2.2, 2.0)}
PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "s1"
timezone = "UTC"
[[template]]
name = "room"
series = [{ tag = "air", unit = "Cel", range = [-20, 40], every_s = 10 }]
[[asset]]
path = "cold/room1"
template = "room"
"""


def told(rule, values, step_s=60):
    """What an engine tells of one series, a value a minute."""
    engine = ConditionEngine(lambda _: [rule])
    engine.bind(0, ROOM)
    times, count = np.arange(len(values)) * step_s * NS_PER_S, len(values)
    series, status = np.zeros(count, np.int32), np.zeros(count, np.uint8)
    rows = Readings(times, series, np.array(values), status, np.arange(count), times)
    return engine.step(rows, np.full(count, np.nan))


@pytest.mark.parametrize(("limit", "judged", "specified"), LIMITS.values(), ids=LIMITS.keys())
def test_the_limit_that_was_crossed_is_the_narrower_one_and_cites_the_other(limit, judged, specified):
    rule = Rule(id="r", on="*", guard_band=0.2, **limit)
    beyond = judged + (0.1 if specified > judged else -0.1)
    assert told(rule, [5.0, judged, 5.0]) == [], "on the acceptance limit is accepted"
    (raised,) = told(rule, [5.0, beyond])
    assert (raised.limit, raised.evidence) == (judged, {"guard_band": 0.2, "specified": specified})
    for language, words in (("en", "Judged at"), ("zh-CN", "判定")):
        text = why(raised, language)
        assert words in text
        assert f"{specified:g} °C" in text
        assert "?" not in text
    plain = told(rule.model_copy(update={"guard_band": 0.0}), [5.0, beyond])
    assert plain == [], "between the two limits a rule without guard band is silent"


def test_both_sides_of_a_range_are_narrower():
    rule = Rule(id="r", on="*", outside=(2.0, 8.0), guard_band=0.2)
    high, _, low = told(rule, [7.9, 5.0, 2.1])
    assert (high.limit, high.evidence["specified"]) == (7.8, 8.0)
    assert (low.limit, low.evidence["specified"]) == (2.2, 2.0)
    assert specified_bounds(rule) == (2.0, 8.0)


def test_the_deadband_counts_from_the_narrower_limit():
    rule = Rule(id="r", on="*", above=8.0, guard_band=0.2, deadband=0.5)
    assert [one.kind for one in told(rule, [7.9, 7.4, 7.3, 7.2])] == ["raised", "cleared"]
    assert compile_rules([rule])["high_clear"][0] == pytest.approx(7.3)


@given(st.integers(-10_000, 10_000), st.integers(0, 5_000), st.integers(1, 999))
def test_limits_are_the_decimals_that_people_write(low, span, width):
    """In thousandths: 8.0 less 0.3 is 7.7, not 7.700000000000001; whoever writes the limit himself gets the same."""
    rule = Rule(id="r", on="*", outside=(low / 1000, (low + span) / 1000), guard_band=width / 1000)
    assert value_bounds(rule) == ((low + width) / 1000, (low + span - width) / 1000)


def test_a_rule_without_guard_band_is_as_it_was():
    rule = Rule(id="r", on="*", above=8.0)
    assert rule_version(rule) == rule_version(rule.model_copy(update={"guard_band": 0.0}))
    assert rule_version(rule) != rule_version(rule.model_copy(update={"guard_band": 0.2}))
    assert guard_evidence(rule, upper=True) == {}
    assert limit_of(rule, upper=False) == 8.0


def test_a_figure_is_judged_at_the_narrower_limit():
    rule = Rule(id="warm", on="*", figure="cold_chain.mkt", above=8.0, guard_band=0.25)
    engine = FigureRules([rule], lambda figure: figure.parts)
    found = []
    for hour, value in enumerate((7.75, 7.9)):
        begin = hour * 3600 * NS_PER_S
        figure = Figure("cold/room1", "air", "cold_chain", begin, begin + 1, 1, final=True, parts={"mkt": value})
        found += engine.take([figure], hour)
    (raised,) = found
    assert raised.limit == 7.75
    assert raised.evidence == {"figure": "cold_chain.mkt", "value": 7.9, "guard_band": 0.25, "specified": 8.0}


RULE = '\n[[rule]]\nid = "high"\non = "cold/*/air"\nguard_band = 0.2\n'
CERTIFICATE = '\n[[calibration]]\nasset = "cold/room1"\ntag = "air"\nat = "{at}"\ndue = "2030-01-01"\n{more}\n'
NOTES = {
    # id: (certificates, U that is told of a rule whose guard band is 0.2; empty: nothing is told)
    "as large as U": ([("2026-01-01", "uncertainty = 0.2")], []),
    "smaller than U": ([("2026-01-01", "uncertainty = 0.3")], [0.3]),
    "the last one counts": ([("2026-01-01", "uncertainty = 0.3"), ("2026-06-01", "uncertainty = 0.1")], []),
    "without U": ([("2026-01-01", "error = 0.1")], [None]),
    "not calibrated": ([], [None]),
}  # fmt: skip


@pytest.mark.parametrize(("certificates", "expected"), NOTES.values(), ids=NOTES.keys())
def test_check_notes_guard_bands_that_do_not_cover_the_uncertainty(andon: Terminal, certificates, expected):
    more = "".join(CERTIFICATE.format(at=at, more=text) for at, text in certificates)
    Path("plant.toml").write_text(PLANT + RULE + "above = 8.0\n" + more)
    notes = json.loads(andon("check", "--json"))["guard_bands"]
    names = {"rule": "high", "series": "cold/room1/air", "guard_band": 0.2}
    assert notes == [{**names, "uncertainty": one} for one in expected]
    assert ("rule high" in andon("check")) == bool(expected)


def test_a_rule_without_guard_band_and_one_on_a_figure_are_not_noted():
    content = {
        "schema": 1, "enterprise": {"id": "a"}, "site": {"id": "s", "timezone": "UTC"},
        "template": [{"name": "r", "series": [{"tag": "air", "unit": "Cel", "every_s": 1}]}],
        "asset": [{"path": "cold/room1", "template": "r"}],
        "rule": [
            {"id": "a", "on": "*", "above": 8.0},
            {"id": "b", "on": "*", "above": 8.0, "figure": "cold_chain.mkt", "guard_band": 0.2},
        ],
    }  # fmt: skip
    assert list(narrow_guard_bands(PlantModel(Plant.model_validate(content)))) == []
