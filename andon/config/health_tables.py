"""Bounds of vibration zones that are built in, mm/s rms. Check them against your own copy of the standard.

Groups of ISO 20816-3 (before: ISO 10816-3:2009): 1 above 300 kW or a shaft height of 315 mm and more, 2 from 15 to
300 kW or 160 to 315 mm. Web tables differ: group 2, rigid, C/D is 4.5 here, and group 1, flexible, 11.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from andon.config.health import Zones

_PART_3 = "ISO 20816-3 (ISO 10816-3:2009), as transcribed in public sources; check your copy"
_PART_1 = "ISO 10816-1 (ISO 2372), as transcribed in public sources; check your copy"
_BOUNDS = (
    ("iso20816-3.group1.rigid", 2.3, 4.5, 7.1, _PART_3),
    ("iso20816-3.group1.flexible", 3.5, 7.1, 11.0, _PART_3),
    ("iso20816-3.group2.rigid", 1.4, 2.8, 4.5, _PART_3),
    ("iso20816-3.group2.flexible", 2.3, 4.5, 7.1, _PART_3),
    ("iso10816-1.class1", 0.71, 1.8, 4.5, _PART_1),
    ("iso10816-1.class2", 1.12, 2.8, 7.1, _PART_1),
    ("iso10816-1.class3", 1.8, 4.5, 11.2, _PART_1),
    ("iso10816-1.class4", 2.8, 7.1, 18.0, _PART_1),
)
#: Tables by name.
BUILT_IN: Mapping[str, Zones] = {
    name: Zones(name=name, a_b=a_b, b_c=b_c, c_d=c_d, source=source) for name, a_b, b_c, c_d, source in _BOUNDS
}


def zone_tables(own: Iterable[Zones]) -> dict[str, Zones]:
    """Every table by name, the plant's own included."""
    return {**BUILT_IN, **{one.name: one for one in own}}
