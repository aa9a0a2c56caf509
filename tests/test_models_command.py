"""`andon models`: a version from registration to rollback, its scores run again, and what is refused in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.models import ModelAlarm, read_assignments
from andon.outputs import ShardOutputs, WindowRows
from andon.readings import NS_PER_S, Readings
from andon.records import SYSTEM_FLOW, Actor, Records
from detectors.registry import maker
from sinks.history import HistoryWriter
from sinks.journal import Journal
from tests.command_line import PASSWORD, Terminal, andon, audit_actions, site
from tests.records_world import raised

__all__ = ["andon", "site"]  # fixtures

ROWS, SIZE_NS = 3000, 10 * NS_PER_S
BEGIN_NS = 1_767_225_600 * NS_PER_S  # 2026-01-01
SPAN = ("--from", "2026-01-01T00:00+00:00", "--to", "2026-01-02T00:00+00:00")


def series() -> tuple[str, str]:
    plant = load_plant(Path("plant.toml"))
    return next(path for path, spec in plant.series.items() if spec.detect)


@pytest.fixture
def path(andon: Terminal, site: DataFolder) -> str:
    """A series with readings in the journal, and two people."""
    root = Actor("os:root", "Root", "admin", "test")
    with Records(site.records_db, "szh1", SystemClock()) as records:
        records.create_user("zhao", "Zhao Lei", "engineer", PASSWORD, root, "test")
        records.create_user("chen", "Chen Jing", "quality", PASSWORD, root, "test")
    asset, tag = series()
    journal = Journal(site.journal(0))
    journal.name_series(f"{asset}/{tag}\n".encode())
    time_ns = BEGIN_NS + np.arange(ROWS) * NS_PER_S
    journal.append(
        Readings(time_ns, np.zeros(ROWS, np.int32), values(), np.zeros(ROWS, np.uint8),
                 np.arange(ROWS, dtype=np.int64), time_ns + NS_PER_S), time_ns - SIZE_NS, 0,
    )  # fmt: skip
    journal.flush()
    journal.close()
    return f"{asset}/{tag}"


def values() -> np.ndarray:
    made = np.random.default_rng(3).normal(2.0, 0.1, ROWS)
    made[2500:2510] += 2.0
    return made


def act(andon: Terminal, *words: str, user: str = "zhao", status: int = 0) -> str:
    given = ("--user", user, "--password-stdin", "--reason", "because")
    return andon("models", *words, *given, status=status, typed=PASSWORD + "\n")


def write_history(site: DataFolder, path: str, alarms: Sequence[ModelAlarm] = (), *, flaw: bool = False) -> None:
    """Windows with the highest score of each, as the flow's detector gave them."""
    asset, _, tag = path.rpartition("/")
    time_ns = BEGIN_NS + np.arange(ROWS) * NS_PER_S
    score = maker("ensemble")(1).score_many(np.zeros(ROWS, np.int32), time_ns, values()).score.reshape(-1, 10).max(1)
    if flaw:
        score[-1] = np.nextafter(score[-1], 99.0)
    n = len(score)
    zero = np.zeros(n)
    windows = WindowRows(
        np.zeros(n, np.int32), np.full(n, SIZE_NS), BEGIN_NS + np.arange(n) * SIZE_NS, np.zeros(n, np.int32),
        np.full(n, 10), zero, zero, zero, zero, zero, zero, score,
    )  # fmt: skip
    writer = HistoryWriter(site.history_db(0), 0)
    writer.write(ShardOutputs(0, 0, 1, int(time_ns[-1]), 1, windows=windows,
                              model_alarms=tuple(alarms), paths={0: (asset, tag)}))  # fmt: skip
    writer.close()


def as_if_promoted_before_the_first_message(site: DataFolder, path: str) -> None:
    asset, _, tag = path.rpartition("/")
    with Records(site.records_db, "szh1", SystemClock()) as records:
        person = Actor("chen", "Chen Jing", "quality", "t")
        records.evaluate_model("ensemble:1", asset, tag, (0, 1), {}, person, "x")
        records.promote_model(asset, tag, person, "x", model="ensemble:1", from_ns=BEGIN_NS)


def test_a_version_from_its_registration_to_the_rollback(andon: Terminal, site: DataFolder, path: str) -> None:
    act(andon, "register", "ensemble", "--false-alarm-days", "30", "--series", path, *SPAN)
    assert "ensemble:1" in andon.out
    act(andon, "challenge", path, "--model", "ensemble:1")
    act(andon, "promote", path, user="chen", status=1)
    assert "evaluate" in andon.err
    act(andon, "evaluate", "ensemble:1", path, *SPAN)
    act(andon, "promote", path, user="zhao", status=3)
    assert "model.approve" in andon.err
    act(andon, "promote", path, user="chen")
    (first, second) = read_assignments(site.models_json)
    assert first.challenger is not None
    assert (second.champion.model, second.champion.false_alarm_days, second.challenger) == ("ensemble:1", 30.0, None)
    listed = json.loads(andon("models", "list", "--json"))
    assert [one["champion"] for one in listed["series"] if one["series"] == path] == ["ensemble:1"]
    assert [(one["status"], one["evaluations"]) for one in listed["versions"]] == [("approved", 1)]
    act(andon, "retire", "ensemble:1", user="chen", status=1)
    assert path in andon.err
    act(andon, "rollback", path)
    assert read_assignments(site.models_json)[-1].champion is None
    act(andon, "retire", "ensemble:1", user="chen")
    told = json.loads(andon("models", "show", "ensemble:1", "--json"))
    assert told["version"]["trained_on"] == path
    assert len(told["version"]["trained_hash"]) == 64
    assert told["version"]["status"] == "retired"
    acts = [one for one in audit_actions(site) if one.startswith("model.")]
    assert acts == [f"model.{one}" for one in
                    ("registered", "challenged", "evaluated", "promoted", "rolled_back", "retired")]  # fmt: skip
    for words in (("list",), ("show", "ensemble:1"), ("compare", path)):
        andon("models", *words)
        assert andon.out.strip()
        assert "cli.models" not in andon.out


