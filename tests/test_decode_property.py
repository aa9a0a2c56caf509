"""The product against its twin: valid, odd and mutated messages, however cut into calls."""

from __future__ import annotations

import json
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from andon.readings import Message, Reason
from tests.decode_world import NOW, NOW_MS, PIECES, PLANT, decoder, reading
from tests.naive_decode import NaiveDecoder, as_rows, told_apart

NUMBERS = st.one_of(
    st.integers(-200, 200), st.integers(), st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.floats(-50, 200).map(lambda x: round(x, 2)), st.sampled_from([0, 1, 2, 3, 4, -0.0, 1e15, 2**53 + 1, 64, 192]),
)  # fmt: skip
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5,
)  # fmt: skip
STAMP = st.one_of(
    st.integers(NOW_MS - 10_000, NOW_MS + 400_000), st.floats(NOW_MS - 10.0, NOW_MS + 10.0), ANY,
    st.datetimes().map(lambda t: t.isoformat() + "Z"), st.datetimes().map(lambda t: t.isoformat(" ")),
    st.from_regex(r"20[0-3][0-9]-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,11})?"
                  r"([Zz]|[+-][0-2][0-9]:[0-6][0-9])?", fullmatch=True),
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {},
    optional={
        "ts": st.just(NOW_MS) | STAMP,
        "asset": st.sampled_from(["fill/line1/f1", "fill/line1/f2", "a", "other", "nix", 'q"\\']) | ANY,
        "tag": st.sampled_from(["temp", "state", "door", "total", "nix"]) | ANY,
        "value": NUMBERS | st.sampled_from(["Idle", "运行", True, False, None]) | ANY,
        "q": st.sampled_from([0, 64, 191, 192, 255, 256, 0x40000000, 0x80000000, 192.0]) | ANY,
        "unit": st.sampled_from(["Cel", "K", "kPa", "{items}", "1", ""]) | ANY,
        "event": st.sampled_from(["tick", "lot.started"]) | ANY,
        "data": st.dictionaries(st.text(max_size=3), ANY, max_size=2) | ANY,
        "extra": ANY,
    },
).map(lambda row: {name: value for name, value in row.items() if name != "event" or hash(str(row)) % 3 == 0})
MOSTLY_GOOD = st.tuples(ROW, st.integers(0, 9)).map(
    lambda pair: pair[0] if pair[1] < 6 else {**reading(), "x": pair[0].get("extra"), "value": pair[1]}
)


@st.composite
def texts_of(draw, value):
    """JSON text of a value in some writer's manner."""
    manner = draw(st.sampled_from(["compact", "plain", "indented", "ascii"]))
    if manner == "compact":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if manner == "indented":
        return json.dumps(value, indent=1)
    return json.dumps(value, ensure_ascii=manner == "ascii")


@st.composite
def bodies(draw):
    rows = draw(st.lists(MOSTLY_GOOD, min_size=1, max_size=4))
    frame = draw(st.sampled_from(["single", "array", "lines", "any"]))
    if frame == "single":
        text = draw(texts_of(rows[0]))
    elif frame == "array":
        text = draw(texts_of(rows))
    elif frame == "lines":
        end = draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
        text = end.join(json.dumps(row, ensure_ascii=False) for row in rows)
    else:
        text = draw(texts_of(draw(ANY)))
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2]))):
        raw = draw(mutated(raw))
    return raw


@st.composite
def mutated(draw, raw):
    at = draw(st.integers(0, len(raw)))
    to = min(len(raw), at + draw(st.integers(0, 3)))
    return raw[:at] + draw(st.sampled_from([b"", *PIECES])) + raw[to:]


TICK, LATER = ({"ts": NOW_MS + ms, "event": "tick"} for ms in (0, 1000))
STARTED = {"ts": NOW_MS, "asset": "a", "event": "lot.started", "data": {}}


@settings(max_examples=300, deadline=None)
@example([json.dumps([TICK, LATER]).encode()], 0)
@example([json.dumps([LATER, reading(), TICK, LATER, TICK]).encode()], 1)
@example([json.dumps([TICK, STARTED, LATER, {**STARTED, "event": "lot.ended"}]).encode(), b"[]"], 1)
@given(st.lists(bodies(), min_size=1, max_size=5), st.integers(0, 5))
def test_the_twin_agrees_and_any_cut_gives_the_same(all_bodies, cut):
    messages = [Message(3 * k + 1, NOW + (k == 2), body) for k, body in enumerate(all_bodies)]
    subject, twin = decoder(), NaiveDecoder(PLANT, 0)
    got = subject.decode(messages)
    rows, dead = as_rows(got)
    want = [row for message in messages for row in twin.decode(message)]
    assert told_apart(rows) == told_apart([row for row in want if row[0] != "dead"])
    assert dead == [row for row in want if row[0] == "dead"]
    assert got.rows_in == sum(row[0] in {"reading", "dead"} for row in want)
    assert subject.dictionary.paths() == [f"{asset}/{tag}" for asset, tag in twin.ids]
    again = decoder()
    parts = [as_rows(again.decode(part)) for part in (messages[:cut], messages[cut:])]
    assert ([*parts[0][0], *parts[1][0]], [*parts[0][1], *parts[1][1]]) == (rows, dead)
    assert again.dictionary.paths() == subject.dictionary.paths()


def test_20_000_mutated_messages_crash_nothing_and_balance():
    rng = random.Random(20_000)
    valid = [
        json.dumps(reading(value=round(rng.gauss(20, 5), rng.randrange(17)), q=192, batch="B-1")).encode(),
        json.dumps([reading(tag="door", value=True), {"ts": NOW_MS, "event": "tick"}]).encode(),
        json.dumps({"ts": "2026-01-01T00:00:00Z", "asset": "a", "event": "lot.started", "data": {"lot": "é"}}).encode(),
        b"\n".join(json.dumps(reading(tag="state", value=v)).encode() for v in ("Idle", "Execute", 2)),
        json.dumps([reading(asset="other"), {"ts": NOW_MS, "asset": "other", "event": "lot.started"}]).encode(),
    ]
    messages = []
    for k in range(20_000):
        raw = bytearray(rng.choice(valid))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(raw) + 1)
            raw[at : at + rng.randrange(3)] = rng.choice([*PIECES, b"", bytes([rng.randrange(256)])])
        messages.append(Message(k + 1, NOW, bytes(raw)))
    subject, twin = decoder(), NaiveDecoder(PLANT, 0)
    want = [row for message in messages for row in twin.decode(message)]
    rows, dead = [], []
    counted = 0
    for at in range(0, len(messages), 1000):
        got = subject.decode(messages[at : at + 1000])
        assert got.rows_in == len(got.readings) + len(got.dead)
        counted += got.rows_in + len(got.events) + len(got.ticks)
        part = as_rows(got)
        rows += part[0]
        dead += part[1]
    assert counted == len(want)
    assert told_apart(rows) == told_apart([row for row in want if row[0] != "dead"])
    assert dead == [row for row in want if row[0] == "dead"]
    by_offset = {message.offset: message.body for message in messages}
    assert all(raw in by_offset[offset] for _, offset, _, _, _, _, raw in dead)
    assert {row[4] for row in dead} >= {
        Reason.not_json, Reason.missing_field, Reason.unknown_series, Reason.wrong_type, Reason.wrong_partition,
    }  # fmt: skip
    assert len(rows) > 5_000
    assert len(dead) > 5_000
