"""[calendar] and the times of [[shift]]: when production is planned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import Section

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LocalTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Break(Section):
    """[[shift.breaks]]: a planned pause of a shift."""

    begins: LocalTime = Field(description="Local time, HH:MM; before the shift's begin: of the next day.")
    minutes: int = Field(gt=0, le=720, description="Length, min. Planned down time, unless the unit produces.")


class WorkCalendar(Section):
    """[calendar]: days on which no production is planned, and weekend days on which it is."""

    country: str = Field(
        "", description="ISO 3166 code, such as CN or DE: its public holidays are planned down time, its make-up "
        "workdays are worked as Monday to Friday. From the package `holidays`; check a new year's days. Empty: none.",
    )  # fmt: skip
    subdivision: str = Field("", description="Code of the state or province, such as BY, for its own holidays.")
    off: tuple[Day, ...] = Field((), description="Further days without production, YYYY-MM-DD.")
    work: tuple[Day, ...] = Field((), description="Days that are worked all the same, YYYY-MM-DD; as Monday to Friday.")
