"""What was told of one figure: which keys, with what content and revision, and what was taken away again.

Of the hour that runs it is in memory; of hours before it is in records, which a late row takes out again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter

from andon.figures import KINDS
from andon.outputs import Figure
from andon.packed import pack, unpack
from flows.figure_pages import Pages
from operators.machines import MachineSpec, Made

TEXT = 64
STREAM = 9  # of the pages; snapshots have smaller ones
Key = tuple[str, int]  # tag, start_ns
log = structlog.get_logger()
_mended = Counter(
    "andon_figure_values_mended_total", "Parts that were no number and texts that were too long.", ["kind"]
)


@dataclass(slots=True)
class Told:
    """What was published under a key. after_ns: where the step began that gave it."""

    end_ns: int
    digest: bytes
    revision: int
    after_ns: int


@dataclass(slots=True)
class Now:
    """Stamp of the tick that runs, ns: when what is told now is known."""

    time_ns: int = 0


class Checked(NamedTuple):
    """What a machine gave, as it can be told."""

    key: Key
    end_ns: int
    parts: dict[str, float | None]
    about: dict[str, str]


class ToldBook:
    """All that was told of a figure. missing: told, and not given again so far by a job that computes it again."""

    def __init__(self, spec: MachineSpec, pages: Pages, now: Now) -> None:
        self._spec, self._pages, self._now = spec, pages, now
        self.told: dict[Key, Told] = {}
        self.missing: dict[Key, Told] = {}
        self.voids: dict[Key, tuple[int, int]] = {}  # revision with which a key was taken away, and its after_ns
        self.packed: list[tuple[int, int, int]] = []  # told: least and most after_ns, number of the record
        self._mended: set[str] = set()
        self._lately: dict[Key, None] = {}  # keys of `told` that `since` may give, in order of their telling
        self._lately_ns = 0  # the instant that `since` was asked for last
        self._lately_of = self.told  # of which dict they are: another one is gone through once

    def check(self, made: Made) -> Checked:
        """TypeError or ValueError for what is no figure at all; a part that is not finite is not known."""
        end_ns = int(made.end_ns)
        parts = {str(name): self._number(name, value) for name, value in made.parts.items()}
        about = {str(name): text if len(text) <= TEXT else self._cut(name, text) for name, text in made.about.items()}
        return Checked((made.tag or self._spec.tag, int(made.start_ns)), end_ns, parts, about)

    def _number(self, name: str, value: float | None) -> float | None:
        if value is None:
            return None
        if math.isfinite(value):
            return float(value)
        self._note(name)
        return None

    def _cut(self, name: str, text: str) -> str:
        if not isinstance(text, str):
            raise TypeError(f"about.{name} of {self._spec.kind} is no text")
        self._note(name)
        return text[:TEXT]

    def _note(self, name: str) -> None:
        _mended.labels(self._spec.kind).inc()
        if name not in self._mended:
            self._mended.add(name)
            log.warning("figures.mended", kind=self._spec.kind, asset=self._spec.asset, part=name)

    def tell(self, one: Checked, after_ns: int, least_revision: int = 0) -> Figure | None:
        """The figure, where it is not what was told already."""
        key, end_ns, parts, about = one
        content = repr((end_ns, sorted(parts.items()), sorted(about.items()))).encode()
        digest = hashlib.blake2b(content, digest_size=8).digest()
        known = self.missing.pop(key, None) or self.told.get(key)
        same = known is not None and known.digest == digest
        before = known.revision if known else self.voids.pop(key, (0, 0))[0]
        revision = max(before if same else before + 1, least_revision)
        if key not in self.told:
            self._lately.pop(key, None)
        self.told[key] = Told(end_ns, digest, revision, after_ns)
        self._lately[key] = None
        return None if same else self.figure(key, end_ns, revision, parts, about)

    def is_new(self, key: Key) -> bool:
        """Whether nothing was told under a key."""
        return key not in self.told and key not in self.missing

    def figure(
        self, key: Key, end_ns: int, revision: int, parts: dict[str, float | None], about: dict[str, str]
    ) -> Figure:
        """As it goes out."""
        return Figure(
            asset=self._spec.asset, tag=key[0], kind=self._spec.kind, start_ns=key[1], end_ns=end_ns,
            revision=revision, final=revision > 0, parts=parts, about=about, known_ns=self._now.time_ns,
        )  # fmt: skip

    def void(self, key: Key, end_ns: int, revision: int) -> Figure:
        """A figure that is not there any more."""
        kind = KINDS.get(self._spec.kind)
        parts: dict[str, float | None] = {part.name: None for part in kind.parts if not part.at_read} if kind else {}
        return self.figure(key, end_ns, revision, parts, {"void": "late"})

    def gone(self) -> list[Figure]:
        """What is missing for good."""
        figures = []
        for key, told in sorted(self.missing.items()):
            self.voids[key] = told.revision + 1, told.after_ns
            figures.append(self.void(key, told.end_ns, told.revision + 1))
        self.missing.clear()
        return figures

    def pack(self, before_ns: int) -> bool:
        """Put what was told before an instant into a record; whether there was anything."""
        old = {key: told for key, told in self.told.items() if told.after_ns < before_ns}
        if not old:
            return False
        number = self._pages.put(pack(_rows(old)), STREAM)
        after = [one.after_ns for one in old.values()]
        self.packed.append((min(after), max(after), number))
        for key in old:
            del self.told[key]
        self._lately = dict.fromkeys(key for key in self._lately if key in self.told)
        return True

    def unpack(self, from_ns: int) -> None:
        """Take out the records of what was told from an instant on."""
        for part in [one for one in self.packed if one[1] >= from_ns]:
            self.packed.remove(part)
            self.take(unpack(self._pages.get(part[2])))
            self._pages.drop(part[2])

    def forget(self, before_ns: int) -> None:
        """Let go of what was told before an instant to which nothing goes back any more."""
        for part in [one for one in self.packed if one[1] < before_ns]:
            self.packed.remove(part)
            self._pages.drop(part[2])
        if self.voids:
            self.voids = {key: one for key, one in self.voids.items() if one[1] >= before_ns}

    def take(self, rows: Iterable[tuple[Any, ...]], *, newer: bool = False) -> None:
        """What a record holds; of a key that is known too, what is newer: as `newer` says, else the known."""
        found = {(tag, start_ns): Told(*one) for tag, start_ns, *one in rows}
        self.told = self.told | found if newer else found | self.told

    def since(self, time_ns: int) -> tuple[tuple[Any, ...], ...]:
        """What is in memory and was told by steps from an instant on, in order of the telling.

        Cost: of what was told since the instant of the call before. Of a chart with a point a second the newest minute
        takes 14 us; to go through all of its hour at each epoch took 97 us.
        """
        if self._lately_of is not self.told or time_ns < self._lately_ns:
            self._lately, self._lately_of = dict.fromkeys(self.told), self.told
        found = {key: one for key in self._lately if (one := self.told.get(key)) and one.after_ns >= time_ns}
        self._lately, self._lately_ns = dict.fromkeys(found), time_ns
        return _rows(found)

    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """What is in memory, as plain tuples: told, voids, missing."""
        voids = tuple((*key, *one) for key, one in self.voids.items())
        return _rows(self.told), voids, _rows(self.missing)

    def restore(self, told: Iterable[Any], voids: Iterable[Any], missing: Iterable[Any]) -> None:
        """Take over `rows`."""
        self.take(told)
        self.voids = {(tag, start_ns): (revision, after_ns) for tag, start_ns, revision, after_ns in voids}
        self.missing = {(tag, start_ns): Told(*one) for tag, start_ns, *one in missing}


def _rows(told: dict[Key, Told]) -> tuple[Any, ...]:
    return tuple((*key, one.end_ns, one.digest, one.revision, one.after_ns) for key, one in told.items())
