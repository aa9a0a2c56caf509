"""Pictures of figures on the page: in both languages, with the numbers that the API tells, on a desk and on a phone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from operators.losses import loss_tree
from tests.page_desk import browser, served, visit
from tests.page_fixture import NOW_NS, Served
from tests.page_visit import Visit
from tests.pictures_fixture import AUTOCLAVE, FILLER, PUMP, ROOM, TRUCK, PicturePlant, picture_plant, truck

__all__ = ["browser", "served", "visit"]  # fixtures

pytestmark = pytest.mark.browser

LEFTOVERS = r"\bpage\.\w+|\bpicture\.\w+|\{\w+\}|undefined|NaN|\[object"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturePlant]:
    made = picture_plant(tmp_path_factory.mktemp("pictures"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def person() -> tuple[str, int]:
    return "viewer", 1280


def told(visit: Visit, path: str) -> Any:
    """An answer of the API to the person at the page."""
    return visit.page.evaluate("path => fetch(path).then(answer => answer.json())", path)


def data_of(visit: Visit, selector: str, *names: str) -> list[tuple[str, ...]]:
    """Attributes data-* of every match, in order; waits for the first: each picture comes when its data does."""
    visit.page.wait_for_selector(selector, state="attached")
    read = "(all, names) => all.map(one => names.map(name => one.dataset[name] ?? ''))"
    return [tuple(row) for row in visit.page.locator(selector).evaluate_all(read, list(names))]


def seconds(text: str) -> int:
    """-0:36:40 as seconds."""
    hours, minutes, rest = re.findall(r"\d+", text)[:3]
    return (-1 if "\u2212" in text else 1) * (int(hours) * 3600 + int(minutes) * 60 + int(rest))


def test_the_waterfall_has_the_losses_of_the_api_and_adds_up_to_the_second(visit: Visit) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.wait_for_selector(".waterfall li")
    data = told(visit, f"/api/v1/figures/oee?asset={FILLER}&hours=8")
    shown = dict(data_of(visit, ".waterfall li", "step", "seconds"))
    steps = data["total"]["steps"]
    assert steps == loss_tree(data["total"]["parts"])
    for name, value in steps.items():
        assert float(shown.get(name, 0)) == value
    assert float(shown["busy"]) == data["total"]["parts"]["pbt_s"]
    losses = visit.page.locator(".waterfall li.loss .step-time, .waterfall li.gain .step-time").all_inner_texts()
    [calendar, _, good] = visit.page.locator(".waterfall li.total .step-time").all_inner_texts()
    assert seconds(calendar) + sum(map(seconds, losses)) == seconds(good)
    assert len(losses) > 6


def test_oee_by_shift_product_and_order_and_the_pareto_of_stops(visit: Visit) -> None:
    visit.go(f"asset/{FILLER}")
    for by, name in (("shift", "Shift"), ("product", "Product"), ("order", "Order")):
        visit.page.click(f".picture button >> text={name}")
        data = told(visit, f"/api/v1/figures/oee?asset={FILLER}&hours=8&by={by}")
        visit.until("document.querySelectorAll('.group').length", len(data["groups"]))
        visit.page.click(".group >> nth=0")
        visit.until("document.querySelector('.kpi-strip dd').dataset.value", str(data["groups"][0]["kpis"]["OEE"]))
        assert sum(one["parts"]["calendar_s"] for one in data["groups"]) == data["total"]["parts"]["calendar_s"]
    assert {one["about"]["order"] for one in data["groups"]} == {"MO-18", "MO-19"}
    stops = told(visit, f"/api/v1/figures?kind=oee_stop&asset={FILLER}&hours=8")["figures"]
    assert [float(one) for [one] in data_of(visit, ".pareto li", "seconds")] == [
        one["length_s"] for one in data["pareto"]
    ]
    assert sum(one["length_s"] for one in data["pareto"]) == sum(one["parts"]["length_s"] for one in stops)
    assert data["pareto"][-1]["share"] == 1.0


def test_figures_as_they_were_known_before_late_rows_corrected_them(visit: Visit) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.wait_for_selector(".waterfall li")
    now = visit.page.inner_text(".waterfall li[data-step=defect_loss] .step-time")
    visit.page.click(".known summary")
    visit.page.click(".known button >> text=1 h ago")
    before = "document.querySelector('.waterfall li[data-step=defect_loss] .step-time').innerText"
    path = f"/api/v1/figures/oee?asset={FILLER}&hours=8"
    as_of = told(visit, "/api/v1/overview")["as_of_ms"] - 3_600_000
    then, today = told(visit, f"{path}&as_of={as_of}")["total"], told(visit, path)["total"]
    assert (then["revision"], today["revision"]) == (1, 2)
    visit.until(f"{before} !== {now!r}")
    assert then["parts"]["gq"] < today["parts"]["gq"]
    assert float(dict(data_of(visit, ".waterfall li", "step", "seconds"))["good"]) == then["steps"]["good"]


def test_a_guarded_limit_is_drawn_where_the_alarm_comes_and_says_the_specified_one(visit: Visit) -> None:
    [rule] = [one for one in told(visit, "/api/v1/plant")["rules"] if one["id"] == "weight"]
    assert (rule["outside"], rule["guard_band"], rule["accepted"]) == ([9.8, 10.2], 0.05, [9.85, 10.15])
    visit.page.add_init_script(
        "const draw = CanvasRenderingContext2D.prototype.fillText; window.drawn = [];"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { drawn.push(text);"
        " return draw.call(this, text, ...at); };"
    )
    visit.go(f"asset/{FILLER}")
    visit.page.reload()
    visit.page.wait_for_selector(".now .bullet")
    assert visit.page.locator(".now .bullet .ends em").all_inner_texts() == ["9.85", "10.15"]
    for name, specified in (("low", "9.8"), ("high", "10.2")):
        line = f"{name} {9.85 if name == 'low' else 10.15} (specified {specified}, guard band 0.05)"
        visit.until(f"window.drawn.includes({line!r})")
    title = visit.page.get_attribute(".now .bullet", "title")
    assert title.endswith("9.85 (specified 9.8, guard band 0.05) to 10.15 (specified 10.2, guard band 0.05)")


def test_positions_of_a_trend_are_as_they_were_sent(visit: Visit) -> None:
    """Six digits of a longitude beyond 100 degrees would be 95 m apart; seven decimals are 1 cm."""
    trend = told(visit, f"/api/v1/history?asset={TRUCK}&tag=lon&hours=1&size_s=10")
    at, longitude = truck()["lon"]
    sent = dict(zip(((NOW_NS // 10**9 + at) * 1000).tolist(), longitude.tolist(), strict=True))
    assert len(trend["mean"]) > 300
    assert trend["mean"] == pytest.approx([sent[start] for start in trend["start_ms"]], abs=1e-6, rel=0)


def typed(visit: Visit, text: str) -> None:
    """Ask for the figures as they were known at a moment."""
    if visit.page.locator(".as-known[open]").count() == 0:
        visit.page.click(".as-known summary")
    visit.page.fill(".typed-moment input", text)
    visit.page.click(".typed-moment button")


def wall(at_ms: int) -> str:
    """As people in Shanghai write it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M")


