"""Rows of any CSV file for scoring: times and numbers, or the reason why a row has none.

What a row gives depends on the rows up to it alone, so a prefix of a file gives a prefix of the rows. Each line is a
row: a quotation mark that is not closed spoils its own line only.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TextIO

from andon.readings import NS_PER_MS, NS_PER_S
from sources.recording import TIME_NAMES

LABELS: Final = frozenset({"anomaly", "changepoint", "label", "is_anomaly", "labels"})  # what people marked, never read
SEPARATORS: Final = ";\t,"  # the first of them wins where a header has as many of two
LINE_MOST: Final = 1 << 20  # characters of a line; one that is longer is no row
PATIENCE: Final = 20  # rows that a column without any number is waited for, from the first number in the file on
TURN: Final = 100  # rows in a row that run behind the newest stamp, but forward: the clock was set back

BAD_FIELDS, BAD_TIMESTAMP, BAD_ORDER, BAD_VALUE = "bad:fields", "bad:timestamp", "bad:order", "bad:value"

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LOOSE_DATE = re.compile(r"(\d{4})[/-](\d\d?)[/-](\d\d?)[ T](\d\d?):(\d\d?)(?::(\d\d?(?:\.\d+)?))?", re.ASCII)
_UNITS = ((10**10, NS_PER_S), (10**13, NS_PER_MS), (10**16, 1_000))  # a number below the first is in the second, ns
_EPOCH = re.compile(r"\d{10}(\.\d+)?|\d{13}", re.ASCII)
_ABSENT = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "inf", "infinity", "?"})
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """One row: its stamp as it stood, and either a time and a number for each channel, or the reason for none."""

    stamp: str
    time_ns: int
    values: tuple[float, ...]
    bad: str = ""


@dataclass(slots=True)
class Clock:
    """Times that never run backwards, from stamps that may.

    A stamp before the newest is refused. When TURN stamps in a row are before the newest and in order among themselves,
    the device's clock was set back, or one stamp was far ahead: from there on times go on where they stood.
    """

    newest_ns: int | None = None
    shift_ns: int = 0
    behind: int = 0
    behind_ns: int = 0

    def step(self, stamp_ns: int) -> int | None:
        """Time of a stamp, ns; None where the stamp is refused."""
        time_ns = stamp_ns + self.shift_ns
        if self.newest_ns is not None and time_ns < self.newest_ns:
            self.behind = self.behind + 1 if self.behind and stamp_ns >= self.behind_ns else 1
            self.behind_ns = stamp_ns
            if self.behind < TURN:
                return None
            self.shift_ns = self.newest_ns - stamp_ns
            time_ns = self.newest_ns
        self.behind, self.newest_ns = 0, time_ns
        return time_ns


@dataclass(slots=True)
class Sheet:
    """A CSV file as far as it has been read.

    names    : of the columns, as they stand in the header; column1, column2, ... in a file without one.
    time     : place of the column of stamps; None: there is none, rows are 1 s apart.
    channels : places of the columns that are scored; None until they are known.
    line     : the line that was read last, 1 for the first.
    """

    file: TextIO
    names: tuple[str, ...] = ()
    time: int | None = None
    channels: tuple[int, ...] | None = None
    line: int = 0
    rows: int = 0
    _separator: str = ","
    _comma: bool = False  # whether numbers may have a decimal comma
    _settled: bool = False  # whether it is known where stamps stand
    _candidates: list[int] = field(default_factory=list)
    _found: set[int] = field(default_factory=set)
    _waited: int = 0
    _clock: Clock = field(default_factory=Clock)

    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, cleaned."""
        return tuple(self.names[at].strip() for at in self.channels or ())

    def unread(self) -> tuple[str, ...]:
        """Names of the columns that are neither stamps nor labels nor read."""
        told = {self.time, *(self.channels or ())}
        return tuple(
            name.strip()
            for at, name in enumerate(self.names)
            if at not in told and name.strip() and name.strip().casefold() not in LABELS
        )

    def read(self) -> Iterator[Row]:
        """Every row in the file's order, one for each line under the header but blank ones at its end."""
        lines = self._lines()
        first = next((line for line in lines if line is None or line.strip()), None)
        if first is None:
            return
        self._separator = max(SEPARATORS, key=_unquoted(first).count)
        self._comma = self._separator != ","
        cells = self._cells(first)
        if _is_header(cells):
            self._name(cells)
        else:
            self._name([f"column{at + 1}" for at in range(len(cells))])
            yield self._row(cells)
        blank = 0
        for line in lines:
            if line is not None and not line.strip():
                blank += 1
                continue
            for _ in range(blank):
                yield self._row([""])
            blank = 0
            yield self._row(None if line is None else self._cells(line))

    def _lines(self) -> Iterator[str | None]:
        """Lines without their end; None for one that is too long."""
        while text := self.file.readline(LINE_MOST):
            self.line += 1
            whole = text.endswith("\n") or len(text) < LINE_MOST
            yield text.rstrip("\n") if whole else None
            while not whole:
                text = self.file.readline(LINE_MOST)
                whole = text.endswith("\n") or len(text) < LINE_MOST

    def _cells(self, line: str) -> list[str]:
        if '"' not in line:
            return line.split(self._separator)
        try:
            return next(csv.reader([line], delimiter=self._separator), [""])
        except csv.Error:  # a field beyond the module's limit
            return []

    def _name(self, names: Sequence[str]) -> None:
        while len(names) > 1 and not names[-1].strip():  # a separator at the end of each line
            names = names[:-1]
        self.names = tuple(names)
        lower = [name.strip().casefold() for name in names]
        self.time = next((lower.index(name) for name in TIME_NAMES if name in lower), None)
        self._settled = self.time is not None

    def _row(self, cells: list[str] | None) -> Row:
        self.rows += 1
        width = len(self.names)
        while cells is not None and len(cells) > width and not cells[-1].strip():
            cells = cells[:-1]
        if cells is None or len(cells) != width:
            at = self.time
            return Row(cells[at] if cells and at is not None and at < len(cells) else "", 0, (), BAD_FIELDS)
        if not self._settled:
            self.time = _time_column(self.names, cells)
            self._settled = True
        values = self._values(cells)
        if self.time is None:
            stamp, time_ns = str(self.rows - 1), (self.rows - 1) * NS_PER_S
        else:
            stamp = cells[self.time]
            read_ns = time_of(stamp)
            if read_ns is None:
                return Row(stamp, 0, (), BAD_TIMESTAMP)
            own_ns = self._clock.step(read_ns)
            if own_ns is None:
                return Row(stamp, 0, (), BAD_ORDER)
            time_ns = own_ns
        return Row(stamp, time_ns, (), BAD_VALUE) if values is None else Row(stamp, time_ns, values)

    def _values(self, cells: list[str]) -> tuple[float, ...] | None:
        """A number for each channel, NaN where it has none; None where all are NaN or channels are not known yet."""
        if self.channels is None and not self._learn(cells):
            return None
        values = tuple(number(cells[at], comma=self._comma) for at in self.channels or ())
        return None if all(math.isnan(value) for value in values) else values

    def _learn(self, cells: list[str]) -> bool:
        """Learn from one more row which columns hold numbers; True once that is known.

        A column of text in the first row that has a number anywhere is none; one that is empty there is waited for.
        """
        if not self._candidates:
            self._candidates = [
                at
                for at, name in enumerate(self.names)
                if at != self.time and name.strip() and name.strip().casefold() not in LABELS
            ]
        self._found |= {at for at in self._candidates if not math.isnan(number(cells[at], comma=self._comma))}
        if not self._found:
            return False
        self._waited += 1
        self._candidates = [at for at in self._candidates if at in self._found or _absent(cells[at])]
        if len(self._candidates) > len(self._found) and self._waited < PATIENCE:
            return False
        self.channels = tuple(at for at in self._candidates if at in self._found)
        return True


