"""Control charts in plant.toml: what is charted, by which rules, and the limits that are known."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import AssetPath, Section, Slug, Tag

ChartKind = Literal["xbar_r", "xbar_s", "imr", "p", "np", "c", "u", "ewma", "cusum"]
RuleName = Literal[
    "nelson_1", "nelson_2", "nelson_3", "nelson_4", "nelson_5", "nelson_6", "nelson_7", "nelson_8",
    "we_1", "we_2", "we_3", "we_4",
]  # fmt: skip
Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$")]


class Chart(Section):
    """[[template.chart]]: a control chart of a series (figures `spc` and, with a specification, `capability`)."""

    name: Tag | None = Field(None, description="Its figures stand under asset/name. None: the tag.")
    tag: Tag = Field(
        description="Series of the value. p, np, c, u: how many were defective, or defects; a counter, or a number "
        "that each row tells of its sample."
    )
    kind: ChartKind = Field(
        description="xbar_r, xbar_s: means with ranges or standard deviations. imr: single values and moving range. "
        "p, np: share or number of defective items. c, u: defects, or defects a unit. ewma, cusum: small shifts."
    )
    inspected: Tag | None = Field(
        None, description="p, np, u: series of how many items were looked at; of the same kind as `tag`."
    )
    items: float | None = Field(None, gt=0, description="p, np, u: items of each row, where no series tells.")
    subgroup: Literal["count", "time", "event"] = Field(
        "count", description="What ends a rational subgroup. A change of order, lot or product always does."
    )
    size: int = Field(
        1, ge=1, le=100_000, description="count: rows of a subgroup; of counters, items inspected. xbar: 2 and more, "
        "xbar_r at most 10 (usual value, to be confirmed: ranges of larger ones waste what is known).",
    )  # fmt: skip
    every_s: float | None = Field(None, gt=0, description="time: length of a subgroup, s; multiples since 1970.")
    event: str | None = Field(None, description="event: name of the event that ends a subgroup, such as piece.made.")
    gap_s: float | None = Field(
        None, gt=0, description="After a silence so long runs begin anew, s. None: three expected intervals."
    )
    rules: tuple[RuleName, ...] = Field(
        ("nelson_1", "nelson_2"),
        description="Run rules of Shewhart charts. Each adds false signals: all eight of Nelson give one in 74 points "
        "of a process under control, the four of Western Electric one in 92, nelson_1 alone one in 370.",
    )
    width: float | None = Field(
        None, gt=0, description="Half width of the limits in sigmas of what is plotted. None: 3; ewma: 2.962, which "
        "with weight 0.2 gives one false signal in 500.",
    )  # fmt: skip
    weight: float = Field(0.2, gt=0, le=1, description="ewma: lambda, the weight of the newest value.")
    exact_limits: bool = Field(
        False, description="ewma: limits that are narrower at the start. Published run lengths are of fixed ones."
    )
    reference: float = Field(0.5, ge=0, description="cusum: k, half the shift to be found, in sigmas.")
    decision: float = Field(5.0, gt=0, description="cusum: h, a sum above it is a signal, in sigmas.")
    head_start: float = Field(0.0, ge=0, description="cusum: what both sums begin with, sigmas; usually 0 or h / 2.")
    phase_one: int = Field(
        25, ge=2, le=1000, description="Subgroups that limits are estimated from where none are known (usual value, to "
        "be confirmed; 100 for single values). Until then nothing is judged.",
    )  # fmt: skip
    exclude_beyond: bool = Field(
        False, description="Phase I leaves out subgroups beyond the trial limits, at most a third. False: only those "
        "that an event subgroup.excluded marked.",
    )  # fmt: skip
    residuals: bool = Field(
        False, description="imr, ewma, cusum: charts what is left of the value after its lag-1 dependence."
    )
    box_cox: float | None = Field(
        None, ge=-5, le=5, description="Exponent of the Box-Cox transformation of values above 0; the specification is "
        "transformed too. `limits` are those of transformed values.",
    )  # fmt: skip
    lower_spec: float | None = Field(None, description="Lower specification limit, in the unit of the series.")
    upper_spec: float | None = Field(None, description="Upper specification limit, in the unit of the series.")
    target: float | None = Field(None, description="Target value, for Cpm.")

    @property
    def place(self) -> str:
        """The tag that its figures stand under."""
        return self.name or self.tag

    @property
    def has_specification(self) -> bool:
        """Whether capability is computed."""
        return self.lower_spec is not None or self.upper_spec is not None


class ControlLimits(Section):
    """[[control_limits]]: known limits of a chart on an asset, from an instant on (phase II).

    An event limits.set {chart, version, centre, sigma, phi, product} of the asset does the same from its time on.
    """

    asset: AssetPath = Field(description="Path of an [[asset]].")
    chart: Tag = Field(description="Name of a [[template.chart]] of its template.")
    version: Slug = Field(description="Told with every point that is judged by them; a new one begins the runs anew.")
    valid_from: Instant = Field(
        "1970-01-01T00:00:00Z", description="From when on, RFC 3339 with zone. The newest that hold are used."
    )
    product: str = Field("", description="Of this product, before those of any. Empty: any product.")
    centre: float = Field(description="Centre line: mean of the process, its proportion, or defects a unit.")
    sigma: float = Field(
        0.0, ge=0, description="Standard deviation of one value within a subgroup; 0 for p, np, c, u, which have none."
    )
    phi: float = Field(0.0, gt=-1, lt=1, description="Lag-1 coefficient, for a chart of residuals.")
