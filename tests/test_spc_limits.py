"""Limits from a stretch of the past: what is found, what is left out, and the block that goes into plant.toml."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.i18n import LANGUAGES
from andon.outputs import ShardOutputs
from andon.readings import Event, Message
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from operators.spc_chart import ChartPlan
from operators.spc_feed import Wiring
from operators.spc_limits import studies
from operators.spc_phase_one import Known
from sinks.history import HistoryWriter
from sinks.journal import Journal
from tests.command_line import Terminal, andon
from tests.engine_world import body, tick
from tests.spc_world import Happening, S, chart, cutting, inputs, run, values

__all__ = ["andon"]  # a fixture
PLANT = """\
schema = 1
[enterprise]
id = "e"
[site]
id = "s"
[transport]
shards = 1
[[template]]
name = "filler"
series = [{ tag = "weight", unit = "g", every_s = 1 }]
[[template.chart]]
tag = "weight"
kind = "xbar_r"
size = 5
phase_one = 10
[[asset]]
path = "line1/filler"
template = "filler"
"""
T0 = 1_767_225_600 * S
DRAWN = np.random.default_rng(8).normal(10.0, 2.0, 100).round(3).tolist()


def test_a_study_is_what_phase_one_finds():
    wired = Wiring("x", ChartPlan("xbar_s", limits=(Known("old", 0.0, 1.0),)), cutting(5.0))
    set_before = Happening(0, "limits.set", {"chart": "x", "version": "v", "centre": 1, "sigma": 1})
    (one,) = studies(wired, inputs(values(DRAWN), [set_before]), 200 * S)
    made = run(chart(ChartPlan("xbar_s", phase_one=20), cutting(5.0)), inputs(values([*DRAWN, *DRAWN[:5]])), 200 * S)
    assert one.known.centre == made[-1].parts["centre"]
    assert (one.subgroups, one.n, one.stable, one.signals) == (20, 100, True, ())


def test_what_is_left_out_and_what_is_not_in_control():
    x = DRAWN[:50]
    x[20:25], x[40:45] = [30.0] * 5, [one + 6.0 for one in x[40:45]]
    marked = Happening(21 * S, "subgroup.excluded", {"cause": "tool"})
    wired = Wiring("x", ChartPlan("xbar_r", ("nelson_1",)), cutting(5.0))
    (one,) = studies(wired, inputs(values(x), [marked]), 100 * S)
    assert (one.marked, one.beyond, one.subgroups, one.stable) == ((20 * S,), (), 9, False)
    told = {signal.start_ns for signal in one.signals}
    assert 40 * S in told
    assert 20 * S not in told
    wired = Wiring("x", ChartPlan("xbar_r", ("nelson_1",), exclude_beyond=True), cutting(5.0))
    (one,) = studies(wired, inputs(values(x), [marked]), 100 * S)
    assert (one.marked, one.subgroups, one.stable) == ((20 * S,), 9 - len(one.beyond), True)
    assert 40 * S in one.beyond


def test_each_product_has_limits_of_its_own():
    x = [*DRAWN[:50], *(one + 100.0 for one in DRAWN[50:])]
    changes = [Happening(at * S, "product.changed", {"product": name}) for at, name in ((0, "A"), (50, "B"))]
    wired = Wiring("x", ChartPlan("imr", ("nelson_1",)), cutting())
    first, second = studies(wired, inputs(values(x), changes), 200 * S)
    assert (first.product, second.product) == ("A", "B")
    assert second.known.centre - first.known.centre == pytest.approx(100.0, abs=2.0)
    assert (first.n, second.n) == (50, 50)


def test_equal_values_give_no_limits():
    (one,) = studies(Wiring("x", ChartPlan("imr"), cutting()), inputs(values([5.0] * 30)), 100 * S)
    assert (one.known, one.stable) == (None, None)


@pytest.fixture
def filled(andon: Terminal) -> Terminal:
    Path("plant.toml").write_text(PLANT)
    plant, folder = load_plant(Path("plant.toml")), DataFolder(Path("data"))
    folder.create("s", 1)
    engine = ShardEngine(plant, 0, Journal(folder.journal(0)), SlotFiles(folder.slots(0)))
    engine.restore(None)
    rows = [body(T0 + at * S, "line1/filler", "weight", one) for at, one in enumerate(DRAWN)]
    stamps = [*range(len(rows)), len(rows)]
    raw = [*rows, tick(T0 + len(rows) * S)]
    engine.step([Message(at + 1, T0 + at * S, one) for at, one in zip(stamps, raw, strict=True)])
    engine.snapshot()
    writer = HistoryWriter(folder.history_db(0), 0)
    told = Event(T0 + 11 * S, "line1/filler", "subgroup.excluded", {"cause": "tool"}, 0, T0, 0)
    writer.write(ShardOutputs(0, 9, 9, T0 + 99 * S, 1, paths={0: ("line1/filler", "weight")}, events=[told]))
    writer.close()
    return andon


WORDS = ("spc", "limits", "line1/filler", "weight", "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T00:02Z")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_block_goes_into_the_configuration(filled, monkeypatch, language):
    monkeypatch.setenv("LANG", f"{language.replace('-', '_')}.UTF-8")
    text = filled(*WORDS, "--version", "2026-01")
    (limits,) = tomllib.loads(text)["control_limits"]
    assert (limits["version"], limits["valid_from"]) == ("2026-01", "2026-01-01T00:02:00Z")
    left = [one for at, one in enumerate(DRAWN) if not 10 <= at < 15]
    assert limits["centre"] == pytest.approx(float(np.mean(left)))
    assert "95" in text.splitlines()[0]
    assert "cli." not in text
    Path("plant.toml").write_text(PLANT + text)
    assert load_plant(Path("plant.toml")).config.control_limits[0].sigma == limits["sigma"]
    (told,) = json.loads(filled(*WORDS, "--json"))
    assert (told["n"], told["subgroups"], told["stable"]) == (95, 19, True)
    assert told["marked"] == ["2026-01-01T00:00:10Z"]


def test_refusals_say_why(filled):
    filled("spc", "limits", "line1/filler", "wait", status=2)
    assert "line1/filler/weight" in filled.err
    filled(*WORDS[:4], "--from", "yesterday", status=2)
    assert "--from" in filled.err
    filled(*WORDS[:4], "--from", "2026-01-02", "--to", "2026-01-01", status=2)
    filled(*WORDS[:4], "--from", "2027-01-01", "--to", "2027-01-02", status=1)
    assert "no subgroup" in filled.err
    text = filled(*WORDS[:4], "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T00:00:03Z", status=1)
    assert text == "" or text.startswith("#")
