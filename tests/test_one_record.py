"""One excursion is one record in the ERP, whatever happens meanwhile; asked of the ERP's own store.

The engine under `EngineStage`, the records and the sender are the real ones, in this process; what is killed goes on
from what it had on disk. tests/test_one_record_kill.py kills the processes themselves.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sinks.erp.stub import Faults
from sinks.erp.stub_store import StubStore
from tests.one_record_world import KINDS, LIMITS, START_NS, S, Site, Story, begin_s, erp, faults_of, held, story

QUIET = Faults()
RATES = {"lost": 0.15, "slow": 0.04, "late": 0.04, "error": 0.05, "unavailable": 0.04}


@contextmanager
def site(
    folder: Path, kinds: Sequence[str], *, seed: int = 1, faults: Faults = QUIET, unique: bool = True
) -> Iterator[tuple[Site, StubStore, Story]]:
    """A site with a log of such excursions, and its ERP."""
    rng = random.Random(seed)
    told = story(rng, kinds)
    with erp(folder, faults, unique=unique) as (url, store):
        made = Site(folder, url, told.messages, rng)
        yield made, store, told
        made.close()


def read_until(one: Site, second: int) -> None:
    """Read the log up to a second of the story."""
    while one.at < len(one.messages) and one.messages[one.at].received_ns <= START_NS + second * S:
        one.read(1)


@pytest.mark.parametrize("kind", KINDS)
def test_late_rows_leave_one_record(tmp_path: Path, kind: str) -> None:
    """Moved, merged, voided or found by late rows: what stands in the ERP is what really was."""
    with site(tmp_path, (kind,)) as (one, store, told):
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        found = {record["key"]: record["data"] for record in held(store)}
        standing = [data for data in found.values() if not data.get("voided")]
        assert sorted(map(begin_s, standing)) == [begin for begin, _ in told.true]
        assert len(found) == {"merged": 2}.get(kind, 1), "never a third record, never a second for what was moved"
        gone = [data for data in found.values() if data.get("voided")]
        assert len(gone) == int(kind in ("merged", "voided"))
        if kind == "merged":
            assert gone[0]["merged_into"] in found


def test_the_records_are_those_of_the_readings_in_order(tmp_path: Path) -> None:
    """All kinds in one log, against the slow twin of the rules that gets every reading in time."""
    with site(tmp_path, KINDS, seed=5) as (one, store, told):
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        alarms = [alarm for alarm in one.records.alarms() if not alarm.evidence.get("voided")]
        found = [
            (
                alarm.asset, alarm.rule_id, (alarm.begun_ns or alarm.start_ns) // 1000,
                None if alarm.cleared_ns is None else (alarm.cleared_ns, alarm.peak, round(alarm.out_s, 5)),
            )
            for alarm in alarms
        ]  # fmt: skip
        assert sorted(found) == told.judged_in_order()


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("second", [95, 105, 112, 130])
def test_an_edited_rule_leaves_one_record(tmp_path: Path, second: int, killed: bool) -> None:
    """Edited before, while it is not confirmed, at its confirmation, while it is open; after a stop or after a kill."""
    with site(tmp_path, ("plain",)) as (one, store, told):
        read_until(one, second - 15)
        one.keep()
        read_until(one, second)
        if not killed:
            one.keep()
        one.edit(9.0, priority="critical")
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        assert len(held(store)) == 1
        (alarm,) = one.records.alarms()
        assert alarm.cleared_ns is not None, "none is left open for ever"


def test_without_the_rules_that_were_an_edit_after_a_kill_tells_twice(tmp_path: Path) -> None:
    """The control: the log read again under the new rule only."""
    with site(tmp_path, ("plain",)) as (one, store, told):
        read_until(one, 90)
        one.keep()
        read_until(one, 130)
        (tmp_path / "rules.json").unlink()
        one.edit(9.0)
        one.finish()
        assert faults_of(told.true, store, one.records) != []


@pytest.mark.parametrize("written", [False, True])
def test_a_killed_flow_leaves_one_record(tmp_path: Path, written: bool) -> None:
    """Killed every few seconds, before or after what it decided was in the records."""
    with site(tmp_path, ("moved", "merged"), seed=2) as (one, store, told):
        while one.at < len(one.messages):
            one.read(35)
            one.keep()
            one.read(30, written=written)
            one.kill_flow()
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        assert [record["revision"] for record in held(store)] == [2, 2, 2], "what is read again decides nothing new"


@pytest.mark.parametrize("posted", [False, True])
def test_a_killed_sender_leaves_one_record(tmp_path: Path, posted: bool) -> None:
    with site(tmp_path, ("moved",)) as (one, store, told):
        while one.at < len(one.messages):
            one.read(20)
            one.kill_sender(posted=posted)
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        assert store.stats()["effects"]["created"] == 1


@pytest.mark.parametrize("fault", ["slow", "late", "lost"])
def test_an_answer_after_the_time_out_leaves_one_record(tmp_path: Path, fault: str) -> None:
    """Taken before or after nobody waits any more, or cut off: each is looked up, none is sent twice."""
    faults = Faults(4, {fault: 0.6}, slow_s=0.4)
    with site(tmp_path, ("merged",), faults=faults) as (one, store, told):
        while one.at < len(one.messages):
            one.read(150)
            one.sender.step()
        one.finish()
        assert faults_of(told.true, store, one.records) == []
        assert store.stats()["faults"][fault] > 0


SEEDS = 16


@pytest.fixture(scope="module")
def met() -> Counter[str]:
    """What the random histories met, over all seeds."""
    return Counter()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_all_of_it_in_any_order_leaves_one_record_each(tmp_path: Path, seed: int, met: Counter[str]) -> None:
    rng = random.Random(seed)
    kinds = [rng.choice(KINDS) for _ in range(4)]
    with site(tmp_path, kinds, seed=seed, faults=Faults(seed, RATES, slow_s=0.4)) as (one, store, told):
        while one.at < len(one.messages):
            met[act(one, rng)] += 1
        one.finish()
        assert faults_of(told.true, store, one.records) == [], kinds
        met.update(kinds)
        met.update(store.stats()["faults"])


def act(one: Site, rng: random.Random) -> str:
    """One thing that happens to a site; its name."""
    what = rng.choices(
        ("read", "keep", "kill_flow", "lose", "edit", "send", "kill_sender", "kill_after_post"),
        (40, 12, 3, 2, 3, 12, 3, 3),
    )[0]
    if what in ("read", "lose"):
        one.read(rng.randint(1, 60), written=what == "read")
    if what in ("kill_flow", "lose"):
        one.kill_flow()
    elif what == "keep":
        one.keep()
    elif what == "edit":
        if rng.random() < 0.5:
            one.keep()
        one.edit(rng.choice(LIMITS), priority=rng.choice(("low", "critical")))
    elif what == "send":
        one.sender.step()
    elif what.startswith("kill_"):
        one.kill_sender(posted=what == "kill_after_post")
    return what


def test_the_random_histories_reach_everything(met: Counter[str]) -> None:
    """Not one of these may be missing, else the histories prove less than they say."""
    happened = {"read", "keep", "kill_flow", "lose", "edit", "send", "kill_sender", "kill_after_post", *KINDS, *RATES}
    assert set(met) == happened
