"""`andon rules`: versions, differences, and trials on the journal of a site."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.config.models import Rule
from andon.datafolder import DataFolder
from andon.readings import Message
from andon.records import Records
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from service.rule_diff import rule_differences
from service.rule_trial import _standing
from service.rules import register_rules
from sinks.journal import Journal
from tests.command_line import Terminal, andon
from tests.engine_world import START_NS, S, body, tick
from tests.records_world import cleared, raised

__all__ = ["andon"]  # fixture

PLANT = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s1"
timezone = "Asia/Shanghai"
[transport]
kind = "spool"
shards = 1
[[template]]
name = "room"
series = [ { tag = "air", unit = "Cel", range = [-30, 60], every_s = 1 } ]
[[asset]]
path = "cold/room"
template = "room"
"""
HIGH = '[[rule]]\nid = "high"\non = "cold/*/air"\nabove = 8.0\ndelay_s = 60\n'
LOW = '[[rule]]\nid = "low"\non = "cold/*/air"\nbelow = 2.0\n'
ODD = '[[rule]]\nid = "odd"\non = "cold/*/air"\nanomaly = 3.0\n'
SPAN = ("--from", "2026-01-01T08:00", "--to", "2026-01-01T09:00")  # START_NS is 08:00 in Shanghai


def air(second: int) -> float:
    """An excursion of 100 s to 9, one of 30 s to 12."""
    return 9.0 if 600 <= second < 700 else 12.0 if 1200 <= second < 1230 else 5.0


@pytest.fixture
def lived(andon: Terminal) -> Terminal:
    """A site that ran for half an hour, with a late row in the middle of the first excursion's end."""
    Path("plant.toml").write_text(PLANT + HIGH)
    plant, data = load_plant(Path("plant.toml")), DataFolder(Path("data"))
    data.create("s1", 1)
    with Records(data.records_db, "s1", SystemClock()) as records:
        register_rules(plant, records)
    engine = ShardEngine(plant, 0, Journal(data.journal(0)), SlotFiles(data.slots(0)))
    engine.restore(None)
    log = []
    for second in range(1800):
        now = START_NS + second * S
        if second != 650:
            log.append((now, body(now, "cold/room", "air", air(second))))
        if second == 900:
            log.append((now, body(START_NS + 650 * S, "cold/room", "air", 5.0)))
        log.append((now, tick(now)))
    engine.step([Message(at, received, raw) for at, (received, raw) in enumerate(log, 1)])
    engine.snapshot()
    return andon


def test_list_and_diff_of_what_runs(lived: Terminal) -> None:
    (row,) = json.loads(lived("rules", "list", "--json"))
    assert (row["rule"], row["state"], row["versions"]) == ("high", "same", 1)
    assert json.loads(lived("rules", "diff", "--json")) == []
    assert "those that ran here last" in lived("rules", "diff")
    lived("rules", "try", status=2)
    assert "no rule differs" in lived.err


def test_diff_names_what_is_new_changed_and_gone(lived: Terminal) -> None:
    Path("draft.toml").write_text(PLANT + HIGH.replace("8.0", "7.0") + LOW)
    changed, new = json.loads(lived("rules", "diff", "--config", "draft.toml", "--json"))
    assert (changed["rule"], changed["state"], changed["fields"]) == (
        "high", "changed", {"above": {"before": 8.0, "now": 7.0}},
    )  # fmt: skip
    assert (new["rule"], new["state"]) == ("low", "new")
    assert "above: 8.0 -> 7.0" in lived("rules", "diff", "--config", "draft.toml")
    Path("draft.toml").write_text(PLANT)
    assert [one["state"] for one in json.loads(lived("rules", "diff", "--config", "draft.toml", "--json"))] == ["gone"]


def test_a_rule_that_says_again_what_an_earlier_version_said() -> None:
    from andon.plant import rule_version
    from andon.records.rule_versions import RuleVersion

    rules = [Rule(id="high", on="*", above=limit) for limit in (8.0, 7.0)]
    versions = [
        RuleVersion("high", rule_version(rule), at, 0, rule.model_dump(mode="json")) for at, rule in enumerate(rules, 1)
    ]
    (found,) = rule_differences(rules[:1], {"high": versions})
    assert (found.state, found.fields) == ("earlier", {"above": (7.0, 8.0)})


