"""plant.toml: what loads, what is refused, and how the refusal reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from andon.config import reference
from andon.config.load import load_plant
from andon.config.problems import Problem
from andon.errors import ConfigError
from andon.plant import rule_version

BASE = """
schema = 1

[enterprise]
id = "acme"

[site]
id = "szh1"
timezone = "Asia/Shanghai"

[[asset]]
path = "cold/room1"
template = "cold-room"

[[asset]]
path = "filling/line1/filler1"
template = "filler"

[[template]]
name = "cold-room"
series = [
  { tag = "air", unit = "Cel", range = [-20, 40], every_s = 60, detect = true },
  { tag = "door", kind = "boolean" },
]
[template.cold_chain]
temperature = "air"

[[template]]
name = "filler"
series = [
  { tag = "state", kind = "state", states = "packml" },
  { tag = "total", kind = "counter", modulus = 65536 },
  { tag = "good", kind = "counter" },
]
[template.oee]
state = "state"
total = "total"
good = "good"

[[cycle]]
asset = "filling/line1/filler1"
seconds = 0.5

[[rule]]
id = "cold-room-high"
on = "cold/*/air"
above = 8
deadband = 0.5
delay_s = 600
raises = "quality_event"

[[route]]
raises = "quality_event"
to = ["erp"]

