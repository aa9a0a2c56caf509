"""What a failed calibration puts in doubt, what a figure was measured with, and the command that tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from andon.config.calibration import moment_ns
from andon.config.load import load_plant
from andon.config.models import Rule
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.i18n import LANGUAGES
from andon.outputs import Figure, ShardOutputs
from andon.readings import Event
from operators.machines import MachineSpec
from service import calibrations
from service.calibrations import Calibrations, until
from sinks.history import HistoryReader, HistoryWriter
from tests.command_line import Terminal, andon

__all__ = ["andon"]  # a fixture
DAY_NS = 86_400 * 10**9
PLANT = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s"
[transport]
shards = 1
[[template]]
name = "room"
series = [{ tag = "air", unit = "Cel" }, { tag = "wall", unit = "Cel" }]
[template.cold_chain]
temperature = "air"
[[asset]]
path = "cold/a"
template = "room"
[[calibration]]
asset = "cold/a"
tag = "air"
certificate = "C1"
at = "2026-03-01"
due = "2027-03-01"
error = 0.1
uncertainty = 0.2
mpe = 0.5
"""
T0 = moment_ns("2026-03-01")
FAILED = {"tag": "air", "calibration": "C2", "due": "2027-04-01", "error": 0.6, "left": 0.0, "uncertainty": 0.2}


def figure(day, tag="air", kind="cold_chain", final=True):
    start = T0 + day * DAY_NS
    return Figure("cold/a", tag, kind, start, start + DAY_NS, 0, final, {"mkt": 5.0})


def happened(day, name, offset, **data):
    return Event(T0 + day * DAY_NS, "cold/a", name, data, offset, T0 + day * DAY_NS, 0)


@pytest.fixture
def plant(tmp_path: Path):
    (tmp_path / "plant.toml").write_text(PLANT)
    return load_plant(tmp_path / "plant.toml")


def filled(path: Path, failed: dict[str, object] = FAILED) -> None:
    writer = HistoryWriter(path, 0)
    events = [
        happened(-3, "lot.started", 0, lot="before"), happened(-2, "lot.ended", 1, lot="before"),
        happened(4, "lot.started", 2, lot="L7", product="VIAL"), happened(6, "lot.ended", 3, lot="L7"),
        happened(30, "calibration.done", 4, **failed), happened(31, "lot.started", 5, lot="after"),
    ]  # fmt: skip
    figures = [figure(-2), figure(3), figure(29), figure(30), figure(28, final=False), figure(5, "wall", "other")]
    paths = {0: ("cold/a", "air")}
    writer.write(ShardOutputs(0, 9, 9, T0 + 40 * DAY_NS, 1, paths=paths, events=events, figures=figures))
    writer.close()


