"""Machine health in plant.toml: waveforms, bearings, zones, trends, running hours, failure modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from andon.config.base import Section, Slug, Tag

#: Units of a waveform that is an acceleration, with what makes m/s2 of them.
ACCELERATION = {"m/s2": 1.0, "mm/s2": 1e-3, "[g]": 9.80665}
#: Units of a waveform that is a velocity, with what makes mm/s of them.
VELOCITY = {"mm/s": 1.0, "m/s": 1000.0}
#: Units of a tachometer, with what makes {rev}/min of them.
SPEED = {"{rev}/min": 1.0, "/min": 1.0, "Hz": 60.0, "/s": 60.0}


class Bearing(Section):
    """[[bearing]]: geometry of a rolling bearing, from its maker's data sheet."""

    name: Slug = Field(description="What [[template.vibration]] names.")
    balls: int = Field(ge=1, description="Number of rolling elements of one row.")
    ball_diameter: float = Field(gt=0, description="Diameter of a rolling element, in the unit of pitch_diameter.")
    pitch_diameter: float = Field(gt=0, description="Diameter of the circle of their centres; larger.")
    contact_deg: float = Field(
        0.0, ge=0, le=90, description="Contact angle, deg; 0 for a deep-groove ball bearing, 90 for an axial one."
    )
    source: str = Field("", description="Where the geometry is from, as the report cites it.")


class Vibration(Section):
    """[[template.vibration]]: what is computed of the blocks of a waveform, as readings of series that are declared.

    <tag>.velocity (mm/s rms), .speed ({rev}/min), .envelope and .ftf .bpfo .bpfi .bsf (in the waveform's unit).
    """

    tag: Tag = Field(
        description="A series of kind waveform: an acceleration (m/s2, mm/s2, [g]) or velocity (mm/s, m/s)."
    )
    high_pass_hz: float = Field(
        10.0, gt=0, description="Lower end of the velocity's band, Hz; a block of less than four of its periods has no "
        "velocity. 10 from 600 rpm on, 2 below (ISO 20816-3; usual values, to be confirmed).",
    )  # fmt: skip
    low_pass_hz: float = Field(
        1000.0, gt=0, description="Upper end of the velocity's band, Hz; a block of less than twice the rate has none."
    )
    envelope_hz: tuple[float, float] | None = Field(
        None, description="Band of the envelope, Hz: around a resonance that impacts ring, often 2,000 to 10,000. "
        "None: no envelope.",
    )  # fmt: skip
    rpm: float | tuple[float, float] | None = Field(
        None, description="Speed of the shaft, {rev}/min; a range: the strongest line of the block's velocity in it."
    )
    speed_tag: Tag | None = Field(
        None, description="A series of kind number with the speed as a tachometer has it ({rev}/min, /min, Hz, /s); "
        "it goes before `rpm`, and the speed in the block itself before both.",
    )  # fmt: skip
    speed_factor: float = Field(
        1.0, gt=0, description="Turns of this shaft for each turn of the one that is measured: ratio of a gear between."
    )
    bearing: Slug | None = Field(None, description="Name of a [[bearing]]; needs envelope_hz, and rpm or speed_tag.")
    slip: float = Field(
        0.03, ge=0, le=0.2, description="A line counts as the bearing's within this share of its rate; usually 0.01 to "
        "0.03, to be confirmed.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WaveAnalysis:
    """What is computed of a waveform."""

    settings: Vibration
    bearing: Bearing | None


class Zones(Section):
    """[[zones]]: bounds of the zones A, B, C, D of a condition; a value on a bound is in the better zone."""

    name: Slug = Field(description="What [[template.health]] names; not one of the tables that are built in.")
    a_b: float = Field(description="Up to here A, as new.")
    b_c: float = Field(description="Up to here B, fit for long operation; above C, for a limited time.")
    c_d: float = Field(description="Above D: damage is likely.")
    unit: str = Field("mm/s", description="UCUM code; that of the series it is for.")
    source: str = Field(description="Standard with its year, table and your copy, or who set it; figures cite it.")

    @property
    def bounds(self) -> tuple[float, float, float]:
        """(A/B, B/C, C/D)."""
        return self.a_b, self.b_c, self.c_d


class Health(Section):
    """[[template.health]]: a series whose zone and trend are watched (figure `health`)."""

    tag: Tag = Field(
        description="A series of kind number that grows with wear: velocity, an envelope line, temperature."
    )
    zones: Slug | None = Field(None, description="A [[zones]], or a table that is built in; none: no zone.")
    hysteresis: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="The zone gets better only this share below its bound, so that it does not flicker.",
    )
    limit: float | None = Field(
        None, description="Where the time to the limit ends, in the series' unit; none: the zones' bound C/D."
    )
    over_d: float = Field(
        30.0, gt=0, le=3660, description="How far back the trend looks, d; it is taken over 60 means of equal length."
    )
    model: Literal["linear", "exponential"] = Field(
        "linear", description="How wear grows; exponential: a straight line of the logarithm."
    )
    confidence: float = Field(0.9, gt=0.5, lt=1, description="Of the slope's and the time's interval, two-sided.")
    while_running: bool = Field(
        False, description="Only readings at which [template.running] says that it runs: a machine that stands still "
        "is in no zone. The bounds of ISO 20816-3 are for steady running.",
    )  # fmt: skip
    learn: int = Field(
        0, ge=0, le=100, description="Windows, from the first start or maintenance on, that make the baseline (their "
        "median) and its spread; 0: none.",
    )  # fmt: skip


