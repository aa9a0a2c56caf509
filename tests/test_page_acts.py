"""What people do about alarms, in Chromium: each act from the page, in words, with its audit row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from andon.erp_state import ErpState
from andon.records import AuditRecord
from andon.records.actors import SYSTEM_ERP
from andon.records.verify import verify_audit
from service.evidence.bundle import EXPORTED
from tests.page_acts_world import ENGINEER, SECOND, ActsPlant
from tests.page_fixture import CNC, ROOM, Served, page_plant
from tests.page_visit import Visit, chromium_at

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
VIEWS = ("alarms", "incidents", "aside", "figures", "quality", "erp", "", "wall")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with chromium_at(chromium) as launched:
        yield launched


@pytest.fixture
def acts(tmp_path: Path) -> Iterator[ActsPlant]:
    made = ActsPlant(page_plant(tmp_path))
    yield made
    made.plant.close()


@pytest.fixture
def served(acts: ActsPlant) -> Iterator[Served]:
    one = Served(acts.room)
    yield one
    one.close()


class Desk:
    """Somebody of a role at the page. refused: how many answers the test expects the service to refuse."""

    def __init__(self, browser: Any, served: Served, acts: ActsPlant, role: str, **options: Any) -> None:
        self.acts = acts
        self.visit = Visit(browser, served, acts.plant, role, **{"viewport": WIDE, **options})
        self.page = self.visit.page
        self.refused = 0

    def alarm(self, name: str) -> str:
        """Open an alarm's view; returns its key."""
        key = self.acts.keys[name]
        self.visit.go(f"alarm/{key}")
        self.page.wait_for_selector(f".facts-list code >> text={key}")
        return key

    def act(self, name: str, **fields: str) -> None:
        """Press an act's button and fill in its dialog; it must succeed."""
        self.page.click(f'button[data-act="{name}"]')
        self.send(**fields)

    def send(self, **fields: str) -> None:
        """Fill in the open dialog, send it, and wait until it is gone."""
        self.fill(**fields)
        self.page.wait_for_selector("dialog", state="detached")

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            field = self.page.locator(f'dialog [name="{name}"]')
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(text)
            else:
                field.fill(text)
        self.page.click("dialog button.primary")

    def says(self, selector: str, words: str) -> None:
        """Wait until a part of the page says something."""
        self.page.wait_for_selector(f"{selector} >> text={words}")

    def leave(self) -> None:
        """Close; the browser had nothing to complain about but the refusals that were asked for."""
        complaints, elsewhere = list(self.visit.complaints), list(self.visit.elsewhere)
        self.visit.context.close()
        told = [one for one in complaints if "Failed to load resource" in one]
        assert [one for one in complaints if one not in told] == []
        assert len(told) == self.refused, told
        assert elsewhere == []


@pytest.fixture
def desk(browser: Any, served: Served, acts: ActsPlant) -> Iterator[Desk]:
    one = Desk(browser, served, acts, "quality", accept_downloads=True)
    yield one
    one.leave()


def rows(acts: ActsPlant, object_id: str, action: str) -> list[AuditRecord]:
    """The audit rows of an action on an object, by the person at the page."""
    found = acts.records.audit_trail(object_id=object_id, limit=1000)
    return [one for one in found if one.action == action]


