"""Finding the bad lines: whatever the answer tells, exactly they come back and every other one is written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.influx.client import AwayError, BadLinesError, BusyError, DeniedError, InfluxError, TooLargeError, judged
from sinks.influx.delivery import BadLine, deliver
from sinks.influx.parked import ParkedLines

HOWS = ("named", "dropped", "silent", "unexplained")


@dataclass
class Fake:
    """An InfluxDB that refuses `bad` lines, and tells of it in one of several ways; takes at most `most` at once."""

    bad: set[bytes]
    how: str
    most: int = 10**9
    written: set[bytes] = field(default_factory=set)
    requests: int = 0

    def __call__(self, body: bytes) -> None:
        self.requests += 1
        assert body.endswith(b"\n")
        lines = body.split(b"\n")[:-1]
        if len(lines) > self.most:
            raise TooLargeError(413, "too large")
        bad = [line for line in lines if line in self.bad]
        if not bad:
            self.written |= set(lines)
        elif self.how == "named":
            told = "\n".join(f"unable to parse '{line.decode()}': missing fields" for line in bad)
            raise judged(400, json.dumps({"code": "invalid", "message": told}).encode(), None)
        elif self.how == "unexplained":
            raise DeniedError(400, "something is wrong")
        else:
            self.written |= set(lines) - set(bad)  # a partial write
            dropped = len(bad) if self.how == "dropped" else None
            raise BadLinesError(422, "conflict", named={}, before_ns=None, dropped=dropped)


@given(st.integers(1, 60), st.sets(st.integers(0, 59)), st.sampled_from(HOWS[:3]), st.sampled_from([1, 7, 10**9]))
def test_exactly_the_bad_ones(count: int, bad: set[int], how: str, most: int) -> None:
    lines = [b"m,a=b x=%d %d" % (number, number) for number in range(count)]
    wrong = {lines[number] for number in bad if number < count}
    server = Fake(wrong, how, most)
    found = deliver(server, lines)
    assert sorted(one.line for one in found) == sorted(wrong)
    assert server.written == set(lines) - wrong
    if most > count and wrong:
        assert server.requests <= 2 + 2 * len(wrong) * (1 + math.ceil(math.log2(count) if count > 1 else 1))


def test_named_lines_cost_one_request_more() -> None:
    lines = [b"m,a=b x=%d %d" % (number, number) for number in range(5000)]
    named = dict.fromkeys(lines[10:20], "invalid number")
    calls = []

    def write(body: bytes) -> None:
        calls.append(body.count(b"\n"))
        if len(calls) == 1:
            raise BadLinesError(400, "unable", named=named, before_ns=None, dropped=None)

    assert deliver(write, lines) == [BadLine(line, 400, "invalid number") for line in lines[10:20]]
    assert calls == [5000, 4990]


def test_points_before_the_retention_are_told_by_their_time() -> None:
    lines = [b"m x=1 %d" % number for number in range(100)]
    calls = []

    def write(body: bytes) -> None:
        calls.append(body)
        if len(calls) == 1:
            raise BadLinesError(422, "old", named={}, before_ns=40, dropped=40)

    assert [one.line for one in deliver(write, lines)] == lines[:40]
    assert len(calls) == 2


def test_a_whole_batch_that_was_dropped_is_not_searched() -> None:
    lines = [b"m x=1 %d" % number for number in range(100)]
    server = Fake(set(lines), "dropped")
    assert len(deliver(server, lines)) == 100
    assert server.requests == 1


def test_a_refusal_that_blames_no_line_is_not_held_against_them() -> None:
    def write(_body: bytes) -> None:
        raise DeniedError(400, "no such organisation")

    with pytest.raises(DeniedError):
        deliver(write, [b"m x=1 1", b"m x=2 2", b"m x=3 3"])


def test_unless_others_are_taken_alone() -> None:
    lines = [b"m x=1 %d" % number for number in range(50)]
    server = Fake({lines[17]}, "unexplained")
    assert [one.line for one in deliver(server, lines)] == [lines[17]]
    assert server.written == set(lines) - {lines[17]}


@pytest.mark.parametrize("error", [AwayError(None, "gone"), BusyError(503, "busy", 3.0), DeniedError(401, "token")])
def test_other_failures_pass_through(error: InfluxError) -> None:
    def write(_body: bytes) -> None:
        raise error

    with pytest.raises(type(error)):
        deliver(write, [b"m x=1 1", b"m x=2 2"])


def test_a_line_too_large_alone_is_a_bad_one() -> None:
    server = Fake(set(), "silent", most=0)
    assert [one.status for one in deliver(server, [b"m x=1 1", b"m x=2 2"])] == [413, 413]


RETENTION = b'{"message":"dropped 1 - violates a Retention Policy Lower Bound at 1970-01-01T00:00:02.5Z dropped=1 for"}'
ANSWERS: dict[str, tuple[int, bytes, Callable[[InfluxError], bool]]] = {
    "parse": (400, b'{"message":"unable to parse \'a b\': missing fields\\nunable to parse \'c\': no"}',
              lambda e: isinstance(e, BadLinesError) and e.named == {b"a b": "missing fields", b"c": "no"}),
    "conflict": (422, b'{"message":"partial write: field type conflict: dropped=3"}',
                 lambda e: isinstance(e, BadLinesError) and e.dropped == 3 and e.before_ns is None),
    "retention": (422, RETENTION,
                  lambda e: isinstance(e, BadLinesError) and e.before_ns == 2_500_000_000 and e.dropped == 1),
    "whole 400": (400, b"no org", lambda e: isinstance(e, DeniedError)),
    "token": (401, b'{"message":"unauthorized access"}', lambda e: isinstance(e, DeniedError)),
    "rights": (403, b"", lambda e: isinstance(e, DeniedError)),
    "bucket": (404, b"[1]", lambda e: isinstance(e, DeniedError)),
    "timeout": (408, b"", lambda e: isinstance(e, AwayError)),
    "large": (413, b"", lambda e: isinstance(e, TooLargeError)),
    "many": (429, b"", lambda e: isinstance(e, BusyError) and e.retry_after_s == 7.0),
    "broken": (500, b"\xff\xfe", lambda e: isinstance(e, AwayError)),
    "gateway": (502, b"<html>", lambda e: isinstance(e, AwayError)),
    "busy": (503, b"", lambda e: isinstance(e, BusyError)),
    "redirect": (302, b"", lambda e: isinstance(e, AwayError)),
}  # fmt: skip


@pytest.mark.parametrize(("status", "content", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_an_answer_means(status: int, content: bytes, expected: Callable[[InfluxError], bool]) -> None:
    error = judged(status, content, 7.0)
    assert expected(error), repr(error)
    assert error.status == status


def bad(number: int, reason: str = "why") -> BadLine:
    return BadLine(b"m x=%d 1" % number, 400, reason)


def test_parked_lines_are_bounded_counted_and_kept_once(tmp_path: Path) -> None:
    store = ParkedLines(tmp_path / "parked.db", most=10)
    store.put([bad(number) for number in range(8)], 1)
    store.put([bad(0, "again")], 2)
    assert (store.total(), store.counts()) == (8, {"why": 7, "again": 1})
    store.put([bad(number) for number in range(100, 120)], 3)
    assert sum(store.counts().values()) <= 10
    assert store.total() == 28
    assert [one.line for one in store.newest(2)] == ["m x=119 1", "m x=118 1"]
    store.close()
    again = ParkedLines(tmp_path / "parked.db")
    assert again.ask_again(3) == 3
    assert again.asked(10) == [b"m x=117 1", b"m x=118 1", b"m x=119 1"]
    again.drop(again.asked(10))
    assert (again.asked(10), again.newest(1)[0].line) == ([], "m x=116 1")
    again.close()
