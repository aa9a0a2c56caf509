"""Units: UCUM codes, what one is in another, and their names in EPCIS. Parsing by ucumvert, arithmetic by pint.

A reading is converted once, where it comes in; behind the decoders every value is in the unit of its series.
Conversions are kept, so that a message costs a look-up.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from andon.readings import F64

if TYPE_CHECKING:
    from pint import Quantity

FAR = 1e6  # where a straight line is looked at: a slope between 0 and 1 would lose three digits to an offset
#: A value of at least the decade before a place counts to 14 digits, its multiple by the scale is a whole number then.
#: Both are exact in float64 here; what is smaller or larger is left as it is.
DECADES = tuple(10.0**power for power in range(-9, 14))
SCALES = (1.0, *(10.0**power for power in range(22, 0, -1)), 1.0)
LONGEST = 64  # characters of a code; ours have at most a dozen
ANNOTATION = re.compile(r"\{[!-z|~]*\}")  # UCUM: braces hold a remark and mean 1; no braces within braces
_parsing = Lock()  # pint's and lark's caches are not made for several threads

#: Codes in daily use that need no parser: it takes 0.3 s to load.
USUAL = frozenset({
    "{rev}/min", "{items}", "{items}/min", "{count}", "[CFU]", "[CFU]/m3", "Cel.min", "m/s2", "kW.h", "mm/s", "g/m3",
    "mol/m3", "K/min", "Cel/min", "mbar/min", "kPa/min", "uS/cm",
})  # fmt: skip

#: UN/CEFACT Recommendation 20 by UCUM code: what EPCIS 2.0 takes as `uom` of a sensor report.
REC_20 = {
    "Cel": "CEL", "K": "KEL", "[degF]": "FAH", "%": "P1", "1": "C62", "[ppm]": "59", "[ppb]": "61",
    "Pa": "PAL", "hPa": "A97", "kPa": "KPA", "MPa": "MPA", "bar": "BAR", "mbar": "MBR", "[psi]": "PS", "atm": "ATM",
    "m": "MTR", "cm": "CMT", "mm": "MMT", "um": "4H", "km": "KMT", "m2": "MTK", "m3": "MTQ", "L": "LTR", "mL": "MLT",
    "m/s": "MTS", "km/h": "KMH", "mm/s": "C16", "m/s2": "MSK", "[g]": "K40", "{rev}/min": "RPM", "/min": "C94",
    "Hz": "HTZ", "kHz": "KHZ", "MHz": "MHZ", "s": "SEC", "ms": "C26", "min": "MIN", "h": "HUR", "d": "DAY", "wk": "WEE",
    "mo": "MON", "a": "ANN", "g": "GRM", "kg": "KGM", "mg": "MGM", "ug": "MC", "t": "TNE", "g/m3": "A93", "mg/m3": "GP",
    "kg/m3": "KMQ", "g/L": "GL", "mg/L": "M1", "mol": "C34", "mol/L": "C38", "kJ/mol": "B44", "J": "JOU", "kJ": "KJO",
    "kW.h": "KWH", "W.h": "WHR", "W": "WTT", "kW": "KWT", "V.A": "D46", "V": "VLT", "mV": "2Z", "kV": "KVT",
    "A": "AMP", "mA": "4K", "Ohm": "OHM", "lx": "LUX", "lm": "LUM", "cd": "CDL", "deg": "DD", "rad": "C81", "N": "NEW",
    "N.m": "NU", "dB": "2N", "m3/h": "MQH", "L/min": "L2", "L/h": "E32", "S/m": "D10", "W/m2": "D54", "Bq": "BQL",
    "Gy": "A95", "Sv": "D13",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conversion:
    """value in the new unit = (value + before) * times / by + after.

    Four numbers so that what is a simple fraction stays one: 1,500 /min are 25 Hz, not 25.0000000000005. One of before
    and after is 0. What comes out is the decimal it stands for: 46.4 [degF] are 8.0 Cel, where plain arithmetic gives
    7.999999999999999 and a reading on a limit would lie beside it. So 14 digits count, of the larger of value and
    offset: more than any instrument gives.
    """

    times: float = 1.0
    by: float = 1.0
    before: float = 0.0
    after: float = 0.0

    @overload
    def __call__(self, value: float) -> float: ...
    @overload
    def __call__(self, value: F64) -> F64: ...
    def __call__(self, value: float | F64) -> float | F64:
        """A value, or an array of them, in the new unit; NaN and infinities stay what they are."""
        if self.nothing:
            return value
        plain = (value + self.before) * self.times / self.by + self.after
        offset = abs(self.before * self.times / self.by + self.after)
        return _decimals(plain, offset) if isinstance(plain, np.ndarray) else _decimal(plain, offset)

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing: two codes of one unit."""
        return self == Conversion()


def _decimal(value: float, offset: float) -> float:
    """A value without the last two digits that an addition of this offset has left uncertain.

    >>> _decimal(7.999999999999999, 17.77777777777778)
    8.0
    """
    largest = max(abs(value), offset)
    if not DECADES[0] <= largest < DECADES[-1]:  # NaN too
        return value
    scale = SCALES[bisect_right(DECADES, largest)]
    return round(value * scale) / scale + 0.0