def test_a_person_walks_an_alarm_from_seeing_it_to_judging_it(desk: Desk, acts: ActsPlant, tmp_path: Path) -> None:
    """See, understand, acknowledge, assign, go, arrive, shelve, judge, evidence, ERP: each with its audit row."""
    page, records = desk.page, acts.records
    desk.visit.go("alarms")
    page.click("tbody a.rule >> text=Spindle too hot")
    desk.says(".why", "above the limit of 65 °C")
    key = acts.keys["moved"]
    facts = desk.visit.text(".facts-list")
    assert re.search(r"Crossed at 2026-01-01 16:41:00 .*corrected by late data; first told as 16:45:00", facts)
    assert re.search(r"QE-2026-00\d+", facts)

    page.click("button.ack")
    desk.send(comment="Seen")
    desk.says(".transitions", "Acknowledged")
    desk.act("assign", whose="other", user=SECOND[0], comment="Your machine")
    desk.says(".facts-list .t-owner", "Li Wei")
    desk.act("assign", whose="me")
    desk.says(".facts-list .t-owner", "Demo quality")
    desk.act("going", minutes="12", comment="From the lab")
    desk.says(".facts-list .t-going", "on the way")
    desk.act("arrived")
    desk.says(".facts-list .t-arrived", "is there")
    desk.act("shelve", minutes="45", reason="Spindle is being cooled down")
    desk.says(".why .t-shelved", "shelved until")
    assert re.search(r"Shelved · Demo quality · Until .*Spindle is being cooled down", desk.visit.text(".facts-list"))
    desk.act("label", verdict="known", comment="Warm-up programme")
    desk.says(".facts-list", "Known: expected")
    desk.act("unshelve", reason="Cool again")
    desk.says(".transitions", "Shelving ended")

    wanted = {
        "alarm.acknowledged": "Seen", "alarm.going": "From the lab", "alarm.arrived": "",
        "alarm.shelved": "Spindle is being cooled down", "alarm.unshelved": "Cool again",
    }  # fmt: skip
    for action, reason in wanted.items():
        [row] = rows(acts, key, action)
        assert (row.actor_name, row.role, row.reason) == ("Demo quality", "quality", reason), action
    assert [row.reason for row in rows(acts, key, "alarm.assigned")] == ["Your machine", ""]
    [row] = rows(acts, key, "alarm.labelled")
    assert "Warm-up programme" in row.reason
    assert len(rows(acts, f"{CNC}/spindle_temp/spindle-hot", "alarm_point.set")) == 2
    assert records.alarm(key).label == "known"

    desk.says(".evidence-panel", "above the limit of 65 °C")
    desk.visit.until("document.querySelector('.evidence-picture').naturalWidth > 0")
    for copy, kind, begins in (("json", "json", b'{"'), ("pdf_en", "pdf", b"%PDF"), ("pdf_zh", "pdf", b"%PDF")):
        page.click(f'button[data-copy="{copy}"]')
        page.fill("dialog textarea", f"For the file, {copy}")
        with page.expect_download() as coming:
            page.click("dialog button.primary")
        assert coming.value.suggested_filename == f"andon-evidence-{key}.{kind}"
        coming.value.save_as(tmp_path / copy)
        assert (tmp_path / copy).read_bytes().startswith(begins)
        page.wait_for_selector("dialog", state="detached")
    told = [row.reason for row in rows(acts, key, EXPORTED)]
    assert told == ["For the file, json", "For the file, pdf_en", "For the file, pdf_zh"]
    assert json.loads((tmp_path / "json").read_bytes())["evidence"]["alarm"]["key"] == key
    assert verify_audit(records).ok


def test_a_critical_alarm_is_shelved_by_two_and_what_is_refused_is_said_in_words(desk: Desk, acts: ActsPlant) -> None:
    page = desk.page
    warm = acts.plant.change("raised", "cold-room-high", ROOM, "air", -700, None, 8.0, 9.1, "above", "Cel")
    acts.tell("warm again", warm)
    key = desk.alarm("warm again")
    page.click('button[data-act="shelve"]')
    desk.fill(minutes="481", reason="Defrosting")
    desk.says("dialog [role=alert]", "between 1 and 480")
    desk.fill(minutes="30")
    desk.says("dialog [role=alert]", "User name of the second person")
    desk.fill(user=SECOND[0], password="not the password")
    desk.says("dialog [role=alert]", "password")
    assert page.input_value('dialog [name="reason"]') == "Defrosting"  # the page and what was typed stay
    desk.send(password=SECOND[1])
    desk.refused = 1
    desk.says(".why .t-shelved", "shelved until")
    [row] = rows(acts, key, "alarm.shelved")
    assert row.reason == "Defrosting (Li Wei)"

    page.click('button[data-act="assign"]')
    desk.fill(whose="other", user="nobody.knows")
    desk.says("dialog [role=alert]", "nobody.knows")
    desk.refused = 2
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.dataset.act") == "assign"  # the keyboard goes on where it was


