"""The generated dashboards and provisioning files: committed as generated, whole, and within what Grafana knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from andon.config.load import load_plant
from andon.i18n import LANGUAGES, catalogue
from dashboards.grafana import DATASOURCE_UID, style
from dashboards.grafana.alerting import api_rules
from dashboards.grafana.catalogue import everything
from dashboards.grafana.files import committed, exported, write
from dashboards.grafana.model import COLUMNS
from dashboards.grafana.settings import Settings
from dashboards.grafana.units import GRAFANA
from tests.command_line import Terminal, andon
from tests.tree import ROOT

__all__ = ["andon"]  # a fixture

EVERYTHING = everything(Settings())
NAMES = [f"{language}/{name}" for language, name in EVERYTHING]
each = pytest.mark.parametrize("dashboard", EVERYTHING.values(), ids=NAMES)

# Of packages/grafana-data/src/valueFormats/categories.ts, those that are used; `suffix:` is for units it does not have.
UNITS = {
    "short", "string", "percent", "percentunit", "s", "ms", "m", "h", "dtdhms", "dateTimeAsIso", "decbytes", "cps",
    "celsius", "kelvin", "fahrenheit", "pressurepa", "pressurekpa", "pressurehpa", "pressurembar", "pressurebar",
    "pressurepsi", "lengthm", "lengthmm", "velocityms", "velocitykmh", "accMS2", "accG", "massg", "masskg", "massmg",
    "amp", "mamp", "volt", "mvolt", "watt", "kwatt", "kwatth", "hertz", "rotrpm", "forceN", "forcekN", "forceNm",
    "flowlpm", "litreh", "degree", "ppm", "lux", "dB",
}  # fmt: skip
KINDS = {
    "stat": "reduceOptions orientation colorMode graphMode justifyMode textMode wideLayout showPercentChange",
    "gauge": "reduceOptions orientation showThresholdLabels showThresholdMarkers minVizHeight minVizWidth sizing",
    "timeseries": "legend tooltip",
    "state-timeline": "mergeValues showValue alignValue rowHeight legend tooltip",
    "barchart": "xField orientation showValue stacking groupWidth barWidth barRadius fullHighlight xTickLabelRotation "
    "xTickLabelMaxLength xTickLabelSpacing legend tooltip",
    "table": "showHeader cellHeight frameIndex footer sortBy",
}
BUILT_IN = {"__from", "__to", "__url_time_range", "__field", "__data"}


def walk(value: object) -> Iterator[tuple[str, Any]]:
    """Every (key, value) below."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


def strings(value: object) -> Iterator[str]:
    return (
        one
        for _, many in walk({"": value})
        for one in (many if isinstance(many, list) else [many])
        if isinstance(one, str)
    )


def test_the_committed_files_are_the_generated_ones():
    """`make dashboards` writes them."""
    texts = committed(ROOT)
    differing = [
        str(path) for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert differing == []
    folders = ROOT / "dashboards" / "grafana" / "json", ROOT / "deploy" / "grafana" / "provisioning"
    assert {path for folder in folders for path in folder.rglob("*.*") if path.is_file()} == set(texts)


def test_uids_are_unique_and_frozen():
    """Links, bookmarks and alert rules go by them."""
    names = ["overview", "oee", "cold-chain", "figures", "alarms", "machine", "pipeline"]
    found = [one["uid"] for one in EVERYTHING.values()]
    assert found == [f"andon-{name}{suffix}" for suffix in ("", "-zh") for name in names]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid) for uid in found)


@each
def test_panels_do_not_overlap(dashboard):
    cells = [
        {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        for place in (panel["gridPos"] for panel in dashboard["panels"])
    ]
    assert all(not one & other for one, other in combinations(cells, 2))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS for panel in dashboard["panels"])


@each
def test_ids_and_queries_are_told_apart(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)


