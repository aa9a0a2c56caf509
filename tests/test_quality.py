"""What quality events lead to: which lots are held, when a CAPA record is proposed, who decides."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from andon.config.erp_back import Quality
from andon.errors import AccessError, RecordsError
from andon.outputs import ShardOutputs
from andon.readings import NS_PER_S, Event
from andon.records import SYSTEM_FLOW, verify_audit
from service.quality import QualityWatch
from sinks.history import HistoryReader, HistoryWriter
from tests.records_world import OPERATOR, QUALITY, RAISED, START_NS, cleared, fresh, raised

HOLDS = Quality(hold=("cold-room-*",), capa_priorities=(), capa_repeats=0)


class World:
    def __init__(self, folder):
        self.records = fresh(folder)
        self.writer, self.reader = HistoryWriter(folder / "history.db", 0), HistoryReader([folder / "history.db"])
        self.offset = 0

    def event(self, second: float, name: str, asset: str = RAISED.asset, **data: object) -> None:
        """An event of an asset, s after the alarm's start; the plant's time is there too."""
        self.offset += 1
        at_ns = START_NS + round(second * NS_PER_S)
        told = Event(at_ns, asset, name, data, self.offset, at_ns, 0)
        self.writer.write(ShardOutputs(0, self.offset, self.offset, at_ns, 0, events=[told]))

    def apply(self, *changes) -> None:
        self.records.apply_conditions(changes, SYSTEM_FLOW)

    def held(self) -> list[str]:
        return sorted(one.lot for one in self.records.holds())


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    with made.records:
        yield made
    made.reader.close()
    made.writer.close()


def test_the_lots_that_were_there_are_held_once(world):
    world.event(-9000, "lot.started", lot="early", product="VIAL-10")
    world.event(-500, "lot.ended", lot="early")
    world.event(-400, "lot.started", lot="A", product="VIAL-10")
    world.event(100, "lot.started", lot="B")
    world.event(100, "lot.started", "cold/room2", lot="elsewhere")
    world.apply(RAISED)
    watch = QualityWatch(world.records, world.reader, HOLDS)
    assert watch.look() == 2
    assert world.held() == ["A", "B"]
    world.event(700, "lot.started", lot="C")  # comes into a room that is still too warm
    assert watch.look() == 1
    world.apply(cleared(RAISED))
    world.event(2000, "lot.started", lot="D")
    assert watch.look() == 0
    assert QualityWatch(world.records, world.reader, HOLDS).look() == 0  # begun anew: nothing twice
    assert world.held() == ["A", "B", "C"]
    orders = [one for one in world.records.orders() if one.kind == "lot_hold"]
    assert len(orders) == len({one.order_key for one in orders}) == 3


def test_late_data_that_moves_the_start_brings_in_earlier_lots(world):
    world.event(-9000, "lot.started", lot="early")
    world.event(-500, "lot.ended", lot="early")
    world.event(-400, "lot.started", lot="A")
    world.event(900, "shift.started", shift="early")
    world.apply(RAISED)
    watch = QualityWatch(world.records, world.reader, HOLDS)
    watch.look()
    assert world.held() == ["A"]
    moved = replace(RAISED, kind="revised", begun_ns=START_NS - 600 * NS_PER_S, offset=900)
    world.apply(moved)
    assert watch.look() == 1
    assert world.held() == ["A", "early"]


@pytest.mark.parametrize(
    "change",
    [{"rule_id": "other"}, {"raises": "maintenance_order"}, {"suppressed_by": "schedule"}],
    ids=lambda change: next(iter(change)),
)
def test_what_holds_nothing(world, change):
    world.event(-9, "lot.started", lot="A")
    world.apply(replace(RAISED, **change))
    QualityWatch(world.records, world.reader, HOLDS).look()
    assert world.held() == []


def test_a_person_of_quality_releases_and_the_erp_is_told(world):
    world.event(-9, "lot.started", lot="A", product="VIAL-10")
    world.apply(RAISED)
    QualityWatch(world.records, world.reader, HOLDS).look()
    key = world.records.holds()[0].key
    with pytest.raises(AccessError):
        world.records.release_lot(key, OPERATOR, "fine")
    world.records.release_lot(key, QUALITY, "within its budget")
    assert [(one.state, one.revision) for one in world.records.holds()] == [("released", 2)]
    with pytest.raises(RecordsError) as over:
        world.records.release_lot(key, QUALITY, "again")
    assert over.value.code == "records.hold_over"
    assert world.records.audit_trail(newest=True)[0].action == "lot.move_refused"
    body = body_of(world, key)
    assert (body["type"], body["data"]["blocked"], body["data"]["by"]) == (
        "andon.lot_hold.revised",
        False,
        QUALITY.name,
    )
    QualityWatch(world.records, world.reader, HOLDS).look()
    assert [one.state for one in world.records.holds()] == ["released"]
    assert verify_audit(world.records).ok


def body_of(world, key: str) -> dict:
    with world.records.reading() as connection:
        text = connection.exec_driver_sql("SELECT body FROM outbox WHERE order_key = ?", (key,)).scalar()
    return json.loads(text)


def test_a_severe_event_proposes_a_capa_once(world):
    watch = QualityWatch(world.records, world.reader, Quality(capa_repeats=0))
    world.apply(RAISED, replace(raised(50), priority="critical"))
    assert watch.look() == 1
    assert watch.look() == QualityWatch(world.records, world.reader, Quality(capa_repeats=0)).look() == 0
    (one,) = world.records.capas()
    assert (one.trigger, one.state, one.content["limit"]) == ("severe", "proposed", 8)
    assert one.content["root_cause"] is None  # for people


def test_every_third_of_a_kind_within_a_month_is_repeated(world):
    day = 86_400
    watch = QualityWatch(world.records, world.reader, Quality(capa_priorities=(), capa_repeats=3))
    for number, at in enumerate((0, 1, 2, 3, 4, 5, 50, 51)):
        change = raised(at * day, offset=number * 1000)
        world.apply(change, cleared(change))
    assert watch.look() == 2
    assert [len(one.content["alarms"]) for one in world.records.capas()] == [3, 3]


def test_a_steady_rate_proposes_once_for_so_many(world):
    watch = QualityWatch(world.records, world.reader, Quality(capa_priorities=(), capa_repeats=3))
    for number in range(12):
        change = raised(number * 10 * 86_400, offset=number * 1000)
        world.apply(change, cleared(change))
        watch.look()
    assert len(world.records.capas()) == 4


def test_what_late_data_took_back_holds_and_proposes_nothing(world):
    world.event(-9, "lot.started", lot="A")
    for number in range(3):
        change = replace(raised(number * 5000), priority="critical")
        gone = {"kind": "revised", "voided": True, "cleared_ns": change.confirmed_ns, "offset": change.offset + 70}
        world.apply(change, replace(change, **gone))
    watch = QualityWatch(world.records, world.reader, Quality(hold=("*",), capa_repeats=3))
    assert watch.look() == 0
    assert (world.held(), world.records.capas()) == ([], [])


def test_what_is_asked_for_now_is_not_asked_for_the_alarms_of_last_year(world):
    world.event(-9, "lot.started", lot="A")
    world.apply(RAISED, cleared(RAISED))
    world.event(30 * 86_400, "shift.started", shift="early")
    assert QualityWatch(world.records, world.reader, HOLDS).look() == 0


def test_a_person_decides_on_capa(world):
    world.apply(replace(RAISED, priority="critical"), replace(raised(50), priority="critical"))
    QualityWatch(world.records, world.reader, Quality(capa_repeats=0)).look()
    first, second = (one.key for one in world.records.capas())
    with pytest.raises(AccessError):
        world.records.decide_capa(first, OPERATOR, "yes", accept=True)
    world.records.decide_capa(first, QUALITY, "third door this year", accept=True)
    world.records.decide_capa(second, QUALITY, "same door", accept=False)
    assert {one.key: one.state for one in world.records.capas()} == {first: "accepted", second: "rejected"}
    assert [one.order_key for one in world.records.orders() if one.kind == "capa"] == [first]
    assert body_of(world, first)["data"]["decided_by"] == QUALITY.name
    with pytest.raises(RecordsError) as decided:
        world.records.decide_capa(first, QUALITY, "no", accept=False)
    assert decided.value.code == "records.capa_decided"
    assert verify_audit(world.records).ok