@pytest.mark.parametrize(("flaw", "said"), [(False, "bit for bit (3000"), (True, "differ")], ids=["same", "one-bit"])
def test_every_past_score_comes_out_again_from_the_stored_version(
    andon: Terminal, site: DataFolder, path: str, flaw: bool, said: str
) -> None:
    act(andon, "register", "ensemble")
    as_if_promoted_before_the_first_message(site, path)
    write_history(site, path, flaw=flaw)
    act(andon, "evaluate", "ensemble:1", path, *SPAN)
    assert said in andon.out
    with Records(site.records_db, "szh1", SystemClock()) as records:
        content = records.model_evaluations("ensemble:1")[-1].content
    assert content["scores"]["windows"] == 300
    assert content["scores"]["same"] == 300 - flaw
    assert content["scores"]["bit_for_bit"] is not flaw
    assert len(content["readings"]["sha256"]) == 64


def test_a_version_of_another_setting_is_refused(andon: Terminal, site: DataFolder, path: str) -> None:
    person = Actor("zhao", "Zhao Lei", "engineer", "t")
    with Records(site.records_db, "szh1", SystemClock()) as records:
        records.register_model("old", "ensemble", {"false_alarm_days": 7.0}, "0123456789abcdef", person, "x")
    act(andon, "evaluate", "old:1", path, *SPAN, status=2)
    assert "0123456789abcdef" in andon.err


def test_champion_and_challenger_against_what_people_said(andon: Terminal, site: DataFolder, path: str) -> None:
    asset, _, tag = path.rpartition("/")
    act(andon, "register", "ensemble")
    act(andon, "challenge", path, "--model", "ensemble:1")
    champion = json.loads(andon("models", "list", "--json"))["series"][0]["champion"]

    def told(model: str, *at_s: int) -> list[ModelAlarm]:
        role = "champion" if model == champion else "challenger"
        return [ModelAlarm(asset, tag, model, role, BEGIN_NS + at * NS_PER_S, 5.0, "value") for at in at_s]

    write_history(site, path, [*told(champion, 100, 9000, 18000), *told("ensemble:1", 130, 18060, 40000)])
    people = Actor("chen", "Chen Jing", "quality", "t")
    with Records(site.records_db, "szh1", SystemClock()) as records:
        for number, (start_s, verdict) in enumerate(((90, "true"), (9000, "false"), (18000, "true"), (30000, "true"))):
            change = raised(number, asset=asset, tag=tag, condition="anomaly", start_ns=BEGIN_NS + start_s * NS_PER_S,
                            cleared_ns=None)  # fmt: skip
            end_ns = change.start_ns + 60 * NS_PER_S
            ended = replace(change, kind="cleared", cleared_ns=end_ns, offset=900 + number)
            records.apply_conditions([change, ended], SYSTEM_FLOW)
            key = next(one.key for one in records.alarms() if one.start_ns == change.start_ns)
            records.label(key, people, "known" if verdict == "true" else "true")
            records.label(key, people, verdict)  # the last word counts
    found = json.loads(andon("models", "compare", path, *SPAN, "--json"))
    assert (found["both"], found["only_champion"], found["only_challenger"]) == (2, 1, 1)
    mine, other = found["champion"], found["challenger"]
    assert (mine["alarms"], mine["true_ones"], mine["found"], mine["false_alarms"]) == (3, 3, 2, 1)
    assert mine["recall"] == pytest.approx(2 / 3)
    assert mine["delay_s"] == 5.0
    assert (other["found"], other["false_alarms"], other["not_judged"], other["delay_s"]) == (2, 0, 1, 50.0)
    assert found["asset_days"] == pytest.approx(3000 / 86400)
    assert mine["false_per_day"] == pytest.approx(86400 / 3000)
    andon("models", "compare", path, *SPAN)
    assert "Both tell 2" in andon.out


REFUSED = {
    "series": (("challenge", "cold/room9/air", "--model", "ensemble:1"), 2, "cold/room9/air"),
    "detector": (("register", "x", "--detector", "river:LODA"), 2, "ensemble"),
    "days": (("register", "x", "--false-alarm-days", "0"), 2, "above 0"),
    "unknown": (("retire", "ensemble:7"), 3, "model.approve"),
}


@pytest.mark.parametrize(("words", "status", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_said(andon: Terminal, path: str, words: tuple[str, ...], status: int, said: str) -> None:
    act(andon, *words, status=status)
    assert said in andon.err
