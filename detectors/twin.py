"""Two sensors that should agree: is their difference what is normal for the pair?"""

from __future__ import annotations

import numpy as np

from andon.readings import F64, I64
from detectors.mewma import REFERENCE_ROWS, MewmaDetector, ScoredRows, Snapshot


class TwinDetector:
    """Causal score of the difference between two sensors of the same quantity, in one pass.

    The difference is judged as the only channel of a `MewmaDetector`: against its mean and scatter in the first
    `reference_rows` rows, so a fixed offset between the two is normal. Product, load and season cancel out, which is
    what makes it finer than a look at either sensor.

    Score and alarm: as `MewmaDetector`; the channel is always 0. NaN where one of the two is missing.

    Good at: drift, offset, rising noise or standstill of one of two sensors. Bad at: telling which of the two it is;
    what happens to both, such as a change of the medium; twins of different scale or delay, whose difference follows
    the load. A pair whose difference wanders in the reference is judged by the changes of the difference only.

    Cost: O(1), about 0.1 us a row.

    >>> rng = np.random.default_rng(7)
    >>> load = np.cumsum(rng.normal(0.0, 1.0, 1000))
    >>> first, second = load + rng.normal(0.0, 0.1, 1000), load + 0.3 + rng.normal(0.0, 0.1, 1000)
    >>> second[700:] += 0.3
    >>> found = TwinDetector().score_many(np.arange(1000) * 1_000_000_000, first, second)
    >>> bool(found.alarm[:700].any()), int(found.alarm.argmax()), int(found.alarm[-1])
    (False, 705, 1)
    """

    def __init__(self, reference_rows: int = REFERENCE_ROWS) -> None:
        self._difference = MewmaDetector(channels=1, reference_rows=reference_rows)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by reference_rows."""
        return self._difference.nbytes

    def relearn(self) -> None:
        """Forget everything: the next rows are the reference, as after a calibration."""
        self._difference.relearn()

    def score_many(self, time_ns: I64, first: F64, second: F64) -> ScoredRows:
        """Score rows, then learn from them.

        time_ns: int64[n], not falling; first, second: float64[n], one unit, not finite where missing. None is changed.

        Raises: ValueError where lengths differ.
        """
        if not len(time_ns) == len(first) == len(second):
            found = f"time_ns {len(time_ns)}, first {len(first)}, second {len(second)}"
            raise ValueError(f"score_many: lengths differ: {found}")
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.subtract(first, second, dtype=np.float64)
        return self._difference.score_many(time_ns, difference[:, None])

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        return self._difference.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else. Raises: ValueError as `MewmaDetector.restore`."""
        self._difference.restore(snapshot)
