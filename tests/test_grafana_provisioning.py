"""The provisioning files: read back as written, the same rules as the API gets, and no secret in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from andon.i18n import LANGUAGES
from dashboards.grafana import DATASOURCE_UID, FOLDER_UID
from dashboards.grafana.alerting import RULES, api_rules
from dashboards.grafana.catalogue import everything
from dashboards.grafana.provisioning import CONTACT, files
from dashboards.grafana.settings import Settings
from dashboards.grafana.yaml import dump
from tests.tree import ROOT

EVERYTHING = everything(Settings())


def parsed(text: str) -> Any:
    """A strict reader of the YAML that `dump` writes, and of no other."""
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    while lines and not lines[-1]:
        lines.pop()
    value, rest = block(lines, 0)
    assert rest == []
    return value


def depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """The map or list that begins at this indent."""
    made: Any = [] if lines[0].lstrip().startswith("- ") else {}
    while lines and depth(lines[0]) == indent and lines[0]:
        line = lines[0][indent:]
        if isinstance(made, list):
            if not line.startswith("- "):
                break
            if re.match(r'- ("[^"]*"|\w+):( |$)', line):
                one, lines = block([" " * (indent + 2) + line[2:], *lines[1:]], indent + 2)
                made.append(one)
            else:
                made.append(json.loads(line[2:]))
                lines = lines[1:]
            continue
        key, value = re.fullmatch(r'("[^"]*"|\w+):(?: (.*))?', line).groups()
        key = json.loads(key) if key.startswith('"') else key
        lines = lines[1:]
        if value is None:
            made[key], lines = block(lines, depth(lines[0]))
        elif value == "|-":
            inner = depth(lines[0])
            count = next((at for at, one in enumerate(lines) if one and depth(one) < inner), len(lines))
            made[key] = "\n".join(one[inner:] for one in lines[:count])
            lines = lines[count:]
        else:
            made[key] = json.loads(value)
    return made, lines


@pytest.mark.parametrize("language", LANGUAGES)
def test_provisioning_files_hold_what_they_should(language):
    folder = ROOT / "deploy" / "grafana" / "provisioning" / language
    for path, document in files(language, Settings()).items():
        text = (folder / path).read_text(encoding="utf-8")
        assert parsed(text) == json.loads(json.dumps(document))
        assert document["apiVersion"] == 1


def test_the_yaml_is_read_back_whatever_it_holds():
    value = {
        "plain": "x", "_yes": "yes", "a b": [1, 2.5, None, True, "no: way # not", "汉字"], "empty": {}, "none": [],
        "text": "one\n\n  two\nthree", "deep": [{"a": {"b": [{"c": "d"}]}, "e": "f\ng"}, {"h": 1}],
    }  # fmt: skip
    assert parsed(dump(value)) == value


@pytest.mark.parametrize("language", LANGUAGES)
def test_files_and_api_have_the_same_rules(language):
    document = files(language, Settings())["alerting/andon-rules.yaml"]
    (group,) = document["groups"]
    for ours, theirs in zip(group["rules"], api_rules(language, Settings()), strict=True):
        own = {key: value for key, value in theirs.items() if key not in {"orgID", "folderUID", "ruleGroup"}}
        assert ours == own
        assert theirs["folderUID"] == FOLDER_UID


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_lead_to_panels_that_are_there(language):
    boards = {one["uid"]: one for one in EVERYTHING.values()}
    for rule in api_rules(language, Settings()):
        panels = boards[rule["annotations"]["__dashboardUid__"]]["panels"]
        assert int(rule["annotations"]["__panelId__"]) in {panel["id"] for panel in panels}
        assert "$" not in json.dumps(rule), "a dollar would be taken for the environment in a provisioning file"
        assert rule["noDataState"] == ("Alerting" if rule["uid"] == "andon-silent" else "OK")
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_secrets_and_addresses_come_from_the_environment():
    documents = files("en", Settings())
    (source,) = documents["datasources/andon.yaml"]["datasources"]
    assert re.fullmatch(r"\$\{\w+\}", source["secureJsonData"]["token"])
    assert re.fullmatch(r"\$\{\w+\}", source["url"])
    assert source["uid"] == DATASOURCE_UID
    (policy,) = documents["alerting/andon-policies.yaml"]["policies"]
    (contact,) = documents["alerting/andon-contact-points.yaml"]["contactPoints"]
    assert policy["receiver"] == contact["name"] == CONTACT
    (provider,) = documents["dashboards/andon.yaml"]["providers"]
    assert provider["options"]["path"].endswith("/en")
    assert documents["alerting/andon-rules.yaml"]["groups"][0]["folder"] == provider["folder"]


def test_the_page_names_every_variable_of_the_environment():
    page = (ROOT / "docs" / "grafana.md").read_text(encoding="utf-8")
    for document in files("en", Settings()).values():
        for name in re.findall(r"\$\{(ANDON_\w+)\}", json.dumps(document)):
            assert f"`{name}`" in page
