"""Every vector function that this release implements, by area."""

from __future__ import annotations

from collections.abc import Mapping

from service.qualify import alarm, coldchain, oee, pdm, spc, sterilisation, units
from service.qualify.binding import Binding

#: One a subject: `BINDINGS` of service/qualify/<area>.py.
AREAS: Mapping[str, Mapping[str, Binding]] = {
    "oee": oee.BINDINGS,
    "coldchain": coldchain.BINDINGS,
    "sterilisation": sterilisation.BINDINGS,
    "spc": spc.BINDINGS,
    "pdm": pdm.BINDINGS,
    "units": units.BINDINGS,
    "alarm": alarm.BINDINGS,
}


def bindings() -> dict[tuple[str, str], Binding]:
    """By (area, fn)."""
    return {(area, fn): binding for area, mine in AREAS.items() for fn, binding in mine.items()}