def test_every_picture_goes_back_to_the_moment_that_is_typed(visit: Visit) -> None:
    """Final figures that were told by then, and no other."""
    now_ms = told(visit, "/api/v1/overview")["as_of_ms"]
    cases = {
        AUTOCLAVE: (".cycle", "steam_cycle", "&tag=drain_temp&hours=168", 5),
        ROOM: (".excursion-rows li", "excursion", "", 6),
        FILLER: (".spc-view .dot[data-value]", "spc", "&tag=weight&limit=400", 2),
        PUMP: (".mode", "maintenance", "", 1),
    }
    for asset, (selector, kind, more, hours_ago) in cases.items():
        visit.go(f"asset/{asset}")
        visit.page.click("button >> text=24 h")
        visit.page.wait_for_selector(selector)
        at_ms = (now_ms - hours_ago * 3_600_000) // 60_000 * 60_000
        path = f"/api/v1/figures?kind={kind}&asset={asset}&hours=24{more}"
        before, now = (
            {one["start_ms"] for one in told(visit, path + then)["figures"]} for then in (f"&as_of={at_ms}", "")
        )
        assert before < now
        typed(visit, wall(at_ms))
        visit.page.wait_for_selector(".as-known.then")
        shown = f"document.querySelectorAll({selector!r}).length"
        visit.until(shown, len(before) if kind != "maintenance" else min(1, len(before)))
        assert wall(at_ms)[11:] in visit.text(".as-known summary")
        visit.page.click(".as-known button >> text=now")
        visit.until(f"{shown} > 0 && !document.querySelector('.as-known.then')")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_is_no_moment_is_said_in_words(visit: Visit, language: str) -> None:
    if language == "zh-CN":
        visit.page.click("#language")
        visit.page.wait_for_selector("nav >> text=总览")
    visit.go(f"asset/{FILLER}")
    visit.page.wait_for_selector(".waterfall li")
    faults = {
        "yesterday": ("is no moment", "不是时刻"), "2026-02-30 10:00": ("is no moment", "不是时刻"),
        "?": ("is no moment", "不是时刻"), "2126-01-01 00:00": ("has not come yet", "尚未到来"),
        "1991-09-15 01:30": ("came twice", "出现两次"),  # the last summer time of Shanghai ended then
    }  # fmt: skip
    for text, words in faults.items():
        typed(visit, text)
        visit.until(f"document.querySelector('.as-known [role=alert]').innerText.includes({text!r})")
        assert words[language == "zh-CN"] in visit.text(".as-known [role=alert]")
        assert visit.page.input_value(".typed-moment input") == text  # what was typed stays
        assert visit.page.locator(".as-known.then").count() == 0
    typed(visit, "1991-09-15 01:30 +09:00")
    visit.page.wait_for_selector(".as-known.then")
    assert visit.text(".as-known [role=alert]") == ""