@each
def test_nothing_belongs_to_one_grafana(dashboard):
    keys = dashboard.keys()
    assert not keys & {"id", "version", "__inputs", "__requires", "__elements", "iteration", "gnetId"}
    assert dashboard["schemaVersion"] >= 39  # Grafana 11


@each
def test_every_data_source_is_the_variable(dashboard):
    found = {value["uid"] for key, value in walk(dashboard) if key == "datasource"}
    assert found <= {"${datasource}", "-- Grafana --"}
    (variable,) = (one for one in dashboard["templating"]["list"] if one["type"] == "datasource")
    assert (variable["name"], variable["current"]["value"]) == ("datasource", DATASOURCE_UID)


@each
def test_every_variable_is_defined_before_it_is_used(dashboard):
    known = set(BUILT_IN)
    for variable in dashboard["templating"]["list"]:
        query = variable["query"]["query"] if variable["type"] == "query" else ""
        assert used(query) <= known, variable["name"]
        known.add(variable["name"])
    assert {name for text in strings(dashboard) for name in used(text)} <= known


def used(text: str) -> set[str]:
    return {match[1] or match[2] for match in re.finditer(r"\$\{(\w+)[^}]*\}|\$([a-z]\w*)", text)}


@each
def test_every_query_names_its_rows_first(dashboard):
    """A bounded range, then measurement: what the storage can answer without reading everything."""
    for target in (one for panel in dashboard["panels"] for one in panel["targets"]):
        query = target["query"]
        starts = [match.end() for match in re.finditer(r"from\(bucket: [^)]*\)", query)]
        assert starts or "array.from" in query
        for start in starts:
            head = query[start:].lstrip("\n").split("\n")
            assert re.fullmatch(r" *\|> range\(start: .*, stop: .*\)", head[0]), head[0]
            assert re.fullmatch(r' *\|> filter\(fn: \(r\) => r\._measurement == "\w+"\)', head[1]), head[1]


@each
def test_units_are_grafanas(dashboard):
    found = {value for key, value in walk(dashboard) if key == "unit" and isinstance(value, str)}
    found |= {
        one["value"] for key, value in walk(dashboard) if key == "properties" for one in value if one["id"] == "unit"
    }
    assert {unit for unit in found if not unit.startswith("suffix:")} <= UNITS


def test_known_units_are_those_of_grafana():
    assert {unit for unit in GRAFANA.values() if not unit.startswith("suffix:")} <= UNITS


@each
def test_panels_have_the_options_of_their_kind(dashboard):
    for panel in dashboard["panels"]:
        assert panel["options"].keys() == set(KINDS[panel["type"]].split()), panel["title"]


@each
def test_every_panel_says_what_it_shows_and_what_no_data_means(dashboard):
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        unit = panel["fieldConfig"]["defaults"].get("unit")
        assert unit or panel["type"] == "state-timeline", panel["title"]


@each
def test_texts_are_there_and_in_the_right_language(dashboard):
    chinese = dashboard["uid"].endswith("-zh")
    texts = [one for panel in dashboard["panels"] for one in (panel["title"], panel["description"])]
    texts += [dashboard["title"], dashboard["description"]]
    assert not [one for one in texts if one.startswith("grafana.")], "a code without a text"
    han = [bool(re.search(r"[一-鿿]", one)) for one in texts]
    assert all(han) if chinese else not any(han)


@each
def test_links_lead_to_dashboards_of_ours(dashboard):
    known = {
        one["uid"] for one in EVERYTHING.values() if one["uid"].endswith("-zh") == dashboard["uid"].endswith("-zh")
    }
    for _, value in walk(dashboard):
        if isinstance(value, str) and value.startswith("/d/"):
            assert re.match(r"/d/([\w-]+)\?", value)[1] in known
    (link,) = dashboard["links"]
    assert all(set(link["tags"]) <= set(one["tags"]) for one in EVERYTHING.values() if one["uid"] in known)


