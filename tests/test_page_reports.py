"""Reports from the page: of a shift and of a lot, as PDF, with what is refused in words; each is an audited export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.records import AuditRecord
from tests.page_desk import browser, served, visit
from tests.page_visit import Visit
from tests.pictures_fixture import FILLER, ROOM, PicturePlant, picture_plant

__all__ = ["browser", "served", "visit"]  # fixtures

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturePlant]:
    made = picture_plant(tmp_path_factory.mktemp("reports"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def person() -> tuple[str, int]:
    return "quality", 1280


def exports(plant: PicturePlant) -> list[AuditRecord]:
    """What the audit trail has of reports, the oldest first."""
    rows = [row for row in plant.records.audit_trail() if row.object_type == "report"]
    return sorted(rows, key=lambda row: row.seq)


def taken(visit: Visit, tmp_path: Path) -> bytes:
    """The file that comes of the dialog."""
    with visit.page.expect_download() as download:
        visit.page.click("dialog button.primary")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    visit.page.wait_for_selector("dialog", state="detached")
    return path.read_bytes()


def test_the_report_of_a_shift_is_an_audited_export(visit: Visit, plant: PicturePlant, tmp_path: Path) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.click("[data-report=shift]")
    assert visit.page.input_value("dialog [name=day]") == "2026-01-01"
    visit.page.select_option("dialog [name=shift]", "early")
    visit.page.fill("dialog [name=reason]", "morning meeting")
    before = len(exports(plant))
    assert taken(visit, tmp_path).startswith(b"%PDF-")
    [row] = exports(plant)[before:]
    assert (row.actor_name, row.reason, json.loads(row.new or "")["kind"]) == (
        "Demo quality",
        "morning meeting",
        "shift",
    )
    assert "early" in row.object_id
    assert FILLER in row.object_id


@pytest.mark.parametrize(("day", "words"), [("1.1.2026", "YYYY-MM-DD"), ("2026-02-30", "There is no day 2026-02-30")])
def test_a_day_that_is_none_is_said_in_the_dialog(visit: Visit, plant: PicturePlant, day: str, words: str) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.click("[data-report=shift]")
    visit.page.fill("dialog [name=day]", day)
    before = len(exports(plant))
    visit.page.click("dialog button.primary")
    visit.page.wait_for_selector(f"dialog [role=alert] >> text={words}")
    assert visit.page.input_value("dialog [name=day]") == day
    assert len(exports(plant)) == before
    visit.complaints.clear()  # the browser notes the 422


def test_the_report_of_a_lot_from_its_row(visit: Visit, plant: PicturePlant, tmp_path: Path) -> None:
    visit.go(f"asset/{ROOM}")
    visit.page.click("button >> text=24 h")
    visit.page.click(".budgets [data-lot='A-17'] .report")
    assert visit.page.input_value("dialog [name=lot]") == "A-17"
    visit.page.select_option("dialog [name=language]", "zh-CN")
    before = len(exports(plant))
    assert taken(visit, tmp_path).startswith(b"%PDF-")
    [row] = exports(plant)[before:]
    assert (row.object_id, json.loads(row.new or "")["kind"]) == ("A-17", "lot")


def test_a_lot_nobody_knows_is_said_in_the_readers_language(visit: Visit) -> None:
    visit.page.click("#language")
    visit.page.wait_for_selector("nav >> text=总览")
    visit.go(f"asset/{ROOM}")
    visit.page.click(".asset-tools [data-report=lot]")
    visit.page.fill("dialog [name=lot]", "A-99")
    visit.page.click("dialog button.primary")
    visit.page.wait_for_selector("dialog [role=alert] >> text=没有任何事件提到批次“A-99”")
    visit.complaints.clear()  # the browser notes the 404


def test_a_report_of_what_was_known_then_asks_for_that(visit: Visit, tmp_path: Path) -> None:
    visit.go(f"asset/{FILLER}")
    visit.page.click(".as-known summary")
    visit.page.click(".as-known button >> text=8 h ago")
    visit.page.click("[data-report=shift]")
    assert "what was known at the moment" in visit.text("dialog")
    with visit.page.expect_request("**/reports/shift.pdf*") as asked:
        taken(visit, tmp_path)
    assert "as_of=" in asked.value.url
