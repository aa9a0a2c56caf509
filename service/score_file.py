"""Scores of a CSV file, from one pass: a line out for each line in, whatever the length of the file."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, NoReturn, TextIO

import numpy as np

from andon.errors import SourceError
from service.score_csv import BAD_VALUE, LABELS, Row, Sheet
from service.score_judges import Judge, MakeJudge

COLUMNS: Final = ("timestamp", "score", "p_value", "alarm", "reason", "expected", "spread")
BATCH: Final = 4_096  # rows at once
HEAD: Final = 4_096  # bytes that tell text from other things
_CONTROL = frozenset(range(32)) - set(b"\t\n\v\f\r\x1a\x1b")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Summary:
    """What became of a file.

    rows     : lines under the header, blank ones at the end not counted; each has a line in the output.
    scored   : rows with a score; all others are in `bad`, by reason.
    alarms   : rows with an alarm; episodes: stretches of them, with no scored row without an alarm between.
    missing  : by channel, scored rows without a number there: the other channels judged them.
    detector : name of the one that scored.
    channels : names of the columns that were scored; unread: of those that hold no numbers.
    clocked  : whether the file has stamps; else its rows were taken as 1 s apart.
    """

    rows: int = 0
    scored: int = 0
    alarms: int = 0
    episodes: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    detector: str = ""
    channels: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    clocked: bool = True
    _alarmed: bool = False

    def count(self, reason: str, *, alarm: bool) -> None:
        """Take in one more row. reason: empty for a scored one."""
        self.rows += 1
        if reason:
            self.bad[reason] += 1
            return
        self.scored += 1
        self.alarms += alarm
        self.episodes += alarm and not self._alarmed
        self._alarmed = alarm


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A file as text: UTF-8 with any other byte kept as it is, or UTF-16 where its first bytes say so.

    Raises: SourceError where it cannot be read, is empty or is no text.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError("score.unreadable", file=str(path), cause=error.strerror or str(error)) from error
    with raw:
        head = raw.peek(HEAD)[:HEAD]
        if not head:
            raise SourceError("score.empty", file=str(path))
        wide = head.startswith(_UTF16)
        bad = None if wide else next((at for at, byte in enumerate(head) if byte in _CONTROL), None)
        if bad is not None:
            line = head.count(b"\n", 0, bad) + 1
            raise SourceError("score.binary", file=str(path), line=line, found=f"0x{head[bad]:02x}", at=bad)
        encoding, errors = ("utf-16", "replace") if wide else ("utf-8-sig", "surrogateescape")
        yield io.TextIOWrapper(raw, encoding, errors, newline=None)


def score_file(path: Path, make: MakeJudge, write: Callable[[str], object]) -> Summary:
    """Score a file; `write` gets the lines of the output, header first, many at once.

    Raises: SourceError where the file cannot be read, is no text, or has no row or no column of numbers.
    """
    summary, judge = Summary(), None
    with opened(path) as file:
        sheet = Sheet(file)
        rows = sheet.read()
        began = False
        while batch := list(islice(rows, BATCH)):
            names = sheet.channel_names()
            if judge is None and sheet.channels is not None:
                judge = make(names)
            whole = judge is not None or len(batch) == BATCH  # else the file has ended without a number
            if whole:
                write(("" if began else ",".join(COLUMNS) + "\n") + "".join(_lines(batch, judge, names, summary)))
                began = True
        if judge is None:
            _refuse(path, sheet)
    summary.detector = judge.detector_name
    summary.channels, summary.unread = sheet.channel_names(), sheet.unread()
    summary.clocked = sheet.time is not None
    return summary


def _refuse(path: Path, sheet: Sheet) -> NoReturn:
    found = ", ".join(name.encode(errors="replace").decode() for name in sheet.names)
    if not sheet.rows:
        raise SourceError("score.no_rows", file=str(path), line=sheet.line, found=found or "-")
    raise SourceError(
        "score.no_numbers", file=str(path), line=sheet.line, found=found, labels=", ".join(sorted(LABELS))
    )


def _lines(batch: list[Row], judge: Judge | None, names: Sequence[str], summary: Summary) -> Iterator[str]:
    good = [row for row in batch if not row.bad]
    said: Iterator[tuple[float, int, str, float, float]] = iter(())
    if good and judge is not None:
        values = np.array([row.values for row in good])
        judged = judge.step(np.array([row.time_ns for row in good]), values)
        absent = (np.isnan(values) & ~np.isnan(judged.score)[:, None]).sum(axis=0).tolist()
        summary.missing.update({name: count for name, count in zip(names, absent, strict=True) if count})
        said = zip(
            judged.score.tolist(), judged.alarm.tolist(), judged.reason, judged.expected.tolist(),
            judged.spread.tolist(), strict=True,
        )  # fmt: skip
    for row in batch:
        score, alarm, reason, expected, spread = (math.nan, 0, row.bad, math.nan, math.nan) if row.bad else next(said)
        bad = row.bad or (BAD_VALUE if math.isnan(score) else "")  # a number beyond what the detector can take
        summary.count(bad, alarm=bool(alarm))
        if bad:
            yield f"{_cell(row.stamp)},,,0,{bad},,\n"
            continue
        yield (
            f"{_cell(row.stamp)},{score:.4f},{10.0**-score:.4g},{alarm},{_cell(reason)},{_said(expected)},{_said(spread)}\n"
        )


def _said(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _cell(text: str) -> str:
    """A cell as CSV; quoted where it must be."""
    if "," in text or '"' in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
