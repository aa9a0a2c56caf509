"""What events say to a control chart: what is being made, new limits, an assignable cause."""

from __future__ import annotations

from typing import NamedTuple

from operators.event_data import number_of, text_of
from operators.machines import Happened
from operators.spc_phase_one import Known

BEGIN, END = ("order.started", "lot.started", "product.changed"), ("order.ended", "lot.ended")


class Making(NamedTuple):
    """What is being made, as far as events told."""

    order: str = ""
    lot: str = ""
    product: str = ""

    def after(self, one: Happened) -> Making:
        """order.started, lot.started, product.changed tell what is new; order.ended and lot.ended end it.

        An order that starts without a lot or product has none.
        """
        told = {key: text_of(one.data, key) for key in self._fields}
        if one.event == "order.started":
            return Making(**told)
        if one.event in BEGIN:
            return self._replace(**{key: text for key, text in told.items() if text})
        if one.event == "order.ended":
            return Making()
        if one.event == "lot.ended" and told["lot"] in ("", self.lot):
            return self._replace(lot="")
        return self

    def about(self) -> dict[str, str]:
        """Those that are known, for a figure."""
        return {key: text for key, text in self._asdict().items() if text}


def limits_of(one: Happened, chart: str) -> Known | None:
    """Limits that `limits.set` {chart, version, centre, sigma, phi, product} gives to this chart; None: not for it.

    An event that lacks a number, or has one that cannot be, changes nothing.
    """
    data = one.data
    if one.event != "limits.set" or text_of(data, "chart") != chart:
        return None
    centre, sigma, phi = (number_of({"sigma": 0.0, "phi": 0.0, **data}, key) for key in ("centre", "sigma", "phi"))
    version = text_of(data, "version")
    if centre is None or sigma is None or phi is None or sigma < 0.0 or not version:
        return None
    return Known(version, centre, sigma, phi, text_of(data, "product"), one.time_ns)


def cause_of(one: Happened, chart: str) -> str | None:
    """The cause that `subgroup.excluded` {chart, cause} gives; without a chart it is for all; None: not for this."""
    if one.event != "subgroup.excluded" or text_of(one.data, "chart") not in ("", chart):
        return None
    return text_of(one.data, "cause") or "-"
