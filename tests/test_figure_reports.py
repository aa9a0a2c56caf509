"""Reports of a shift and of a lot: what they say agrees with the figures, in both languages, for print and by HTTP."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.i18n import LANGUAGES
from andon.records import SYSTEM_SUPERVISOR, Records, verify_audit
from operators.iso22400 import all_kpis
from operators.topology import added
from service.evidence import report as evidence_report
from service.evidence.report import CHINESE
from service.figure_reports.document import Document, ReportError, document
from service.figure_reports.lot import _budget, _verdict, lot_report
from service.figure_reports.oee_pictures import budget_bar, waterfall
from service.figure_reports.printing import pdf, view_of
from service.figure_reports.shared import Sources
from service.figure_reports.shift import shift_report
from service.figure_reports.spans import shift_of
from service.figure_reports.words import Words
from service.web.app import routes_of
from service.web.report_api import EXPORT_ROUTES
from tests.command_line import Terminal, andon
from tests.engine_world import S, body, tick
from tests.evidence_world import EvidenceCopy
from tests.page_fixture import Served
from tests.report_world import CODES, FILLER, HOUR, SHIFT_NS, STORE, TRUCK, ReportWorld, report_plant
from tests.test_evidence_report import toml_of

__all__ = ["andon"]  # a fixture
SVG = "{http://www.w3.org/2000/svg}"
DAY, EARLY = "2026-03-30", "early"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportWorld]:
    made = ReportWorld(tmp_path_factory.mktemp("report"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def shift(world: ReportWorld) -> Document:
    return shift_report(Sources(world.room), DAY, EARLY)


@pytest.fixture(scope="module")
def lot(world: ReportWorld) -> Document:
    return lot_report(Sources(world.room), "L2601")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Chinese font still lays out a report; its boxes are not what is tested."""
    monkeypatch.setattr(evidence_report, "CHINESE", (*CHINESE, "DejaVu Sans Mono"))


# ---- a shift


def test_a_shift_is_the_sum_of_its_windows(world, shift):
    windows = [one for one in world.room.history.figures("oee", 0, 2**62, FILLER) if one.about["shift"] == EARLY]
    (told,) = shift.content["assets"]
    parts = added(one.parts for one in windows)
    assert told["oee"]["parts"] == pytest.approx(parts, nan_ok=False)
    assert told["oee"]["ratios"]["OEE"] == pytest.approx(all_kpis(parts)["OEE"])
    assert (told["oee"]["windows"], told["oee"]["settled"]) == (16, True)
    assert parts["calendar_s"] == 8 * 3600.0, "nothing of the late shift"


def test_the_waterfall_comes_out_at_the_good_time_exactly(shift):
    (told,) = shift.content["assets"]
    steps = {one["step"]: one["seconds"] for one in told["oee"]["steps"]}
    assert sum(value for name, value in steps.items() if name != "good") == pytest.approx(steps["good"], abs=1e-6)
    assert list(steps)[:2] == ["calendar", "unknown"], "the order of the waterfall, not of the alphabet"
    assert steps["breakdown"] == -1200.0


def test_states_stops_and_reasons(shift):
    (told,) = shift.content["assets"]
    length = {}
    for one in told["states"]:
        length[one["category"]] = length.get(one["category"], 0) + one["end_ms"] - one["start_ms"]
    assert sum(length.values()) == 8 * 3_600_000
    assert length["producing"] == told["oee"]["parts"]["apt_s"] * 1000
    reasons = {one["reason"]: one for one in told["stops"]["pareto"]}
    assert (reasons["needle blocked"]["seconds"], reasons["needle blocked"]["stops"]) == (1200.0, 1)
    assert told["stops"]["pareto"][-1]["share"] == 1.0


def test_the_chart_and_its_signals(world, shift):
    (chart,) = shift.content["assets"][0]["charts"]
    points = [one for one in world.room.history.figures("spc", 0, 2**62, FILLER)
              if SHIFT_NS <= one.start_ns < SHIFT_NS + 8 * HOUR * S]  # fmt: skip
    assert chart["all"] == len(points)
    assert chart["signals"] == sum(bool(one.parts["signal"]) for one in points) > 0
    assert chart["points"][-1]["parts"]["value"] == points[-1].parts["value"]
    assert chart["capability"]["parts"]["cpk"] > 1


