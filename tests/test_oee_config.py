"""[template.oee], [[cycle]], [calendar] and [[shift]] in plant.toml: what loads, how it resolves, what is refused."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from andon.config.load import load_plant
from andon.readings import NS_PER_S
from operators import oee_kernel as at
from operators.machines import Every, Inputs
from operators.oee_machine import specs
from operators.oee_setup import cycle_at, setup_of, version_of
from operators.time_model import NUMBER, SETUP_MODE
from tests.naive import NS
from tests.test_config import BASE, problems, write

FILLER = "filling/line1/filler1"
CASES = {
    # id: (what is added, path of the fault, code, words of the sentence)
    "a day that is none": ('[calendar]\noff = ["2026-02-30"]', "calendar.off[0]", "no_such_day", "2026-02-30"),
    "a country without days": ('[calendar]\ncountry = "XX"', "calendar.country", "unknown_name_of", "'XX'"),
    "a province of another": (
        '[calendar]\ncountry = "DE"\nsubdivision = "GD"', "calendar.subdivision", "unknown_name_of", "'GD'",
    ),
    "a weekday twice": (
        '[[shift]]\nname = "a"\nbegins = "06:00"\nweekdays = ["mon", "mon"]', "shift[0].weekdays", "repeated", "mon",
    ),
    "a cycle that ends before": (
        f'[[cycle]]\nasset = "{FILLER}"\nproduct = "Z"\nseconds = 1\nfrom = "2026-02-01"\nuntil = "2026-01-01"',
        "cycle[1].from", "order", "2026-02-01",
    ),
    "two cycles of a product at a time": (
        "".join(
            f'[[cycle]]\nasset = "{FILLER}"\nproduct = "Z"\nseconds = 1\nfrom = "{day}"\n'
            for day in ("2026-01-01", "2026-02-01")
        ),
        "cycle[2].asset", "twice", "'Z'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("added", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_refusals_say_where_and_what(tmp_path, added, path, code, words):
    found = problems(write(tmp_path, BASE + "\n" + added))
    assert [(str(one.place.path), one.code) for one in found] == [(path, f"config.{code}")]
    assert words in found[0].text("en")


def at_ns(zone, text):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS


def plant_of(tmp_path, *added):
    return load_plant(write(tmp_path, "\n".join((BASE, *added))))


def test_everything_is_resolved(tmp_path):
    plant = plant_of(
        tmp_path,
        f'[[cycle]]\nasset = "{FILLER}"\nproduct = "Z"\nseconds = 2\nfrom = "2026-03-01"\nuntil = "2026-04-01"',
    )
    setup = setup_of(plant, FILLER)
    assert setup.roles.tolist() == [at.STATE_ROLE, at.TOTAL, at.GOOD]
    assert setup.micro_ns == 300 * NS_PER_S
    march = [one for one in setup.cycles if one.product == "Z"]
    assert [cycle_at(march, "Z", march[0].from_ns + more) for more in (-1, 0)] == [None, 2.0]
    assert setup.modes[1] == 0
    assert SETUP_MODE not in setup.modes
    assert setup.categories[6] == NUMBER["producing"]  # PackML: Execute


def test_the_version_follows_what_decides(tmp_path):
    plain = version_of(plant_of(tmp_path), FILLER)
    assert version_of(plant_of(tmp_path), FILLER) == plain
    assert version_of(plant_of(tmp_path, '[calendar]\ncountry = "CN"'), FILLER) != plain
    assert version_of(plant_of(tmp_path, '[[shift]]\nname = "a"\nbegins = "06:00"'), FILLER) != plain


def test_the_machine_of_a_plant_gives_figures(tmp_path):
    plant = plant_of(tmp_path, '[[shift]]\nname = "a"\nbegins = "00:00"')
    assert specs(plant, "cold/room1") == []
    (spec,) = [one for one in specs(plant, FILLER) if one.kind == "oee"]
    n = 100
    time_ns = np.repeat(np.arange(n) * NS, 3)
    number = np.tile(np.arange(3, dtype=np.int32), n)
    value = np.where(number == 0, 6.0, time_ns / NS)
    rows = Inputs(time_ns, number, value, np.zeros(3 * n, np.uint8))
    (made,) = spec.make(0, Every(50 * NS)).step(rows, 50 * NS)
    assert (made.parts["apt_s"], made.parts["pq"], made.about["shift"]) == (50.0, 49.0, "a")


def test_only_the_shifts_of_the_week_are_planned(tmp_path):
    plant = plant_of(
        tmp_path,
        '[[shift]]\nname = "day"\nbegins = "06:00"\nends = "14:00"\nweekdays = ["mon", "tue", "wed", "thu", "fri"]',
        'breaks = [{ begins = "10:00", minutes = 15 }]\n[calendar]\ncountry = "CN"\noff = ["2026-03-03"]',
    )
    told = [
        plant.shift_calendar.stretch_at(at_ns("Asia/Shanghai", text))
        for text in (
            "2026-03-02T09:00",
            "2026-03-02T10:05",
            "2026-03-02T14:00",
            "2026-03-03T09:00",
            "2026-02-28T09:00",
        )
    ]  # fmt: skip - a shift, its break, after it, a day off, a Saturday that is worked
    assert [(one.shift, one.planned) for one in told] == [
        ("day", False), ("day", True), ("", True), ("", True), ("day", False)
    ]  # fmt: skip
    assert plant_of(tmp_path).shift_calendar is None


UMH = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s"
[[asset]]
path = "line1/press"
template = "press"
[[asset.series]]
tag = "state"
kind = "%s"
%s
[[template]]
name = "press"
oee = { state = "state", total = "total", good = "good", mapping = "umh" }
series = [
  { tag = "state", kind = "number" }, { tag = "total", kind = "counter" }, { tag = "good", kind = "counter" },
]
"""


def test_an_asset_may_have_its_own_series_of_umh_codes(tmp_path):
    plant = load_plant(write(tmp_path, UMH % ("number", "every_s = 10")))
    assert plant.series["line1/press", "state"].every_s == 10.0
    (found,) = problems(write(tmp_path, UMH % ("state", 'states = ["a", "b"]')))
    assert (str(found.place.path), found.code) == ("asset[0].series[0].kind", "config.wrong_kind")
