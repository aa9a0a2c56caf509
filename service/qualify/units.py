"""Vectors of units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from andon.units import conversion, rec_20
from service.qualify.binding import Binding, Given, defined


def _ucum(given: Given) -> Any:
    """None where the units do not convert, or there is no value."""
    found = conversion(given["frm"], given["to"])
    return None if found is None else defined(found, given["value"])


def _epcis_uom(given: Given) -> Any:
    codes = given["ucum"]
    return rec_20(codes) if isinstance(codes, str) else [rec_20(code) for code in codes]


BINDINGS: Mapping[str, Binding] = {
    "ucum": Binding("andon.units.conversion", call=_ucum),
    "epcis_uom": Binding("andon.units.rec_20", call=_epcis_uom),
}
