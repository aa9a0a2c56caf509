"""What the templates of [erp.map.<kind>] may name. `sinks/erp/mapping.py` fills them in."""

from __future__ import annotations

import string
from collections.abc import Iterator

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
