"""Messages of several formats in one log: told apart by their first bytes, one batch in log order, any split."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.readings import Decoded, Message, Messages, Reason
from andon.series import SeriesDictionary
from sources.decode import JsonDecoder, LogDecoder, log_decoder
from sources.decode.formats import FirstBytes, joined
from sources.ticks import tick_body
from sources.wire_arrow import arrow_message
from sources.wire_sparkplug import Sent, Tag, birth, data, framed
from tests.decode_world import NOW, NOW_MS, PLANT, reading
from tests.naive_decode import as_rows


class Stars:
    """A format for tests: JSON behind a star; its state is how many messages it saw."""

    def __init__(self, dictionary: SeriesDictionary, plant: Any, shard: int) -> None:
        self._json, self.seen = JsonDecoder(dictionary, plant, shard), 0

    def decode(self, messages: Messages) -> Decoded:
        self.seen += len(messages)
        return self._json.decode([Message(one.offset, one.received_ns, one.body[1:]) for one in messages])

    def snapshot(self) -> tuple[Any, ...]:
        return (self.seen,)

    def restore(self, state: tuple[Any, ...]) -> None:
        (self.seen,) = state


@pytest.fixture(autouse=True)
def stars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_decoder, "FORMATS", {"stars": (b"*", Stars)})


def make() -> LogDecoder:
    return LogDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)


BODIES = st.sampled_from([
    orjson.dumps(reading()), orjson.dumps(reading(tag="door", value=True)), orjson.dumps(reading(asset="a", unit=...)),
    orjson.dumps({"ts": NOW // 1_000_000, "event": "tick"}), tick_body(NOW, 1_000_000_000), tick_body(9 * NOW),
    b"", b"x", b"\xff\xff\xff", b"[1]",
    orjson.dumps({"ts": NOW // 1_000_000, "event": "lot.started", "asset": "a", "data": {}}),
])  # fmt: skip


@given(st.lists(st.tuples(BODIES, st.booleans()), min_size=1, max_size=20), st.data())
def test_mixed_runs_equal_plain_json(chosen: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    plain = [Message(5 + at, NOW, body) for at, (body, _) in enumerate(chosen)]
    log = [Message(one.offset, NOW, b"*" + one.body if star else one.body) for one, (_, star) in
           zip(plain, chosen, strict=True)]  # fmt: skip
    dictionary = SeriesDictionary(PLANT, 0)
    expected = JsonDecoder(dictionary, PLANT, 0).decode(plain)
    decoder = make()
    cut = data.draw(st.integers(0, len(log)))
    found = joined([decoder.decode(log[:cut]), decoder.decode(log[cut:])])
    rows, dead = as_rows(found)
    expected_rows, expected_dead = as_rows(expected)
    assert rows == expected_rows
    assert dead == expected_dead
    assert found.rows_in == expected.rows_in


def test_a_batch_of_json_goes_through_without_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = make()
    messages = Messages.of([Message(1, NOW, orjson.dumps(reading())), Message(2, NOW, b"")])
    seen: list[Messages] = []
    decode = decoder.json.decode
    monkeypatch.setattr(decoder.json, "decode", lambda one: (seen.append(one), decode(one))[1])
    decoded = decoder.decode(messages)
    assert seen[0] is messages
    assert len(decoded.readings) == 1
    assert [Reason(one) for one in decoded.dead.reason] == [Reason.not_json]


@pytest.mark.parametrize("tick", [tick_body(NOW), tick_body(NOW, 1_000_000_000)])
def test_ticks_cut_no_runs(monkeypatch: pytest.MonkeyPatch, tick: bytes) -> None:
    """Between messages of another format they are read on the side, and stand where they stood."""
    rows = [b"*" + orjson.dumps([reading()] * size) for size in (2, 1, 3)]
    log = [Message(at, NOW, body) for at, body in enumerate([rows[0], tick, tick, rows[1], b"*x", tick, rows[2]], 1)]
    decoder, one_by_one = make(), make()
    counts: list[list[int]] = []
    for part in (decoder.json, *decoder._others.values()):
        decode = part.decode
        counts.append([])
        monkeypatch.setattr(
            part, "decode", lambda some, decode=decode, n=counts[-1]: (n.append(len(some)), decode(some))[1]
        )
    decoded = decoder.decode(log)
    assert counts[:2] == [[], [4]]
    assert [tick.at_row for tick in decoded.ticks] == [2, 2, 3]
    assert decoded.dead.offset.tolist() == [5]
    assert as_rows(decoded) == as_rows(joined([one_by_one.decode([one]) for one in log]))


def test_state_goes_with_the_snapshot() -> None:
    one, two = make(), make()
    one.decode([Message(1, NOW, b"*1"), Message(2, NOW, b"*1")])
    two.restore(one.snapshot())
    assert two.snapshot() == one.snapshot()
    assert one.snapshot()[1]["stars"] == (2,)
    two.restore((1, {}))  # of a version before the format
    with pytest.raises(ValueError, match="layout 9"):
        two.restore((9, {}))


PREFIXES = [b"\xff\xff\xff\xff", b"\0", b"ab", b"abcdefgh", b"a"]


@given(st.lists(st.one_of(st.binary(max_size=9), st.sampled_from([*PREFIXES, b"abcdefghi", b"a\0", b"\0\0"]))))
def test_first_bytes(bodies: list[bytes]) -> None:
    expected = [next((n for n, prefix in enumerate(PREFIXES, 1) if body.startswith(prefix)), 0) for body in bodies]
    messages = Messages.of([Message(at, 0, body) for at, body in enumerate(bodies)])
    assert FirstBytes(PREFIXES).formats(messages).tolist() == expected


def test_no_messages() -> None:
    assert as_rows(make().decode([])) == ([], [])


def test_all_formats_in_one_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The formats that the product knows, in one batch; ids are given and rows stand in the order of the log."""
    monkeypatch.undo()
    tag = Tag("temp", 1, "Double", "Cel")
    bodies = [
        orjson.dumps(reading(tag="door", value=True, unit=...)),
        framed("NBIRTH", "fill", "line1", birth([], NOW_MS, 0)),
        framed("DBIRTH", "fill", "line1", birth([Sent(tag, 20.0)], NOW_MS, 1), "f1"),
        orjson.dumps({"ts": NOW_MS, "event": "tick"}),
        arrow_message([reading(asset="a", unit=..., q=192)]),
        framed("DDATA", "fill", "line1", data([Sent(tag, 21.0, NOW_MS + 5)], NOW_MS, 4), "f1"),
        b"\xff\xff\xff\xff",
    ]
    dictionary = SeriesDictionary(PLANT, 0)
    decoder = LogDecoder(dictionary, PLANT, 0)
    decoded = decoder.decode([Message(at, NOW, body) for at, body in enumerate(bodies, 1)])
    assert dictionary.paths() == ["fill/line1/f1/door", "fill/line1/f1/temp", "a/temp"]
    assert decoded.readings.offset.tolist() == [1, 3, 5, 6]
    assert decoded.readings.series.tolist() == [0, 1, 2, 1]
    assert [tick.at_row for tick in decoded.ticks] == [2]
    assert [Reason(one) for one in decoded.dead.reason] == [Reason.garbled]
    assert decoded.rebirths == [("fill", "line1")]
    assert decoded.rows_in == 5