def test_somebody_else_was_faster_and_the_dialog_says_so(desk: Desk, acts: ActsPlant) -> None:
    key = desk.alarm("moved")
    desk.page.click('button[data-act="out_of_service"]')
    acts.records.take_out_of_service(key, ENGINEER, "Probe broken")
    desk.fill(reason="Probe is broken")
    desk.page.wait_for_selector("dialog .dialog-error:not(:empty)")
    desk.refused = 1
    assert len(rows(acts, key, "alarm.move_refused")) == 1
    desk.page.keyboard.press("Escape")
    desk.visit.go("aside")
    desk.says("tr[data-mode=out_of_service]", "Probe broken")
    desk.page.click("tr[data-mode=out_of_service] button")
    desk.send(reason="New probe, checked")
    desk.page.wait_for_selector("tr[data-mode=out_of_service]", state="detached")
    assert [row.reason for row in rows(acts, key, "alarm.restored")] == ["New probe, checked"]


def test_a_latched_alarm_is_acknowledged_and_reset(desk: Desk, acts: ActsPlant) -> None:
    key = desk.alarm("latched")
    desk.says(".why .t-latched", "stays until reset")
    desk.page.click("button.ack")
    desk.send(comment="Load is rejected")
    desk.says(".facts-list", "Latched, acknowledged")
    desk.act("reset", comment="Steam trap cleaned")
    desk.says(".facts-list", "Closed")
    assert [row.reason for row in rows(acts, key, "alarm.reset")] == ["Steam trap cleaned"]


def test_the_list_says_how_each_alarm_stands_and_offers_the_same_acts(desk: Desk, acts: ActsPlant) -> None:
    page = desk.page
    desk.visit.go("alarms")

    def row(name: str) -> str:
        return f'tr[data-key="{acts.keys[name]}"]'

    for name, words in {
        "suppressed": "by design: outside its hours", "latched": "latched: stays until reset",
        "follower": "told with its incident", "merged": "part of another alarm",
    }.items():  # fmt: skip
        desk.says(row(name), words)
    page.focus(f"{row('truck-high')} button.more-acts")
    page.keyboard.press("Enter")
    page.click("dialog button >> text=Shelve")
    desk.send(minutes="20", reason="Truck is being unloaded")
    desk.says(f"{row('truck-high')} .t-shelved", "shelved until")
    page.click(f"{row('truck-high')} button.more-acts")
    page.click("dialog >> text=End shelving")
    desk.send(reason="Doors closed")
    page.wait_for_selector(f"{row('truck-high')} .t-shelved", state="detached")
    key = acts.keys["truck-high"]
    assert [len(rows(acts, key, f"alarm.{kind}")) for kind in ("shelved", "unshelved")] == [1, 1]


def test_an_upset_is_one_incident_with_its_first_cause(desk: Desk, acts: ActsPlant) -> None:
    incident = acts.records.alarm(acts.keys["cause"]).incident
    desk.visit.go("incidents")
    place = f'li[data-incident="{incident}"]'
    desk.says(place, "3 alarms, going on")
    desk.says(f"{place} .first-cause", "No oil temperature")
    followers = desk.visit.text(f"{place} .followers")
    assert followers.index("Pressure transmitter") < followers.index("Unusual vibration")
    desk.alarm("follower")
    desk.says("main", "What belongs together")
    desk.page.click("dd >> text=No oil temperature")
    desk.says("h1", "No oil temperature")


