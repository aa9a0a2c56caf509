"""[[calibration]]: calibrations of the instruments behind series."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

from pydantic import Field

from andon.config.base import AssetPath, Section, Tag
from andon.readings import NS_PER_S


class Calibration(Section):
    """[[calibration]]: a calibration of the instrument behind a series; the last one done is in force.

    Each certificate is a section of its own and stays, so that what was in force at any time can be told. One without
    `at` and `due` says that the series is calibrated; its certificates come as events `calibration.done`.
    """

    asset: AssetPath = Field(description="Path of an [[asset]].")
    tag: Tag = Field(description="Series of kind number, counter or waveform.")
    certificate: str = Field("", max_length=64, description="Number of the certificate.")
    at: str = Field("", description="When it was done: date (of the site) or RFC 3339 stamp.")
    due: str = Field("", description="From when on it no longer holds: date (00:00 at the site) or RFC 3339 stamp.")
    error: float | None = Field(
        None, description="Error as found, in the series' unit. With the uncertainty beyond `mpe`: every window "
        "and lot since the last good calibration is in doubt.",
    )  # fmt: skip
    left: float | None = Field(
        None, description="Error as left after an adjustment, same unit; none: nothing was adjusted."
    )
    uncertainty: float | None = Field(
        None, ge=0, description="Expanded uncertainty U of the certificate, same unit: guard band of limit decisions."
    )
    k: float = Field(2.0, gt=0, description="Coverage factor of U; 2 is usual (95 %).")
    mpe: float | None = Field(
        None,
        gt=0,
        description="Largest permitted error, same unit. Not given: the instrument is never shown to be good.",
    )


def moment_text(time_ns: int) -> str:
    """An instant as an RFC 3339 stamp in UTC; empty outside of the years 1 to 9999.

    >>> moment_text(moment_ns("2026-03-01"))
    '2026-03-01T00:00:00Z'
    """
    try:
        return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return ""


def moment_ns(text: str, zone: tzinfo = UTC) -> int:
    """A date (its first moment) or stamp as ns since the epoch; zone: where it names none. ValueError for others.

    >>> moment_ns("2026-03-01") == moment_ns("2026-03-01T01:00:00+01:00") == 1_772_323_200 * 10**9
    True
    """
    found = datetime.fromisoformat(text)
    found = found.replace(tzinfo=zone) if found.tzinfo is None else found
    return round(found.timestamp()) * NS_PER_S


def day_end_ns(text: str, zone: tzinfo = UTC) -> int | None:
    """The end of the day that a date is; None for a stamp.

    >>> day_end_ns("2026-03-01") == moment_ns("2026-03-02"), day_end_ns("2026-03-01T10:00:00Z")
    (True, None)
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return moment_ns((day + timedelta(days=1)).isoformat(), zone)
