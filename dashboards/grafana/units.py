"""UCUM units to what Grafana calls them.

Queries put the unit into the field's name, `mean [Cel]`, and an override for each unit goes by that: a panel cannot
know beforehand what its series will be. A unit that is not here is shown as it is written, in the legend.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dashboards.grafana import Json

GRAFANA: Final = {
    "Cel": "celsius", "K": "kelvin", "[degF]": "fahrenheit", "%": "percent", "s": "s", "ms": "ms", "min": "m", "h": "h",
    "Pa": "pressurepa", "kPa": "pressurekpa", "hPa": "pressurehpa", "mbar": "pressurembar", "bar": "pressurebar",
    "[psi]": "pressurepsi", "m": "lengthm", "mm": "lengthmm", "m/s": "velocityms", "km/h": "velocitykmh",
    "mm/s": "suffix: mm/s", "m/s2": "accMS2", "[g]": "accG", "g": "massg", "kg": "masskg", "mg": "massmg",
    "A": "amp", "mA": "mamp", "V": "volt", "mV": "mvolt", "W": "watt", "kW": "kwatt", "kW.h": "kwatth", "Hz": "hertz",
    "/min": "rotrpm", "N": "forceN", "kN": "forcekN", "N.m": "forceNm", "L/min": "flowlpm", "L/h": "litreh",
    "deg": "degree", "[ppm]": "ppm", "lx": "lux", "dB": "dB",
}  # fmt: skip


def unit_overrides() -> Sequence[Json]:
    """An override for each known unit, for fields named `... [unit]`."""
    return [
        {"matcher": {"id": "byRegexp", "options": in_brackets(ucum)}, "properties": [{"id": "unit", "value": grafana}]}
        for ucum, grafana in GRAFANA.items()
    ]


def in_brackets(ucum: str) -> str:
    r"""A regular expression of JavaScript that finds the unit in a field's name.

    >>> in_brackets("mm/s")
    '/\\[mm\\/s\\]/'
    """
    escaped = re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", ucum)
    return rf"/\[{escaped}\]/"
