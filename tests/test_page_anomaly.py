"""Why an anomaly was raised, on the page, in Chromium: what moved, its picture, and what was said of its like."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Actor
from service.web.alarm_view import alarm_detail_json
from tests.page_acts_world import ActsPlant
from tests.page_desk import browser
from tests.page_fixture import COMPRESSOR, Served, page_plant
from tests.page_visit import Visit

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("the distance from what is long normal", "Bearing of the drive side", "True: it was right", "unusual since"),
    "zh-CN": ("与长期正常值的偏差", "Bearing of the drive side", "属实", "异常始于"),
}
SAID = {"en": r"2\.1.mm/s ± 0\.12.mm/s is normal", "zh-CN": r"正常值为 2\.1.mm/s ± 0\.12.mm/s"}


JUDGE = Actor("chen", "Chen Jing", "quality", "10.0.0.8")


def tell(acts: ActsPlant, name: str, start_s: int, value: float) -> None:
    """An anomaly of the compressor's vibration, unusual for 300 s before it began."""
    change = acts.plant.change(
        "raised", "compressor-anomaly", COMPRESSOR, "vibration", start_s, None, 6, 7.9, "anomaly", "1"
    )
    reason = {
        "detector": "robust", "component": "from_reference", "value": value, "value_unit": "mm/s", "expected": 2.1,
        "spread": 0.12, "since_ns": change.start_ns - 300 * NS_PER_S, "at_ns": change.start_ns + 20 * NS_PER_S,
        "context": {"product": "VIAL-10"},
    }  # fmt: skip
    acts.tell(name, replace(change, evidence=reason))
    if name == "before":
        end_ns = change.confirmed_ns + 600 * NS_PER_S
        acts.records.apply_conditions([replace(change, kind="cleared", cleared_ns=end_ns)], SYSTEM_FLOW)


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActsPlant]:
    made = ActsPlant(page_plant(tmp_path_factory.mktemp("anomaly")))
    tell(made, "before", -14_000, 3.1)
    made.records.label(made.keys["before"], JUDGE, "true", "Bearing of the drive side")
    tell(made, "again", -1800, 3.6)
    yield made
    made.plant.close()


@pytest.fixture(scope="module")
def served(acts: ActsPlant) -> Iterator[Served]:
    one = Served(acts.room)
    yield one
    one.close()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_an_anomaly_says_what_moved_since_when_and_what_it_is_like(
    browser: Any, served: Served, acts: ActsPlant, language: str, width: int, theme: str
) -> None:
    visit = Visit(browser, served, acts.plant, "quality", viewport={"width": width, "height": 1400}, color_scheme=theme)
    page = visit.page
    if language == "zh-CN":
        page.click("#language")
        page.wait_for_selector("nav >> text=总览")
    component, comment, verdict, since = WORDS[language]
    visit.go(f"alarm/{acts.keys['again']}")
    page.wait_for_selector(".anomaly .plot-area")
    assert component in visit.text('[data-unusual="component"]')
    assert "12.5" in visit.text('[data-unusual="deviation"]')
    assert since in visit.text(".anomaly .plot-over")
    assert component in visit.text("dl.evidence")
    assert "from_reference" not in visit.text("dl.evidence")
    label = page.get_attribute(".anomaly .plot-area", "aria-label") or ""
    assert page.get_attribute(".anomaly .plot-area", "role") == "img"
    assert re.search(SAID[language], label), label
    assert "16:25:00 +08:00" in label  # since when: 300 s before the alarm began
    band = page.locator(".normal-band")
    assert [float(band.get_attribute(f"data-{one}") or "nan") for one in ("low", "high")] == [1.98, 2.22]
    assert page.locator('[data-mark="since"]').count() == page.locator('[data-mark="start"]').count() == 1
    assert page.locator(".says-most").count() == 1
    assert page.eval_on_selector(".anomaly .curve", "one => one.getAttribute('d').length") > 100

    place = f'[data-similar="{acts.keys["before"]}"]'
    said = visit.text(place)
    assert comment in said
    assert verdict in said
    assert "Chen Jing" in said
    assert comment in visit.text(".why")
    visit.until("document.querySelector('.evidence-picture').naturalWidth > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if shots := os.environ.get("ANDON_SHOTS"):
        page.screenshot(path=str(Path(shots) / f"anomaly-{language}-{width}.png"), full_page=True)
    page.click(f"{place} a.rule")
    page.wait_for_selector(f".facts-list code >> text={acts.keys['before']}")
    assert page.locator("[data-similar]").count() == 0  # nothing was before it
    assert visit.complaints == []
    assert visit.elsewhere == []
    visit.context.close()


def test_the_api_tells_reason_and_like_and_other_alarms_have_neither(acts: ActsPlant, served: Served) -> None:
    def told(name: str, language: str = "en") -> dict[str, Any]:
        return alarm_detail_json(acts.room, acts.records.alarm(acts.keys[name]), [], language, acts.room.now_ns())

    again = told("again")
    assert again["reason"]["component"] == "from_reference"
    assert again["reason"]["deviation"] == pytest.approx(12.5)
    assert again["reason"]["run_s"] == 360.0
    [like] = again["similar"]
    assert (like["key"], like["asset"], like["label"], like["near"]) == (
        acts.keys["before"], COMPRESSOR, "true", "near",
    )  # fmt: skip
    assert "Similar to the alarm of 2026-01-01, confirmed: Bearing of the drive side." in again["why"]
    assert "报警相似" in told("again", "zh-CN")["why"]
    for name in ("moved", "worse", "latched"):  # no anomaly, or one that says no reason
        assert (told(name)["reason"], told(name)["similar"]) == (None, [])