def test_a_whole_day_goes_from_its_first_shift_to_its_last(world):
    day, late = (shift_of(world.plant, DAY, name) for name in ("", "late"))
    assert (day.start_ns, day.end_ns) == (SHIFT_NS, SHIFT_NS + 16 * HOUR * S)
    assert (late.start_ns, late.end_ns) == (SHIFT_NS + 8 * HOUR * S, day.end_ns)
    assert shift_of(world.plant, DAY, EARLY).planned_s == 7.75 * 3600, "without the break"


def test_a_night_shift_over_the_clock_change_is_an_hour_shorter():
    plant = report_plant(shift=[{"name": "day", "begins": "06:00"}, {"name": "night", "begins": "22:00"}])
    night = shift_of(plant, "2026-03-28", "night")
    assert (night.end_ns - night.start_ns) // S == 7 * HOUR
    assert datetime.fromtimestamp(night.start_ns // S, UTC).isoformat() == "2026-03-28T21:00:00+00:00"
    assert night.subject == "2026-03-28/night"


def test_without_shifts_a_day_is_a_local_day():
    day = shift_of(report_plant(shift=[]), "2026-03-29")
    assert (day.end_ns - day.start_ns) // S == 23 * HOUR


def test_what_a_shift_report_refuses(world):
    sources = Sources(world.room)
    for given in (("yesterday", ""), ("2026-13-01", ""), (DAY, "night"), ("9999-12-31", "")):
        with pytest.raises(ReportError):
            shift_report(sources, *given)
    with pytest.raises(ReportError) as error:
        shift_report(sources, DAY, EARLY, "cold")
    assert error.value.code == "report.no_asset"
    with pytest.raises(ReportError) as error:
        shift_report(sources, DAY, "night")
    assert "early, late" in error.value.text("en")


def test_a_shift_that_is_not_over_says_so(world):
    told = view_of(shift_report(Sources(world.room), DAY, "late"), "en")
    assert "NOT FINAL" in told["summary"]
    assert "NOT FINAL" not in view_of(shift_report(Sources(world.room), DAY, EARLY), "en")["summary"]


def test_a_loss_that_is_not_known_is_no_bar():
    words = Words("en", ZoneInfo("UTC"))
    steps = [{"step": "calendar", "seconds": 100.0}, {"step": "planned_down", "seconds": -10.0},
             {"step": "breakdown", "seconds": None}, {"step": "idle", "seconds": -5.0},
             {"step": "good", "seconds": None}]  # fmt: skip
    texts = [one.text for one in ET.fromstring(waterfall(steps, words)).iter(f"{SVG}text")]
    assert texts.count("not known") == 3
    assert "0:01:30  90.0%" in texts


# ---- a lot


def test_the_legs_of_a_lot_in_order(lot):
    assert [one["asset"] for one in lot.content["legs"]] == [FILLER, STORE, TRUCK]
    assert [one["cold"] is None for one in lot.content["legs"]] == [True, False, False]
    store = lot.content["legs"][1]
    assert (store["end_ms"] - store["start_ms"]) == 4 * 3_600_000
    assert (store["cold"]["low"], store["cold"]["high"]) == (2.0, 8.0)
    assert store["cold"]["profile"]["source"] == "stability report SR-7"
    assert [one["certificate"] for one in store["cold"]["measured"]] == ["CERT-118"]
    (rows,) = store["cold"]["rows"]
    assert rows["received"] == rows["counted"] == 4 * HOUR // 20


def test_the_excursion_of_a_stay_and_its_curve(lot):
    cold = lot.content["legs"][1]["cold"]
    (excursion,) = cold["excursions"]
    assert excursion["parts"]["duration_s"] == 2400.0
    assert excursion["parts"]["peak"] == 11.0
    assert max(cold["curve"]["maximum"]) == 11.0
    assert lot.content["alarms"][0]["rule"] == "warm"


def test_a_hand_over_resets_no_budget(lot):
    """The truck was told nothing of the 40 minutes in the store; the report counts them."""
    truck = lot.content["legs"][2]["cold"]["stay"]["parts"]
    assert truck["tor_used_s"] == 0.0
    budget = lot.content["budget"]
    assert (budget["tor_used_s"], budget["tor_left_s"]) == (2400.0, 4 * 3600.0 - 2400.0)
    stays = [leg["cold"]["stay"]["parts"]["life_used_h"] for leg in lot.content["legs"][1:]]
    assert budget["life_total_h"] == pytest.approx(sum(stays))
    assert budget["life_left_h"] == pytest.approx(17520.0 - sum(stays))


def leg(within: float | None, above_s: float = 0.0, brought_s: float = 0.0, tor_h: float | None = 1.0) -> dict:
    parts = {"within": within, "above_s": above_s, "blind_out_s": 0.0, "tor_used_s": above_s + brought_s,
             "life_used_h": 1.0, "life_total_h": 1.0}  # fmt: skip
    profile = {"tor_h": tor_h, "life_h": None}
    return {"name": "x", "cold": {"stay": {"parts": parts}, "profile": profile}}


def test_budgets_that_hold_at_each_place_and_not_over_all():
    legs = [leg(1.0, 2000.0), leg(1.0, 1700.0)]
    budget = _budget(legs)
    assert budget["tor_left_s"] == -100.0
    told = _verdict(legs, [], budget)
    assert told["value"] == 0.0
    assert [one["what"] for one in told["reasons"]] == ["budget"]
    assert ET.fromstring(budget_bar(budget, Words("en", ZoneInfo("UTC"))))


def test_a_verdict_needs_every_figure():
    unknown = leg(1.0) | {"cold": {"stay": None, "profile": None}}
    cycle = {"name": "a", "about": {}, "parts": {"verdict": 1.0}}
    for legs, cycles, value in (
        ([leg(1.0)], [cycle], 1.0), ([leg(1.0)], [cycle | {"parts": {"verdict": 0.0}}], 0.0),
        ([leg(None)], [cycle], None), ([unknown], [cycle], None), ([], [], None),
        ([leg(0.0), unknown], [], 0.0),
    ):  # fmt: skip
        assert _verdict(legs, cycles, _budget(legs))["value"] == value
    assert _budget([leg(1.0, 0.0, 600.0)])["tor_used_s"] == 600.0, "what it brought along counts"


def test_the_cycle_of_the_lot_with_its_probes(world, lot):
    (cycle,) = lot.content["cycles"]
    assert (cycle["about"]["load"], cycle["about"]["program_version"]) == ("LD-1", "3")
    assert cycle["parts"]["verdict"] == 1.0
    assert [one["tag"] for one in cycle["probes"]] == ["p1", "p2"]
    assert cycle["parts"]["f0"] == min(one["parts"]["f0"] for one in cycle["probes"])
    assert [one["phase"] for one in cycle["phases"]] == ["vacuum", "heating", "sterilising", "exhaust", "drying"]
    assert max(cycle["curves"][0]["mean"]) == 121.8, "readings, not means of windows"
    assert not lot_report(Sources(world.room), "L2601").content["lot"]["underway"]


def test_a_lot_that_nobody_told_of(world):
    with pytest.raises(ReportError) as error:
        lot_report(Sources(world.room), "L9")
    assert error.value.code == "report.no_lot"


# ---- as a document and for print


def test_a_document_is_the_same_bytes_and_changes_with_its_content(world, lot):
    again = lot_report(Sources(world.room), "L2601")
    assert again.data() == lot.data()
    assert json.loads(lot.data())["sha256"] == lot.sha256
    other = document("lot", "L2601", {**lot.content, "verdict": None})
    assert other.sha256 != lot.sha256


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["shift", "lot"])
def test_reports_are_laid_out_in_both_languages(shift, lot, language, kind):
    made = {"shift": shift, "lot": lot}[kind]
    printed = pdf(made, language)
    assert printed.startswith(b"%PDF")
    assert pdf(made, language) == printed
    view = view_of(made, language)
    assert "report.text." not in json.dumps(view)
    assert view["sha256"] == made.sha256
    for part in view["parts"]:
        assert len(part["head"]) == len(part["widths"])
        assert {len(row) for row in part["rows"]} <= {len(part["head"]) or 2}
        if part["picture"] is not None:
            texts = [one.text for one in ET.fromstring(part["picture"]).iter(f"{SVG}text")]
            assert not [one for one in texts if one is None or one.startswith("report.")]
    assert len([one for one in view["parts"] if one["picture"] is not None]) >= 4