class Running(Section):
    """[template.running]: what says that such an asset runs, and counts (figure `running`)."""

    state: Tag = Field(description="Series of kind state or boolean.")
    states: tuple[str, ...] = Field(
        ("Execute",), description="Names of the states in which it runs; of a boolean: true runs."
    )
    cycles: Tag | None = Field(None, description="Series of kind counter: strokes, starts, pieces.")


class FailureMode(Section):
    """[[template.failure_mode]]: a way to fail, what asks for an order, and when to inspect (figure `maintenance`).

    One figure, and so one open order, for each asset and failure mode, whichever of its triggers holds.
    """

    id: Slug = Field(description="Names the failure mode in figures, events (data.mode) and orders.")
    tag: Tag | None = Field(None, description="The [[template.health]] whose zone and trend tell of it.")
    zone: Literal["B", "C", "D"] | None = Field(None, description="Due from this zone on.")
    slope_per_d: float | None = Field(None, gt=0, description="Due from this growth on, unit a day.")
    within_d: float | None = Field(None, gt=0, description="Due when the limit is closer than this, d.")
    hours: float | None = Field(None, gt=0, description="Due after so many running hours since maintenance, h.")
    cycles: float | None = Field(None, gt=0, description="Due after so many cycles since maintenance.")
    mtbf_share: float | None = Field(
        None, gt=0, description="Due when the running hours since maintenance are this share of the mean time between "
        "failures.",
    )  # fmt: skip
    novelty: float | None = Field(
        None, gt=0, description="Due when the mean is so many robust standard deviations from the learned baseline."
    )
    over_baseline: bool = Field(
        False, description="Due above baseline + 0.25 of the bound B/C, at most 1.25 of it (ISO 20816-1; usual values, "
        "to be confirmed).",
    )  # fmt: skip
    hysteresis: float = Field(
        0.1, ge=0, lt=1, description="A trigger lets go only this share before its threshold; the zone has its own."
    )
    inspect_d: float | None = Field(None, gt=0, description="Inspect every so many days.")
    inspect_h: float | None = Field(None, gt=0, description="Inspect every so many running hours.")
    inspect_cycles: float | None = Field(None, gt=0, description="Inspect every so many cycles.")
    pf_d: float | None = Field(
        None, gt=0, description="From the first sign to the failure (P-F interval), d; inspected twice in it."
    )


class _Declares(Protocol):
    """What a template says of machine health."""

    @property
    def health(self) -> tuple[Health, ...]: ...
    @property
    def running(self) -> Running | None: ...
    @property
    def failure_mode(self) -> tuple[FailureMode, ...]: ...


def health_points(template: _Declares, kind: str) -> list[str]:
    """The tags that figures of a kind stand under at an asset of a template; none for kinds of other subjects."""
    points = {
        "health": [one.tag for one in template.health],
        "running": [template.running.state] if template.running else [],
        "maintenance": [one.id for one in template.failure_mode],
    }
    return points.get(kind, [])
