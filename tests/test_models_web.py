"""Models over real HTTP and in Chromium: promoted and rolled back, and the file and the audit trail say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from andon.errors import RecordsError
from andon.models import ModelAlarm, ModelDrift, read_assignments
from andon.outputs import ShardOutputs
from andon.readings import NS_PER_S
from andon.records import Actor, verify_audit
from andon.records.base import Tx
from service.models import frozen, parameters_of
from service.web.actions import MUTATING_ROUTES
from tests.page_fixture import COMPRESSOR, NOW_NS, PagePlant, Served, page_plant
from tests.page_visit import Visit, chromium_at

TAG = "vibration"
BODY = {"asset": COMPRESSOR, "tag": TAG}
ENGINEER = Actor("zhao", "Zhao Lei", "engineer", "10.0.0.9")
DRIFTS = (("input", -90_000, 2.0, 3.0), ("input", -7_200, 3.0, 4.5), ("alarm_rate", -3_600, 0.0, 0.125))
WIDE = {"width": 1440, "height": 900}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[PagePlant, Served]]:
    """A challenger in shadow with an evaluation, and alarms of both; one alarm is judged."""
    plant = page_plant(tmp_path)
    records = plant.records
    key = records.register_model(
        "ensemble", "ensemble", parameters_of(30.0), frozen("ensemble"), ENGINEER, "Calmer at night"
    ).key  # fmt: skip
    records.challenge_model(COMPRESSOR, TAG, key, ENGINEER, "To be tried for a week")
    records.evaluate_model(key, COMPRESSOR, TAG, (NOW_NS - 1, NOW_NS), {"recall": 1.0}, ENGINEER, "A week in shadow")
    champion = f"plant:{plant.plant.series[COMPRESSOR, TAG].detect}"
    told = [(champion, "champion", -2390), (champion, "champion", -9000), (key, "challenger", -2300)]
    shard = plant.plant.shard_of(COMPRESSOR)
    plant.offset += 1000
    plant.writers[shard].write(ShardOutputs(
        shard, plant.offset, plant.offset, NOW_NS, 0,
        model_alarms=[ModelAlarm(COMPRESSOR, TAG, model, role, NOW_NS + at * NS_PER_S, 7.0, "shift")
                      for model, role, at in told],
        model_drifts=[ModelDrift(COMPRESSOR, TAG, champion, signal, NOW_NS + at * NS_PER_S, before, after)
                      for signal, at, before, after in DRIFTS],
    ))  # fmt: skip
    alarm = next(one for one in records.alarms() if one.rule_id == "compressor-anomaly")
    records.label(alarm.key, ENGINEER, "true", "Bearing replaced")
    served = Served(replace(plant.room, data=plant.data))
    yield plant, served
    served.close()
    plant.close()


def client(plant: PagePlant, served: Served, role: str) -> httpx.Client:
    made = httpx.Client(base_url=served.address, timeout=20)
    assert made.get("/", params={"token": plant.token(role)}).status_code == 303
    made.headers["x-csrf-token"] = made.get("/api/v1/me").json()["csrf"]
    return made


def series_of(person: httpx.Client) -> dict[str, Any]:
    return next(
        one for one in person.get("/api/v1/models").json()["series"] if (one["asset"], one["tag"]) == (COMPRESSOR, TAG)
    )


def test_who_may_promote_and_who_may_roll_back(world: tuple[PagePlant, Served]) -> None:
    plant, served = world
    for role in ("viewer", "operator", "admin", "engineer"):
        with closing(client(plant, served, role)) as person:
            answer = person.post("/api/v1/models/promote", json={**BODY, "reason": "x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "access.denied"), role
    with closing(client(plant, served, "quality")) as person:
        assert person.post("/api/v1/models/promote", json={**BODY, "reason": " "}).status_code == 422
        answer = person.post("/api/v1/models/promote", json={**BODY, "reason": "Fewer false alarms"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["published"]
        again = person.post("/api/v1/models/promote", json={**BODY, "model": "ensemble:1", "reason": "x"})
        assert again.status_code == 409
        unknown = person.post("/api/v1/models/promote", json={**BODY, "tag": "nothing", "reason": "x"})
        assert 400 <= unknown.status_code < 500
    for role in ("viewer", "operator", "admin"):
        with closing(client(plant, served, role)) as person:
            assert person.post("/api/v1/models/rollback", json={**BODY, "reason": "x"}).status_code == 403
    with closing(client(plant, served, "engineer")) as person:
        assert person.post("/api/v1/models/rollback", json={**BODY, "reason": "Misses faults"}).status_code == 200
        assert person.post("/api/v1/models/rollback", json={**BODY, "reason": "x"}).status_code == 409
        assert [one["kind"] for one in series_of(person)["history"]] == ["rollback", "promote", "challenge"]
    actions = [row.action for row in plant.records.audit_trail(newest=True, limit=50)]
    assert {MUTATING_ROUTES["POST", f"/api/v1/models/{act}"] for act in ("promote", "rollback")} <= set(actions)
    assert verify_audit(plant.records).ok


def test_the_comparison_counts_against_what_people_said(world: tuple[PagePlant, Served]) -> None:
    plant, served = world
    with closing(client(plant, served, "viewer")) as viewer:
        told = viewer.get("/api/v1/models/comparison", params=BODY).json()
        assert (told["both"], told["only_champion"], told["only_challenger"]) == (1, 1, 0)
        assert (told["champion"]["recall"], told["challenger"]["recall"]) == (1.0, 1.0)
        assert (told["champion"]["delay_s"], told["challenger"]["delay_s"]) == (10.0, 100.0)
        assert told["asset_days"] == pytest.approx(8 / 24, rel=0.01)
        assert series_of(viewer)["labels"] == {"true": 1, "false": 0, "known": 0}
        assert viewer.get("/api/v1/models/comparison", params={**BODY, "tag": "x"}).status_code == 404


def test_the_last_drift_of_each_signal_is_told(world: tuple[PagePlant, Served]) -> None:
    plant, served = world
    with closing(client(plant, served, "viewer")) as viewer:
        told = viewer.get("/api/v1/models").json()["drifts"]
    unit = plant.plant.series[COMPRESSOR, TAG].unit
    assert [(one["signal"], one["before"], one["after"], one["unit"]) for one in told] == [
        ("alarm_rate", 0.0, 0.125, ""), ("input", 3.0, 4.5, unit),
    ]  # fmt: skip
    assert told[0]["time_ms"] == NOW_NS // 10**6 - 3_600_000


def test_a_promotion_that_cannot_be_recorded_is_none(
    world: tuple[PagePlant, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, served = world

    def refusing(*_args: object, **_kwargs: object) -> None:
        raise RecordsError("records.disk_full", cause="audit")

    with closing(client(plant, served, "quality")) as person:
        before = series_of(person)
        with monkeypatch.context() as patched:
            patched.setattr(Tx, "audit", refusing)
            for act in ("promote", "rollback"):
                assert person.post(f"/api/v1/models/{act}", json={**BODY, "reason": "x"}).status_code >= 400
        assert series_of(person) == before
        assert not plant.data.models_json.exists()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with chromium_at(chromium) as launched:
        yield launched


ROW = f'tr[data-series="{COMPRESSOR}/{TAG}"]'


def confirm(page: Any, reason: str) -> None:
    page.fill("dialog textarea", reason)
    page.click("dialog button.primary")
    page.wait_for_selector("dialog", state="detached")


@pytest.mark.browser
def test_a_challenger_is_promoted_and_rolled_back_in_the_browser(
    browser: Any, world: tuple[PagePlant, Served], tmp_path: Path
) -> None:
    plant, served = world
    visit = Visit(browser, served, plant, "quality", viewport=WIDE)
    page = visit.page
    visit.go("models")
    page.wait_for_selector(f"{ROW} >> text=ensemble:1")
    page.click(f'{ROW} button[data-act="compare"]')
    page.wait_for_selector(".model-figures >> text=ensemble:1")
    assert "Both tell 1; only the champion 1; only the challenger 0." in visit.text(".model-comparison")
    page.screenshot(path=str(tmp_path / "models.png"), full_page=True)

    page.focus(f'{ROW} button[data-act="promote"]')
    page.keyboard.press("Enter")  # by keyboard alone
    page.click("dialog button.primary")
    page.wait_for_selector("dialog [role=alert]:not(:empty)")  # a reason is asked for
    confirm(page, "Half the false alarms")
    page.wait_for_selector(f"{ROW} .c-champion >> text=ensemble:1")
    page.wait_for_selector('tr[data-model="ensemble:1"] >> text=Approved')
    champion = read_assignments(plant.data.models_json)[-1].champion
    assert champion is not None
    assert (champion.model, champion.false_alarm_days) == ("ensemble:1", 30.0)

    page.click(f'{ROW} button[data-act="rollback"]')
    page.wait_for_selector("dialog >> text=takes the place of ensemble:1 again")
    confirm(page, "Missed the bearing")
    page.wait_for_selector(f"{ROW} .c-champion >> text=plant.toml")
    page.wait_for_selector(f'{ROW} button[data-act="rollback"]', state="detached")
    page.wait_for_selector(".model-history >> text=Rolled back")
    last = read_assignments(plant.data.models_json)[-1]
    assert (last.asset, last.tag, last.champion) == (COMPRESSOR, TAG, None)
    rows = plant.records.audit_trail(object_id=f"{COMPRESSOR}/{TAG}")
    assert [(row.action, row.actor_name, row.reason) for row in rows][1:] == [
        ("model.promoted", "Demo quality", "Half the false alarms"),
        ("model.rolled_back", "Demo quality", "Missed the bearing"),
    ]
    page.click("#language")
    page.wait_for_selector("h1 >> text=模型")
    chinese = visit.text()
    assert all(word in chinese for word in ("现行模型", "挑战者", "已批准", "回退", "约每 30 天一次误报"))
    page.screenshot(path=str(tmp_path / "models-zh.png"), full_page=True)
    assert (visit.complaints, visit.elsewhere) == ([], [])
    visit.context.close()
    assert verify_audit(plant.records).ok


@pytest.mark.browser
def test_drifts_stand_on_the_page_in_both_languages(
    browser: Any, world: tuple[PagePlant, Served], tmp_path: Path
) -> None:
    plant, served = world
    visit = Visit(browser, served, plant, "operator", viewport=WIDE)
    page = visit.page
    visit.go("models")
    page.wait_for_selector(f'tr[data-drift="{COMPRESSOR}/{TAG} alarm_rate"] .c-after >> text=12.5')
    said = visit.text(f'tr[data-drift="{COMPRESSOR}/{TAG} input"]')
    assert all(word in said for word in ("Input", "plant.toml", "4.5"))
    page.screenshot(path=str(tmp_path / "drifts.png"), full_page=True)
    page.click("#language")
    page.wait_for_selector(".model-drifts >> text=报警率")
    assert (visit.complaints, visit.elsewhere) == ([], [])
    visit.context.close()


@pytest.mark.browser
@pytest.mark.parametrize(("role", "width"), [("operator", 1440), ("engineer", 390)])
def test_who_may_not_sees_no_button(
    browser: Any, world: tuple[PagePlant, Served], role: str, width: int, tmp_path: Path
) -> None:
    plant, served = world
    visit = Visit(browser, served, plant, role, viewport={"width": width, "height": 844})
    visit.go("models")
    visit.page.wait_for_selector(f"{ROW} >> text=ensemble:1")
    acts = visit.page.eval_on_selector_all(f"{ROW} button", "all => all.map(one => one.dataset.act)")
    assert acts == ["compare"]
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.page.screenshot(path=str(tmp_path / "narrow.png"), full_page=True)
    assert visit.complaints == []
    visit.context.close()
