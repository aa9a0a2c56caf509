"""What of a plant's configuration goes into its dashboards."""

from __future__ import annotations

from dataclasses import dataclass, replace

from andon.config.models import Plant

POINTS = 1500  # about what a wide panel can show; more points than that are drawn over each other
MIDDLE_POINTS = 2 * POINTS
LONG_DAYS = 90


@dataclass(frozen=True, slots=True)
class Step:
    """Which windows a range is drawn with."""

    span_s: float | None  # up to this length of the range, s; None: any
    size_s: float
    every_s: float  # one point each
    bucket: str | None  # where they are; None: the data source's own


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults are those of plant.toml; the committed files are made with them."""

    sizes_s: tuple[float, ...] = (10.0, 60.0)
    long_bucket: str | None = "andon_long"  # hourly windows; None: no downsampling
    low_c: float = 2.0  # label range of the cold rooms, Cel
    high_c: float = 8.0
    zone: str = "UTC"  # where shifts and days begin
    timezone: str = "browser"  # how times are shown

    @staticmethod
    def of(config: Plant) -> Settings:
        """What this plant needs. The label range is that of its first cold-chain template."""
        settings = Settings(
            sizes_s=config.windows.sizes_s,
            long_bucket=config.influx.long_bucket if config.influx else None,
            zone=config.site.timezone,
            timezone=config.site.timezone,
        )
        cold = next((one.cold_chain for one in config.template if one.cold_chain), None)
        return replace(settings, low_c=cold.low, high_c=cold.high) if cold else settings

    def steps(self) -> tuple[Step, ...]:
        """From the shortest range to the longest.

        >>> [(step.span_s, step.size_s, step.every_s, step.bucket) for step in Settings().steps()]
        [(15000.0, 10.0, 10.0, None), (180000.0, 60.0, 60.0, None),
         (7776000.0, 3600.0, 3600.0, 'andon_long'), (None, 3600.0, 86400.0, 'andon_long')]
        """
        fine, middle = min(self.sizes_s), max(self.sizes_s)
        coarse = 3600.0 if self.long_bucket else middle
        return (
            Step(POINTS * fine, fine, fine, None),
            Step(MIDDLE_POINTS * middle, middle, middle, None),
            Step(LONG_DAYS * 86_400.0, coarse, max(3600.0, middle), self.long_bucket),
            Step(None, coarse, 86_400.0, self.long_bucket),
        )


def size_tag(seconds: float) -> str:
    """The tag `size` of a window.

    >>> size_tag(10.0), size_tag(0.5)
    ('10s', '0.5s')
    """
    return f"{seconds:g}s"


def duration(seconds: float) -> str:
    """A Flux duration; fractions as ms.

    >>> duration(3600.0), duration(0.5)
    ('3600s', '500ms')
    """
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"
