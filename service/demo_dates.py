"""The certificates of the demo's plant.toml, moved to when the demo begins: one is due soon, whenever that is."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from andon.readings import NS_PER_S

AS_IF: Final = date(2026, 1, 1)  # the day from which the dates of simulators/plant.toml are seen
_DAY: Final = re.compile(r'^(at|due) = "(\d{4}-\d\d-\d\d)"', re.MULTILINE)


def first_day(story: Path, now_ns: int) -> date:
    """The day (UTC) on which the demo that a file tells of began; that of now where there is none yet."""
    start_ns = json.loads(story.read_text())["start_ns"] if story.exists() else now_ns
    return datetime.fromtimestamp(start_ns // NS_PER_S, UTC).date()


def moved(text: str, today: date) -> str:
    """plant.toml with the days `at` and `due` of its certificates as far from today as they are from `AS_IF`.

    >>> moved('due = "2026-01-20"  # soon', date(2026, 3, 1))
    'due = "2026-03-20"  # soon'
    """
    by = today - AS_IF
    return _DAY.sub(lambda one: f'{one[1]} = "{date.fromisoformat(one[2]) + by}"', text)
