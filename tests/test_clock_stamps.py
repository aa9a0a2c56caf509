"""Stamps of devices whose clocks are wrong, local or naive, and the nights in which clocks are put forward and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from andon.readings import Message, Reason
from sources.recording import open_csv
from sources.ticks import tick_body
from tests.engine_world import START_NS, S, body, open_engine, plant

SECONDS = 240
TEN_YEARS = 10 * 365 * 24 * 3600 * S
NIGHTS = {
    "new-york-back": ("America/New_York", datetime(2026, 11, 1, 0, tzinfo=ZoneInfo("America/New_York"))),
    "new-york-forward": ("America/New_York", datetime(2026, 3, 8, 0, tzinfo=ZoneInfo("America/New_York"))),
    "berlin-back": ("Europe/Berlin", datetime(2026, 10, 25, 0, tzinfo=ZoneInfo("Europe/Berlin"))),
    "berlin-forward": ("Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=ZoneInfo("Europe/Berlin"))),
}


def two_rooms(spoilt: dict[int, bytes]) -> list[Message]:
    """A cold room and a pump that send every second; `spoilt` has what comes besides, by second."""
    out: list[Message] = []
    for second in range(SECONDS):
        now = START_NS + second * S
        bodies = [
            body(now, "cold/room", "air", 5.0 + second % 7),
            body(now, "util/pump", "vibration", 1.0 + second % 3),
        ]
        bodies += [spoilt[second]] if second in spoilt else []
        out += [Message(len(out) + n, now, one) for n, one in enumerate([*bodies, tick_body(now, S)], start=1)]
    return out


def run(folder, log, **sections):
    """(windows, figures, conditions, reasons of dead letters) of a log; nothing in them names an offset."""
    engine = open_engine(plant(**sections), folder)
    engine.restore(None)
    outputs = [engine.step(log[begin : begin + 500]) for begin in range(0, len(log), 500)]
    windows = []
    for one in outputs:
        w = one.windows
        columns = (w.series, w.size_ns, w.start_ns, w.revision, w.count, w.mean, w.first, w.last)
        windows += list(zip(*(column.tolist() for column in columns), strict=True))
    final = [figure for one in outputs for figure in one.figures if figure.final]
    figures = [(f.asset, f.kind, f.start_ns, f.revision, repr(sorted(f.parts.items()))) for f in final]
    changes = [(c.kind, c.asset, c.rule_id, c.start_ns, c.confirmed_ns, c.peak) for o in outputs for c in o.conditions]
    return windows, figures, changes, [reason for o in outputs for reason in o.dead.reason.tolist()]


SPOILT = {
    "ten-years-ahead": ({"ts": (START_NS + TEN_YEARS) // 1_000_000}, Reason.stamp_in_future),
    "ten-years-ahead-as-text": ({"ts": "2036-01-01T00:00:00Z"}, Reason.stamp_in_future),
    "an-hour-ahead": ({"ts": (START_NS + 3700 * S) // 1_000_000}, Reason.stamp_in_future),
    "year-2000": ({"ts": "2000-01-01T00:00:00Z"}, Reason.stamp_too_old),
    "naive": ({"ts": "2026-01-01T00:01:00"}, Reason.stamp_naive),
    "seconds": ({"ts": START_NS // S}, Reason.stamp_unreadable),
    "no-such-second": ({"ts": "2026-01-01T00:00:61Z"}, Reason.stamp_unreadable),
    "no-such-day": ({"ts": "2026-02-30T00:00:00Z"}, Reason.stamp_unreadable),
}


@pytest.mark.parametrize(("wrong", "reason"), SPOILT.values(), ids=SPOILT.keys())
def test_one_wrong_stamp_is_a_dead_letter_and_touches_nothing_else(tmp_path, wrong, reason):
    """Not the other series, and not the rows before and after it of its own."""
    row = {"asset": "cold/room", "tag": "air", "value": 50.0, **wrong}
    clean = run(tmp_path / "clean", two_rooms({}))
    spoilt = run(tmp_path / "spoilt", two_rooms({second: json.dumps(row).encode() for second in (60, 61, 130)}))
    assert spoilt[:3] == clean[:3]
    assert spoilt[3] == [reason] * 3
    assert clean[3] == []


def test_a_leap_second_is_the_first_of_the_next_minute(tmp_path):
    """What a device that shows 23:59:60 sends is counted, in order."""
    at = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
    assert round(at.timestamp()) * S == START_NS
    rows = [
        b'{"ts": "2025-12-31T23:59:%02dZ", "asset": "cold/room", "tag": "air", "value": %d}' % (s, s - 50)
        for s in (58, 59, 60)
    ]
    rows += [body(START_NS + 1 * S, "cold/room", "air", 11)]
    log = [Message(n, START_NS, one) for n, one in enumerate(rows, start=1)]
    log += [Message(5 + n, START_NS + n * S, tick_body(START_NS + n * S)) for n in range(90)]
    windows, _, _, dead = run(tmp_path, log)
    assert dead == []
    counted = {(size, start): (count, last) for _, size, start, _, count, _, _, last in windows}
    assert counted[10 * S, START_NS - 10 * S] == (2, 9.0)
    assert counted[10 * S, START_NS] == (2, 11.0)


def night(begin: datetime, hours: int, *, local: bool) -> list[Message]:
    """A filler and a cold room through the night, every 10 s, in local stamps with offset or in ms of UTC."""
    out: list[Message] = []
    begin_utc, zone = begin.astimezone(UTC), begin.tzinfo
    for step in range(hours * 360):
        at = begin_utc + timedelta(seconds=10 * step)
        now = round(at.timestamp()) * S
        stamp = at.astimezone(zone).isoformat() if local else now // 1_000_000
        rows = [
            ("line1/filler", "state", "Execute" if step % 50 else "Stopped"), ("line1/filler", "total", 8 * step),
            ("line1/filler", "good", 7 * step), ("cold/room", "air", 5.0 + step % 5),
        ]  # fmt: skip
        bodies = [body(0, asset, tag, value, ts=stamp) for asset, tag, value in rows]
        out += [Message(len(out) + n, now, one) for n, one in enumerate([*bodies, tick_body(now)], start=1)]
    return out


WINDOWS = {"pane_s": 60.0, "sizes_s": [60.0, 3600.0], "hopping_s": [], "figures_s": 3600.0}


@pytest.mark.parametrize(("zone", "midnight"), NIGHTS.values(), ids=NIGHTS.keys())
def test_a_night_in_which_the_clocks_change(tmp_path, zone, midnight):
    """Every hour that passed has its figures once, as long as any other; local stamps and UTC give the same."""
    sections = {"windows": WINDOWS, "site": {"id": "s1", "timezone": zone}}
    local = run(tmp_path / "local", night(midnight, 6, local=True), **sections)
    utc = run(tmp_path / "utc", night(midnight, 6, local=False), **sections)
    assert local == utc
    assert local[3] == []
    first_ns = round(midnight.timestamp()) * S
    for kind in ("oee", "cold_chain"):
        starts = [start for _, found, start, _, _ in local[1] if found == kind]
        assert starts == [first_ns + hour * 3600 * S for hour in range(5)]
        parts = {parts for _, found, start, _, parts in local[1] if found == kind and start != first_ns}
        assert len(parts) <= 4
    assert {revision for *_, revision, _ in local[1]} == {1}
    hours = [(start, count) for series, size, start, _, count, *_ in local[0] if (series, size) == (3, 3600 * S)]
    assert [start for start, _ in hours] == [first_ns + hour * 3600 * S for hour in range(5)]
    assert {count for _, count in hours} == {360}


@pytest.mark.parametrize(("zone", "midnight"), NIGHTS.values(), ids=NIGHTS.keys())
def test_a_recording_in_local_time_through_such_a_night(tmp_path, zone, midnight):
    """The hour that comes twice is told apart by the order of the rows."""
    begin = midnight.astimezone(UTC)
    true = [begin + timedelta(minutes=10 * step) for step in range(36)]
    lines = [f"{at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()},{n}" for n, at in enumerate(true)]
    file = tmp_path / "night.csv"
    file.write_text("\n".join(["time,air", *lines]) + "\n")
    rows = list(open_csv(file, zone).rows())
    assert [row.time_ns for row in rows] == [round(at.timestamp()) * S for at in true]
