"""One streaming figure of one asset: its machine, snapshots of it to go back to, and what was told.

Late rows make a `Job`: from the snapshot before them the rows are taken again, stretch by stretch, until the machine is
what a snapshot behind them says, or is where the live one is. What then differs from what was told is told again.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any
from zlib import crc32

from andon.outputs import Figure
from andon.packed import pack, unpack
from andon.readings import NS_PER_S
from flows.figure_course import Course, ends_of
from flows.figure_job import Frame, Job
from flows.figure_snapshots import DAY_NS, FRESH, Snapshots
from flows.figure_told import Key, Told, ToldBook
from operators.machines import Inputs, MachineSpec, Made

HOUR_NS = 3600 * NS_PER_S
CHECKPOINT_NS = 60 * NS_PER_S
SLOTS = 6  # figures of a shard are not all kept in the same pane


class Runner:
    """A figure over time. It has not begun before `begin`.

    What a machine raises comes out of `advance`, `again`, `running` and `restore`; `set_aside` is the answer to it.
    """

    def __init__(self, spec: MachineSpec, number: int, frame: Frame) -> None:
        self.spec, self.number, self._frame = spec, number, frame
        self.turn = crc32(f"{spec.asset}\0{spec.tag}\0{spec.kind}".encode())  # whatever else is configured
        self.begin_ns = self.fed_ns = 0
        self.wants_ns = self.hears_ns = 0  # the next rows and the next events are wanted from then on
        self._is_first = False  # begun with the first row there was: rows from before it are late ones
        self.foreign_ns = 0  # an earlier version told the figures that begin before
        self.job: Job | None = None
        self._course: Course | None = None
        self._snapshots = Snapshots(frame.pages)
        self._book = ToldBook(spec, frame.pages, frame.now)
        self._shown: set[Key] = set()  # running ones that were told
        self._lately: tuple[tuple[Any, ...], ...] = ()  # told behind the newest record, of a state that was restored
        self._index: bytes | None = None  # `snapshot`, while nothing of it changed
        self._shift_ns = self.turn % SLOTS * (CHECKPOINT_NS // SLOTS)

    @property
    def state_bytes(self) -> int:
        """Size of the machine's state, packed; 0 before it has begun."""
        return len(self._course.packed()) if self._course else 0

    @property
    def has_begun(self) -> bool:
        """Whether there is a machine."""
        return self._course is not None

    def floor(self, time_ns: int) -> int:
        """The begin of windows at or before time_ns."""
        return time_ns // self._frame.length_ns * self._frame.length_ns

    def begin(self, at_ns: int) -> None:
        """Start at the bound before at_ns."""
        self.begin_ns = self.fed_ns = self.floor(at_ns)
        self.wants_ns = self.hears_ns = self.begin_ns - self.spec.reach_ns
        self._is_first = False
        self._course = self._fresh(self.begin_ns)
        self._snapshots.begin(self.begin_ns)
        self._index = None

    def begin_with(self, first_ns: int) -> None:
        """Start with the first row there is: what turns up from before it later is late, also after a restart."""
        self.begin(first_ns)
        self.wants_ns, self._is_first = self.begin_ns, True

    def _fresh(self, begin_ns: int) -> Course:
        return Course(self.spec, begin_ns, self._frame.bounds, self._frame.length_ns)

    def advance(self, inputs: Inputs, upto_ns: int, figures: list[Figure]) -> None:
        """Take inputs in [fed_ns, upto_ns), of a fresh one those from before too; what ended goes to figures."""
        while self.fed_ns < upto_ns:
            until_ns = (self.fed_ns // HOUR_NS + 1) * HOUR_NS
            if until_ns >= upto_ns:
                self._step(inputs, upto_ns, figures)
                return
            head, rest = inputs.before(until_ns)
            if not len(head) and not head.events and self._live().is_asleep:
                until_ns = max(until_ns, min(upto_ns, ends_of(rest, upto_ns)[0]) // HOUR_NS * HOUR_NS)
            self._step(head, until_ns, figures)
            inputs = rest

    def _step(self, inputs: Inputs, until_ns: int, figures: list[Figure]) -> None:
        made, after_ns = self._live().step(inputs, until_ns), self.fed_ns
        if made:
            figures += self._tell(made, after_ns)
        self.fed_ns = self.wants_ns = self.hears_ns = until_ns
        if (until_ns - self._shift_ns) // CHECKPOINT_NS != (after_ns - self._shift_ns) // CHECKPOINT_NS:
            self.checkpoint()

    def _tell(self, made: list[Made], after_ns: int, old: dict[Key, Told] | None = None) -> list[Figure]:
        """What differs; nothing of it is taken as told where one of them cannot be."""
        book, figures = self._book, []
        for one in [book.check(one) for one in made]:
            least = 0
            if one.key[1] < self.foreign_ns and book.is_new(one.key):
                least = self._frame.revision(self.spec, one.key[1], one.end_ns)
            if old:
                old.pop(one.key, None)
            if one.key in self._shown:
                self._shown.remove(one.key)
                self._index = None
            if figure := book.tell(one, after_ns, least):
                figures.append(figure)
                self._index = None
        return figures

    def running(self) -> list[Figure]:
        """What has begun and not ended, and what was told to run and turned out not to be there."""
        book = self._book
        made = [book.check(one) for one in self._course.running()] if self._course else []
        keys = {one.key for one in made}
        gone = [book.void(key, key[1], 0) for key in sorted(self._shown - keys)]
        if keys != self._shown:
            self._shown, self._index = keys, None
        return gone + [book.figure(one.key, one.end_ns, 0, one.parts, one.about) for one in made]

    def checkpoint(self) -> None:
        """Keep the machine as it is, with what was told lately; what was told in hours before goes into a record."""
        if self._course is None:
            return
        packed = FRESH if self.fed_ns == self.begin_ns and self.hears_ns < self.fed_ns else self._course.packed()
        if self.job is None and self._book.told:
            self._book.pack(self.fed_ns // HOUR_NS * HOUR_NS)
        self._keep(packed)
        if self.job is None:
            oldest_ns = self.fed_ns - self._frame.keep_ns
            self._snapshots.thin(self.fed_ns, oldest_ns)
            self._book.forget(self._snapshots.at(0))

    def _keep(self, packed: bytes) -> None:
        self._snapshots.keep(self.fed_ns, packed, *self._book.rows())
        self._index = None

    def note_late(self, least_ns: int, most_ns: int, tick: int, *, rows: bool) -> None:
        """Rows, or events, from least_ns to most_ns that came after the machine had passed them."""
        if self._course is None or most_ns < self.fed_ns - self._frame.keep_ns:
            return
        least_ns = max(least_ns, self.fed_ns - self._frame.keep_ns)
        if not rows and least_ns < self.begin_ns:
            if most_ns < self.begin_ns - self.spec.reach_ns:
                return
            least_ns = self.begin_ns  # an event from before stands into the begin and moves nothing
            most_ns = max(most_ns, least_ns)
        self._index = None
        self.job = self.job or Job(least_ns, most_ns, tick, tick)
        self.job.widen(least_ns, most_ns, tick)
        if self._snapshots.at(-1) < self.fed_ns:  # a restart takes the rows behind the newest one for rows in time
            self.checkpoint()

    def stretch(self) -> tuple[int, int, int]:
        """Of the job: from when inputs are wanted, where its machine stands, up to where it goes next."""
        job, snapshots = self._job(), self._snapshots
        if job.position_ns is None:
            job.position_ns = self._back_to(job.least_ns)
            self._book.unpack(job.position_ns)
            self._index = None
        position_ns = job.position_ns
        place = snapshots.place(position_ns)
        end_ns = (position_ns // HOUR_NS + 1) * HOUR_NS
        next_ns = snapshots.at(place + 1) if place + 1 < len(snapshots.kept) else self.fed_ns
        if next_ns - position_ns > 2 * DAY_NS:  # the machine slept there
            end_ns = max(end_ns, job.least_ns // HOUR_NS * HOUR_NS)
        is_fresh = snapshots.record(place)[0] == FRESH
        reach_ns = self.spec.reach_ns if is_fresh else 0
        return position_ns - reach_ns, position_ns, min(end_ns, next_ns, self.fed_ns)

    def _back_to(self, time_ns: int) -> int:
        """The snapshot to begin from; a fresh machine where there is none."""
        place = self._snapshots.place(time_ns)
        if place >= 0:
            return self._snapshots.at(place)
        begin_ns = self.floor(time_ns)
        self.begin_ns = min(self.begin_ns, begin_ns)
        self._snapshots.kept.insert(0, (begin_ns, -1))
        return begin_ns

    def again(self, inputs: Inputs, figures: list[Figure]) -> None:
        """The inputs of the stretch; what differs goes to figures. `job` is None when all of it is done."""
        job, (_, position_ns, end_ns), snapshots = self._job(), self.stretch(), self._snapshots
        self._index = None
        place = snapshots.place(position_ns)
        packed = snapshots.record(place)[0]
        # A machine keeps back what ended before its begin, and that of a restored one is not where it was restored.
        course = self._fresh(position_ns if packed == FRESH else self.begin_ns)
        if packed != FRESH:
            course.restore(packed)
        book = self._book
        old = {key: one for key, one in book.told.items() if position_ns <= one.after_ns < end_ns}
        made = course.step(inputs, end_ns)
        packed = course.packed()
        figures += self._tell(made, position_ns, old)
        for key in old:
            book.missing[key] = book.told.pop(key)
        job.position_ns, is_done = end_ns, end_ns >= self.fed_ns
        if is_done:
            self._course, self.wants_ns, self.hears_ns = course, self.fed_ns, self.fed_ns
        else:
            is_there = place + 1 < len(snapshots.kept) and snapshots.at(place + 1) == end_ns
            is_done = (
                is_there and end_ns > max(job.most_ns, job.reached_ns) and snapshots.record(place + 1)[0] == packed
            )
            if not is_done:
                snapshots.keep(end_ns, packed, (), (), ())
                job.reached_ns = max(job.reached_ns, end_ns)
        if is_done:
            figures += book.gone()
            self.job = None

    def _job(self) -> Job:
        if self.job is None:
            raise ValueError("nothing is late")
        return self.job

    def _live(self) -> Course:
        if self._course is None:
            raise ValueError(f"{self.spec.kind} of {self.spec.asset} has not begun")
        return self._course

    def set_aside(self) -> None:
        """The machine failed: go back to its newest snapshot, from which a restart tries it again."""
        packed, place = FRESH, len(self._snapshots.kept) - 1
        if place >= 0:
            self.fed_ns = self._snapshots.at(place)
            packed = self._snapshots.record(place)[0]
        self._wants(packed)
        self._keep(packed)

    def snapshot(self) -> bytes:
        """Where its records are, and its job; packed, and made anew only where something changed."""
        if self._index is None:
            job = astuple(self.job) if self.job else None
            kept, told_in = tuple(self._snapshots.kept), tuple(self._book.packed)
            lately = self._book.since(self._snapshots.at(-1))
            shown = tuple(sorted(self._shown))
            state = (self.begin_ns, self.foreign_ns, kept, told_in, job, shown, self._is_first, lately)
            self._index = pack(state)
        return self._index

    def restore(self, snapshot: bytes) -> None:
        """Take over a snapshot: the machine of the newest record, at fed_ns; inputs are wanted from wants_ns on.

        ValueError where the machine cannot read it.
        """
        self.begin_ns, self.foreign_ns, kept, told_in, job, shown, *more = unpack(snapshot)
        self._is_first, self._lately = more[0], more[1] if len(more) > 1 else ()
        self._snapshots.kept, self._book.packed, self._shown = list(kept), list(told_in), set(shown)
        self.job = None if job is None else Job(*job)
        newest = len(kept) - 1
        self.fed_ns = self._snapshots.at(newest)
        packed, *told = self._snapshots.record(newest)
        self._book.restore(*told)
        self._course = course = self._fresh(self.fed_ns if packed == FRESH else self.begin_ns)
        self._wants(packed)
        if packed != FRESH:
            course.restore(packed)

    def _wants(self, packed: bytes) -> None:
        """From when the machine of a record at fed_ns wants what comes next."""
        self.wants_ns = self.hears_ns = self.fed_ns
        if packed == FRESH:
            self.hears_ns -= self.spec.reach_ns
            if not (self._is_first and self.fed_ns == self.begin_ns):
                self.wants_ns -= self.spec.reach_ns

    def anew(self, at_ns: int) -> None:
        """Another version of the figure, after `restore` was tried: it begins at the bound before at_ns.

        What was told stays told, so that the revisions of its keys go on.
        """
        self.job = None
        self._book.told = self._book.missing | self._book.told
        self._book.take(self._lately, newer=True)
        self._book.missing = {}
        self.begin(at_ns)
        self._book.unpack(self.begin_ns)
        self._keep(FRESH)
