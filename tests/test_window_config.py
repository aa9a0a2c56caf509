"""[[window]] and [[shift]] in plant.toml: what loads, on which series, and how a refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.config.load import load_plant
from tests.test_config import BASE, problems, write

AIR = 'id = "air-1h"\non = "cold/*/air"\nkind = "tumbling"\nsize_s = 3600\n'
SHIFTS = '[[shift]]\nname = "early"\nbegins = "06:00"\n[[shift]]\nname = "late"\nbegins = "14:00"\n'

CASES = {
    # id: (what is declared, path of the fault, code, words of the sentence)
    "no series named": ('id = "w"\nkind = "tumbling"\nsize_s = 60', "window[0]", "window_nothing", "on, template"),
    "pattern of nothing": (AIR.replace("cold", "clod"), "window[0].on", "rule_no_series", "cold/room1/air"),
    "template unknown": (
        'id = "w"\ntemplate = "coldroom"\nkind = "tumbling"\nsize_s = 60', "window[0].template", "unknown_name",
        "'cold-room'",
    ),
    "no size": (AIR.replace("size_s = 3600", ""), "window[0]", "window_missing", "size_s"),
    "a gap too much": (AIR + "gap_s = 5", "window[0].gap_s", "window_extra", "gap_s"),
    "a size beyond any calendar": (
        AIR.replace("3600", "1e300"), "window[0].size_s", "not_allowed", "31622400",
    ),
    "a gap below a millisecond": (
        'id = "w"\non = "cold/*/air"\nkind = "session"\ngap_s = 1e-10', "window[0].gap_s", "not_allowed", "0.001",
    ),
    "a longest session of a tumbling": (AIR + "max_s = 5", "window[0].max_s", "window_extra", "max_s"),
    "no multiple of the pane": (AIR.replace("3600", "3605"), "window[0].size_s", "not_multiple", "10.0"),
    "hop above size": (
        AIR.replace("tumbling", "hopping") + "hop_s = 7200", "window[0].hop_s", "window_hop", "3600.0",
    ),
    "too many at once": (AIR.replace("tumbling", "hopping") + "hop_s = 10", "window[0].hop_s", "window_many", "30.0"),
    "statistic mistyped": (
        AIR + 'statistics = ["count", "maen"]', "window[0].statistics[1]", "unknown_name", "'mean'",
    ),
    "statistic unknown": (
        AIR + 'statistics = ["kurtosis"]', "window[0].statistics[0]", "window_statistic", "time_weighted_mean",
    ),
    "percentile of 100": (AIR + 'statistics = ["p100"]', "window[0].statistics[0]", "window_statistic", "p99.5"),
    "statistic twice": (AIR + 'statistics = ["min", "min"]', "window[0].statistics", "repeated", "min"),
    "percentile of a state": (
        'id = "w"\non = "filling/*/state"\nkind = "tumbling"\nsize_s = 60\nstatistics = ["p50"]',
        "window[0].statistics[0]", "window_unfit", "covered_s",
    ),
    "mean of a counter is fine, p50 not": (
        'id = "w"\non = "filling/*/total"\nkind = "tumbling"\nsize_s = 60\nstatistics = ["mean", "p50"]',
        "window[0].statistics[1]", "window_unfit", "counter",
    ),
    "shift without shifts": (
        'id = "w"\non = "cold/*/air"\nkind = "calendar"\ncalendar = "shift"', "window[0].calendar", "window_no_shift",
        "[[shift]]",
    ),
    "id like a size": (AIR.replace("air-1h", "60s"), "window[0].id", "window_id", "base window"),
    "id twice": (f"{AIR}[[window]]\n{AIR}", "window[1].id", "twice", "'air-1h'"),
    "shift at no time": (
        AIR + '[[shift]]\nname = "x"\nbegins = "6:00"', "shift[0].begins", "not_allowed", "HH:MM",
    ),
    "month longer than the journal": (
        'id = "w"\non = "cold/*/air"\nkind = "calendar"\ncalendar = "month"', "retention.journal_d", "journal_short",
        "38.09",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_the_only_one_reported(tmp_path: Path, declared: str, path: str, code: str, words: str) -> None:
    (only,) = problems(write(tmp_path, f"{BASE}\n[[window]]\n{declared}\n"))
    assert (only.place.path, only.code) == (path, f"config.{code}")
    assert words in only.text("en")


def test_panes_of_a_calendar_divide_a_minute(tmp_path: Path) -> None:
    text = BASE.replace("[erp]", "[windows]\npane_s = 7\nsizes_s = [7]\nfigures_s = 70\n[erp]")
    (only,) = problems(write(tmp_path, f'{text}\n[[window]]\nid = "w"\non = "*"\nkind = "calendar"\ncalendar = "hour"\n'
                             'statistics = ["count"]\n'))  # fmt: skip
    assert (only.place.path, only.code) == ("window[0].calendar", "config.window_minute")


def test_a_window_is_on_what_matches_it(tmp_path: Path) -> None:
    plant = load_plant(
        write(
            tmp_path,
            f"""{BASE}
[[window]]
{AIR}
[[window]]
id = "shift"
template = "filler"
kind = "calendar"
calendar = "shift"
statistics = ["increase", "p99.5"]
{SHIFTS}""",
        )
    )
    declared = {spec.path: [one.id for one in plant.windows_for(spec)] for spec in plant.series.values()}
    assert declared == {
        "cold/room1/air": ["air-1h"], "cold/room1/door": [], "filling/line1/filler1/state": [],
        "filling/line1/filler1/total": ["shift"], "filling/line1/filler1/good": ["shift"],
    }  # fmt: skip
    assert plant.longest_s == 90_000.0
    assert [shift.begins for shift in plant.config.shift] == ["06:00", "14:00"]


def test_no_window_is_on_a_waveform(tmp_path: Path) -> None:
    """Its figures are series of their own."""
    text = BASE.replace(
        '{ tag = "door"', '{ tag = "vib", kind = "waveform" },\n  { tag = "vib.rms" },\n  { tag = "door"'
    )
    window = '[[window]]\nid = "w"\non = "cold/*/vib*"\nkind = "tumbling"\nsize_s = 60\nstatistics = ["count"]\n'
    plant = load_plant(write(tmp_path, f"{text}\n{window}"))
    assert [spec.path for spec in plant.series.values() if plant.windows_for(spec)] == ["cold/room1/vib.rms"]


def test_a_session_ends_after_a_day_if_nothing_is_said(tmp_path: Path) -> None:
    window = '[[window]]\nid = "w"\non = "cold/*/air"\nkind = "session"\ngap_s = 60\n'
    assert load_plant(write(tmp_path, f"{BASE}\n{window}")).longest_s == 86_460.0