def test_a_failed_as_found_lists_windows_and_lots_since_the_last_good_one(plant, tmp_path):
    filled(tmp_path / "h.db")
    reader = HistoryReader([tmp_path / "h.db"])
    (found,) = Calibrations(plant, reader).impacts()
    assert (found.asset, found.tag, found.doubt.certificate, found.doubt.last_good) == ("cold/a", "air", "C2", "C1")
    assert [(one.start_ns - T0) // DAY_NS for one in found.figures] == [3, 29]
    assert [one.lot for one in found.lots] == ["L7"]
    reader.close()


def test_a_good_as_found_puts_nothing_in_doubt(plant, tmp_path):
    filled(tmp_path / "h.db", {**FAILED, "error": 0.3})
    reader = HistoryReader([tmp_path / "h.db"])
    assert Calibrations(plant, reader).impacts() == []
    reader.close()


def test_a_figure_tells_what_it_was_measured_with(plant, tmp_path):
    filled(tmp_path / "h.db")
    reader = HistoryReader([tmp_path / "h.db"])
    (found,) = Calibrations(plant, reader).measured(figure(3))
    assert (found.tag, found.certificate, str(found.state), found.in_doubt) == ("air", "C1", "valid", True)
    (standing,) = Calibrations(plant, reader).standings(T0 + 500 * DAY_NS)
    assert (str(standing.state), standing.calibration.certificate) == ("overdue", "C2")
    reader.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_command(andon: Terminal, monkeypatch, language):
    monkeypatch.setenv("LANG", f"{language.replace('-', '_')}.UTF-8")
    Path("plant.toml").write_text(PLANT)
    folder = DataFolder(Path("data"))
    folder.create("s", 1)
    andon("calibration", "impact")
    assert ("nothing is in doubt" in andon.out) == (language == "en")
    filled(folder.history_db(0))
    out = andon("calibration", "impact")
    assert "cold/a/air" in out
    assert "L7 VIAL" in out
    (told,) = json.loads(andon("calibration", "impact", "--json"))
    assert (told["since"], told["until"]) == ("2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z")
    assert [one["start"] for one in told["figures"]] == ["2026-03-04T00:00:00Z", "2026-03-30T00:00:00Z"]
    assert "C2" in andon("calibration", "list")
    assert json.loads(andon("calibration", "list", "--json"))[0]["permitted"] == 0.5


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('at = "2026-03-01"', 'at = "March"', "config.calibration_moment"),
        ('at = "2026-03-01"', "", "config.calibration_half"),
        ('at = "2026-03-01"', 'at = "2027-03-01"', "config.order"),
        ('tag = "air"\ncertificate', 'tag = "aire"\ncertificate', "config.unknown"),
        ('asset = "cold/a"\ntag', 'asset = "cold/b"\ntag', "config.unknown"),
        ('unit = "Cel" }, {', 'unit = "celsius" }, {', "config.unit"),
    ],
)
def test_what_plant_toml_may_not_say(tmp_path, old, new, code):
    assert PLANT.count(old) == 1
    (tmp_path / "plant.toml").write_text(PLANT.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        load_plant(tmp_path / "plant.toml")
    assert [one.code.partition("_name")[0] for one in refused.value.problems] == [code]


def test_an_instrument_that_is_left_failed_keeps_everything_after_in_doubt(plant, tmp_path):
    left = {name: value for name, value in FAILED.items() if name != "left"}
    filled(tmp_path / "h.db", left)
    reader = HistoryReader([tmp_path / "h.db"])
    (found,) = Calibrations(plant, reader).impacts()
    assert until(found.doubt) is None
    assert [(one.start_ns - T0) // DAY_NS for one in found.figures] == [3, 29, 30]
    assert [one.lot for one in found.lots] == ["L7", "after"]
    reader.close()


def test_all_windows_are_listed_however_many_are_read_at_once(plant, tmp_path, monkeypatch):
    filled(tmp_path / "h.db")
    writer = HistoryWriter(tmp_path / "h.db", 0)
    more = [figure(day) for day in range(6, 26)]
    writer.write(ShardOutputs(0, 10, 10, T0 + 41 * DAY_NS, 1, paths={0: ("cold/a", "air")}, figures=more))
    writer.close()
    reader = HistoryReader([tmp_path / "h.db"])
    monkeypatch.setattr(calibrations, "MOST", 3)
    (found,) = Calibrations(plant, reader).impacts()
    assert [(one.start_ns - T0) // DAY_NS for one in found.figures] == [3, *range(6, 26), 29]
    reader.close()


def test_figures_of_another_asset_that_use_the_series_are_touched_too(plant, tmp_path, monkeypatch):
    line = MachineSpec("oee", "line", "sum", (("cold/a", "air"), ("line", "own")), "1", lambda *_: None, 0)
    monkeypatch.setattr(calibrations, "machine_specs", lambda _, shard: [line])
    writer = HistoryWriter(tmp_path / "h.db", 0)
    figures = [Figure("line", tag, "oee", T0 + DAY_NS, T0 + 2 * DAY_NS, 1, True, {}) for tag in ("sum", "else")]
    other = Figure("line", "own", "usp", T0 + DAY_NS, T0 + 2 * DAY_NS, 1, True, {})
    events = [happened(30, "calibration.done", 4, **FAILED)]
    writer.write(ShardOutputs(0, 9, 9, T0 + 40 * DAY_NS, 1, paths={}, events=events, figures=[*figures, other]))
    writer.close()
    reader = HistoryReader([tmp_path / "h.db"])
    asked = Calibrations(plant, reader)
    (found,) = asked.impacts()
    assert {(one.asset, one.tag) for one in found.figures} == {("line", "sum"), ("line", "else")}
    told = asked.measured(figures[0])
    assert [(one.tag, one.certificate, one.in_doubt) for one in told] == [
        ("cold/a/air", "C1", True),
        ("own", "", False),
    ]
    reader.close()


def test_alarms_decided_on_the_series_or_its_figures_are_touched(plant, tmp_path):
    filled(tmp_path / "h.db")
    reader = HistoryReader([tmp_path / "h.db"])

    @dataclass
    class Alarm:
        asset: str
        tag: str
        rule_id: str
        cleared_ns: int | None

    told = [
        Alarm("cold/a", "air", "hot", None), Alarm("cold/a", "wall", "hot", None), Alarm("cold/a", "air", "hot", T0),
        Alarm("cold/a", "wall", "twin", T0 + DAY_NS), Alarm("cold/a", "air", "mkt", T0 + DAY_NS),
    ]  # fmt: skip
    rules = [
        Rule(id="twin", on="*", deviates_from="air", by=1.0),
        Rule(id="mkt", on="*", figure="cold_chain.mkt", above=8.0),
    ]
    with_rules = replace(plant, config=plant.config.model_copy(update={"rule": tuple(rules)}))
    (found,) = Calibrations(with_rules, reader, lambda asset, before_ns: told).impacts()
    assert found.alarms == (told[0], told[3], told[4])
    reader.close()
