"""The picture and the report of an alarm's evidence, and what the command line and the API do with them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import typst

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.i18n import LANGUAGES
from andon.records import SYSTEM_SUPERVISOR, Records, verify_audit
from service.evidence import report as report_module
from service.evidence.bundle import Bundle, EvidenceError, make_bundle
from service.evidence.collect import collect
from service.evidence.picture import HEIGHT, LEFT, WIDTH, picture, trend_of
from service.evidence.report import CHINESE, fonts_for, report
from service.evidence.verify import verify
from service.web.app import routes_of
from service.web.evidence_api import EXPORT_ROUTES
from tests.command_line import Terminal, andon
from tests.evidence_world import EvidenceCopy, EvidenceWorld, evidence_plant, warm_hour
from tests.page_fixture import Served

__all__ = ["andon"]  # a fixture
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvidenceWorld]:
    world = EvidenceWorld(tmp_path_factory.mktemp("evidence"), evidence_plant(), segment_rows=200)
    world.run(warm_hour())
    yield world
    world.close()


@pytest.fixture(scope="module")
def bundle(told: EvidenceWorld) -> Bundle:
    return collect(told.room, told.alarm().key)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Chinese font still lays out a report; its boxes are not what is tested."""
    monkeypatch.setattr(report_module, "CHINESE", (*CHINESE, "DejaVu Sans Mono"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_shows_limit_moments_and_late_rows(bundle, language):
    drawn = picture(bundle.sections, language)
    assert picture(bundle.sections, language) == drawn
    root = ET.fromstring(drawn)
    texts = [one.text for one in root.iter(f"{SVG}text")]
    words = {"en": ["start", "confirmed", "cleared", "limit 8", "deadband 0.5"],
             "zh-CN": ["开始", "确认", "恢复", "限值 8", "死区 0.5"]}  # fmt: skip
    assert set(words[language]) <= set(texts)
    assert len(list(root.iter(f"{SVG}circle"))) == 2, "one late reading, and its sign below"
    dashed = [one for one in root.iter(f"{SVG}line") if one.get("stroke-dasharray")]
    (limit,) = [float(one.get("y1")) for one in dashed]
    (line,) = root.iter(f"{SVG}polyline")
    points = [tuple(map(float, one.split(","))) for one in line.get("points").split()]
    assert all(LEFT <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    columns = bundle.sections["readings"]["columns"]
    above = [value > 8 for value in columns["value"]]
    assert [y < limit - 0.06 for _, y in points] == above


def test_names_with_signs_of_xml_stay_text(bundle):
    configuration = {**bundle.sections["configuration"]}
    configuration["series"] = {**configuration["series"], "name": '<script>alert("1")</script> & more'}
    drawn = picture({**bundle.sections, "configuration": configuration}, "en")
    assert "<script" not in drawn
    assert '<script>alert("1")</script> & more' in ET.fromstring(drawn).find(f"{SVG}title").text


def test_a_picture_without_readings_or_with_one_says_so(bundle):
    nothing = {**bundle.sections, "readings": {**bundle.sections["readings"], "columns": {}}}
    assert "No readings" in picture(nothing, "en")
    columns = {name: column[:1] for name, column in bundle.sections["readings"]["columns"].items()}
    one = {**bundle.sections, "readings": {**bundle.sections["readings"], "columns": columns}}
    ET.fromstring(picture(one, "en"))
    columns = {**bundle.sections["readings"]["columns"]}
    columns["value"] = ["nan" if at % 7 == 0 else 5.0 for at in range(len(columns["value"]))]
    flat = {**bundle.sections, "readings": {**bundle.sections["readings"], "columns": columns}}
    assert len(list(ET.fromstring(picture(flat, "en")).iter(f"{SVG}polyline"))) > 5


def test_both_limits_of_a_range(bundle):
    rule = {**bundle.sections["rule"], "content": {"outside": [2.0, 8.0], "deadband": 0.5}}
    assert (trend_of({**bundle.sections, "rule": rule}).lower, trend_of({**bundle.sections, "rule": rule}).upper) == (
        2,
        8,
    )
    drawn = picture({**bundle.sections, "rule": rule}, "en")
    assert drawn.count("stroke-dasharray") == 2


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_reproducible_and_holds_hash_and_pages(bundle, language):
    made = report(bundle, language)
    assert made.startswith(b"%PDF")
    assert report(bundle, language) == made
    assert len(re.findall(rb"/Type\s*/Page\b", made)) >= 2 or b"/ObjStm" in made


def test_the_report_says_everything_that_is_in_the_manifest(bundle):
    view = json.dumps(report_module._view(bundle, "en"), ensure_ascii=False)
    for name, sha256 in bundle.manifest["sections"].items():
        assert name in view
        assert sha256 in view
    assert bundle.sha256 in view
    assert bundle.sections["readings"]["sha256"] in view
    for row in bundle.sections["audit"]:
        assert row["hash"][:16] in view
    assert "Close the door." in view
    assert "evidence.report." not in view


def test_every_column_of_a_table_has_a_width_and_every_row_its_cells(bundle):
    for language in LANGUAGES:
        for part in report_module._view(bundle, language)["parts"]:
            assert len(part["head"]) == len(part["widths"])
            assert {len(row) for row in part["rows"]} <= {len(part["head"]) or 2}


def test_hostile_text_is_only_text(bundle):
    alarm = {**bundle.sections["alarm"], "asset": '#panic("x") *bold* $x$ \\ `raw`'}
    hostile = make_bundle("s1", bundle.key, {**bundle.sections, "alarm": alarm})
    assert report(hostile, "en").startswith(b"%PDF")


def test_without_a_chinese_font_the_error_names_the_package():
    with pytest.raises(EvidenceError) as error:
        fonts_for("nothing", {"DejaVu Sans"}, "zh-CN")
    assert "fonts-wqy-microhei" in error.value.text("en")
    assert "fonts-wqy-microhei" in error.value.text("zh-CN")
    with pytest.raises(EvidenceError):
        fonts_for("名", {"DejaVu Sans"}, "en")
    assert fonts_for("cold room", {"DejaVu Sans"}, "en")["fonts"] == ["DejaVu Sans"]
    assert fonts_for("名", {"DejaVu Sans", CHINESE[0]}, "en")["fonts"] == ["DejaVu Sans", CHINESE[0]]
    assert set(fonts_for("", typst.Fonts(include_system_fonts=False).families(), "en")["fonts"]) == {"Libertinus Serif"}


# ---- the API


@pytest.fixture
def served(told: EvidenceWorld) -> Iterator[Served]:
    service = Served(told.room)
    yield service
    service.close()


def client(told: EvidenceWorld, served: Served, role: str) -> httpx.Client:
    """Somebody logged in."""
    token = told.records.issue_one_time_token(SYSTEM_SUPERVISOR, user_id=role, name=f"Demo {role}", role=role)
    person = httpx.Client(base_url=served.address, timeout=30)
    assert person.get("/", params={"token": token}).status_code == 303
    return person


def exports(told: EvidenceWorld) -> list[tuple[str, str, str | None]]:
    """(actor, reason, new) of every export on record."""
    rows = told.records.audit_trail(object_id=told.alarm().key)
    return [(row.actor_name, row.reason, row.new) for row in rows if row.action == "evidence.exported"]


@pytest.mark.usefixtures("chinese")
def test_the_api_gives_bundle_picture_and_report(told, served, bundle):
    path = f"/api/v1/alarms/{bundle.key}/evidence"
    assert httpx.get(served.address + path).status_code == 401
    with closing(client(told, served, "viewer")) as viewer:
        answer = viewer.get(path)
        assert answer.headers["x-content-sha256"] == bundle.sha256
        looked = answer.json()["evidence"]
        assert looked == {name: one for name, one in json.loads(bundle.data())["evidence"].items() if name != "audit"}
        assert not verify(told.room, answer.content).ok, "what is looked at is no copy to keep"
        drawn = viewer.get(f"{path}.svg", params={"language": "zh-CN"})
        assert (drawn.headers["content-type"], "限值 8" in drawn.text) == ("image/svg+xml", True)
        assert viewer.get(f"{path}.svg", params={"language": "fr"}).status_code == 422
        assert viewer.get("/api/v1/alarms/nothing/evidence").status_code == 404
        before = exports(told)
        for wanted in (f"{path}.pdf", f"{path}?download=true"):
            assert viewer.get(wanted).status_code == 403
        assert exports(told) == before
    with closing(client(told, served, "quality")) as quality:
        made = quality.get(f"{path}.pdf", params={"language": "zh-CN", "reason": "inspection"})
        assert made.content.startswith(b"%PDF")
        assert bundle.key in made.headers["content-disposition"]
        assert quality.get(path, params={"download": True}).content == bundle.data()
    told_now = exports(told)[len(before) :]
    assert [one[:2] for one in told_now] == [("Demo quality", "inspection"), ("Demo quality", "")]
    assert all(bundle.sha256 in str(one[2]) for one in told_now)
    assert verify(told.room, bundle.data()).ok
    assert verify_audit(told.records).ok


def test_the_table_of_exports_names_real_routes(served):
    assert set(EXPORT_ROUTES) <= set(routes_of(served.app))


def test_a_report_that_cannot_be_made_is_a_sentence_and_no_export(told, served, bundle, monkeypatch):
    monkeypatch.setattr(report_module, "families", lambda: {"DejaVu Sans"})
    before = exports(told)
    with closing(client(told, served, "quality")) as quality:
        answer = quality.get(f"/api/v1/alarms/{bundle.key}/evidence.pdf", params={"language": "zh-CN"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "evidence.no_font")
    assert exports(told) == before


# ---- the command line


@pytest.fixture
def shell(andon: Terminal, told: EvidenceWorld) -> Terminal:
    """A terminal in a folder with the plant and a copy of its data."""
    content = told.plant.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    Path("plant.toml").write_text(toml_of(content), encoding="utf-8")
    EvidenceCopy(told, Path()).records.close()
    return andon


def toml_of(content: dict[str, object]) -> str:
    """A configuration as TOML: inline values, which JSON's are but for null."""

    def value(one: object) -> str:
        if isinstance(one, dict):
            return "{" + ", ".join(f"{json.dumps(name)} = {value(part)}" for name, part in one.items()) + "}"
        if isinstance(one, list):
            return "[" + ", ".join(map(value, one)) + "]"
        return json.dumps(one, ensure_ascii=False)

    return "".join(f"{name} = {value(one)}\n" for name, one in content.items())


@pytest.mark.usefixtures("chinese")
def test_show_export_verify(shell, bundle):
    assert shell("evidence", "show", bundle.key, "--json").encode() == bundle.data() + b"\n"
    assert bundle.sha256 in shell("evidence", "show", bundle.key)
    assert "超过上限" in shell("evidence", "show", bundle.key, "--language", "zh-CN")
    for name in ("a.json", "a.pdf", "a.svg"):
        shell("evidence", "export", bundle.key, name, "--reason", "inspection", "--language", "zh-CN")
    assert Path("a.json").read_bytes() == bundle.data()
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")
    with Records(DataFolder(Path("data")).records_db, "s1", SystemClock()) as records:
        written = [row for row in records.audit_trail(object_id=bundle.key) if row.action == "evidence.exported"]
        assert [row.reason for row in written[-3:]] == ["inspection"] * 3
        assert verify_audit(records).ok
    shell("evidence", "verify", "a.json")
    assert json.loads(shell("evidence", "verify", "a.json", "--json")) == {
        "ok": True, "key": bundle.key, "sha256": bundle.sha256, "faults": [], "notes": [],
    }  # fmt: skip
    Path("b.json").write_bytes(bundle.data().replace(b'"deadband":0.5', b'"deadband":0.6'))
    answer = json.loads(shell("evidence", "verify", "b.json", "--json", status=1))
    assert {"hash", "rule_version", "differs"} <= {one["code"] for one in answer["faults"]}
    assert "FAULT" not in answer["faults"][0]["text"]
    assert "does NOT hold" in shell("evidence", "verify", "b.json", status=1)


def test_what_the_commands_refuse(shell, bundle):
    shell("evidence", "export", bundle.key, "a.doc", "--reason", "x", status=1)
    assert "a.doc" in shell.err
    shell("evidence", "export", bundle.key, "a.json", "--reason", " ", status=1)
    shell("evidence", "export", "nothing", "a.json", "--reason", "x", status=1)
    assert not Path("a.json").exists()
    Path("a.json").write_text("mine")
    shell("evidence", "export", bundle.key, "a.json", "--reason", "x", status=1)
    assert Path("a.json").read_text() == "mine"
    shell("evidence", "verify", "a.json", status=1)
    assert "no evidence file" in shell.err
    shell("evidence", "verify", "nothing.json", status=1)
    shell("evidence", "show", bundle.key, "--language", "fr", status=2)
    assert "zh-CN" in shell.err