def test_every_picture_names_its_instruments(visit: Visit) -> None:
    wanted = {
        FILLER: {"": 3, "C-2025-231": 1}, AUTOCLAVE: {"C-2025-117": 1}, ROOM: {"C-2024-031": 1},
        PUMP: {"C-2025-307": 2},
    }  # fmt: skip
    for asset, certificates in wanted.items():
        visit.go(f"asset/{asset}")
        for one, count in certificates.items():  # each picture comes when its figures do
            named = f"[...document.querySelectorAll('.measured li')].filter(li => li.dataset.certificate === '{one}')"
            visit.until(f"{named}.length >= {count}")
        found = Counter(one for [one] in data_of(visit, ".measured li", "certificate"))
        assert {one: found[one] for one in certificates} == certificates, asset
    visit.go(f"asset/{FILLER}")
    visit.page.click(".picture:has(.waterfall) .measured-with summary")
    assert "no certificate" in visit.text(".picture:has(.waterfall) .measured")  # of counters and states


def test_a_cycle_shows_its_verdict_criteria_and_lethality(visit: Visit) -> None:
    page = visit.page
    visit.go(f"asset/{AUTOCLAVE}")
    page.wait_for_selector(".cycle")
    cycles = told(visit, f"/api/v1/figures?kind=steam_cycle&asset={AUTOCLAVE}&tag=drain_temp&hours=168")["figures"]
    assert [one["parts"]["verdict"] for one in cycles] == [1.0, 0.0, None]
    for cycle, words in zip(cycles, ("Passed", "Failed", "Cannot be decided"), strict=True):
        page.click(f".cycle >> text={cycle['about']['load']}")
        page.wait_for_selector(f".cycle-head >> text={cycle['about']['load']}")
        page.wait_for_selector(".criteria tbody tr")
        assert words in visit.text(".cycle-head")
        rows = {
            code: (found, kept)
            for code, found, kept in data_of(visit, ".criteria tr[data-code]", "code", "found", "kept")
        }
        for code, part in (("hold", "hold_s"), ("lethality", "f0"), ("spread", "spread"), ("air_removal", "pulses")):
            assert float(rows[code][0]) == cycle["parts"][part]
            kept = cycle["parts"][f"{code}_ok"]
            assert rows[code][1] == ("" if kept is None else str(int(kept)))
        assert float(data_of(visit, ".f0-line", "told")[0][0]) == pytest.approx(cycle["parts"]["f0"], rel=1e-5)
        assert set(cycle["about"].get("failed", "").split()) == {
            code for code, (_, kept) in rows.items() if kept == "0"
        }
        assert set(cycle["about"].get("undecided", "").split()) == {
            code for code, (_, kept) in rows.items() if not kept
        }
        curve = told(visit, f"/api/v1/figures/cycle?asset={AUTOCLAVE}&kind=steam_cycle&from={cycle['start_ms']}")
        assert curve["lethality"]["value"][-1] == pytest.approx(cycle["parts"]["f0"], abs=0.2)  # of means of 10 s
        assert [tag for [tag] in data_of(visit, ".curve[data-tag]", "tag")] == [
            "drain_temp",
            "load1_temp",
            "load2_temp",
            "chamber_pressure",
        ]
        assert sum(one["end_ms"] - one["start_ms"] for one in curve["phases"]) == cycle["end_ms"] - cycle["start_ms"]
    page.click(".measured-with summary")
    page.wait_for_selector(".measured li[data-certificate=C-2025-117]")


