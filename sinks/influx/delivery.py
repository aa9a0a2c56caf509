"""Delivering a batch of lines: the good ones are written, exactly the bad ones come back with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import httpx

from sinks.influx.client import BadLinesError, DeniedError, InfluxError, TooLargeError

Write = Callable[[bytes], None]


class BadLine(NamedTuple):
    """A line that InfluxDB will not take, and why. status: HTTP status of its answer."""

    line: bytes
    status: int
    reason: str


def deliver(write: Write, lines: Sequence[bytes]) -> list[BadLine]:
    """Write `lines` (without their ends); returns those that cannot be. Raises every InfluxError that is not theirs.

    Which lines are bad is told by the answer (its words name them, or all before a time, or all of them), else it is
    found by halves: b bad lines of n take about 2 b log2(n / b) requests. Lines may be written several times. A 400
    that blames no line is held against the lines only when the first or the last of them is taken alone.
    """
    return _deliver(write, lines, blamed=False)


def _deliver(write: Write, lines: Sequence[bytes], *, blamed: bool) -> list[BadLine]:
    if not lines:
        return []
    try:
        write(b"\n".join(lines) + b"\n")
    except TooLargeError as error:
        if len(lines) == 1:
            return [_bad(lines[0], error)]
    except BadLinesError as error:
        bad = _told(lines, error)
        if bad:
            away = {one.line for one in bad}
            return bad + _deliver(write, [line for line in lines if line not in away], blamed=blamed)
    except DeniedError as error:
        if error.status != httpx.codes.BAD_REQUEST:
            raise
        if blamed and len(lines) == 1:
            return [_bad(lines[0], error)]
        if not blamed and not (len(lines) > 1 and any(_taken(write, line) for line in (lines[0], lines[-1]))):
            raise
        blamed = True
    else:
        return []
    middle = len(lines) // 2
    return _deliver(write, lines[:middle], blamed=blamed) + _deliver(write, lines[middle:], blamed=blamed)


def _taken(write: Write, line: bytes) -> bool:
    try:
        write(line + b"\n")
    except (DeniedError, BadLinesError):
        return False
    return True


def _told(lines: Sequence[bytes], error: BadLinesError) -> list[BadLine]:
    """The bad lines as far as the answer tells; none: it does not."""
    if len(lines) == 1 or error.dropped == len(lines):
        return [_bad(line, error) for line in lines]
    named = [BadLine(line, error.status or 0, error.named[line]) for line in lines if line in error.named]
    if named or error.before_ns is None:
        return named
    return [_bad(line, error) for line in lines if _time_ns(line) < error.before_ns]


def _bad(line: bytes, error: InfluxError) -> BadLine:
    named = error.named if isinstance(error, BadLinesError) else {}
    return BadLine(line, error.status or 0, named.get(line, error.detail))


def _time_ns(line: bytes) -> int:
    return int(line.rpartition(b" ")[2])