@each
def test_the_same_panels_in_both_languages(dashboard):
    twin = {one["uid"]: one for one in EVERYTHING.values()}[dashboard["uid"].removesuffix("-zh")]
    assert [panel["targets"] for panel in dashboard["panels"]] == [panel["targets"] for panel in twin["panels"]]
    assert [panel["gridPos"] for panel in dashboard["panels"]] == [panel["gridPos"] for panel in twin["panels"]]


def test_what_is_normal_is_grey():
    """ISA-101: colour only where somebody should look, and words with every colour."""

    def saturation(color: str) -> float:
        red, green, blue = (int(color[index : index + 2], 16) for index in (1, 3, 5))
        return (max(red, green, blue) - min(red, green, blue)) / max(red, green, blue)

    assert all(saturation(color) < 0.2 for color in (style.GREY, style.LIGHT, style.PALE, style.DARK))
    (states,) = style.state_texts("en")
    normal = ("Execute", "Idle", "Complete", "Starting", "sterilising", "on", "off")
    assert all(saturation(states["options"][name]["color"]) < 0.2 for name in normal)
    assert all(
        saturation(states["options"][name]["color"]) > 0.5 for name in ("Aborted", "Held", "Suspended", "Undefined")
    )
    mappings = (style.state_texts, style.priority_texts, style.alarm_state_texts)
    for language in LANGUAGES:
        for texts in (make(language)[0]["options"].values() for make in mappings):
            assert all(one["text"] for one in texts)
            assert not [one for one in texts if re.match(r"(grafana|page)\.", one["text"])]


def test_no_text_of_the_room_is_unused():
    shown = set()
    for language in LANGUAGES:
        for _, value in walk([*everything(Settings()).values(), api_rules(language, Settings())]):
            if isinstance(value, str):
                shown.add(value)
    texts = {code: text for code, text in catalogue("en").items() if code.startswith("grafana.")}
    errors = ("grafana.error.",)
    formatted = {code: text.replace("{{", "{").replace("}}", "}") for code, text in texts.items()}
    listed = "\n".join(shown)
    assert [code for code, text in formatted.items() if not code.startswith(errors) and text not in listed] == []


# Settings of a plant


def test_a_plants_own_settings_go_in(andon: Terminal, tmp_path: Path):
    andon("init", "--site", "szh1")
    plant = tmp_path / "plant.toml"
    text = plant.read_text(encoding="utf-8")
    plant.write_text(text + '\n[influx]\nurl = "http://127.0.0.1:8086"\nlong_bucket = "ten_years"\n', encoding="utf-8")
    config = load_plant(plant).config
    settings = Settings.of(config)
    assert settings.long_bucket == "ten_years"
    assert settings.zone == config.site.timezone
    machine = everything(settings)["en", "machine"]
    (bucket,) = (one for one in machine["templating"]["list"] if one["name"] == "bucket")
    assert '"ten_years"' in bucket["definition"]
    assert machine["timezone"] == config.site.timezone


def test_without_a_long_bucket_everything_is_in_the_first(andon: Terminal):
    settings = Settings(long_bucket=None, sizes_s=(1.0, 30.0))
    assert [(step.size_s, step.every_s, step.bucket) for step in settings.steps()] == [
        (1.0, 1.0, None), (30.0, 30.0, None), (30.0, 3600.0, None), (30.0, 86400.0, None),
    ]  # fmt: skip


def test_export_writes_what_a_person_imports(andon: Terminal, tmp_path: Path):
    andon("init", "--site", "szh1")
    out = andon("dashboards", "export", "out", "--config", "plant.toml", "--language", "en")
    assert f"{len(EVERYTHING) // 2 + 5} files written below out" in out
    overview = json.loads((tmp_path / "out/dashboards/en/overview.json").read_text(encoding="utf-8"))
    assert overview["uid"] == "andon-overview"
    assert not (tmp_path / "out/dashboards/zh-CN").exists()


def test_only_what_differs_is_written(tmp_path):
    texts = {tmp_path / path: text for path, text in exported(Settings(), ("en",)).items()}
    assert len(write(texts)) == len(texts)
    assert write(texts) == []