def _decimals(values: F64, offset: float) -> F64:
    """The same of an array, to the bit."""
    largest = np.maximum(np.abs(values), offset)
    known = (largest >= DECADES[0]) & (largest < DECADES[-1])
    scale = np.asarray(SCALES)[np.searchsorted(DECADES, np.where(known, largest, 1.0), "right")]
    return np.where(known, np.rint(np.where(known, values, 0.0) * scale) / scale + 0.0, values)


def is_ucum(code: str) -> bool:
    """Whether this is a UCUM code, case-sensitive; a remark in braces alone is one.

    >>> [is_ucum(one) for one in ("Cel", "{items}/min", "kW.h", "celsius", "Kpa")]
    [True, True, True, False, False]
    """
    return code in USUAL or code in REC_20 or _parses(code)


@lru_cache(maxsize=4_096)
def conversion(given: str, wanted: str) -> Conversion | None:
    """How a value given in one unit becomes one in another; None where it cannot: unknown, or another quantity.

    Temperatures are points on a scale. `[degF]` to `Cel` has an offset; in a product or quotient (`Cel.min`) they are
    differences. Remarks in braces count as 1: a number of items converts to a number of anything. Logarithmic units
    (dB) convert into themselves only.

    >>> conversion("[degF]", "Cel")(104.0), conversion("mg/L", "g/m3")(655.0), conversion("{rev}/min", "Hz")(1500.0)
    (40.0, 655.0, 25.0)
    >>> conversion("Cel", "kPa") is None
    True
    """
    if given == wanted:
        return Conversion()
    one, other = _quantity(given), _quantity(wanted)
    if one is None or other is None:
        return None
    points = [_in(at, one, other) for at in (0.0, FAR, 2.0 * FAR)]
    zero, far, further = (math.nan if at is None else at for at in points)
    slope = (far - zero) / FAR
    if not (slope > 0.0 and math.isclose(further - far, far - zero, rel_tol=1e-9)):  # NaN too; dB is no straight line
        return None
    times, by = _fraction(slope)
    after, before = float(f"{zero:.12g}"), float(f"{zero / slope:.12g}")  # offsets are defined to 0.01
    if len(repr(before)) < len(repr(after)):  # [degF] to Cel: - 32 before, not - 17.777... after
        return Conversion(times, by, before=before)
    return Conversion(times, by, after=after)


def rec_20(code: str) -> str | None:
    """UN/CEFACT Rec 20 code of a UCUM code; None where this table has none.

    Source: Recommendation 20, revision 17; EPCIS 2.0 wants these, not UCUM, as `uom`.
    """
    plain = ANNOTATION.sub("", code)  # {rev}/min has a code of its own
    known = REC_20.get(code) or REC_20.get(plain)
    return known or REC_20.get(plain.removeprefix("1") if plain.startswith("1/") else plain)  # 1/min is /min


def _fraction(slope: float) -> tuple[float, float]:
    """A slope as a fraction of small whole numbers where it is one: pint computes over base units and loses digits."""
    upside_down = slope < 1.0
    wanted = 1.0 / slope if upside_down else slope
    near = Fraction(wanted).limit_denominator(10_000)
    if not math.isclose(float(near), wanted, rel_tol=1e-14):
        return slope, 1.0
    above, below = float(near.numerator), float(near.denominator)
    return (below, above) if upside_down else (above, below)


@lru_cache(maxsize=4_096)
def _parses(code: str) -> bool:
    if not code or len(code) > LONGEST or not code.isascii():
        return False
    if not ANNOTATION.sub("", code):
        return True
    from ucumvert import InvalidUcumError, parse_ucum

    try:
        with _parsing:
            parse_ucum(code, _parser())
    except InvalidUcumError:
        return False
    return True


def _in(value: float, given: Quantity[Any], wanted: Quantity[Any]) -> float | None:
    """A value of one unit in another by pint."""
    units = _registry()
    try:
        with _parsing:
            got = units.Quantity(value * given.magnitude, given.units).to(wanted.units).magnitude / wanted.magnitude
    except Exception:  # noqa: BLE001 - pint has a dozen ways to say that two units are of different quantities
        return None
    return float(got)


@lru_cache(maxsize=4_096)
def _quantity(code: str) -> Quantity[Any] | None:
    """What 1 of a code is; None for what is no UCUM code or can only be compared with itself."""
    if not is_ucum(code):
        return None
    units = _registry()
    bare = ANNOTATION.sub("", code)
    if not bare:  # a remark alone means 1
        return cast("Quantity[Any]", units.Quantity(1.0, "dimensionless"))
    try:
        with _parsing:
            found = units.from_ucum(_differences(code))
            return cast("Quantity[Any]", units.Quantity(float(found.magnitude), found.units))
    except Exception:  # noqa: BLE001 - lark, pint and ucumvert each have their own errors for a text that is no unit
        return None


def _differences(code: str) -> str:
    """Temperatures in a product or quotient as differences: pint refuses to multiply points on a scale."""
    if not re.search(r"[./]|\d$", code):
        return code
    return re.sub(r"(?<![A-Za-z\[])Cel(?![A-Za-z\]])", "K", code.replace("[degF]", "[degR]"))


@cache
def _parser() -> Any:
    """Of UCUM's grammar; the registry has its own."""
    from ucumvert import get_ucum_parser

    return get_ucum_parser()


@cache
def _registry() -> Any:
    """pint with UCUM's definitions: 1.5 s, once a process, when the first unit is looked at."""
    from ucumvert import PintUcumRegistry

    with _parsing:
        return PintUcumRegistry()
