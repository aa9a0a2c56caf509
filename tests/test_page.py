"""The page's files: every text exists, nothing comes from elsewhere, vendored files are as published."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from andon.i18n import LANGUAGES, catalogue
from andon.readings import Reason
from andon.records.parking import PARKED_RULE
from service.deadman import RULE as SILENT_RULE
from service.log_watch import RULES as LOG_RULES
from service.stores_watch import DEAD_LETTERS, DISK
from service.web.alarm_view import OWN_RULES
from sinks.influx.watch import RULES as INFLUX_RULES
from sinks.kafka.watch import RULES as KAFKA_RULES
from sinks.notify.way import NOBODY_RULE, RULE

STATIC = Path(__file__).parents[1] / "dashboards" / "control_room" / "static"
SCRIPTS = sorted((STATIC / "js").rglob("*.js"))
CALL = re.compile(r"""\b(?:t|has)\(\s*(?:"([^"]+)"|`([^`]+)`)""")


def used(script: Path) -> set[str]:
    """Codes of texts that a script names; templates with ${...} end before it."""
    calls = CALL.findall(script.read_text(encoding="utf-8"))
    return {plain or f"{template.split('${')[0]}*" for plain, template in calls}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_page_exists(script: Path, language: str) -> None:
    texts = {code.removeprefix("page.") for code in catalogue(language) if code.startswith("page.")}
    missing = {
        code for code in used(script)
        if not (code in texts or (code.endswith("*") and any(text.startswith(code[:-1]) for text in texts)))
    }  # fmt: skip
    assert not missing


def test_texts_named_by_what_the_data_says_exist() -> None:
    names = {
        "reason": [one.name for one in Reason],
        "priority": ["critical", "high", "medium", "low"],
        "erp": ["pending", "leased", "delivered", "parked"],
        "raises": ["none", "quality_event", "maintenance_order"],
        "condition_sign": ["above", "below", "outside", "anomaly", "stale", "stuck"],
        "span": ["above", "below", "outside", "anomaly", "stale", "stuck"],
        "transition": [
            "raised",
            "cleared",
            "acknowledged",
            "comment",
            "revised",
            "reopened",
            "merged",
            "voided",
            "suppressed",
            "unsuppressed",
            "shelved",
            "unshelved",
            "out_of_service",
            "restored",
            "reset",
            "assigned",
            "going",
            "arrived",
            "realarmed",
            "labelled",
        ],
    }
    for language in LANGUAGES:
        wanted = {f"page.{room}.{name}" for room, some in names.items() for name in some}
        assert wanted <= set(catalogue(language))


def test_andons_own_alarms_have_their_sentences() -> None:
    own = {PARKED_RULE, SILENT_RULE, DISK, DEAD_LETTERS, *LOG_RULES, *INFLUX_RULES, *KAFKA_RULES, RULE, NOBODY_RULE}
    assert own == OWN_RULES
    for language in LANGUAGES:
        kinds = ("own_rule", "own_why", "own_consequence", "own_response")
        assert {f"page.{kind}.{rule}" for kind in kinds for rule in OWN_RULES} <= set(catalogue(language))


def test_nothing_comes_from_elsewhere_and_no_text_is_ever_markup() -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    forbidden = re.compile(rf"https?://(?!www\.w3\.org/)|{markup}")
    for path in [*SCRIPTS, *sorted(STATIC.rglob("*.css")), STATIC / "index.html", STATIC.parent / "login.html"]:
        if "vendor" not in path.parts:
            assert not forbidden.findall(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("page", ["static/index.html", "login.html"])
def test_pages_have_no_inline_script_or_style(page: str) -> None:
    text = (STATIC.parent / page).read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert re.findall(r'<meta name="viewport"', text)


def test_vendored_files_are_those_that_were_published() -> None:
    folder = STATIC / "vendor" / "uplot"
    lines = [line for line in (folder / "CHECKSUMS").read_text().splitlines() if not line.startswith("#")]
    names = set()
    for line in lines:
        wanted, name = line.split()
        names.add(name)
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted, name
    assert names | {"CHECKSUMS"} == {path.name for path in folder.iterdir()}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [r":root \{", r':root\[data-theme="dark"\] \{'], ids=["light", "dark"])
def test_text_can_be_read_on_every_background(theme: str) -> None:
    css = (STATIC / "css" / "base.css").read_text(encoding="utf-8")
    found = re.search(theme + r"(.*?)\n\}", css, re.DOTALL)
    assert found
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", found.group(1)))
    for ink in ("ink", "ink-2", "ink-3", "link"):
        for ground in ("panel", "raised"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for mark, ink in (("p1", "#ffffff"), ("p2", colours["p2-ink"]), ("p4", "#ffffff")):
        assert contrast(ink, colours[mark]) >= 3  # large bold figures, WCAG 1.4.3
    assert contrast("#23200c", colours["p3"]) >= 7


def test_both_dark_palettes_are_the_same() -> None:
    css = (STATIC / "css" / "base.css").read_text(encoding="utf-8")
    chosen = re.search(r':root\[data-theme="dark"\] \{(.*?)\n\}', css, re.DOTALL)
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\n  \}', css, re.DOTALL)
    assert chosen
    assert system
    assert chosen.group(1).split() == system.group(1).split()


def test_page_texts_are_sorted_so_that_changes_show() -> None:
    for language in LANGUAGES:
        path = Path(__file__).parents[1] / "andon" / "locale" / language / "page.json"
        codes = list(json.loads(path.read_text(encoding="utf-8")))
        assert codes == sorted(codes)
