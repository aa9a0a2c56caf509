"""What a message says, in the language of whom it is for. Plain text: mail, chat and SMS take it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.i18n import translate
from andon.records.policy import FLOOD

MOST_ITEMS = 20  # incidents in one message
MOST_TITLE = 120  # characters


@dataclass(frozen=True, slots=True)
class Item:
    """One incident in a message.

    kind     : opened, escalated, update, ended.
    scope    : the part of the plant; ends in /* where a flood of alarms is told as one.
    alarms   : how many belong to it; waiting: how many of them nobody has acknowledged.
    since    : when it began, local time as text.
    why      : the sentence of its first alarm; response: what to do, empty where the rule says nothing.
    link     : to acknowledge; None where there is none.
    """

    kind: str
    priority: str
    scope: str
    alarms: int
    waiting: int
    since: str
    why: str
    response: str = ""
    link: str | None = None


def render(items: Sequence[Item], language: str, site: str, *, digest: bool = False) -> tuple[str, str]:
    """(title, body) of one message. The worst comes first; beyond `MOST_ITEMS` incidents the rest are counted."""
    rank = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    ordered = sorted(items, key=lambda one: (one.kind == "ended", rank.get(one.priority, 9)))
    if len(ordered) == 1 and not digest:
        title = _title(ordered[0], language, site)
    else:
        title = translate("people.title.digest", language, site=site, count=len(ordered))
    parts = [_part(one, language) for one in ordered[:MOST_ITEMS]]
    if len(ordered) > MOST_ITEMS:
        parts.append(translate("people.more", language, count=len(ordered) - MOST_ITEMS))
    return title[:MOST_TITLE], "\n\n".join(parts)


def _title(one: Item, language: str, site: str) -> str:
    return translate(
        f"people.title.{one.kind}", language, site=site, scope=_scope(one.scope, language),
        priority=translate(f"people.priority.{one.priority}", language),
    )  # fmt: skip


def _part(one: Item, language: str) -> str:
    params = {
        "scope": _scope(one.scope, language), "since": one.since, "why": one.why, "alarms": one.alarms,
        "waiting": one.waiting, "priority": translate(f"people.priority.{one.priority}", language),
    }  # fmt: skip
    lines = [translate(f"people.part.{one.kind}", language, **params)]
    if one.kind != "ended":
        lines += [one.why]
        if one.alarms > 1:
            lines.append(translate("people.alarms", language, **params))
        if one.response:
            lines.append(translate("people.response", language, response=one.response))
        if one.link is not None:
            lines.append(translate("people.link", language, link=one.link))
    return "\n".join(lines)


def _scope(scope: str, language: str) -> str:
    if not scope.endswith(FLOOD):
        return scope
    part = scope.removesuffix(FLOOD)
    return translate("people.flood", language, part=part) if part else translate("people.flood_site", language)
