"""Holds what Andon recorded against what must have come of the faults. Pure: plain data in, a report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from andon.i18n import translate
from simulators.schedule import Fault
from simulators.truth import SeriesCount, Truth

What = Literal[
    "missing", "extra", "doubled", "erp_missing", "erp_doubled", "erp_kind", "erp_extra",
    "readings_lost", "readings_doubled", "misjudged", "unbalanced", "dead_lost", "dead_doubled",
]  # fmt: skip
Row = Mapping[str, object]


class LedgerRow(NamedTuple):
    """Totals of one series, or of one of its hours; rows of a series are added up. path ("", ""): unreadable."""

    asset: str
    tag: str
    received: int
    counted: int
    late: int
    duplicate: int
    bad: int
    dead: int
    conflict: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree. subject: rule id, tag, key or reason; count: how many."""

    what: What
    asset: str
    subject: str
    count: int = 1
    at_ns: int | None = None

    def text(self, language: str | None = None) -> str:
        """The sentence for it."""
        at = "" if self.at_ns is None else datetime.fromtimestamp(self.at_ns / 1e9, UTC).isoformat(timespec="seconds")
        return translate(
            f"simulators.check.{self.what}", language,
            asset=self.asset, subject=self.subject, count=self.count, at=at,
        )  # fmt: skip