[erp]
url = "https://erp.example.com/andon"
"""


def write(folder: Path, text: str = BASE, name: str = "plant.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_plant(path)
    assert caught.value.params["count"] == len(caught.value.problems)
    found = []
    for problem in caught.value.problems:
        assert isinstance(problem, Problem)
        for language in ("en", "zh-CN"):  # every problem has a sentence in both languages
            text = problem.text(language)
            assert text.startswith(str(problem.place))
            assert "{" not in text.replace(str(problem.params), "")
            assert not text.startswith(problem.code)
            assert "config." not in text
        found.append(problem)
    return found


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1, old
    return BASE.replace(old, new)


def test_a_plant_loads_with_its_series_shards_and_rules(tmp_path: Path) -> None:
    plant = load_plant(write(tmp_path))
    air = plant.series["cold/room1", "air"]
    assert (air.unit, air.low, air.high, air.every_s, air.detect) == ("Cel", -20.0, 40.0, 60.0, "ensemble")
    assert [rule.id for rule in plant.rules_for(air)] == ["cold-room-high"]
    assert plant.ideal_cycle_s("filling/line1/filler1") == 0.5
    assert len(plant.series) == 5


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_plant(tmp_path / "plant.toml")
    assert caught.value.code == "config.not_found"
    assert "andon init" in caught.value.text("en")


def test_all_problems_come_at_once_with_file_line_path_and_suggestion(tmp_path: Path) -> None:
    text = (
        changed("above = 8\n", "abov = 8\n")
        .replace('timezone = "Asia/Shanghai"', 'timezone = "Asia/Shanghay"')
        .replace('kind = "boolean"', 'kind = "bolean"')
        .replace("[enterprise]", "[enterprize]")
        .replace("seconds = 0.5", 'seconds = "0.5"')
    )
    found = {problem.place.path: problem for problem in problems(write(tmp_path, text))}
    assert set(found) == {
        "enterprize", "enterprise", "site.timezone", "template[0].series[1].kind", "rule[0].abov", "cycle[0].seconds",
    }  # fmt: skip
    assert found["rule[0].abov"].text("en").endswith("rule[0].abov: unknown key; did you mean 'above'?")
    assert found["enterprize"].params["meant"] == "enterprise"
    assert "Asia/Shanghai" in found["site.timezone"].text("en")
    assert "'bolean'" in found["template[0].series[1].kind"].text("en")
    assert "'number', 'boolean', 'state', 'counter'" in found["template[0].series[1].kind"].text("en")
    assert "a number" in found["cycle[0].seconds"].text("en")
    lines = text.splitlines()
    for path in ("rule[0].abov", "cycle[0].seconds", "site.timezone", "template[0].series[1].kind"):
        line = found[path].place.line
        assert line is not None
        assert path.rsplit(".", 1)[1] in lines[line - 1]


CASES = {
    # id: (old, new, path, code, words in the sentence)
    "asset twice": (
        "[[cycle]]", '[[asset]]\npath = "cold/room1"\ntemplate = "cold-room"\n[[cycle]]',
        "asset[2].path", "twice", "plant.toml:12: asset[0].path",
    ),
    "template twice": (
        "[[cycle]]", '[[template]]\nname = "filler"\nseries = []\n[[cycle]]', "template[2].name", "twice", "",
    ),
    "rule twice": (
        "[[route]]", '[[rule]]\nid = "cold-room-high"\non = "cold/*/air"\nbelow = 2\n[[route]]',
        "rule[1].id", "twice", "rule[0].id",
    ),
    "cycle twice": (
        "[[rule]]", '[[cycle]]\nasset = "filling/line1/filler1"\nseconds = 1\n[[rule]]', "cycle[1].asset", "twice", "",
    ),
    "tag twice": (
        'kind = "boolean" }', 'kind = "boolean" }, { tag = "air" }', "template[0].series[2].tag", "twice", "series[0]",
    ),
    "no such template": ('template = "filler"', 'template = "fillr"', "asset[1].template", "unknown_name", "'filler'"),
    "no condition": ("above = 8\n", "", "rule[0]", "one_condition", "exactly one"),
    "two conditions": ("above = 8\n", "above = 8\nbelow = 2\n", "rule[0].below", "one_condition", "above, below"),
    "rule matches nothing": ("cold/*/air", "cold/*/iar", "rule[0].on", "rule_no_series", "cold/room1/air"),
    "range upside down": ("[-20, 40]", "[40, -20]", "template[0].series[0].range", "order", "[40.0, -20.0]"),
    "range of one": ("[-20, 40]", "[40]", "template[0].series[0].range", "not_allowed", "two values"),
    "range nan": ("[-20, 40]", "[nan, 40]", "template[0].series[0].range", "order", ""),
    "limits upside down": ("above = 8\n", "outside = [8, 2]\n", "rule[0].outside", "order", ""),
    "never clears": ("above = 8\n", "outside = [8, 9]\n", "rule[0].deadband", "deadband", "0.5"),
    "limit nan": ("above = 8\n", "above = nan\n", "rule[0].above", "not_allowed", "nan"),
    "negative delay": ("delay_s = 600", "delay_s = -1", "rule[0].delay_s", "not_allowed", ">= 0"),
    "text for number": ("delay_s = 600", 'delay_s = "600"', "rule[0].delay_s", "not_allowed", "a number"),
    "true for number": ("delay_s = 600", "delay_s = true", "rule[0].delay_s", "not_allowed", "a number"),
    "empty unit": ('unit = "Cel"', 'unit = ""', "template[0].series[0].unit", "unit", "UCUM"),
    "unit with space": ('unit = "Cel"', 'unit = "deg C"', "template[0].series[0].unit", "unit", "'deg C'"),
    "state without states": (', states = "packml"', "", "template[1].series[0].kind", "states_missing", "packml"),
    "states on a number": (
        '{ tag = "door", kind = "boolean" }', '{ tag = "door", states = ["a"] }',
        "template[0].series[1].states", "states_extra", "'door'",
    ),
    "states of a wrong type": (
        'states = "packml"', "states = 5", "template[1].series[0].states", "not_allowed", "'packml'",
    ),
    "state named twice": (
        'states = "packml"', 'states = ["a", "a"]', "template[1].series[0].states", "repeated", "'a', 'a'",
    ),
    "modulus on a boolean": (
        'kind = "boolean"', 'kind = "boolean", modulus = 2', "template[0].series[1].modulus", "modulus", "'door'",
    ),
    "detect on a boolean": (
        'kind = "boolean"', 'kind = "boolean", detect = true', "template[0].series[1].detect", "detect", "boolean",
    ),
    "oee tag missing": ('total = "total"', 'total = "totals"', "template[1].oee.total", "unknown_name", "'total'"),
    "oee tag of wrong kind": ('good = "good"', 'good = "state"', "template[1].oee.good", "wrong_kind", "counter"),
    "cold chain tag missing": (
        'temperature = "air"', 'temperature = "zzz"', "template[0].cold_chain.temperature", "unknown_name_of", "air",
    ),
    "cold chain upside down": (
        'temperature = "air"', 'temperature = "air"\nlow = 9', "template[0].cold_chain.low", "order", "",
    ),
    "cycle of no asset": (
        'asset = "filling/line1/filler1"', 'asset = "filling/line1/filer1"', "cycle[0].asset", "unknown_name", "",
    ),
    "anomaly without detect": (
        'on = "cold/*/air"\nabove = 8\n', 'on = "cold/*"\nanomaly = 4\n', "rule[0].on", "rule_no_detect", "room1/door",
    ),
    "size no multiple": ("[site]", "[windows]\nsizes_s = [15]\n[site]", "windows.sizes_s[0]", "not_multiple", "10.0"),
    "figures no multiple": ("[site]", "[windows]\nfigures_s = 61\n[site]", "windows.figures_s", "not_multiple", ""),
    "open web": ("[erp]", '[web]\nhost = "0.0.0.0"\n[erp]', "web.host", "web_open", "tls_cert"),
    "half of tls": ("[erp]", '[web]\ntls_cert = "a.pem"\n[erp]', "web.tls_cert", "tls_half", ""),
    "plain http away": ("https://erp", "http://erp", "erp.url", "url_plain", "https"),
    "no address": ("https://erp.example.com/andon", "erp", "erp.url", "url", "'erp'"),
    "password in address": ("https://erp", "https://me:hunter2@erp", "erp.url", "url_secret", "secret_file"),
    "shard too high": (
        'template = "cold-room"\n', 'template = "cold-room"\nshard = 1\n', "asset[0].shard", "shard", "last shard is 0",
    ),
    "receiver unknown": ('to = ["erp"]', 'to = ["epr"]', "route[0].to[0]", "unknown_name", "'erp'"),
    "no erp section": ('[erp]\nurl = "https://erp.example.com/andon"\n', "", "route[0].to[0]", "no_erp", "[erp]"),
    "single brackets": ("[[cycle]]", "[cycle]", "cycle", "one_bracket", "[[cycle]]"),
    "bad slug": ('id = "szh1"', 'id = "Szh 1"', "site.id", "not_allowed", "a-z"),
    "missing id": ('id = "szh1"\n', "", "site.id", "missing", "no default"),
    "future schema": ("schema = 1", "schema = 2", "schema", "schema", "schema 1"),
    "journal shorter than corrections": (
        "[erp]", "[time]\ncorrect_for_h = 800\n[erp]", "retention.journal_d", "journal_short", "at least 33.43"
    ),
    "port too high": ("[erp]", "[web]\nport = 70000\n[erp]", "web.port", "not_allowed", "<= 65535"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_the_only_one_reported(
    tmp_path: Path, old: str, new: str, path: str, code: str, words: str
) -> None:
    (only,) = problems(write(tmp_path, changed(old, new)))
    assert (only.place.path, only.code) == (path, f"config.{code}")
    assert words in only.text("en")
    assert "hunter2" not in only.text("en")
    assert "hunter2" not in repr(only)


def test_a_refused_template_hides_no_fault_of_its_other_series(tmp_path: Path) -> None:
    text = changed("range = [-20, 40]", "range = [40, -20]").replace('kind = "boolean"', 'kin = "boolean"')
    assert [problem.code for problem in problems(write(tmp_path, text))] == ["config.order", "config.unknown_key"]


def test_toml_syntax_names_the_line(tmp_path: Path) -> None:
    (only,) = problems(write(tmp_path, changed("[site]", "[site")))
    assert only.code == "config.toml_syntax"
    assert only.place.line == BASE.splitlines().index("[site]") + 1


def test_not_utf8_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_bytes(BASE.replace("acme", "四方").encode("gb18030"))
    (only,) = problems(path)
    assert only.code == "config.not_utf8"


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load_plant(path).config.site.id == "szh1"


MORE = '[[asset]]\npath = "cold/room2"\ntemplate = "cold-room"\n'


def test_include_adds_lists_and_tables(tmp_path: Path) -> None:
    write(tmp_path, MORE, "lines/a.toml")
    write(tmp_path, MORE.replace("room2", "room3") + "[retention]\njournal_d = 14\n", "lines/b.toml")
    plant = load_plant(write(tmp_path, 'include = ["lines/*.toml"]\n' + BASE))
    assert set(plant.assets) == {"cold/room1", "cold/room2", "cold/room3", "filling/line1/filler1"}
    assert plant.config.retention.journal_d == 14.0


def test_include_faults_name_the_included_file(tmp_path: Path) -> None:
    write(tmp_path, '[site]\nid = "x"\n' + MORE.replace("cold/room2", "cold/room1") + "shrd = 0\n", "lines/a.toml")
    found = problems(write(tmp_path, 'include = ["lines/*.toml", "nothing/*.toml"]\n' + BASE))
    assert {(problem.code, str(problem.place)) for problem in found} == {
        ("config.given_twice", "lines/a.toml:1: site"),
        ("config.twice", "lines/a.toml:4: asset[0].path"),
        ("config.unknown_key", "lines/a.toml:6: asset[0].shrd"),
        ("config.no_file", "plant.toml:1: include[1]"),
    }


def test_include_of_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 'include = ["plant.toml"]\n', "a.toml")
    found = problems(write(tmp_path, 'include = ["a.toml"]\n' + BASE))
    assert [problem.code for problem in found] == ["config.included_twice"]
    assert "plant.toml -> a.toml -> plant.toml" in found[0].text("en")


CSV = """asset,tag,unit,low,high,every_s,kind
cold/room1,air,,-30,,300,
cold/room1,humidity,%,0,100,60,number

