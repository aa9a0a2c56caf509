"""Checks of [template.learning]: what it waits for must be there."""

from __future__ import annotations

from collections.abc import Iterator

from andon.config.problems import Problem, shown
from andon.config.validate import Draft


def check_learning(draft: Draft) -> Iterator[Problem]:
    """Every fault of the pauses of all templates."""
    for loc, template in draft.lists["template"]:
        learning = template.learning
        if learning.while_running and template.running is None:
            place = draft.document.place((*loc, "learning", "while_running"))
            yield Problem("config.health_needs", place, found=shown(value=True), needed="[template.running]")
        if learning.settle_s and not learning.while_running:
            place = draft.document.place((*loc, "learning", "settle_s"))
            yield Problem("config.health_needs", place, found=learning.settle_s, needed="while_running")
