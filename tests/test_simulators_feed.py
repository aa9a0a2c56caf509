"""The messages of a shard: their dirt, their order, and that a restored feed goes on to the byte."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import SourceError
from andon.readings import NS_PER_S, Reason
from simulators.cold_room import ColdRoom
from simulators.device import Cause
from simulators.dirt import LATE_S, LONGEST_HOLD_S, OUT_OF_RANGE, Dirt, readings_of
from simulators.feed import Feed
from simulators.filler import Filler
from simulators.happenings import REASONS
from simulators.schedule import DEVICES, Fault
from simulators.truck import Truck, radio_back_s
from simulators.truth import assets_of, demo_plant, fault_log, seconds_before, truth

START_NS = 1_767_225_600_000_000_000
ASSETS = [kind.asset for kind in DEVICES]


def run(feed, seconds):
    """[(second of sending, parcel)]"""
    sent = []
    while feed.second < seconds:
        second = feed.second
        sent += [(second, parcel) for parcel in feed.advance()]
    return sent


@pytest.fixture(scope="module")
def two_hours():
    return run(Feed(5, START_NS, ASSETS, faults=False), 7200)


def lines(parcel):
    return [json.loads(line) for line in parcel.body().splitlines()]


def test_a_message_holds_one_asset_and_one_second(two_hours):
    for _, parcel in two_hours[:2000]:
        if parcel.reason is None and parcel.rows:
            fields = lines(parcel)
            assert {field["asset"] for field in fields} == {parcel.asset}
            assert {field["ts"] for field in fields} == {parcel.ts_ms}
            assert [field["tag"] for field in fields] == [row.tag for row in parcel.rows]
            declared = demo_plant().series
            assert all(field.get("unit", "1") == declared[parcel.asset, field["tag"]].unit for field in fields)


def test_every_second_of_every_asset_is_sent_once(two_hours):
    seen = Counter((p.asset, p.ts_ms) for _, p in two_hours if p.rows and not p.repeat)
    assert set(seen.values()) == {1}
    for asset in ASSETS:
        stamps = {ts for other, ts in seen if other == asset}
        missing = 7200 - len(stamps)  # still held back at the end
        assert missing < 400
        assert min(stamps) == START_NS // 1_000_000


def test_there_is_some_of_every_dirt(two_hours):
    held = Counter()
    for second, parcel in two_hours:
        age = second - (parcel.ts_ms * 1_000_000 - START_NS) // NS_PER_S
        assert 0 <= age <= LONGEST_HOLD_S
        if parcel.asset != Truck.asset and parcel.rows and not parcel.repeat:
            held["none" if age == 0 else "disorder" if age <= 3 else "late"] += 1
            assert age <= 3 or age >= LATE_S[0]
    assert held["disorder"] > 50 * held["none"] / 7200
    assert held["late"] > 3
    rows = [row for _, parcel in two_hours for row in parcel.rows]
    assert any(row.value is None for row in rows)
    assert any(row.value == OUT_OF_RANGE for row in rows)
    assert any(row.bad and row.q is not None for row in rows)
    assert any(not row.bad and row.q is not None for row in rows)
    assert sum(parcel.repeat for _, parcel in two_hours) > 30
    assert {parcel.reason for _, parcel in two_hours} >= {
        Reason.not_json, Reason.not_an_object, Reason.missing_field, Reason.wrong_type, Reason.unknown_series,
        Reason.unit_mismatch, Reason.stamp_unreadable, Reason.stamp_naive, Reason.stamp_in_future,
        Reason.unknown_state, Reason.unknown_event,
    }  # fmt: skip


def test_repeats_are_the_same_bytes_and_come_after_and_hold_nothing_bad(two_hours):
    first = {}
    for _, parcel in two_hours:
        key = parcel.asset, parcel.ts_ms
        if parcel.repeat:
            assert parcel.body() == first[key]
            assert not any(row.bad for row in parcel.rows)
        elif parcel.rows:
            first[key] = parcel.body()


def test_nothing_is_sent_from_a_radio_hole_and_all_of_it_afterwards_in_order(two_hours):
    truck = [(second, parcel) for second, parcel in two_hours if parcel.asset == Truck.asset]
    assert all(radio_back_s(5, second) is None for second, _ in truck)
    holes = {back for s in range(7200) if (back := radio_back_s(5, s)) is not None and back < 7200}
    assert holes
    for back in holes:
        together = [p.ts_ms for second, p in truck if second == back and p.rows and not p.repeat]
        assert len(together) > 50
        assert together == sorted(together)


def events(sent, name):
    """(second of sending, data) of each event of this name."""
    told = [(second, json.loads(parcel.raw)) for second, parcel in sent if parcel.raw and parcel.reason is None]
    return [(second, one["asset"], one["data"]) for second, one in told if one["event"] == name]


def test_a_reason_is_told_once_a_stop_and_inside_it(two_hours):
    mode = {
        (parcel.ts_ms * 1_000_000 - START_NS) // NS_PER_S: row.value
        for _, parcel in two_hours if parcel.asset == Filler.asset and not parcel.repeat
        for row in parcel.rows if row.tag == "state"
    }  # fmt: skip
    told = events(two_hours, "stop.reason")
    assert len(told) > 5
    for second, asset, data in told:
        assert asset == Filler.asset
        assert second not in mode or data["reason"] in REASONS[mode[second]]
    begun = [s for s in mode if mode[s] in REASONS and mode.get(s - 1, mode[s]) != mode[s]]
    assert abs(len(begun) - len(told)) <= 1, "one may stand at the end"


def test_lots_come_into_the_room_and_each_goes_six_hours_later():
    sent = run(Feed(5, START_NS, [ColdRoom.asset], faults=False), 10 * 3600)
    came, went = events(sent, "lot.started"), events(sent, "lot.ended")
    assert [second for second, _, _ in came] == [0, 10_800, 21_600, 32_400]
    assert [(second, data["lot"]) for second, _, data in went] == [
        (second + 21_600, data["lot"]) for second, _, data in came[:2]
    ]
    profiles = {one.name for one in demo_plant().config.product}
    assert {(asset, data["product"] in profiles) for _, asset, data in came} == {(ColdRoom.asset, True)}


def test_late_messages_keep_clear_of_faults():
    cause = Cause("x", "a", 3000, 3600, 0.5)
    quiet = Dirt(1, "a", {"t": "Cel"}, lambda *_: None)
    faulty = Dirt(1, "a", {"t": "Cel"}, lambda _, hour: cause if hour == 0 else None)

    def late(dirt):
        held = [(s, s + dirt._hold_s(s, 0.0124, (s % 97) / 97)) for s in range(0, 9000, 11)]
        return [(begin, end) for begin, end in held if end - begin > 3]

    assert len(late(quiet)) > 800
    assert 500 < len(late(faulty)) < 800
    assert all(end < 2990 or begin > 4200 for begin, end in late(faulty))


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), at=st.integers(1, 4000), more=st.integers(1, 600))
def test_a_restored_feed_goes_on_to_the_byte(seed, at, more):
    feed = Feed(seed, START_NS, ASSETS)
    run(feed, at)
    told = feed.take_faults()
    twin = Feed(seed, START_NS, ASSETS)
    twin.restore(feed.checkpoint())
    assert len(feed.checkpoint()) < 4000
    again = twin.take_faults()
    assert set(again) <= set(told)
    assert [parcel.body() for _, parcel in run(twin, at + more)] == [p.body() for _, p in run(feed, at + more)]
    assert twin.take_faults() == feed.take_faults()
    assert twin.checkpoint() == feed.checkpoint()


def test_a_feed_restored_before_its_first_second():
    feed = Feed(1, START_NS, ASSETS)
    twin = Feed(1, START_NS, ASSETS)
    twin.restore(feed.checkpoint())
    assert run(twin, 50) == run(feed, 50)


@pytest.mark.parametrize("other", [{"seed": 2}, {"start_ns": START_NS + NS_PER_S}, {"faults": False}])
def test_a_checkpoint_of_another_run_is_refused(other):
    feed = Feed(1, START_NS, ASSETS)
    run(feed, 5)
    arguments = {"seed": 1, "start_ns": START_NS, "faults": True} | other
    stranger = Feed(arguments["seed"], arguments["start_ns"], ASSETS, faults=arguments["faults"])
    with pytest.raises(SourceError) as refused:
        stranger.restore(feed.checkpoint())
    assert refused.value.code == "simulators.other_run"


def test_shards_share_nothing_and_leave_nobody_out():
    shards = range(demo_plant().config.transport.shards)
    assert sorted(asset for shard in shards for asset in assets_of(shard, demo_plant())) == sorted(ASSETS)
    whole = {parcel.body() for _, parcel in run(Feed(3, START_NS, ASSETS), 300)}
    parts = [{p.body() for _, p in run(Feed(3, START_NS, assets_of(s, demo_plant())), 300)} for s in shards]
    assert set.union(*parts) == whole
    assert not set.intersection(*parts)


def test_truth_counts_what_the_feeds_send():
    told = truth(6, START_NS, START_NS + 2500 * NS_PER_S)
    sent = [parcel for _, parcel in run(Feed(6, START_NS, ASSETS), 2500)]
    assert told.messages == len(sent)
    assert told.readings == sum(len(readings_of(parcel)) for parcel in sent)
    assert told.dead_letters == sum(parcel.reason is not None for parcel in sent)
    by_hand = Counter(
        (parcel.asset, row.tag, "duplicate" if parcel.repeat else "bad" if row.bad else "accepted")
        for parcel in sent
        for row in readings_of(parcel)
    )
    for (asset, tag), count in told.series.items():
        for name in ("accepted", "bad", "duplicate"):
            assert getattr(count, name) == by_hand[asset, tag, name]


def test_truth_may_end_at_another_second_on_each_shard():
    both = truth(6, START_NS, {0: START_NS + 100 * NS_PER_S, 1: START_NS + 200 * NS_PER_S})
    one, other = truth(6, START_NS, START_NS + 100 * NS_PER_S), truth(6, START_NS, START_NS + 200 * NS_PER_S)
    for path, count in both.series.items():
        assert count == (one, other)[demo_plant().shard_of(path[0])].series[path]


def test_truth_without_faults():
    told = truth(6, START_NS, START_NS + 3600 * NS_PER_S, faults=False)
    assert not told.faults
    assert not told.required
    assert told.readings > 80_000


def test_the_fault_log_is_in_order_and_grows_with_the_horizon():
    short, long = (fault_log(2, START_NS, START_NS + hours * 3600 * NS_PER_S) for hours in (1, 2))
    assert long[: len(short)] == short
    assert len(long) > len(short) >= 2
    assert all(isinstance(fault, Fault) for fault in long)
    assert [fault.start_ns for fault in long] == sorted(fault.start_ns for fault in long)


@pytest.mark.parametrize(("end_ns", "seconds"), [(-5, 0), (0, 0), (1, 1), (NS_PER_S, 1), (NS_PER_S + 1, 2)])
def test_seconds_before_an_end(end_ns, seconds):
    assert seconds_before(START_NS, START_NS + end_ns) == seconds
