"""The detector of a group of channels that belong together: is the machine, as a whole, as it was in its reference?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from andon.readings import F64, I64, U8
from detectors.mewma_kernel import HELD, PARTS, WANDERING, WEIGHTS, chi_table, score_rows
from detectors.mewma_kernel import NONE as NO_CHANNEL
from detectors.mewma_reference import Reference, gaps, learn

LAYOUT = 1
REFERENCE_ROWS = 400
SLOW_SHIFT, FAST_SHIFT, GROUP_SCATTER, CHANNEL_SCATTER = range(4)  # what a score comes from
Snapshot = tuple[int, int, int, int, int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
_chi = lru_cache(maxsize=64)(chi_table)


@dataclass(frozen=True)
class ScoredRows:
    """Scores of n rows.

    score       : float64[n], 0..12, -log10 of a tail probability; NaN for a row without any value.
    alarm       : uint8[n], 1 from a score above 3 until one of 1 or less.
    channel     : uint8[n], the channel that contributes most; 255 (NO_CHANNEL) below a score of 1.
    statistic   : uint8[n], SLOW_SHIFT, FAST_SHIFT, GROUP_SCATTER or CHANNEL_SCATTER: where the score is from; or 255.
    contribution: float64[n, p] if asked for, else float64[0, p]. Of a shift: by how much the squared distance would be
                  less without the channel, all others given. Of scatter: square of the channel's mean absolute
                  deviation, all others given, relative to its usual one. About 1 in control.
    """

    score: F64
    alarm: U8
    channel: U8
    statistic: U8
    contribution: F64


class MewmaDetector:
    """Causal anomaly score of rows of several channels against a reference, in one pass, one setting for all machines.

    The first `reference_rows` rows are the reference. From then on four statistics are kept: a slow and a fast
    multivariate EWMA of the standardised deviations (T2: has a level, or the relation of levels, changed?), the EWMA
    of the distances of single rows from the local level, and for each channel the EWMA of its absolute deviation from
    what the others foretell (has the scatter of the group or of a channel, or the correlation, changed?).
    Channels that wander in the reference itself, such as temperatures on their way to equilibrium, are judged by
    their changes, all others by their level. The reference stays; only while nothing is unusual do the levels of
    steady channels follow, at most as fast as one reference length.

    Score: 0..12, high is unusual; -log10 of the tail probability of the most unusual of the four, times four. 0 for
    the reference. NaN for a row without any usable value, which changes nothing but a gap. Scored before learned.

    Missing values: the row is judged by its other channels, and what the missing channel has said so far fades. A
    channel that did not move in the reference, or had less than half of its values, is left out (`left_out`).

    Good at: lasting shifts, however small in each single channel, changed relations between channels, rising scatter,
    on machines that run in one mode. Bad at: single spikes; drifts slower than about one standard deviation in the
    length of the reference; machines that change product or load without `relearn`; a level that a wandering
    channel reaches slowly.

    Cost: O(channels^2), about 0.15 us a row of eight channels; memory as for `reference_rows` rows, then less. The
    same rows in any split give the same bits.

    Source: Lowry et al., "A Multivariate Exponentially Weighted Moving Average Control Chart", Technometrics 34 (1992);
    contributions as the conditional terms of Mason, Tracy and Young, J. Quality Technology 27 (1995); wandering
    channels as the moving centre line of Montgomery and Mastrangelo, J. Quality Technology 23 (1991). Figures:
    docs/detection-multivariate.md.

    channels: 1..254; reference_rows: >= 20.

    >>> rng = np.random.default_rng(7)
    >>> load = rng.normal(0.0, 1.0, 1000)
    >>> values = np.stack([load, 2.0 * load], axis=1) + rng.normal(0.0, 0.1, (1000, 2))
    >>> values[800:, 1] += 1.0  # half its own deviation, but four times what the other channel leaves open
    >>> found = MewmaDetector(channels=2).score_many(np.arange(1000) * 1_000_000_000, values)
    >>> bool(found.alarm[:800].any()), int(found.alarm.argmax()), int(found.alarm[-1])
    (False, 803, 1)
    """

    def __init__(self, channels: int, reference_rows: int = REFERENCE_ROWS) -> None:
        if not 1 <= channels < NO_CHANNEL:
            raise ValueError(f"MewmaDetector: channels must be 1..{NO_CHANNEL - 1}, got {channels}")
        if reference_rows < 20:
            raise ValueError(f"MewmaDetector: reference_rows must be >= 20, got {reference_rows}")
        self.channels, self.reference_rows = channels, reference_rows
        self.relearn()

    def relearn(self) -> None:
        """Forget everything: the next rows are the reference, as after a repair or a change of product."""
        self._times = np.zeros(0, np.int64)
        self._rows = np.zeros((0, self.channels))
        self._reference: Reference | None = None
        self._state = np.zeros((PARTS, self.channels))
        self._group = np.zeros(2)
        self._last_ns = 0

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by reference_rows and channels."""
        learned = self._reference
        model = 0 if learned is None else learned.inverse.nbytes + learned.weights.nbytes + learned.role.nbytes
        return self._times.nbytes + self._rows.nbytes + self._state.nbytes + model

    @property
    def wandering(self) -> list[int]:
        """Channels that are judged by their changes; none before the reference is whole."""
        return [] if self._reference is None else np.flatnonzero(self._reference.role == WANDERING).tolist()

    @property
    def left_out(self) -> list[int]:
        """Channels that the reference says nothing of, so that they are not judged."""
        return [] if self._reference is None else np.flatnonzero(self._reference.role == HELD).tolist()

    def score_many(self, time_ns: I64, values: F64, *, contributions: bool = False) -> ScoredRows:
        """Score rows, then learn from them.

        time_ns: int64[n], not falling; values: float64[n, channels], not finite where missing. None is changed.

        Raises: ValueError where a shape is another.
        """
        values = np.ascontiguousarray(values, np.float64)
        if values.ndim != 2 or values.shape[1] != self.channels or len(time_ns) != len(values):
            here = f"time_ns {np.shape(time_ns)}, values {values.shape}"
            raise ValueError(f"score_many: found {here}; wanted (n,) and (n, {self.channels})")
        rows = len(values)
        found = ScoredRows(
            np.zeros(rows),
            np.zeros(rows, np.uint8),
            np.full(rows, NO_CHANNEL, np.uint8),
            np.full(rows, NO_CHANNEL, np.uint8),
            np.zeros((rows if contributions else 0, self.channels)),
        )
        taken = self._take(time_ns, values)
        learned = self._reference
        if learned is None or taken == rows:
            return found
        gap = gaps(time_ns[taken:], self._last_ns, learned.gap_ns)
        score_rows(
            values[taken:], gap, learned.role, learned.weights, learned.inverse, learned.per_size, learned.constants,
            _chi(max(learned.used, 1)), self._state, self._group, found.score[taken:], found.alarm[taken:],
            found.channel[taken:], found.statistic[taken:], found.contribution[taken:],
        )  # fmt: skip
        self._last_ns = int(time_ns[-1])
        return found

    def _take(self, time_ns: I64, values: F64) -> int:
        """Number of rows that went into the reference; learns from it when it is whole."""
        if self._reference is not None:
            return 0
        taken = min(self.reference_rows - len(self._rows), len(values))
        self._times = np.append(self._times, time_ns[:taken])
        self._rows = np.concatenate([self._rows, values[:taken]])
        if len(self._rows) == self.reference_rows:
            self._last_ns = int(self._times[-1])
            self._reference, self._state = learn(self._times, self._rows)
            self._times, self._rows = self._times[:0].copy(), self._rows[:0].copy()
        return taken

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        learned = self._reference
        model: tuple[bytes, bytes, bytes, bytes, bytes] = (b"", b"", b"", b"", b"")
        if learned is not None:
            model = (
                learned.role.tobytes(), learned.weights.tobytes(), learned.inverse.tobytes(),
                learned.per_size.tobytes(), learned.constants.tobytes(),
            )  # fmt: skip
        gap_ns = 0 if learned is None else learned.gap_ns
        own = (self._times.tobytes(), self._rows.tobytes(), self._state.tobytes(), self._group.tobytes())
        sizes = (LAYOUT, self.channels, self.reference_rows, gap_ns, self._last_ns)
        return (*sizes, *model, *own)

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else.

        Raises: ValueError on another layout, another number of channels or reference rows, or torn data.
        """
        layout, channels, reference_rows, gap_ns, last_ns, *parts = snapshot
        here = (LAYOUT, self.channels, self.reference_rows)
        if (layout, channels, reference_rows) != here:
            found = f"layout {layout}, {channels} channels, {reference_rows} reference rows"
            raise ValueError(f"restore: found {found}; this has {here[0]}, {here[1]} and {here[2]}")
        try:
            self._unpack(gap_ns, last_ns, *parts)
        except ValueError as torn:
            sizes = [len(part) for part in parts]
            raise ValueError(f"restore: torn data, parts of {sizes} bytes for {channels} channels: {torn}") from torn

    def _unpack(
        self, gap_ns: int, last_ns: int, role: bytes, weights: bytes, inverse: bytes, per_size: bytes,
        constants: bytes, times: bytes, rows: bytes, state: bytes, group: bytes,
    ) -> None:  # fmt: skip
        """Arrays from their bytes. Raises: ValueError where a size is wrong, before anything is changed."""
        p = self.channels

        def floats(part: bytes, *shape: int) -> F64:
            return np.frombuffer(part, np.float64).reshape(shape).copy()

        reference = None
        if role:
            roles = np.frombuffer(role, np.uint8).reshape(p).copy()
            model = (floats(weights, WEIGHTS, p), floats(inverse, p, p), floats(per_size, 2, p), floats(constants, 2))
            reference = Reference(gap_ns, roles, *model)
        own_state, own_group = floats(state, PARTS, p), floats(group, 2)
        own_times = np.frombuffer(times, np.int64).copy()
        own_rows = floats(rows, len(own_times), p)
        self._reference, self._last_ns = reference, last_ns
        self._state, self._group, self._times, self._rows = own_state, own_group, own_times, own_rows
