"""What plant.toml may say. Each field's description is the reference text, with unit and consequence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import AssetPath, Bound, Language, Section, Slug, Tag
from andon.config.calendar import WorkCalendar
from andon.config.calibration import Calibration
from andon.config.cold_chain import ColdChain
from andon.config.declared import DeclaredWindow, Shift
from andon.config.deployment import Grafana, Influx, Kafka, RecordsDatabase
from andon.config.erp import Erp
from andon.config.erp_back import Quality
from andon.config.groups import Group
from andon.config.health import Bearing, FailureMode, Health, Running, Vibration, Zones
from andon.config.journey import GeoPlace, Journey, JourneyPlan
from andon.config.learning import Learning
from andon.config.oee import Cycle, Oee
from andon.config.oee_lines import Line
from andon.config.people import Dependency, Incidents, Notify, Person, Rota, Route, Team
from andon.config.products import Product
from andon.config.registry import SchemaRegistry
from andon.config.rules import Rule
from andon.config.sparkplug import Sparkplug
from andon.config.spc import Chart, ControlLimits
from andon.config.sterilisation import Sterilisation

__all__ = [
    "AssetPath", "Bound", "ColdChain", "Cycle", "Erp", "Grafana", "Influx", "Kafka", "Language", "Oee",
    "RecordsDatabase", "Route", "Rule", "Section", "Slug", "Tag",
]  # fmt: skip


class Enterprise(Section):
    """[enterprise]: the company, top of the ISA-95 hierarchy."""

    id: Slug = Field(description="Short name of the company, in every event that leaves the site.")
    name: str = Field("", description="Shown to people.")


class Site(Section):
    """[site]: the plant this installation watches."""

    id: Slug = Field(description="Immutable; it is in every record, tag and key.")
    name: str = Field("", description="Shown to people.")
    timezone: str = Field("UTC", description="IANA name; shifts and days are local to it.")
    language: Language = Field("en", description="Language of the control room until a person chooses another.")


class Transport(Section):
    """[transport]: the log that carries readings and events to the flows."""

    kind: Literal["spool", "kafka"] = Field(
        "spool", description="spool: a durable queue in SQLite. kafka: a topic, one partition a shard."
    )
    shards: int = Field(
        1, ge=1, le=64, description="Units of order and parallelism; growing them: `andon state rescale`."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Flow processes, each with its part of the shards; none: one a core, at most one "
        "a shard. `andon run -w` overrides it. May change at any start.",
    )
    profile: Literal["alarm", "balanced", "bulk"] = Field(
        "balanced",
        description="How soon a reading is looked at, against CPU time. alarm: within about 2 ms. balanced: 20 ms. "
        "bulk: 0.2 s and snapshots every 5 s, not 1 s, for backlogs and slow plants. A spool: 10, 50, 200 ms.",
    )
    pins: str | None = Field(
        None, description="CSV file, asset,shard, relative to this one; written by `andon state rescale`."
    )
    kafka: Kafka | None = Field(None, description="The broker; with kind = kafka, or for `andon forward`.")


class Sources(Section):
    """[sources]: limits on what comes in."""

    max_message_bytes: int = Field(262_144, ge=1024, description="Longer messages become dead letters.")
    sparkplug: Sparkplug = Field(Sparkplug(), description="Which series the metrics of Sparkplug edge nodes are.")
    schema_registry: SchemaRegistry | None = Field(None, description="Where the schemas of Avro and Protobuf are.")


class Time(Section):
    """[time]: what counts as late, idle, too early."""

    lateness_s: float = Field(
        5.0, ge=0, description="How long a window waits for rows that come out of order, in the series' own time, s."
    )
    idle_s: float = Field(
        30.0, gt=0, description="A series without a row for so long has its windows closed by the ticks, s."
    )
    future_s: float = Field(
        300.0, gt=0, description="A stamp further ahead of its receive time becomes a dead letter, s."
    )
    correct_for_h: float = Field(
        168.0,
        gt=0,
        description="Rows later than this behind their series become dead letters; younger ones correct closed "
        "windows, h.",
    )


class Windows(Section):
    """[windows]: lengths of windows."""

    pane_s: float = Field(10.0, gt=0, le=86_400.0, description="Unit of windows, s; divides every size.")
    sizes_s: tuple[float, ...] = Field((10.0, 60.0), description="Tumbling windows of every numeric series, s.")
    hopping_s: tuple[tuple[float, float], ...] = Field(
        (), description="Hopping windows of every numeric series: pairs of size and hop, s. None has another's size."
    )
    figures_s: float = Field(3600.0, gt=0, description="Length of OEE and cold-chain windows, s.")

    @property
    def longest_s(self) -> float:
        """The longest window of all, s."""
        return max(self.figures_s, *self.sizes_s, *(size for size, _ in self.hopping_s), self.pane_s)


class Series(Section):
    """One series of a template, [[template.series]], or of one asset alone, [[asset.series]]."""

    tag: Tag = Field(description="Name of the signal, as messages give it.")
    kind: Literal["number", "boolean", "state", "counter", "waveform"] = Field(
        "number",
        description="counter only grows (or wraps); state is an index into `states`; waveform comes as blocks of "
        "samples, whose figures are readings of the series <tag>.rms, .peak, .crest and .kurtosis that are declared, "
        "and those of [[template.vibration]].",
    )
    unit: str = Field("1", description="UCUM code; a message in another unit is converted, or dead if that cannot be.")
    range: tuple[Bound, Bound] | None = Field(
        None,
        description="Low and high of what can be true, in the unit; -inf and inf leave a side open. Outside: "
        "status bad, kept, not computed with.",
    )
    every_s: float = Field(1.0, gt=0, description="Expected interval, s; gaps count from three of them.")
    states: tuple[str, ...] | Literal["packml"] | None = Field(
        None, description="Names of a state series; a value is the index. packml: the 18 PackML states."
    )
    modulus: float | None = Field(None, gt=0, description="Where a counter wraps; none: it never does.")
    detect: bool | Literal["ensemble", "ewma"] = Field(
        False,
        description="Score every reading for anomaly. true is ensemble, 0 to 30: no tuning, any noise; spikes, shifts, "
        "drifts, wrong shapes, standstills, values at the wrong time of day. ewma, 0 to 12: a fiftieth of the cost, "
        "for steady series with normal noise; exponentially weighted mean, half-life 100 readings.",
    )
    false_alarm_days: float | None = Field(
        None, gt=0, le=3660, description="With detect: about one false alarm of this series in so many days; 7 if not "
        "given here, nor for its asset.",
    )  # fmt: skip
    gxp: bool = Field(True, description="Never shed when the disk fills.")


class Template(Section):
    """[[template]]: a kind of asset."""

    name: Slug = Field(description="What assets name as their template.")
    view: Literal["machine", "cold_room", "truck", "steriliser", "utility"] = Field(
        "machine", description="How the control room shows such an asset."
    )
    series: tuple[Series, ...] = Field(description="The signals of such an asset.")
    false_alarm_days: float | None = Field(
        None, gt=0, le=3660, description="Sensitivity: about one false alarm of such an asset, all its series with "
        "detect together, in so many days.",
    )  # fmt: skip
    oee: Oee | None = Field(None, description="Given: OEE is computed.")
    cold_chain: ColdChain | None = Field(None, description="Given: cold-chain figures are computed.")
    sterilisation: Sterilisation | None = Field(None, description="Given: its sterilisation cycles are judged.")
    vibration: tuple[Vibration, ...] = Field((), description="What is computed of blocks of waveforms.")
    health: tuple[Health, ...] = Field((), description="Series whose zone and trend are watched.")
    running: Running | None = Field(None, description="Given: running hours and cycles are counted.")
    chart: tuple[Chart, ...] = Field((), description="Control charts, and capability.")
    group: tuple[Group, ...] = Field((), description="Series that are judged together.")
    learning: Learning = Field(Learning(), description="When the detectors of such an asset do not learn.")
    failure_mode: tuple[FailureMode, ...] = Field((), description="Ways to fail, and what asks for an order.")
    journey: Journey | None = Field(None, description="Given: journeys, stops and shocks are told.")


class Asset(Section):
    """[[asset]]: one machine, room or vehicle."""

    path: AssetPath = Field(description="area/line/machine after ISA-95.")
    template: Slug = Field(description="Name of a [[template]].")
    name: str = Field("", description="Shown to people.")
    series: tuple[Series, ...] = Field(
        (),
        description="Series of this asset alone: each replaces the template's of the same tag, or adds one. "
        "Rows of a series CSV end up here.",
    )
    false_alarm_days: float | None = Field(None, gt=0, le=3660, description="As that of the template, for this asset.")
    shard: int | None = Field(None, ge=0, description="Pins the asset; else a hash of its path decides.")


class Web(Section):
    """[web]: control room and API."""

    host: str = Field("127.0.0.1", description="Beyond loopback only with users and TLS.")
    port: int = Field(8080, ge=1, le=65535, description="TCP port.")
    tls_cert: str | None = Field(None, description="PEM file of the certificate chain.")
    tls_key: str | None = Field(None, description="PEM file of its key.")


class Retention(Section):
    """[retention]: days; audit and alarms are kept for ever."""

    journal_d: float = Field(
        30.0, gt=0, description="Accepted readings, d. At least time.correct_for_h and the longest window."
    )
    history_d: float = Field(400.0, gt=0, description="Windows and figures, d.")
    dead_letters_d: float = Field(90.0, gt=0, description="Dead letters, d.")
    dead_letters_mb: float = Field(
        256.0, gt=0, description="Dead letters of a shard, MB. At the cap the oldest go, with an alarm."
    )


class Plant(Section):
    """plant.toml: the whole configuration of a plant."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this format.")
    include: tuple[str, ...] = Field(
        (), description="Globs of more files, relative to this one. Their lists are added; a table is given once."
    )
    series_csv: tuple[str, ...] = Field(
        (), description="Globs of CSV files, relative to this one: asset,tag,unit,low,high,every_s,kind."
    )
    enterprise: Enterprise
    site: Site
    transport: Transport = Transport()
    sources: Sources = Sources()
    time: Time = Time()
    windows: Windows = Windows()
    retention: Retention = Retention()
    web: Web = Web()
    records: RecordsDatabase | None = None
    influx: Influx | None = None
    grafana: Grafana | None = None
    erp: Erp | None = None
    quality: Quality = Quality()
    asset: tuple[Asset, ...]
    template: tuple[Template, ...]
    cycle: tuple[Cycle, ...] = ()
    line: tuple[Line, ...] = ()
    product: tuple[Product, ...] = ()
    rule: tuple[Rule, ...] = ()
    route: tuple[Route, ...] = ()
    person: tuple[Person, ...] = ()
    team: tuple[Team, ...] = ()
    rota: tuple[Rota, ...] = ()
    dependency: tuple[Dependency, ...] = ()
    incidents: Incidents = Incidents()
    notify: Notify = Notify()
    window: tuple[DeclaredWindow, ...] = ()
    shift: tuple[Shift, ...] = ()
    control_limits: tuple[ControlLimits, ...] = ()
    calendar: WorkCalendar = WorkCalendar()
    bearing: tuple[Bearing, ...] = ()
    zones: tuple[Zones, ...] = ()
    calibration: tuple[Calibration, ...] = ()
    place: tuple[GeoPlace, ...] = ()
    journey_plan: tuple[JourneyPlan, ...] = ()