def test_no_cycle_began_then(visit: Visit) -> None:
    answer = told(visit, f"/api/v1/figures/cycle?asset={AUTOCLAVE}&kind=steam_cycle&from=1000")
    assert answer["error"]["code"] == "page.invalid"
    visit.complaints.clear()  # the browser names the refusal


def test_a_control_chart_has_every_point_its_rules_and_the_limits_of_both_versions(visit: Visit) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.wait_for_selector(".spc-view .dot[data-value]")
    points = told(visit, f"/api/v1/figures?kind=spc&asset={FILLER}&tag=weight&hours=8")["figures"]
    shown = data_of(visit, ".spc-view .dot[data-value]", "at", "value", "rules")
    assert [(int(at), float(value), rules) for at, value, rules in shown] == [
        (one["start_ms"], one["parts"]["value"], one["about"].get("rules", "")) for one in points
    ]
    spreads = data_of(visit, ".spc-view .dot[data-spread]", "spread")
    assert [float(one) for [one] in spreads] == [one["parts"]["spread"] for one in points]
    assert {one["about"]["version"] for one in points} == {"2025-11", "2026-01"}
    assert "limits 2026-01" in visit.text(".spc-view")
    marks = visit.text(".spc-view .rules")
    fired = " ".join(rules for *_, rules in shown).split()
    for rule, short in (("nelson_1", "N1"), ("we_2", "W2")):
        assert short in marks
        assert re.search(rf"{short} [a-z ]+ {fired.count(rule)}\W", marks)
    [able] = told(visit, f"/api/v1/figures?kind=capability&asset={FILLER}&tag=weight&hours=24&limit=1")["figures"]
    indices = dict(data_of(visit, ".capability [data-index]", "index", "value"))
    assert {name: float(value) for name, value in indices.items()} == {
        name: able["parts"][name] for name in ("cp", "cpk", "pp", "ppk", "cpm")
    }


def test_a_cold_room_shows_its_excursions_mkt_and_budgets(visit: Visit) -> None:
    visit.go(f"asset/{ROOM}")
    visit.page.click("button >> text=24 h")
    visit.until("document.querySelectorAll('.excursion-rows li').length", 2)
    rows = told(visit, f"/api/v1/figures?kind=excursion&asset={ROOM}&hours=24")["figures"]
    shown = data_of(visit, ".excursion-rows li", "start", "peak", "minutes")
    assert [(int(start), float(peak), float(minutes)) for start, peak, minutes in shown] == [
        (one["start_ms"], one["parts"]["peak"], one["parts"]["out_c_min"]) for one in reversed(rows)
    ]
    assert visit.page.locator(".excursion-span").count() == 2
    assert visit.page.locator(".excursion-span.explained").count() == 1  # the door stood open
    [*_, newest] = told(visit, f"/api/v1/figures?kind=usp&asset={ROOM}&hours=24")["figures"]
    usp = dict(data_of(visit, "[data-usp]", "usp", "value"))
    assert float(usp["mkt"]) == newest["parts"]["mkt"]
    assert float(usp["out"]) == newest["parts"]["out_s"]
    lots = told(visit, f"/api/v1/figures?kind=lot_stay&asset={ROOM}&hours=24")["figures"]
    assert {lot: float(left) for lot, left in data_of(visit, ".budgets li", "lot", "left")} == {
        one["about"]["lot"]: one["parts"]["tor_left_s"] for one in lots
    }
    visit.page.click(".measured-with summary")
    visit.page.wait_for_selector(".measured li[data-certificate=C-2024-031] >> text=overdue")


