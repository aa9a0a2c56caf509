"""Vibration of a machine from a block of acceleration: velocity in the band of the standards, lines of its bearings."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from andon.config.health import ACCELERATION, VELOCITY, Vibration, WaveAnalysis
from andon.readings import BLOCK_FIGURES, F64
from operators.bearings import bearing_rates
from operators.spectrum import amplitudes, at_even_angles, detrended, envelope, hann, strongest
from operators.waveform import block_figures

STANDARD_GRAVITY = 9.80665  # m/s2
LINES = (".ftf", ".bpfo", ".bpfi", ".bsf")
BLOCK, TACHOMETER, LINE, NOMINAL = range(1, 5)  # who told the speed
LEAST_PERIODS = 4  # of the high-pass frequency that a block must hold: fewer bins than that are all leakage


@dataclass(frozen=True, slots=True)
class Shaft:
    """Speed of a shaft while a block lasted, {rev}/min: at its begin and end. told_by: BLOCK or TACHOMETER."""

    begin_rpm: float
    end_rpm: float
    told_by: int

    @property
    def rpm(self) -> float:
        """Between the two."""
        return (self.begin_rpm + self.end_rpm) / 2.0

    @property
    def change(self) -> float:
        """By how much it changed, as a share of its mean; 0 of a shaft that stands."""
        return abs(self.end_rpm - self.begin_rpm) / self.rpm if self.rpm > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Band:
    """[low, high] Hz of what counts."""

    low: float
    high: float


def velocity_of(acceleration_g: float, hz: float) -> float:
    """Velocity of a tone, mm/s, from its acceleration in g: v = a / (2 pi f); rms gives rms, peak gives peak.

    >>> round(velocity_of(1.0, 100.0), 2)
    15.61
    """
    return acceleration_g * STANDARD_GRAVITY * 1000.0 / (2.0 * math.pi * hz)


def displacement_of(velocity_mm_s: float, hz: float) -> float:
    """Displacement of a tone, um peak to peak, from its velocity in mm/s rms: 2 sqrt(2) v / (2 pi f).

    >>> round(displacement_of(4.5, 25.0), 1)
    81.0
    """
    return velocity_mm_s * 1000.0 * 2.0 * math.sqrt(2.0) / (2.0 * math.pi * hz)


def velocity_rms(x: F64, rate_hz: float, band: Band, *, integrate: bool = True) -> float:
    """Root mean square of the velocity in a band, in unit of x times s; x itself is the velocity unless integrate.

    The straight line of x is taken off, a Hann window laid on (its loss of power given back), each line of the spectrum
    divided by 2 pi f and the lines of the band summed (Parseval). NaN where the block is shorter than four periods of
    band.low, or sampled slower than twice band.high: part of the band would be missing without a word.
    Source: ISO 20816-1:2016 (band 10 to 1,000 Hz), ISO 13373-2:2016; twin in tests/naive_health.py (time domain).
    """
    n = len(x)
    if n * band.low < LEAST_PERIODS * rate_hz or rate_hz < 2.0 * band.high:
        return math.nan
    window = hann(n)
    spectrum = np.abs(np.fft.rfft(detrended(x) * window))
    hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    inside = (hz >= band.low) & (hz <= band.high)
    lines = spectrum[inside] / (2.0 * np.pi * hz[inside]) if integrate else spectrum[inside]
    twice = np.where((hz[inside] == rate_hz / 2.0), 1.0, 2.0)  # the last bin of an even n has no mirror
    power = float((lines * lines) @ twice) / (n * float(window @ window))
    return math.sqrt(power)


def wave_figures(
    samples: NDArray[np.float32],
    rate_hz: float,
    unit: str,
    wave: WaveAnalysis | None,
    wanted: Collection[str] = BLOCK_FIGURES,
    shaft: Shaft | None = None,
) -> dict[str, float]:
    """Figures of a block by the ending of their tag; those of `wanted` (of `andon.readings.BLOCK_FIGURES`) at least.

    samples: float32[n], n >= 1, finite, in `unit` (UCUM). wave: what the plant says of the waveform; None: only those
    of `block_figures`. shaft: its measured speed; None: as the plant says. .velocity mm/s rms;
    .speed {rev}/min; .speed_from BLOCK, TACHOMETER, LINE or NOMINAL; .speed_change share by which a measured speed
    changed in the block; .envelope (rms) and the bearing's lines .ftf .bpfo .bpfi .bsf (peak amplitude of the
    envelope's line, at even angles where the speed changed; of .bsf the larger of BSF and 2 BSF) in `unit`. NaN: this
    block cannot tell. A figure that the plant does not ask for is left out.
    """
    found = dict(zip(BLOCK_FIGURES[:4], block_figures(samples), strict=True))
    if wave is None:
        return found
    x = samples.astype(np.float64)
    if ".velocity" in wanted:
        found[".velocity"] = _velocity(x, rate_hz, unit, wave)
    if any(name in wanted for name in (".speed", ".speed_from", ".speed_change", *LINES)):
        found |= _speed_figures(x, rate_hz, wave.settings, shaft, integrate=unit in ACCELERATION)
    if wave.settings.envelope_hz is not None and any(name in wanted for name in (".envelope", *LINES)):
        rpm = found.get(".speed", math.nan)
        found |= _envelope_figures(x, rate_hz, rpm, wave.settings.envelope_hz, wave, shaft)
    return found


def _velocity(x: F64, rate_hz: float, unit: str, wave: WaveAnalysis) -> float:
    band = Band(wave.settings.high_pass_hz, wave.settings.low_pass_hz)
    if unit in ACCELERATION:
        return velocity_rms(x, rate_hz, band) * ACCELERATION[unit] * 1000.0
    return velocity_rms(x, rate_hz, band, integrate=False) * VELOCITY.get(unit, math.nan)


def _speed_figures(
    x: F64, rate_hz: float, settings: Vibration, shaft: Shaft | None, *, integrate: bool
) -> dict[str, float]:
    """What was measured, else what the configuration says; nothing where it says nothing either."""
    if shaft is not None:
        return {".speed": shaft.rpm, ".speed_from": float(shaft.told_by), ".speed_change": shaft.change}
    if settings.rpm is None:
        names = (".speed", ".speed_from", ".speed_change") if settings.speed_tag else ()
        return dict.fromkeys(names, math.nan)  # the tachometer is silent
    source = LINE if isinstance(settings.rpm, tuple) else NOMINAL
    return {
        ".speed": _speed(x, rate_hz, settings.rpm, integrate=integrate), ".speed_from": float(source),
        ".speed_change": math.nan,
    }  # fmt: skip


def _speed(x: F64, rate_hz: float, rpm: float | tuple[float, float], *, integrate: bool) -> float:
    """The shaft's turns a minute: as configured, or the strongest line of the velocity in the configured range."""
    if not isinstance(rpm, tuple):
        return rpm
    if len(x) < 2:
        return math.nan
    hz, lines = amplitudes(detrended(x), rate_hz)
    if integrate:
        lines[1:] /= hz[1:]
    return 60.0 * strongest(hz, lines, rpm[0] / 60.0, rpm[1] / 60.0)[0]


