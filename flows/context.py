"""What each asset is making: order, product, lot, shift, as the events of the log said. Goes into evidence."""

from __future__ import annotations

from typing import Any

from andon.readings import Event

# Bounded, so a chatty producer cannot grow the state. calibration: the certificate in force, and until when it is.
KEYS = ("order", "product", "lot", "shift", "mode", "calibration", "calibration_due")


class ProductionContext:
    """The last word on each key of each asset. `<key>.started` sets, `<key>.ended` forgets."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def apply(self, event: Event) -> None:
        """Take one event in log order; events about anything else are left alone."""
        subject, _, verb = event.event.partition(".")
        if subject not in KEYS:
            return
        known = self._known.setdefault(event.asset, {})
        if verb == "ended":
            known.pop(subject, None)
            return
        for key in KEYS:
            if key in event.data:
                known[key] = str(event.data[key])[:64]

    def of(self, asset: str) -> dict[str, str]:
        """Order, product, lot, shift and mode of an asset, as far as known."""
        return dict(self._known.get(asset, {}))

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples."""
        return tuple((asset, tuple(sorted(known.items()))) for asset, known in sorted(self._known.items()))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self._known = {asset: dict(items) for asset, items in snapshot}
