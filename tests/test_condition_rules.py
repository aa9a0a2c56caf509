"""Rules as the kernels get them, and the sentences."""

from __future__ import annotations

import math

import pytest

from alarms.rules import Kind, compile_rules, is_direct, kind_of, limit_of, rule_text, unit_of, why
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.i18n import catalogue
from andon.plant import rule_version
from andon.why import why_params

RULES = [
    Rule(id="a", on="*", above=8.0, deadband=0.5),
    Rule(id="b", on="*", below=-2.0, deadband=0.5, name={"en": "Low", "zh-CN": "过低"}),
    Rule(id="c", on="*", outside=(2.0, 8.0), delay_s=1.5),
    Rule(id="d", on="*", anomaly=3.0),
    Rule(id="e", on="*", stale_s=60.0, delay_s=5.0),
    Rule(id="f", on="*", stuck_s=600.0, off_delay_s=0.25),
]


def test_compiled():
    table = compile_rules(RULES)
    assert [Kind(kind).name for kind in table["kind"]] == ["ABOVE", "BELOW", "OUTSIDE", "ANOMALY", "STALE", "STUCK"]
    inf = float("inf")
    assert table["low"].tolist() == [-inf, -2.0, 2.0, -inf, -inf, -inf]
    assert table["high"].tolist() == [8.0, inf, 8.0, 3.0, inf, inf]
    assert (table["high_clear"][0], table["low_clear"][1]) == (7.5, -1.5)
    assert table["on_ns"].tolist() == [0, 0, 1_500_000_000, 0, 65_000_000_000, 600_000_000_000]
    assert table["off_ns"].tolist() == [0, 0, 0, 0, 0, 250_000_000]


def test_a_limit_of_zero_is_a_limit():
    rule = Rule(id="z", on="*", above=0.0)
    assert kind_of(rule) == Kind.ABOVE
    assert limit_of(rule, upper=True) == 0.0
    assert compile_rules([rule])["high"][0] == 0.0


def test_limits_and_units():
    assert [limit_of(rule, upper=True) for rule in RULES] == [8.0, -2.0, 8.0, 3.0, 60.0, 600.0]
    assert limit_of(RULES[2], upper=False) == 2.0
    assert [unit_of(kind_of(rule), "Cel") for rule in RULES] == ["Cel", "Cel", "Cel", "1", "s", "s"]


def params(change):
    return why_params(
        change.asset, change.tag, change.limit, change.unit, change.peak, change.out_s, change.evidence
    )  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rules_survive_their_text(rule):
    again = Rule.model_validate_json(rule_text(rule))
    assert again == rule
    assert rule_version(again) == rule_version(rule)


def test_two_limits_are_refused():
    with pytest.raises(ValueError, match=r"above.*stale"):
        kind_of(Rule(id="x", on="*", above=1.0, stale_s=3.0))


def change(condition, **more):
    fields = {
        "kind": "raised", "asset": "cold/room1", "tag": "air", "rule_id": "r", "rule_version": "0" * 12,
        "raises": "none", "priority": "low", "condition": condition, "limit": 8.0, "unit": "Cel", "start_ns": 0,
        "confirmed_ns": 0, "cleared_ns": None, "peak": 9.5, "out_s": 750.0, "offset": 1,
    }  # fmt: skip
    return ConditionChange(**(fields | more))


def test_the_sentence_says_limit_peak_and_minutes():
    text = why(change("above"), "en")
    for part in ("cold/room1", "air", "8 °C", "9.5 °C", "12.5 min"):
        assert part in text, text


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("condition", [kind.name.lower() for kind in Kind])
def test_every_condition_has_a_sentence(language, condition):
    timed = condition in {"stale", "stuck"}
    evidence = {"value": 21.5, "value_unit": "Cel"} if timed else {}
    text = why(change(condition, evidence=evidence, limit=600.0, unit="s" if timed else "Cel"), language)
    assert "alarms.why" not in text
    assert "{" not in text
    assert ("12.5" in text) or condition == "anomaly"
    assert ("21.5 °C" in text) == timed, text


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("condition", [kind.name.lower() for kind in Kind])
def test_every_condition_has_its_sign_on_the_page(language, condition):
    assert f"page.condition_sign.{condition}" in catalogue(language)


COMPUTED = {
    # id: rule, kind, what the kernels compare with, limit, unit
    "rate above": ({"rate_above": 0.5, "over_s": 60.0}, "RATE_ABOVE", (-math.inf, 0.5), 0.5, "Cel/s"),
    "rate below": ({"rate_below": -0.5, "over_s": 60.0}, "RATE_BELOW", (-0.5, math.inf), -0.5, "Cel/s"),
    "deviation": ({"deviates_from": "set", "by": 2.0}, "DEVIATION", (-2.0, 2.0), 2.0, "Cel"),
    "forecast": ({"above": 8.0, "forecast_s": 60.0, "over_s": 9.0}, "FORECAST", (60.0, math.inf), 60.0, "s"),
    "gap": ({"gap_s": 60.0}, "GAP", (-math.inf, math.inf), 60.0, "s"),
    "figure": ({"figure": "cold_chain.mkt", "outside": (2.0, 8.0)}, "FIGURE", (2.0, 8.0), 8.0, "1"),
}


@pytest.mark.parametrize(("limits", "kind", "bounds", "limit", "unit"), COMPUTED.values(), ids=COMPUTED.keys())
def test_rules_that_compute_first(limits, kind, bounds, limit, unit):
    rule = Rule(id="x", on="*", **limits)
    (row,) = compile_rules([rule])
    assert kind_of(rule).name == kind
    assert not is_direct(rule)
    assert (row["low"], row["high"]) == bounds
    assert limit_of(rule, upper=True) == limit
    assert unit_of(kind_of(rule), "Cel") == unit
    assert Rule.model_validate_json(rule_text(rule)) == rule


def test_a_sentence_without_evidence_is_still_one():
    assert params(change("stale"))["value"] == "?"
    assert params(change("above", limit=None))["limit"] == "?"
    assert params(change("above", limit=2.0, unit="1"))["limit"] == "2"
    assert params(change("above", limit=1234567.0, unit="kPa"))["limit"] == "1234567 kPa"
    assert params(change("stuck", evidence={"value": None}))["value"] == "?"
