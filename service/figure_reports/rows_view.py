"""Tables that both reports have: alarms, instruments, what came of the rows."""

from __future__ import annotations

from typing import Any

from service.evidence.picture import symbol
from service.figure_reports.words import Words

Json = dict[str, Any]


def alarms(found: list[Json], words: Words) -> Json:
    """Alarms, oldest first."""
    table = [
        (words.clock(one["start_ms"]), words.clock(one["cleared_ms"]), f"{one['asset']}/{one['tag']}", one["rule"],
         words.known("evidence.priority", one["priority"]), _with_unit(one["peak"], one["unit"], words),
         _with_unit(one["limit"], one["unit"], words), words.known("evidence.state", one["state"]))
        for one in found
    ]  # fmt: skip
    head = (("begin", 1.3), ("end", 1.3), ("series", 2.2), ("rule", 1.5), ("priority", 0.9), ("peak", 1.0),
            ("limit", 1.0), ("state", 1.7))  # fmt: skip
    return words.table(words.say("alarms"), [(words.say(f"head.{name}"), width) for name, width in head], table)


def _with_unit(value: float | None, unit: str, words: Words) -> str:
    return words.number(value, 4) + (f" {symbol(unit)}" if value is not None and symbol(unit) else "")


def measured(found: list[Json], words: Words) -> Json:
    """Instruments with the certificate in force and how it stood."""
    table = [
        (one["tag"], one["certificate"] or "-", words.known("report.text.calibration", one["state"]),
         "-" if one["expanded"] is None else f"± {words.number(one['expanded'], 3)} (k = {words.number(one['k'], 3)})",
         words.say("yes" if one["in_doubt"] else "no"))
        for one in found
    ]  # fmt: skip
    head = (("series", 1.5), ("certificate", 1.8), ("state", 1.4), ("uncertainty", 1.6), ("doubt", 1.0))
    return words.table(words.say("measured"), [(words.say(f"head.{name}"), width) for name, width in head], table)


def rows(found: list[Json], words: Words) -> Json:
    """What became of the rows that came."""
    names = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")
    table = [(one["tag"], *(one[name] for name in names)) for one in found]
    head = [("series", 1.8), *((name, 1.0) for name in names)]
    part = words.table(words.say("rows"), [(words.say(f"head.{name}"), width) for name, width in head], table)
    return {**part, "note": part["note"] or words.say("rows_note")}