def test_machine_health_stands_on_its_zones_with_the_time_to_the_limit(visit: Visit, plant: PicturePlant) -> None:
    visit.go(f"asset/{PUMP}")
    visit.page.wait_for_selector(".zone")
    [newest] = told(visit, f"/api/v1/figures?kind=health&asset={PUMP}&tag=vib.velocity&hours=720&limit=1")["figures"]
    parts = newest["parts"]
    shown = dict(data_of(visit, "[data-health]", "health", "value"))
    wanted = {"value": "value", "zone": "zone", "limit": "limit", "days": "days_to_limit", "slope": "slope_per_d"}
    assert {name: float(shown[name]) for name in wanted} == {name: parts[part] for name, part in wanted.items()}
    assert parts["zone"] == 3.0
    assert "C for a limited time" in visit.text(".picture .kpi-strip")
    zones = data_of(visit, ".zone", "zone", "from")
    assert [(zone, float(low)) for zone, low in zones] == [("A", 0.0), ("B", 1.4), ("C", 2.8), ("D", 4.5)]
    assert "ISO 20816-3" in visit.text()  # whoever reads the zones reads where they are from
    assert [tag for [tag] in data_of(visit, ".multiples .curve", "tag")] == ["vib.bpfo", "vib.bpfi"]
    [mode] = told(visit, f"/api/v1/figures?kind=maintenance&asset={PUMP}&limit=1")["figures"]
    assert data_of(visit, ".mode", "mode", "due") == [("bearing-wear", str(int(mode["parts"]["due"])))]
    assert {"zone", "within_d"} & set(mode["about"]["triggers"].split("+"))


def test_a_journey_shows_its_track_its_stops_and_whether_it_came_in_time(visit: Visit) -> None:
    visit.go(f"asset/{TRUCK}")
    visit.page.wait_for_selector(".plan-track[d^=M]", state="attached")
    [journey] = told(visit, f"/api/v1/figures?kind=journey&asset={TRUCK}&hours=8")["figures"]
    parts = journey["parts"]
    assert (parts["arrived"], parts["on_time"], parts["unplanned"]) == (1.0, 1.0, 1.0)
    shown = dict(data_of(visit, "[data-journey]", "journey", "value"))
    for name in ("distance_km", "duration_s", "standing_s"):
        assert float(shown[name]) == parts[name]
    stops = told(visit, f"/api/v1/figures?kind=journey_stop&asset={TRUCK}&hours=8")["figures"]
    mine = [one for one in stops if one["end_ms"] >= journey["start_ms"] and one["start_ms"] <= journey["end_ms"]]
    assert [(int(at), float(length)) for at, length in data_of(visit, "[data-stop]", "stop", "length")] == [
        (one["start_ms"], one["parts"]["length_s"]) for one in mine
    ]
    assert visit.page.locator(".plan-stop.unplanned").count() == 1
    assert [one for [one] in data_of(visit, ".plan-place", "place")] == ["warehouse", "hospital"]
    assert "on time" in visit.text(".picture .kpi-strip")
    box = visit.page.locator(".plan-track").bounding_box()
    plan = visit.page.locator(".plan").bounding_box()
    assert plan["x"] < box["x"] < box["x"] + box["width"] < plan["x"] + plan["width"]
    assert box["width"] / box["height"] == pytest.approx(
        (121.3363 - 120.7150) * math.cos(math.radians(31.291)) / (31.3846 - 31.1979), rel=0.03
    )  # north and east have one scale


def test_figures_evenly_apart_end_with_the_newest(visit: Visit) -> None:
    path = f"/api/v1/figures?kind=health&asset={PUMP}&tag=vib.velocity&hours=960"
    every = told(visit, f"{path}&points=2000")["figures"]
    some = told(visit, f"{path}&points=100")["figures"]
    assert some == every[:: -math.ceil(len(every) / 100)][::-1]
    assert 50 <= len(some) <= 100


PAGES = {
    FILLER: (".waterfall li", ".spc-view .dot"), AUTOCLAVE: (".criteria tr",), ROOM: (".cold-curve .curve",),
    PUMP: (".zone", ".mode"), TRUCK: (".plan-track",),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_picture_fits_and_speaks_in_sentences(
    browser: Any, served: Served, plant: PicturePlant, language: str, width: int
) -> None:
    one = Visit(browser, served, plant, "viewer", viewport={"width": width, "height": 844}, is_mobile=width < 500)
    if language == "zh-CN":
        one.page.click("#language")
        one.page.wait_for_selector("nav >> text=总览")
    for asset, wanted in PAGES.items():
        one.go(f"asset/{asset}")
        for selector in wanted:
            one.page.wait_for_selector(selector, state="attached")
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width, asset
        assert not re.findall(LEFTOVERS, one.text("body")), asset
        small = (
            "[...document.querySelectorAll('main button')].filter(b => b.offsetHeight && b.offsetHeight < 28).length"
        )
        assert one.page.evaluate(small) == 0, asset
    assert one.complaints == []
    one.context.close()
