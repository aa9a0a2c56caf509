"""[template.sterilisation]: what a steriliser or washer-disinfector measures, and the limits of its programs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import Section, Tag

#: What a state of the phase series stands for.
ROLES = (
    "idle", "conditioning", "air_removal", "heating", "exposure", "exhaust", "drying", "aeration", "leak_test",
    "aborted", "other",
)  # fmt: skip
Role = Literal[
    "idle", "conditioning", "air_removal", "heating", "exposure", "exhaust", "drying", "aeration", "leak_test",
    "aborted", "other",
]  # fmt: skip
#: Names of states that say by themselves what they are.
USUAL: dict[str, Role] = {
    "idle": "idle", "ready": "idle", "complete": "idle", "off": "idle",
    "preconditioning": "conditioning", "conditioning": "conditioning", "humidification": "conditioning",
    "vacuum": "air_removal", "air_removal": "air_removal", "pulses": "air_removal",
    "heating": "heating", "injection": "heating", "wash": "other", "rinse": "other", "prewash": "other",
    "sterilising": "exposure", "sterilizing": "exposure", "exposure": "exposure", "disinfection": "exposure",
    "exhaust": "exhaust", "evacuation": "exhaust", "drying": "drying", "aeration": "aeration",
    "leak_test": "leak_test", "aborted": "aborted", "failed": "aborted",
}  # fmt: skip
#: Units of pressure, to kPa.
KPA = {"kPa": 1.0, "bar": 100.0, "mbar": 0.1, "hPa": 0.1, "Pa": 0.001, "MPa": 1000.0}
Range = tuple[float, float]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class SterilisationProgram(Section):
    """[[template.sterilisation.program]]: a program and what its cycle must keep. A limit left out is not judged."""

    name: Name = Field(description="As the event that starts a cycle names it in `program`. The first one of a kind "
                       "is taken where no event names one.")  # fmt: skip
    version: str = Field("", max_length=64, description="Version of the validated limits; told with every cycle.")
    kind: Literal["steam", "disinfection", "eo", "leak_test"] = Field(
        "steam", description="steam: F0 and plateau. disinfection: A0. eo: ethylene oxide. leak_test: vacuum leak test."
    )
    temperature: float = Field(
        121.0, description="Steam: lower limit of the plateau, Cel. Disinfection: of the exposure, Cel."
    )
    band_k: float = Field(3.0, gt=0, description="Height of the band above `temperature`, K. Usual value after EN 285, "
                          "to be confirmed.")  # fmt: skip
    hold_s: float = Field(900.0, gt=0, description="Least time within all limits without a break, s: 900 at 121 Cel, "
                          "180 at 134 Cel; leak test: time over which the rise is measured.")  # fmt: skip
    equilibration_s: float = Field(15.0, ge=0, description="Longest time from the reference reaching `temperature` "
                                   "until all points have, s; 30 above 800 l. Usual, to be confirmed.")  # fmt: skip
    spread_k: float | None = Field(2.0, gt=0, description="Most between two probes at one instant of the holding "
                                   "time, K. Usual value, to be confirmed.")  # fmt: skip
    saturation_k: float | None = Field(2.0, gt=0, description="Most between reference and saturation temperature of "
                                       "its pressure in the holding time, K. Usual, to be confirmed.")  # fmt: skip
    pulses: int | None = Field(None, ge=1, description="Least number of air removal pulses.")
    f0_min: float | None = Field(None, gt=0, description="Least F0 of the slowest probe, min; overkill is 12 to 15.")
    a0_s: float | None = Field(None, gt=0, description="Disinfection: least A0 of the slowest probe, s: 600, or 3000 "
                               "where hepatitis B matters, 60 for bedpans.")  # fmt: skip
    t_ref: float = Field(121.11, description="Reference temperature of F0, Cel; 121 or 121.1 give 2.5 % more. "
                         "A0 always has 80 Cel.")  # fmt: skip
    z: float = Field(10.0, gt=0, description="z value of F0, K. A0 always has 10 K.")
    t_min: float = Field(100.0, description="Below it nothing counts for F0, Cel. Usual value, to be confirmed. "
                         "A0 always has 65 Cel.")  # fmt: skip
    own_f0_min: float | None = Field(None, ge=0, description="Most between the reference's F0 and the steriliser's "
                                     "own, min.")  # fmt: skip
    sampling_share: float | None = Field(0.02, gt=0, description="Most by which F0 may rest on how it was sampled, "
                                         "as a share of it; beyond it a pass cannot be told.")  # fmt: skip
    temperature_range: Range | None = Field(None, description="EO: limits of all temperatures, Cel.")
    humidity_range: Range | None = Field(None, description="EO: limits of the relative humidity, %.")
    concentration_range: Range | None = Field(None, description="EO: limits of the gas concentration, mg/l; without "
                                              "`concentration` of what the rise of pressure tells.")  # fmt: skip
    gas_share: float = Field(1.0, gt=0, le=1, description="EO: its mole fraction in the gas that is let in.")
    pressure_range: Range | None = Field(None, description="EO: limits of the absolute pressure, kPa.")
    leak_kpa_min: float = Field(0.13, gt=0, description="Leak test: most that the pressure may rise, kPa/min. Usual "
                                "value (1.3 mbar/min), to be confirmed.")  # fmt: skip
    vacuum_kpa: float = Field(7.0, gt=0, description="Leak test: highest pressure at the begin of the measuring, kPa "
                              "absolute; above it nothing is proved. Usual value, to be confirmed.")  # fmt: skip
    settle_s: float = Field(300.0, ge=0, description="Leak test: time before the rise is measured, in which drops "
                            "evaporate, s. Usual value, to be confirmed.")  # fmt: skip
    needs_load: bool = Field(False, description="Without the id of a load from an event a pass cannot be told.")
    bi_exposed: int = Field(0, ge=0, le=256, description="Steam and EO: exposed biological indicators that must be "
                            "read without growth. Until then no pass can be told; 0: parametric release.")  # fmt: skip
    bi_control: bool = Field(True, description="Where `bi_exposed` is given: a control of their lot must have grown.")


class Sterilisation(Section):
    """[template.sterilisation]: given, the cycles of such an asset are judged, each with a verdict."""

    phase: Tag | None = Field(None, description="State series of the phases; none: phases from pressure and "
                              "temperature themselves.")  # fmt: skip
    phases: dict[str, Role] = Field(
        {}, description="What each state of `phase` stands for, where its name does not say it: " + ", ".join(ROLES)
    )
    reference: Tag = Field(description="Temperature of the reference measuring point (drain or chamber), Cel.")
    probes: tuple[Tag, ...] = Field((), description="Temperatures in the load or of the independent system, Cel. Each "
                                    "must be there for a pass.")  # fmt: skip
    pressure: Tag | None = Field(None, description="Chamber pressure; unit kPa, bar, mbar, Pa or MPa.")
    pressure_is: Literal["absolute", "gauge"] = Field("absolute", description="What the transmitter measures.")
    atmosphere_kpa: float = Field(101.325, gt=50, lt=120, description="Of the site; added to gauge pressures, kPa.")
    humidity: Tag | None = Field(None, description="EO: relative humidity, %.")
    concentration: Tag | None = Field(None, description="EO: gas concentration, measured directly, mg/l.")
    own_f0: Tag | None = Field(None, description="F0 as the steriliser itself counts it, min.")
    pulse_low_kpa: float = Field(40.0, gt=0, description="A pulse of air removal goes below this pressure, kPa "
                                 "absolute, ...")  # fmt: skip
    pulse_high_kpa: float = Field(80.0, gt=0, description="... and then above this one.")
    start_kpa: float = Field(10.0, gt=0, description="Without `phase`: a cycle begins when the pressure is so far from "
                             "the atmosphere's, kPa.")  # fmt: skip
    start_c: float = Field(60.0, description="Without `phase` and `pressure`: a cycle begins above it, Cel.")
    end_s: float = Field(120.0, gt=0, description="Without `phase`: a cycle has ended when nothing happened for so "
                         "long, s.")  # fmt: skip
    longest_h: float = Field(6.0, gt=0, le=96, description="A cycle is cut after so long, without a verdict, h.")
    release: bool = Field(False, description="Loads are followed after their cycle (figure `load_release`): events "
                          "bi.result, load.released, load.rejected. Always with `bi_exposed`.")  # fmt: skip
    program: tuple[SterilisationProgram, ...] = Field(description="Its programs; at least one.", min_length=1)

    def role_of(self, state: str) -> str:
        """What a state of the phase series stands for; `other` where neither `phases` nor its name says it."""
        return self.phases.get(state) or USUAL.get(state.lower(), "other")

    @property
    def releases(self) -> bool:
        """Whether loads are followed after their cycle."""
        return self.release or any(one.bi_exposed for one in self.program)

    def tags(self) -> dict[str, str]:
        """Every series that it names, by the field that does: `probes[0]` for one of several."""
        named = {key: getattr(self, key) for key in ("phase", "reference", "pressure", "humidity", "concentration")}
        named |= {"own_f0": self.own_f0} | {f"probes[{place}]": tag for place, tag in enumerate(self.probes)}
        return {key: tag for key, tag in named.items() if tag is not None}

    def carrying(self, figure: str) -> tuple[str, ...]:
        """Tags that a kind of figure stands under: of a cycle its reference and probes, of a leak test the pressure."""
        if figure == "load_release":
            cycles = any(one.kind != "leak_test" for one in self.program)
            return (self.reference,) if self.releases and cycles else ()
        kind = {"steam_cycle": "steam", "eo_cycle": "eo"}.get(figure, figure)
        if not any(one.kind == kind for one in self.program):
            return ()
        if kind == "leak_test":
            return (self.pressure,) if self.pressure else ()
        others = (self.humidity, self.concentration, self.pressure) if kind == "eo" else ()
        return (self.reference, *self.probes, *(tag for tag in others if tag))
