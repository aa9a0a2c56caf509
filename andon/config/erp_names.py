"""What the templates of [erp.map.<kind>] may name. `sinks/erp/mapping.py` fills them in."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

#: Of the event of an alarm, and what is made of it. Other kinds of order may name whatever their data holds.
ALARM_NAMES = frozenset(
    {
        # as the event's data has them
        "key", "revision", "site", "asset", "tag", "rule", "rule_version", "condition", "limit", "unit", "priority",
        "peak", "out_s", "found_late", "evidence", "start", "start_ns", "confirmed", "cleared", "voided", "merged_into",
        "begun",
        # made: kind and verb of the event's type, sentences, the ERP's own name of the asset, its code of the priority
        "kind", "verb", "title", "why_en", "why_zh", "equipment", "priority_code",
    }
)  # fmt: skip
ALARM_KINDS = frozenset({"quality_event", "maintenance_order"})
#: What Andon posts besides alarms: reports, holds of lots, proposals of a CAPA.
OTHER_KINDS = frozenset(
    {"oee_shift", "cold_chain_lot", "maintenance_done", "calibration_due", "inspection_due", "lot_hold", "capa"}
)
_TIMES = frozenset({"start", "confirmed", "cleared", "begun"})
_NUMBERS = frozenset({"limit", "peak", "out_s"})
_WHOLE = frozenset({"revision", "start_ns"})
_TRUTHS = frozenset({"found_late", "voided"})
ODATA_FORMATS = frozenset({"odata_date", "odata_time"})


def names_in(template: str) -> Iterator[str]:
    """The names in braces. Raises ValueError for a template that is none, and for {a.b}, {a[0]}, {a!r} and {}.

    >>> list(names_in("{asset} since {start:%H:%M}"))
    ['asset', 'start']
    """
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or conversion or "{" in (spec or ""):
            raise ValueError(f"{{{name}}}")
        yield name


def wrong_formats(template: str) -> Iterator[str]:
    """The names of an alarm's event whose format no value of theirs can take, as they stand in braces.

    >>> list(wrong_formats("{limit:.1f} {limit:.2q} {key:d} {start:%H:%M}"))
    ['{limit:.2q}', '{key:d}']
    """
    for _, name, spec, _ in string.Formatter().parse(template):
        if name is not None and spec and not _takes(_samples(name), spec):
            yield f"{{{name}:{spec}}}"


def _samples(name: str) -> Collection[object]:
    """Values as the event may have them; the equipment is a name or a number."""
    if name in _TIMES:
        return (datetime(2026, 1, 1, tzinfo=UTC),)
    if name in _NUMBERS:
        return (8.5,)
    if name in _WHOLE:
        return (1,)
    if name in _TRUTHS:
        return (True,)
    return ("text", 1) if name == "equipment" else ({},) if name == "evidence" else ("text",)


def _takes(values: Collection[object], spec: str) -> bool:
    for value in values:
        if isinstance(value, datetime) and spec in ODATA_FORMATS:
            return True
        try:
            format(value, spec)
        except (ValueError, TypeError):
            continue
        return True
    return False