def _envelope_figures(
    x: F64, rate_hz: float, rpm: float, band_hz: tuple[float, float], wave: WaveAnalysis, shaft: Shaft | None
) -> dict[str, float]:
    found = dict.fromkeys((".envelope", *(LINES if wave.bearing else ())), math.nan)
    if band_hz[1] > rate_hz / 2.0 or len(x) < 2:
        return found
    around = envelope(x, rate_hz, *band_hz)
    found[".envelope"] = math.sqrt(float(np.mean(around * around)))
    bearing, slip = wave.bearing, wave.settings.slip
    if bearing is None or not rpm > 0.0:
        return found
    if shaft is not None and shaft.change > 0.0:
        around = at_even_angles(around, shaft.begin_rpm, shaft.end_rpm)
    hz, lines = amplitudes(around, rate_hz)
    rates = bearing_rates(bearing.balls, bearing.ball_diameter, bearing.pitch_diameter, bearing.contact_deg, rpm)

    def line(at_hz: float) -> float:
        return strongest(hz, lines, at_hz * (1.0 - slip), at_hz * (1.0 + slip))[1]

    once, twice = line(rates.bsf), line(2.0 * rates.bsf)
    found |= {".ftf": line(rates.ftf), ".bpfo": line(rates.bpfo), ".bpfi": line(rates.bpfi)}
    found[".bsf"] = once if math.isnan(twice) else max(once, twice)
    return found
