"""Which windows there are, counted in panes."""

from __future__ import annotations

from dataclasses import dataclass

from operators.window_kernel import LONGEST_PANE_NS


@dataclass(frozen=True)
class WindowSpec:
    """Sizes and hops in panes. Tumbling: hop == size.

    >>> WindowSpec.of(5.0, [(10.0, 10.0), (60.0, 5.0)]).sizes
    (2, 12)
    """

    pane_ns: int
    sizes: tuple[int, ...]
    hops: tuple[int, ...]

    @staticmethod
    def of(pane_s: float, sizes_and_hops_s: list[tuple[float, float]]) -> WindowSpec:
        """Seconds to panes; every size and hop must be a whole number of panes of less than 78 h (ValueError)."""
        pane_ns = round(pane_s * 1e9)
        if not 0 < pane_ns < LONGEST_PANE_NS:
            raise ValueError(f"a pane of {pane_s} s; it must be longer than nothing and shorter than 78 h")
        panes = []
        for pair in sizes_and_hops_s:
            for seconds in pair:
                if round(seconds * 1e9) % pane_ns:
                    raise ValueError(f"{seconds} s is not a whole number of panes of {pane_s} s")
            panes.append(tuple(round(seconds * 1e9) // pane_ns for seconds in pair))
        return WindowSpec(pane_ns, tuple(size for size, _ in panes), tuple(hop for _, hop in panes))

    def closed_windows_of(self, time_ns: int, closed_ns: int) -> list[tuple[int, int]]:
        """(size_ns, start_ns) of each window that holds time_ns and had ended at or before closed_ns."""
        found = []
        pane_no = time_ns // self.pane_ns
        for size, hop in zip(self.sizes, self.hops, strict=True):
            ends = range((pane_no // hop + 1) * hop, pane_no + size + 1, hop)
            found += [
                (size * self.pane_ns, (end - size) * self.pane_ns) for end in ends if end * self.pane_ns <= closed_ns
            ]
        return found