def test_names_of_people_are_only_text(world, lot):
    hostile = '#panic("x") *bold* <script>$x$ \\ `raw`'
    legs = [{**one, "name": hostile} for one in lot.content["legs"]]
    made = document("lot", hostile, {**lot.content, "legs": legs})
    assert pdf(made, "en").startswith(b"%PDF")
    assert "<script" not in "".join(one["picture"] or "" for one in view_of(made, "en")["parts"])
    assert made.name("pdf") == "andon-lot--panic--x----bold---script--x-----raw-.pdf"


def test_as_known_then_and_as_known_now(tmp_path):
    """A state that comes late moves a window; the report of before does not know it."""
    world = ReportWorld(tmp_path)
    before = shift_report(Sources(world.room), DAY, EARLY)
    then_ns = world.room.now_ns()
    now_ns = then_ns + 600 * S
    world.run([(now_ns, body(SHIFT_NS + (5 * HOUR + 10) * S, FILLER, "state", CODES["Held"])),
               *((now_ns + at * S, tick(now_ns + at * S)) for at in range(1, 200, 2))])  # fmt: skip
    now, then = (shift_report(Sources(world.room, at_ns), DAY, EARLY) for at_ns in (None, then_ns))
    told = [one.content["assets"][0]["oee"] for one in (before, then, now)]
    assert [one["corrected"] for one in told] == [0, 0, 1]
    apt_s = [one["parts"]["apt_s"] for one in told]
    assert apt_s == [apt_s[0], apt_s[0], apt_s[0] - 10.0]
    assert told[2]["parts"]["micro_stop_s"] == told[0]["parts"]["micro_stop_s"] + 10.0
    world.close()