def test_figures_of_the_alarms_stand_against_their_guide_values(desk: Desk) -> None:
    desk.visit.go("figures")
    desk.says(".kpi", "Per operator and 10 min")
    calm = desk.visit.text(".kpis")
    assert re.search(r"Stale, over 24 h 0 ?. as it should be", calm)
    assert "Ten worst sources" in desk.visit.text()
    before = desk.visit.text(".kpi-sums")
    desk.page.select_option("select", "cold")
    desk.page.wait_for_selector("text=1 announced of 1 raised")
    assert before != desk.visit.text(".kpi-sums")


def test_quality_releases_a_lot_and_decides_on_proposals(desk: Desk, acts: ActsPlant) -> None:
    page = desk.page
    desk.visit.go("quality")
    page.click("tr >> text=L2601 >> xpath=ancestor::tr >> button")
    desk.send(comment="Stability budget suffices")
    desk.says("tr.over", "Released")
    [held] = [one for one in acts.records.holds() if one.state == "released"]
    [row] = rows(acts, held.key, "lot.hold_released")
    assert (held.lot, row.reason, row.actor_name) == ("L2601", "Stability budget suffices", "Demo quality")
    proposals = {one.trigger: one.key for one in acts.records.capas()}
    for trigger, button, action in (("severe", "Accept", "capa.accepted"), ("repeated", "Reject", "capa.rejected")):
        page.click(f'li[data-key="{proposals[trigger]}"] button >> text={button}')
        desk.send(comment=f"{button}, as agreed")
        desk.says(f'li[data-key="{proposals[trigger]}"] .capa-state', f"{button}ed")
        assert [row.reason for row in rows(acts, proposals[trigger], action)] == [f"{button}, as agreed"]


def test_the_erp_record_tells_how_the_erp_calls_its_state(desk: Desk, acts: ActsPlant) -> None:
    desk.alarm("cold-room-high")
    desk.says(".facts-list", "In the ERP:")
    assert "QE-2026-00042 In the ERP: In review" in desk.visit.text(".facts-list")
    answer = ErpState("Closed: door seal", closed=True, verdict="true")
    acts.records.erp_answered(acts.keys["cold-room-high"], answer, SYSTEM_ERP)
    desk.says(".facts-list", "closed there")  # by itself
    desk.says(".facts-list", "True: it was right")
    desk.visit.go("erp")
    desk.says("tbody", "Closed: door seal")


def test_who_may_not_is_not_asked(browser: Any, served: Served, acts: ActsPlant) -> None:
    for role, offered in (("viewer", set()), ("operator", {"assign", "going", "shelve"})):
        one = Desk(browser, served, acts, role)
        one.alarm("moved")
        buttons = one.page.eval_on_selector_all("button[data-act]", "all => all.map(one => one.dataset.act)")
        assert set(buttons) == offered
        assert one.page.locator("button[data-copy]").count() == 0
        one.leave()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_view_fits_a_phone_in_both_languages(
    browser: Any, served: Served, acts: ActsPlant, language: str, theme: str
) -> None:
    acts.records.take_out_of_service(acts.keys["compressor-anomaly"], ENGINEER, "Cable broken")
    one = Desk(browser, served, acts, "quality", viewport=PHONE, is_mobile=True, color_scheme=theme)
    page = one.page
    if language == "zh-CN":
        page.click("#language")
        page.wait_for_selector("nav >> text=总览")
    names = ("moved", "cause", "latched", "merged", "suppressed")
    for view in (*VIEWS, *(f"alarm/{acts.keys[name]}" for name in names)):
        one.visit.go(view)
        page.wait_for_timeout(350)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view
        said = one.visit.text("body")
        assert not re.findall(r"\bpage\.\w+|\{\w+\}|undefined|NaN|\[object", said), view
        small = "[...document.querySelectorAll('main button')].filter(b => 0 < b.offsetHeight && b.offsetHeight < 28)"
        assert page.evaluate(f"{small}.length") == 0, view
    page.click("button[data-act=assign]")
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    page.keyboard.press("Escape")
    one.leave()
