"""Which rules judge which part of a shard's log: those in force when a message was received.

A process killed after it told of an excursion reads that part of the log again. Where plant.toml was edited in between,
the edited rule may see the excursion start elsewhere, and would tell it a second time, as another alarm, while nothing
ended the first one. So every start with other rules is written down, and what was received before it meets the rules
that it met, or would have met, then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path

import structlog

from alarms.rules import rule_text
from andon.clock import Clock
from andon.config.models import Rule
from andon.plant import PlantModel
from andon.readings import Message

MOST = 16  # sets of rules that are kept; older parts of a log are judged by the oldest of them
log = structlog.get_logger()


class RuleEdits:
    """The sets of rules of one shard, the oldest first, each from a time of the machine's clock on.

    path : the file that keeps them. rules: of now. clock: as stamps what is received; read once, where they are new.
    A file that cannot be read counts as none: everything is then judged by the rules of now.
    """

    def __init__(self, path: Path, rules: Sequence[Rule], clock: Clock) -> None:
        texts = [rule_text(rule) for rule in rules]
        kept = _read(path)
        if not kept or kept[-1][1] != texts:
            kept = [*kept, (clock.now_ns() if kept else 0, texts)][-MOST:]
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps([{"since_ns": since_ns, "rules": told} for since_ns, told in kept]))
            draft.rename(path)
        self._since_ns = [since_ns for since_ns, _ in kept]
        self._rules = [[Rule.model_validate_json(text) for text in told] for _, told in kept[:-1]] + [list(rules)]

    @property
    def now(self) -> int:
        """Number of the rules of now."""
        return len(self._rules) - 1

    def rules(self, number: int) -> Sequence[Rule]:
        """The rules of a number."""
        return self._rules[number]

    def parts(self, messages: Sequence[Message]) -> Iterator[tuple[int, Sequence[Message]]]:
        """The messages, cut where other rules begin, each part with the number of its rules."""
        if not len(messages) or len(self._rules) == 1 or messages[0].received_ns > self._since_ns[-1]:
            yield self.now, messages  # nearly always
            return
        numbers = accumulate((self._number(message.received_ns) for message in messages), max)  # stamps may run back
        begin = 0
        for number, part in groupby(numbers):
            end = begin + sum(1 for _ in part)
            yield number, messages[begin:end]
            begin = end

    def _number(self, received_ns: int) -> int:
        return max((at for at, since_ns in enumerate(self._since_ns) if since_ns < received_ns), default=0)


def under(plant: PlantModel, rules: Sequence[Rule]) -> PlantModel:
    """The plant with other rules; itself where they are its own."""
    if rules is plant.config.rule or list(rules) == list(plant.config.rule):
        return plant
    return PlantModel(plant.config.model_copy(update={"rule": list(rules)}))


def _read(path: Path) -> list[tuple[int, list[str]]]:
    if not path.exists():
        return []
    try:
        kept = [(int(one["since_ns"]), list(one["rules"])) for one in json.loads(path.read_text())]
        for _, texts in kept:
            for text in texts:
                Rule.model_validate_json(text)
    except (ValueError, KeyError, TypeError) as error:
        log.warning("flow.rules_unread", path=str(path), error=type(error).__name__)
        return []
    return kept