def number(text: str, *, comma: bool = False) -> float:
    """The number in a cell; NaN where there is none that is finite. comma: the decimal mark may be a comma.

    >>> [number(text, comma=True) for text in (" 1e3", "1,5", "1_000", "inf", "on")]
    [1000.0, 1.5, nan, nan, nan]
    """
    try:
        value = float(text)
    except ValueError:
        text = text.strip()
        return float(text.replace(",", ".")) if comma and _DECIMAL_COMMA.fullmatch(text) else math.nan
    return value if math.isfinite(value) and "_" not in text else math.nan


def time_of(text: str) -> int | None:
    """Ns since 1970 of ISO 8601 or year/month/day (without a zone: UTC), or of a number; None where it is neither.

    A number below 1e10 is seconds, below 1e13 milliseconds, below 1e16 microseconds, else nanoseconds.

    >>> time_of("1970-01-01 00:00:01.5"), time_of("1970-01-01T08:00:01+08:00"), time_of("1767225600123"), time_of("?")
    (1500000000, 1000000000, 1767225600123000000, None)
    >>> time_of("1970/1/1 0:01"), time_of("0.25")
    (60000000000, 250000000)
    """
    text = text.strip()
    try:
        time_ns = _of_number(text) if _NUMBER.fullmatch(text) else _of_date(text)
    except (ValueError, OverflowError):  # a zone that leads out of the years 1 to 9999
        return None
    return time_ns if abs(time_ns) < 1 << 62 else None


def _of_number(text: str) -> int:
    seconds = Decimal(text)
    unit = next((unit for end, unit in _UNITS if abs(seconds) < end), 1)
    return int(seconds * unit) if seconds.adjusted() < 20 else 1 << 62


def _of_date(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        parts = _LOOSE_DATE.fullmatch(text)
        if parts is None:
            raise
        day = datetime(*(int(part) for part in parts.groups()[:5]), tzinfo=UTC)  # type: ignore[misc,arg-type]  # five
        return (day - _BEGIN) // _MICROSECOND * 1_000 + int(Decimal(parts[6] or 0) * NS_PER_S)
    return ((at.replace(tzinfo=UTC) if at.tzinfo is None else at) - _BEGIN) // _MICROSECOND * 1_000


def _unquoted(line: str | None) -> str:
    return re.sub(r'"[^"]*"', "", line or "")


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the first line names the columns: one of its cells is a known name, or none is a number or stamp."""
    bare = [cell.strip().casefold() for cell in cells]
    if any(cell in LABELS or cell in TIME_NAMES for cell in bare):
        return True
    return any(bare) and all(math.isnan(number(cell)) and time_of(cell) is None for cell in bare)


def _time_column(names: Sequence[str], cells: Sequence[str]) -> int | None:
    """The column of stamps where no name says it: the first with a date; the first of all with seconds since 1970."""
    for at, cell in enumerate(cells):
        if math.isnan(number(cell)) and time_of(cell) is not None:
            return at
    bare = len(names) > 1 and names[0].strip() in {"", "column1"} and _EPOCH.fullmatch(cells[0].strip())
    return 0 if bare else None


def _absent(cell: str) -> bool:
    return cell.strip().casefold().lstrip("+-") in _ABSENT or cell.strip() == "-"