@dataclass(slots=True)
class Report:
    """What was counted and what does not agree; lost and doubled count readings, dead letters and records."""

    findings: list[Finding] = field(default_factory=list)
    readings: int = 0
    windows: int = 0
    alarms: int = 0
    quality_events: int = 0
    maintenance_orders: int = 0
    dead_letters: int = 0
    lost: int = 0
    doubled: int = 0
    found: list[Fault] = field(default_factory=list)
    optional: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing twice, nothing in the wrong place."""
        return not self.findings and not self.lost and not self.doubled

    @property
    def final_line(self) -> str:
        """The last line of `andon demo --check`; the same in every language, for programs."""
        return (
            f"readings {self.readings}, windows {self.windows}, alarms {self.alarms}, "
            f"quality events {self.quality_events}, maintenance orders {self.maintenance_orders}, "
            f"dead letters {self.dead_letters}, lost {self.lost}, doubled {self.doubled}"
        )

    def note(self, finding: Finding, *, lost: int = 0, doubled: int = 0) -> None:
        """Keep a finding and what it adds to the totals."""
        self.findings.append(finding)
        self.lost += lost
        self.doubled += doubled


def check(
    truth: Truth, records: Iterable[Row], erp: Iterable[Row], ledger: Iterable[Sequence[object]],
    dead_letters: Mapping[str, int], *, windows: int = 0,
) -> Report:  # fmt: skip
    """Compare a finished, drained run with `truth`.

    records      : alarms that raise something: key, asset, tag, rule_id, raises, start_ns.
    erp          : what the ERP holds: key (the external key), kind (quality_event, maintenance_order).
    ledger       : rows in the order of `LedgerRow`, any number per series.
    dead_letters : stored dead letters by reason.
    windows      : number of window rows, only reported.

    A fault whose confirm_by_ns is after the end of its shard's log may have a record but need not.
    """
    report = Report(windows=windows, dead_letters=sum(dead_letters.values()))
    rows = [dict(row) for row in records if row["raises"] != "none"]
    _check_records(truth, rows, report)
    _check_erp(rows, [dict(row) for row in erp], report)
    _check_ledger(truth, [LedgerRow(*row) for row in ledger], report)  # type: ignore[arg-type]  # rows come as plain sequences
    _check_dead_letters(truth, dead_letters, report)
    return report


def _matches(fault: Fault, row: Row) -> bool:
    same = (row["asset"], row["tag"], row["rule_id"], row["raises"]) == (
        fault.asset, fault.tag, fault.rule_id, fault.kind
    )  # fmt: skip
    return same and fault.earliest_ns <= int(str(row["start_ns"])) <= fault.latest_ns


def _check_records(truth: Truth, rows: list[dict[str, object]], report: Report) -> None:
    report.alarms = len(rows)
    left = list(rows)
    required = set(truth.required)
    for fault in truth.faults:
        matching = [row for row in left if _matches(fault, row)]
        left = [row for row in left if not _matches(fault, row)]
        if matching:
            report.found.append(fault)
        elif fault in required:
            report.note(Finding("missing", fault.asset, fault.rule_id, at_ns=fault.start_ns), lost=1)
        else:
            report.optional.append(fault)
        if len(matching) > 1:
            more = len(matching) - 1
            report.note(Finding("doubled", fault.asset, fault.rule_id, more, fault.start_ns), doubled=more)
    for row in left:
        at_ns = int(str(row["start_ns"]))
        report.note(Finding("extra", str(row["asset"]), str(row["rule_id"]), at_ns=at_ns), doubled=1)


def _check_erp(rows: list[dict[str, object]], erp: list[dict[str, object]], report: Report) -> None:
    """Each record is in the ERP exactly once, as the kind it raises; nothing else is."""
    report.quality_events = sum(row["kind"] == "quality_event" for row in erp)
    report.maintenance_orders = sum(row["kind"] == "maintenance_order" for row in erp)
    copies = Counter(str(row["key"]) for row in erp)
    kinds = {str(row["key"]): row["kind"] for row in erp}
    known = {str(row["key"]): row for row in rows}
    for key, row in known.items():
        asset = str(row["asset"])
        if not copies[key]:
            report.note(Finding("erp_missing", asset, key), lost=1)
        elif kinds[key] != row["raises"]:
            report.note(Finding("erp_kind", asset, key))
    for key, count in copies.items():
        if key not in known:
            report.note(Finding("erp_extra", "", key, count), doubled=count)
        elif count > 1:
            report.note(Finding("erp_doubled", str(known[key]["asset"]), key, count - 1), doubled=count - 1)


def _check_ledger(truth: Truth, rows: list[LedgerRow], report: Report) -> None:
    totals: dict[tuple[str, str], LedgerRow] = {}
    for row in rows:
        before = totals.get(row[:2])
        added = row[2:] if before is None else tuple(a + b for a, b in zip(before[2:], row[2:], strict=True))
        totals[row[:2]] = LedgerRow(*row[:2], *added)
        if row.received != row.counted + row.late + row.duplicate + row.bad + row.dead:
            report.note(Finding("unbalanced", row.asset, row.tag, row.received))
    report.readings = sum(row.received - row.dead for row in totals.values())
    for path in sorted(totals.keys() | truth.series.keys()):
        got = totals.get(path, LedgerRow(*path, 0, 0, 0, 0, 0, 0))
        _check_series(path, truth.series.get(path, SeriesCount()), got, report)


def _check_series(path: tuple[str, str], sent: SeriesCount, got: LedgerRow, report: Report) -> None:
    """Rows the first time and rows in all, each against what was sent."""
    once = (got.counted + got.late + got.bad) - (sent.accepted + sent.bad)
    all_rows = once + got.duplicate - sent.duplicate
    lost, doubled = max(0, -once, -all_rows), max(0, once, all_rows)
    if lost:
        report.note(Finding("readings_lost", *path, lost), lost=lost)
    if doubled:
        report.note(Finding("readings_doubled", *path, doubled), doubled=doubled)
    if not lost and not doubled and got.bad != sent.bad:
        report.note(Finding("misjudged", *path, abs(got.bad - sent.bad)))


def _check_dead_letters(truth: Truth, counts: Mapping[str, int], report: Report) -> None:
    for reason in sorted(counts.keys() | truth.malformed.keys()):
        more = counts.get(reason, 0) - truth.malformed.get(reason, 0)
        if more < 0:
            report.note(Finding("dead_lost", "", reason, -more), lost=-more)
        elif more:
            report.note(Finding("dead_doubled", "", reason, more), doubled=more)