def test_try_shows_which_alarms_would_appear(lived: Terminal) -> None:
    """The late row at 650 s leaves two parts of 50 s: nothing under 60 s, two alarms under 40 s."""
    Path("draft.toml").write_text(PLANT + HIGH.replace("60", "40"))
    told = json.loads(lived("rules", "try", "--config", "draft.toml", *SPAN, "--json"))
    assert [(one["start"], one["cleared"], one["peak"]) for one in told["appear"]] == [
        ("2026-01-01 08:10:00+08:00", "2026-01-01 08:10:50+08:00", 9.0),
        ("2026-01-01 08:10:51+08:00", "2026-01-01 08:11:40+08:00", 9.0),
    ]
    assert (told["go"], told["moved"], told["same"], told["rules"], told["rows"]) == ([], [], 0, ["high"], 1800)


def test_try_shows_which_would_go_and_which_would_move(lived: Terminal) -> None:
    Path("plant.toml").write_text(PLANT + HIGH.replace("60", "20"))
    with Records(DataFolder(Path("data")).records_db, "s1", SystemClock()) as records:
        register_rules(load_plant(Path("plant.toml")), records)
    Path("draft.toml").write_text(PLANT + HIGH.replace("60", "40") + LOW)
    told = json.loads(lived("rules", "try", "--config", "draft.toml", *SPAN, "--json"))
    assert [one["peak"] for one in told["go"]] == [12.0]
    assert (told["appear"], told["same"]) == ([], 2)
    Path("draft.toml").write_text(PLANT + HIGH.replace("60", "20\noff_delay_s = 5"))
    told = json.loads(lived("rules", "try", "--config", "draft.toml", *SPAN, "--json"))
    assert [(one["before"]["cleared"][11:19], one["now"]["cleared"][11:19]) for one in told["moved"]] == [
        ("08:10:50", "08:11:45"), ("08:20:30", "08:20:35"),
    ]  # fmt: skip
    assert [one["start"][11:19] for one in told["go"]] == ["08:10:51"]
    assert "1 would go" in lived("rules", "try", "--config", "draft.toml", *SPAN)


def test_what_cannot_be_tried_says_so(lived: Terminal) -> None:
    Path("draft.toml").write_text(PLANT.replace("every_s = 1 }", 'every_s = 1, detect = "ensemble" }') + HIGH + ODD)
    assert "odd was not tried" in lived("rules", "try", "--config", "draft.toml", *SPAN)
    lived("rules", "try", "--config", "draft.toml", "--rule", "hgih", *SPAN, status=2)
    assert "hgih" in lived.err
    assert "high, odd" in lived.err
    lived("rules", "try", "--config", "draft.toml", "--from", "yesterday", status=2)
    assert "--from yesterday" in lived.err
    lived("rules", "try", "--config", "draft.toml", "--from", "2026-02-01", "--to", "2026-01-01", status=2)
    assert "is not before" in lived.err


def audit_actions() -> list[str]:
    with Records(DataFolder(Path("data")).records_db, "s1", SystemClock()) as records:
        return [one.action for one in records.audit_trail()]


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}


def test_a_trial_changes_nothing(lived: Terminal) -> None:
    """Opening the records lets their database tidy its own files; the trail says that nothing else was done."""
    Path("draft.toml").write_text(PLANT + HIGH.replace("60", "40"))
    actions, before = audit_actions(), files()
    lived("rules", "try", "--config", "draft.toml", *SPAN)
    after = files()
    assert audit_actions() == actions != []
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.parent.name for path in differing} <= {"records"}


def test_what_was_heard_before_its_design_silenced_it_has_been_an_alarm() -> None:
    one = raised()
    silenced = replace(one, kind="suppressed", suppressed_by="schedule")
    over = cleared(one, suppressed_by="schedule")
    assert _standing([one, silenced, over]) == [over]
    assert _standing([replace(one, suppressed_by="schedule"), over]) == []
    assert _standing([one, replace(over, kind="revised", voided=True)]) == []