"""


def test_series_csv_changes_and_adds(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_text("\ufeff" + CSV, encoding="utf-8")
    plant = load_plant(write(tmp_path, 'series_csv = ["series.csv"]\n' + BASE))
    air, humidity = plant.series["cold/room1", "air"], plant.series["cold/room1", "humidity"]
    assert (air.unit, air.low, air.high, air.every_s, air.detect) == ("Cel", -30.0, 40.0, 300.0, "ensemble")
    assert (humidity.unit, humidity.low, humidity.high, humidity.kind) == ("%", 0.0, 100.0, "number")


CSV_CASES = {
    "unknown asset": (CSV.replace("cold/room1,air", "cold/rom1,air"), "series.csv:2: asset", "cold/room1"),
    "not a number": (CSV.replace("300", "5 min"), "series.csv:2: every_s", "'5 min'"),
    "wrong kind": (CSV.replace("60,number", "60,numbr"), "series.csv:3: kind", "'number'"),
    "upside down": (CSV.replace("0,100", "100,0"), "series.csv:3: range", "[100.0, 0.0]"),
    "unknown column": (CSV.replace("every_s,", "evry_s,"), "series.csv:1: evry_s", "'every_s'"),
    "no tag": (CSV.replace("room1,air", "room1,"), "series.csv:2: tag", "missing"),
    "twice": (CSV + "cold/room1,air,,,,,\n", "series.csv:5", "series.csv:2"),
    "too many cells": (CSV.replace("60,number", "60,number,x"), "series.csv:3", "'x'"),
    "changes a kind in use": (CSV.replace("300,", "300,counter"), "series.csv:2: kind", "number"),
}


@pytest.mark.parametrize(("text", "place", "words"), CSV_CASES.values(), ids=CSV_CASES.keys())
def test_series_csv_faults_name_the_row(tmp_path: Path, text: str, place: str, words: str) -> None:
    (tmp_path / "series.csv").write_text(text, encoding="utf-8")
    found = problems(write(tmp_path, 'series_csv = ["series.csv"]\n' + BASE))
    assert words in {str(problem.place): problem.text("en") for problem in found}[place]


def test_problem_as_json_is_complete(tmp_path: Path) -> None:
    (only,) = problems(write(tmp_path, changed("above = 8\n", "above = 8\ndeadbnd = 1\n")))
    row = only.as_json("en")
    assert json.loads(json.dumps(row)) == row
    assert (row["file"], row["path"], row["code"]) == ("plant.toml", "rule[0].deadbnd", "config.unknown_key")


def test_file_names_become_absolute(tmp_path: Path) -> None:
    plant = load_plant(write(tmp_path, BASE + 'secret_file = "erp.secret"\n[web]\ntls_cert = "c"\ntls_key = "/k"\n'))
    assert plant.config.erp is not None
    assert plant.config.erp.secret_file == str(tmp_path / "erp.secret")
    assert (plant.config.web.tls_cert, plant.config.web.tls_key) == (str(tmp_path / "c"), "/k")


def test_rule_version_follows_content_not_spelling(tmp_path: Path) -> None:
    (same,) = load_plant(write(tmp_path)).config.rule
    (spelt,) = load_plant(write(tmp_path, changed("above = 8\n", "above = 8.0\noff_delay_s = 0\n"))).config.rule
    (other,) = load_plant(write(tmp_path, changed("above = 8\n", "above = 8.1\n"))).config.rule
    assert rule_version(same) == rule_version(spelt) != rule_version(other)
    assert len(rule_version(same)) == 12


def test_generated_reference_is_committed(tmp_path: Path) -> None:
    docs = Path(__file__).parents[1] / "docs"
    for written in reference.write(tmp_path):
        committed = docs / written.name
        assert committed.read_text(encoding="utf-8") == written.read_text(encoding="utf-8"), (
            f"{committed} is stale: python -m andon.config.reference docs"
        )


def test_reference_names_every_key_with_a_meaning() -> None:
    page = reference.markdown()
    for line in page.splitlines():
        if line.startswith("| `"):
            assert line.split("|")[-2].strip(), f"no description: {line}"
    schema = reference.json_schema()
    for name, model in schema["$defs"].items():
        assert model["additionalProperties"] is False, name
        for key in model["properties"]:
            assert f"`{key}`" in page