def test_a_late_reading_corrects_a_stay_that_is_over(tmp_path):
    """The machine is taken back to a snapshot in the stay, at whose very end the lot went."""
    world = ReportWorld(tmp_path)
    then_ns = world.room.now_ns()
    now_ns = then_ns + 600 * S
    world.run([(now_ns, body(SHIFT_NS + (3 * HOUR + 10) * S, STORE, "air", 6.5)),
               *((now_ns + at * S, tick(now_ns + at * S)) for at in range(1, 200, 2))])  # fmt: skip
    told = [lot_report(Sources(world.room, at_ns), "L2601") for at_ns in (then_ns, None)]
    stays = [one.content["legs"][1]["cold"]["stay"] for one in told]
    assert [one["revision"] for one in stays] == [1, 2]
    assert stays[0]["parts"]["mean"] < stays[1]["parts"]["mean"]
    world.close()


# ---- HTTP


@pytest.fixture
def served(world: ReportWorld) -> Iterator[Served]:
    service = Served(world.room)
    yield service
    service.close()


def client(world: ReportWorld, served: Served, role: str) -> httpx.Client:
    token = world.records.issue_one_time_token(SYSTEM_SUPERVISOR, user_id=role, name=f"Demo {role}", role=role)
    person = httpx.Client(base_url=served.address, timeout=30)
    assert person.get("/", params={"token": token}).status_code == 303
    return person


@pytest.mark.usefixtures("chinese")
def test_the_api_needs_a_session_a_right_and_writes_the_export(world, served, shift, lot):
    asked = {"shift": {"day": DAY, "shift": EARLY}, "lot": {"lot": "L2601"}}
    assert httpx.get(f"{served.address}/api/v1/reports/lot", params=asked["lot"]).status_code == 401
    with closing(client(world, served, "viewer")) as viewer:
        for made in (shift, lot):
            answer = viewer.get(f"/api/v1/reports/{made.kind}", params=asked[made.kind])
            assert answer.content == made.data()
            assert viewer.get(f"/api/v1/reports/{made.kind}.pdf", params=asked[made.kind]).status_code == 403
        assert viewer.get("/api/v1/reports/lot", params={"lot": "L9"}).status_code == 404
        assert viewer.get("/api/v1/reports/shift", params={"day": "today"}).status_code == 422
    assert not world.records.audit_trail(object_id=lot.subject)
    with closing(client(world, served, "quality")) as quality:
        for made in (shift, lot):
            printed = quality.get(
                f"/api/v1/reports/{made.kind}.pdf",
                params={**asked[made.kind], "language": "zh-CN", "reason": "review"},
            )
            assert printed.content.startswith(b"%PDF")
            assert made.name("pdf") in printed.headers["content-disposition"]
            (row,) = world.records.audit_trail(object_id=made.subject)
            assert (row.action, row.reason, row.actor_name) == ("report.exported", "review", "Demo quality")
            assert made.sha256 in str(row.new)
    assert verify_audit(world.records).ok


def test_the_table_of_exports_names_real_routes(served):
    assert set(EXPORT_ROUTES) <= set(routes_of(served.app))


# ---- the command line


