"""Half-space trees for a group of channels: has the machine been in this corner of its space of late?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from andon.readings import F64, I64, U8
from detectors.contract import NO_PART
from detectors.half_space_kernel import HEAD, MOVES, ROWS, SCALES, U16, USABLE, score_row, splits

LAYOUT = 1
TREES, HEIGHT = 25, 8
NODES = 2 ** (HEIGHT + 1) - 1
REFERENCE_ROWS = 400
ALARM, OVER = 3.0, 1.0  # an alarm begins above the one and ends at the other or below
Snapshot = tuple[int, int, int, bytes, bytes, bytes, bytes]
_jit = njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True, slots=True, eq=False)
class GroupRows:
    """What a detector of a group says of n rows: as `registry.GroupScored`.

    score float64[n], 0..12, NaN for a row without any value; alarm uint8[n]; channel uint8[n], NO_PART for none.
    """

    score: F64
    alarm: U8
    channel: U8

    @classmethod
    def empty(cls, n: int) -> GroupRows:
        """Columns for n rows about which nothing is said yet."""
        return cls(np.full(n, np.nan), np.zeros(n, np.uint8), np.full(n, NO_PART, np.uint8))


def checked(time_ns: I64, values: F64, channels: int) -> F64:
    """The values as float64[n, channels]. Raises: ValueError where a shape is another."""
    values = np.ascontiguousarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != channels or len(time_ns) != len(values):
        here = f"time_ns {np.shape(time_ns)}, values {values.shape}"
        raise ValueError(f"score_many: found {here}; wanted (n,) and (n, {channels})")
    return values


@_jit
def score_rows(
    values: F64, head: F64, last: F64, scales: F64, masses: U16, feature: U8, threshold: F64, teaches: int, score: F64,
    alarm: U8, channel: U8,
) -> None:  # fmt: skip
    """All rows in order; head[HEAD] is 1 while there is an alarm."""
    p = values.shape[1]
    u, blame = np.empty(p), np.empty(p)
    for i in range(len(values)):
        x = values[i]
        usable, moved = False, False
        for j in range(p):
            if abs(x[j]) <= USABLE:
                usable = True
                moved = moved or (head[ROWS] > 0.0 and x[j] != last[j])
                last[j] = x[j]
        alarm[i] = np.uint8(head[HEAD])
        if not usable:
            continue
        head[MOVES] += moved
        score[i], channel[i] = score_row(x, head[:HEAD], scales, masses, feature, threshold, teaches, u, blame)
        if score[i] > ALARM:
            head[HEAD] = 1.0
        elif score[i] <= OVER:
            head[HEAD] = 0.0
        alarm[i] = np.uint8(head[HEAD])


class HalfSpaceGroupDetector:
    """Causal score of rows of several channels by half-space trees over all of them, in one pass.

    25 trees of height 8 count how many rows of the window before fell into each of their cells; a row in a thin cell is
    unusual. The first `reference_rows` rows teach: a quarter of them the scale of each channel, half of them are the
    first window, the rest the tail of the scores. Later windows, half as many rows, follow one another.

    Score: 0..12, -log10 of how often the cells of a row are so thin; NaN for a row without any usable value, which
    changes nothing. Scored before learned. Alarm: above 3 until 1 or less. The channel is the one whose splits led the
    row away from the others. A window of which a fifth scores 3 and more does not become the reference, four times at
    most: so a fault stays one for a while, and then is normal.

    Missing values: at a split of a channel that is missing the row goes where most rows went.

    Good at: single rows in corners that the machine has not been in, with several modes or products. Bad at: small
    lasting shifts and changed relations between channels (`MewmaDetector` is for these); telling rare from
    rarer; more than some ten channels, since a path looks at eight splits. Figures: docs/detection-multivariate.md.

    Cost: O(1) whatever the number of channels, 1.5 to 2.5 us a row; memory 51 kB. The same rows in any split
    give the same bits.

    Source: Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011; scales, calibration and the
    refusal of windows are our own.

    channels: 1..254; reference_rows: >= 20.

    >>> rng = np.random.default_rng(7)
    >>> mode = (np.arange(4000) // 50 % 2)[:, None]  # of two products, each with its own speed and pressure
    >>> values = np.array([[10.0, 3.0], [20.0, 1.0]])[mode[:, 0]] + rng.normal(0.0, 0.1, (4000, 2))
    >>> values[3030] = 20.0, 30.0  # a pressure of neither
    >>> found = HalfSpaceGroupDetector(channels=2).score_many(np.arange(4000) * 1_000_000_000, values)
    >>> int(found.score.argmax()), bool(found.score[3030] > 3.0)
    (3030, True)
    """

    def __init__(self, channels: int, reference_rows: int = REFERENCE_ROWS) -> None:
        if not 1 <= channels < NO_PART:
            raise ValueError(f"HalfSpaceGroupDetector: channels must be 1..{NO_PART - 1}, got {channels}")
        if reference_rows < 20:
            raise ValueError(f"HalfSpaceGroupDetector: reference_rows must be >= 20, got {reference_rows}")
        self.channels, self.reference_rows = channels, reference_rows
        self._feature, self._threshold = splits(channels, TREES, HEIGHT)
        self.relearn()

    def relearn(self) -> None:
        """Forget everything: the next rows teach, as after a repair."""
        self._head, self._last = np.zeros(HEAD + 1), np.zeros(self.channels)
        self._scales = np.zeros((SCALES, self.channels))
        self._masses = np.zeros((2, TREES, NODES), np.uint16)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; the splits, which never change, are not in it."""
        return self._head.nbytes + self._last.nbytes + self._scales.nbytes + self._masses.nbytes

    def score_many(self, time_ns: I64, values: F64) -> GroupRows:
        """As `registry.GroupDetector.score_many`. Raises: ValueError where a shape is another."""
        values = checked(time_ns, values, self.channels)
        found = GroupRows.empty(len(values))
        score_rows(
            values, self._head, self._last, self._scales, self._masses, self._feature, self._threshold,
            self.reference_rows, found.score, found.alarm, found.channel,
        )  # fmt: skip
        return found

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        own = (self._head.tobytes(), self._last.tobytes(), self._scales.tobytes(), self._masses.tobytes())
        return (LAYOUT, self.channels, self.reference_rows, *own)

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else.

        Raises: ValueError on another layout, another number of channels or reference rows, or torn data.
        """
        layout, channels, reference_rows, head, last, scales, masses = snapshot
        here = (LAYOUT, self.channels, self.reference_rows)
        if (layout, channels, reference_rows) != here:
            found = f"layout {layout}, {channels} channels, {reference_rows} reference rows"
            raise ValueError(f"restore: found {found}; this has {here[0]}, {here[1]} and {here[2]}")
        sizes = [len(part) for part in (head, last, scales, masses)]
        own = [part.nbytes for part in (self._head, self._last, self._scales, self._masses)]
        if sizes != own:
            raise ValueError(f"restore: torn data, parts of {sizes} bytes, this has {own}")
        self._head, self._last = np.frombuffer(head).copy(), np.frombuffer(last).copy()
        self._scales = np.frombuffer(scales).reshape(SCALES, channels).copy()
        self._masses = np.frombuffer(masses, np.uint16).reshape(2, TREES, NODES).copy()
