"""A person at the control room in Chromium: see, acknowledge, read the ERP number, switch language, use a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult
from tests.page_desk import browser, served, visit
from tests.page_fixture import FILLER, PagePlant, Served, page_plant
from tests.page_visit import Visit

__all__ = ["browser", "served", "visit"]  # fixtures

pytestmark = pytest.mark.browser

ROWS = "document.querySelectorAll('tbody tr').length"
VIEWS = (
    "", "line/filling/line1", "asset/cold/room1", "asset/utilities/compressor1", "alarms", "erp", "dead-letters",
    "ledger", "wall", "incidents", "aside", "figures", "quality",
)  # fmt: skip


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagePlant]:
    made = page_plant(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def person() -> tuple[str, int]:
    return "operator", 1440


def test_a_person_sees_acknowledges_reads_the_number_and_switches_language(visit: Visit, plant: PagePlant) -> None:
    page = visit.page
    assert page.url == f"{visit.address}/"  # the token is gone from the address
    seen = visit.text()
    assert re.search(r"OEE, last hour \d\d\.\d %", seen)
    assert re.search(r"Excursion ended > 8\.0 °C for 31 min, peak 10\.7 °C", seen)
    assert re.search(r"Excursion > 8\.0 °C for 2\d min", seen)
    assert "Anomaly score" in seen
    assert "+08:00" in visit.text(".clock")  # the site's offset, whatever the browser's zone is

    page.click(".alarm-card a.rule >> text=Cold room above 8 °C")
    page.wait_for_selector(".why")
    assert "above the limit of 8 °C for 31.2 min" in visit.text(".why")
    assert "QE-2026-00042" in visit.text(".facts-list")
    page.wait_for_selector(".chart canvas")

    page.click("button.ack")
    page.click("dialog button.primary")
    assert "Please say why" in visit.text("dialog")  # a critical alarm wants a comment
    page.fill("dialog textarea", "Door gasket replaced <b>now</b>, stock in room 2")
    page.keyboard.press("Tab")
    page.click("dialog button.primary")
    page.wait_for_selector(".transitions >> text=stock in room 2")
    assert "<b>now</b>" in visit.text(".transitions")  # text stays text
    key = next(one.key for one in plant.records.alarms() if one.rule_id == "cold-room-high")
    [row] = [row for row in plant.records.audit_trail(object_id=key) if row.action == "alarm.acknowledged"]
    assert (row.actor_name, row.reason) == ("Demo operator", "Door gasket replaced <b>now</b>, stock in room 2")

    page.click("#language")
    page.wait_for_selector("nav >> text=总览")
    page.wait_for_selector(".why >> text=8 °C")
    assert "超过上限 8 °C" in visit.text(".why")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.reload()
    page.wait_for_selector("nav >> text=总览")  # the choice is kept
    visit.go("erp")
    page.wait_for_selector("text=QE-2026-00042")
    assert "已送达" in visit.text()


def test_an_alarm_and_its_number_appear_without_a_reload(visit: Visit, plant: PagePlant) -> None:
    page = visit.page
    visit.go("alarms")
    page.evaluate("window.stillTheSamePage = true")
    before = page.locator("tbody tr").count()
    change = plant.change("raised", "fill-weight", FILLER, "fill_g", -200, None, 10.15, 10.41, "outside", "g")
    plant.records.apply_conditions([change], SYSTEM_FLOW)
    visit.until(ROWS, before + 1)
    assert "Fill weight outside" in page.inner_text("#announce")  # told to a screen reader
    while (order := plant.records.claim_order("test", 30.0, SYSTEM_SENDER)) is not None:
        number = "QE-2026-00099" if order.asset == FILLER else "QE-2026-00098"
        plant.records.finish_order(order, DeliveryResult("delivered", 201, external_number=number), SYSTEM_SENDER)
    page.wait_for_selector("tbody >> text=QE-2026-00099")
    clock = page.inner_text(".clock b")
    plant.write(0, 10)
    visit.until(f"document.querySelector('.clock b').innerText !== {clock!r}")
    assert page.evaluate("window.stillTheSamePage") is True


def test_filters_and_the_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.go("alarms")
    page.select_option("select >> nth=1", label="Truck 1")
    visit.until(ROWS, 1)
    page.select_option("select >> nth=1", label="Every asset")
    page.fill("input[type=search]", "vibration")
    visit.until(ROWS, 1)
    page.wait_for_timeout(1500)
    assert page.input_value("input[type=search]") == "vibration"  # an update does not disturb typing
    assert page.evaluate("document.activeElement.type") == "search"
    page.fill("input[type=search]", "")
    page.focus("tbody tr:first-child button.ack")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("document.activeElement.name") == "comment"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_view_fits_a_phone_and_speaks_in_sentences(
    browser: Any, served: Served, plant: PagePlant, language: str
) -> None:
    one = Visit(browser, served, plant, "engineer", viewport={"width": 375, "height": 740}, is_mobile=True)
    if language == "zh-CN":
        one.page.click("#language")
        one.page.wait_for_selector("nav >> text=总览")
    key = next(alarm.key for alarm in plant.records.alarms() if alarm.rule_id == "compressor-anomaly")
    for view in (*(VIEWS if language == "en" else VIEWS[:3]), f"alarm/{key}"):
        one.go(view)
        one.page.wait_for_timeout(150)
        width = one.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, f"{view} is {width} wide"
        small = one.page.evaluate(
            "[...document.querySelectorAll('main button')].filter(b => b.offsetHeight && b.offsetHeight < 28).length"
        )
        assert small == 0, view
        # No code of a text, no placeholder and no fault of a script reaches a person.
        assert not re.findall(r"\bpage\.\w+|\{\w+\}|undefined|NaN|\[object", one.text("body")), view
    assert one.complaints == []
    one.context.close()


def test_a_lost_connection_is_said_and_greyed(browser: Any, plant: PagePlant) -> None:
    served = Served(plant.room)
    one = Visit(browser, served, plant, "viewer", viewport={"width": 1440, "height": 900})
    assert one.page.locator("button.ack").count() == 0  # a viewer has no say
    served.close()
    one.page.wait_for_selector(".lost >> text=Connection lost")
    assert one.page.evaluate("document.body.classList.contains('is-stale')")
    one.context.close()