@pytest.fixture
def shell(andon: Terminal, world: ReportWorld) -> Terminal:
    content = world.plant.config.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    Path("plant.toml").write_text(toml_of(content), encoding="utf-8")
    EvidenceCopy(world, Path()).records.close()
    return andon


@pytest.mark.usefixtures("chinese")
def test_the_command_writes_files_and_the_audit(shell, shift, lot):
    assert shell("report", "lot", "L2601", "--json").encode() == lot.data() + b"\n"
    assert shift.sha256 in shell("report", "shift", DAY, "--shift", EARLY)
    shell("report", "lot", "L2601", "--out", "lot.pdf", "--language", "zh-CN", "--reason", "release")
    shell("report", "shift", DAY, "--shift", EARLY, "--asset", FILLER, "--out", "shift.json", "--reason", "meeting")
    assert Path("lot.pdf").read_bytes().startswith(b"%PDF")
    assert json.loads(Path("shift.json").read_bytes())["report"]["below"] == FILLER
    with Records(DataFolder(Path("data")).records_db, "s1", SystemClock()) as records:
        row = records.audit_trail(object_id="L2601")[-1]  # the copy holds what other tests exported
        assert (row.action, row.reason) == ("report.exported", "release")
        assert verify_audit(records).ok


def test_the_levels_of_a_shift_are_those_of_its_report(shell, shift):
    """One machine: its line and the site are what the report tells of it, also after a roll-up."""
    document = json.loads(shell("oee", "levels", DAY, "--shift", EARLY))
    (told,) = shift.content["assets"]
    assert (document["document"], document["site"], document["as_of_ms"]) == ("andon-oee-levels", "s1", None)
    assert [document[name] for name in ("from_ms", "to_ms")] == [shift.content["shift"][name]
                                                                 for name in ("start_ms", "end_ms")]  # fmt: skip
    found = {one["path"]: one for one in document["levels"]}
    assert found.keys() == {"", "filling", "filling/line1"}
    for one in found.values():
        assert (one["windows"], one["final"]) == (16, True)
        assert {name: one["parts"][name] for name in ("calendar_s", "apt_s", "pq", "gq")} == {
            name: told["oee"]["parts"][name] for name in ("calendar_s", "apt_s", "pq", "gq")
        }
        assert one["ratios"]["OEE"] == pytest.approx(told["oee"]["ratios"]["OEE"])
    Path("s1.json").write_text(json.dumps(document), encoding="utf-8")
    rolled = json.loads(shell("oee", "rollup", "s1.json", "--json"))
    assert rolled["ratios"]["OEE"] == pytest.approx(found[""]["ratios"]["OEE"])


def test_the_levels_of_then_count_what_had_come_and_no_more(shell, shift):
    at = datetime.fromtimestamp(SHIFT_NS // S + 4 * HOUR + 900, UTC)
    document = json.loads(shell("oee", "levels", DAY, "--shift", EARLY, "--as-of", at.isoformat()))
    site = next(one for one in document["levels"] if not one["path"])
    assert document["as_of_ms"] == at.timestamp() * 1000
    assert (site["windows"], site["final"]) == (8, True)
    assert site["parts"]["calendar_s"] == 4 * 3600.0 + 900.0, "a quarter of an hour without a window is unknown"
    assert site["parts"]["unknown_s"] == 900.0
    assert 0 < site["parts"]["pq"] < shift.content["assets"][0]["oee"]["parts"]["pq"]


@pytest.mark.parametrize(
    "words", [("yesterday",), (DAY, "--shift", "night"), (DAY, "--as-of", "2026-03-30T10:00:00"), (DAY, "--as-of", "x")]
)
def test_what_the_levels_refuse(shell, words):
    assert shell("oee", "levels", *words, status=1) == ""
    assert shell.err.strip()


def test_what_the_command_refuses(shell):
    shell("report", "lot", "L2601", "--out", "a.doc", "--reason", "x", status=1)
    assert "a.doc" in shell.err
    shell("report", "lot", "L2601", "--out", "a.json", "--reason", " ", status=1)
    shell("report", "lot", "L9", "--out", "a.json", "--reason", "x", status=1)
    shell("report", "lot", "L2601", "--as-of", "yesterday", status=1)
    assert not Path("a.json").exists()
    Path("a.json").write_text("mine")
    shell("report", "lot", "L2601", "--out", "a.json", "--reason", "x", status=1)
    assert Path("a.json").read_text() == "mine"
