"""What every figure holds: its parts by name with their units. Rules, pages, dashboards and the reference follow it.

Names and definitions for people are texts of the locale room `figures`: `figure.<kind>`, `figure.<kind>.<part>` and
`figure.<kind>.<part>.how`. Each subject has its own file here.
"""

from __future__ import annotations

from collections.abc import Mapping

from andon.figures.base import Kind, Part
from andon.figures.calibration import CALIBRATION
from andon.figures.cold_chain import COLD_CHAIN
from andon.figures.groups import GROUPS
from andon.figures.health import HEALTH
from andon.figures.journey import JOURNEY
from andon.figures.oee import OEE
from andon.figures.spc import SPC
from andon.figures.sterilisation import STERILISATION

__all__ = ["KINDS", "Kind", "Part"]

#: Every kind of figure by name.
KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (*OEE, *COLD_CHAIN, *STERILISATION, *HEALTH, *SPC, *CALIBRATION, *JOURNEY, *GROUPS)
}
