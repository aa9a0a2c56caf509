"""`andon dashboards push` against the strict stub: from nothing, again, after changes by hand, and what goes wrong."""

from __future__ import annotations

import json
import socket

import pytest

from andon.secrets import Secret
from dashboards.grafana import DATASOURCE_UID, FOLDER_UID
from dashboards.grafana.alerting import RULES
from dashboards.grafana.api import Grafana, GrafanaAwayError, GrafanaError
from dashboards.grafana.catalogue import MODULES
from dashboards.grafana.push import Wanted, plan, push
from tests.command_line import Terminal, andon
from tests.grafana_stub import TOKEN, VIEWER, RefusalError, State, grafana_stub

__all__ = ["andon"]  # a fixture

ALL = 2 + len(MODULES) + len(RULES)  # folder and data source first
OVERVIEW = "andon-overview"
OLDER = "andon 0123456789abcdef"  # what an older version of ours left
INFLUX_TOKEN = "read-only-token"
SECTIONS = """
[influx]
url = "http://127.0.0.1:8086"

[grafana]
url = "{url}"
"""


@pytest.fixture
def stub():
    with grafana_stub() as (url, state):
        yield url, state


@pytest.fixture
def state(stub) -> State:
    return stub[1]


@pytest.fixture
def site(stub, andon, tmp_path, monkeypatch) -> Terminal:
    """A plant whose Grafana is the stub."""
    andon("init", "--site", "szh1")
    plant = tmp_path / "plant.toml"
    plant.write_text(plant.read_text(encoding="utf-8") + SECTIONS.format(url=stub[0]), encoding="utf-8")
    monkeypatch.setenv("ANDON_GRAFANA_TOKEN", TOKEN)
    monkeypatch.setenv("ANDON_GRAFANA_INFLUX_TOKEN", INFLUX_TOKEN)
    return andon


def actions(out: str) -> dict[str, str]:
    """uid -> action of a push with --json."""
    return {one["uid"]: one["action"] for one in json.loads(out)["changes"]}


def pushed(site: Terminal, *more: str, status: int = 0) -> dict[str, str]:
    return actions(site("dashboards", "push", "--language", "en", "--json", *more, status=status))


def test_from_nothing_everything_is_created(site, state):
    found = pushed(site)
    assert len(found) == ALL
    assert set(found.values()) == {"create"}
    assert state.folders[FOLDER_UID]["title"] == "Andon"
    assert state.secrets[DATASOURCE_UID] == {"token": INFLUX_TOKEN}
    assert state.datasources[DATASOURCE_UID]["jsonData"]["defaultBucket"] == "andon"
    assert len(state.dashboards) == len(MODULES)
    assert len(state.rules) == len(RULES)
    assert {one["meta"]["folderUid"] for one in state.dashboards.values()} == {FOLDER_UID}


def test_a_second_push_writes_nothing(site, state):
    pushed(site)
    state.calls.clear()
    assert set(pushed(site).values()) == {"unchanged"}
    assert state.writes == []


@pytest.mark.parametrize("list_versions", [True, False], ids=["list", "object"])
def test_what_grafana_rewrites_by_itself_is_no_change(site, state, list_versions):
    """A newer one migrates a dashboard when it stores it; the mark in the version's message tells."""

    def migrate(dashboard):
        dashboard["schemaVersion"] = 43
        dashboard["preload"] = False

    state.migrate, state.list_versions = migrate, list_versions
    pushed(site)
    state.calls.clear()
    assert set(pushed(site).values()) == {"unchanged"}
    assert state.writes == []


def test_a_dry_run_says_it_all_and_writes_nothing(site, state):
    assert set(pushed(site, "--dry-run").values()) == {"create"}
    assert state.writes == []
    pushed(site)
    state.datasources[DATASOURCE_UID]["url"] = "http://old:8086"
    state.calls.clear()
    out = site("dashboards", "push", "--language", "en", "--dry-run")
    assert 'url: "http://old:8086" -> "http://127.0.0.1:8086"' in out
    assert f"Of {ALL}: 0 would be created, 1 updated. Nothing was changed." in out
    assert state.writes == []


def by_hand(state: State) -> None:
    def rename(dashboard):
        dashboard["panels"][0]["title"] = "My alarms"

    state.save_by_hand(OVERVIEW, rename, "nicer")


def test_what_a_person_saved_is_kept_and_reported(site, state):
    pushed(site)
    by_hand(state)
    state.calls.clear()
    out = site("dashboards", "push", "--language", "en", status=1)
    assert "kept: saved by a person" in out
    assert 'panels[0].title: "My alarms" -> "Open alarms"' in out
    assert state.writes == []
    assert state.dashboards[OVERVIEW]["dashboard"]["panels"][0]["title"] == "My alarms"


def test_forced_it_is_overwritten_as_the_next_version(site, state):
    pushed(site)
    by_hand(state)
    before = state.dashboards[OVERVIEW]["dashboard"]
    assert pushed(site, "--force")[OVERVIEW] == "update"
    after = state.dashboards[OVERVIEW]["dashboard"]
    assert after["panels"][0]["title"] == "Open alarms"
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    state.calls.clear()
    assert set(pushed(site).values()) == {"unchanged"}


def test_our_own_older_version_is_updated_where_it_was_moved_to(site, state):
    """An upgrade of Andon: the last save was ours, so nobody's work is lost. The folder is the people's choice."""
    pushed(site)
    stored = state.dashboards[OVERVIEW]
    stored["dashboard"]["title"], stored["versions"][0], stored["meta"]["folderUid"] = (
        "Old",
        "andon 0123456789abcdef",
        "own",
    )
    state.folders["own"] = {"uid": "own", "title": "Ours", "version": 1}
    assert pushed(site)[OVERVIEW] == "update"
    assert state.dashboards[OVERVIEW]["meta"]["folderUid"] == "own"
    assert state.dashboards[OVERVIEW]["dashboard"]["title"] != "Old"


def test_saved_between_look_and_push_it_is_not_overwritten(site, state):
    pushed(site)
    state.dashboards[OVERVIEW]["dashboard"]["title"] = "Old"
    state.dashboards[OVERVIEW]["versions"][0] = OLDER

    def race(method, path):
        if (method, path) == ("POST", "/api/dashboards/db"):
            by_hand(state)

    state.fail = race
    out = site("dashboards", "push", "--language", "en", status=1)
    assert "FAILED" in out
    assert "somebody saved it while the push was running (412" in site.err
    assert state.dashboards[OVERVIEW]["dashboard"]["panels"][0]["title"] == "My alarms"


def test_a_changed_plant_updates_the_data_source_and_keeps_the_rest(site, state, tmp_path):
    pushed(site)
    plant = tmp_path / "plant.toml"
    text = plant.read_text(encoding="utf-8")
    plant.write_text(text.replace('url = "http://127.0.0.1:8086"', 'url = "http://127.0.0.1:8087"'), encoding="utf-8")
    state.datasources[DATASOURCE_UID]["jsonData"]["timeInterval"] = "10s"  # somebody's own setting
    assert [uid for uid, action in pushed(site).items() if action == "update"] == [DATASOURCE_UID]
    assert state.datasources[DATASOURCE_UID]["url"] == "http://127.0.0.1:8087"
    assert state.datasources[DATASOURCE_UID]["jsonData"]["timeInterval"] == "10s"


def test_the_influx_token_goes_over_once_and_again_when_asked(site, state, monkeypatch):
    pushed(site)
    monkeypatch.setenv("ANDON_GRAFANA_INFLUX_TOKEN", "another-token")
    assert set(pushed(site).values()) == {"unchanged"}
    assert pushed(site, "--renew-token")[DATASOURCE_UID] == "update"
    assert state.secrets[DATASOURCE_UID] == {"token": "another-token"}
    monkeypatch.delenv("ANDON_GRAFANA_INFLUX_TOKEN")
    assert set(pushed(site).values()) == {"unchanged"}, "without the token at hand all else still goes"


def test_no_secret_is_ever_printed(site, state):
    for words in (("--dry-run",), (), ("--renew-token", "--json")):
        out = site("dashboards", "push", *words)
        assert TOKEN not in out + site.err
        assert INFLUX_TOKEN not in out + site.err


def test_a_rule_follows_its_definition(site, state):
    pushed(site)
    state.rules["andon-silent"]["for"] = "9m"
    out = site("dashboards", "push", "--language", "en")
    assert 'for: "9m" -> "1m"' in out
    assert state.rules["andon-silent"]["for"] == "1m"
    assert set(pushed(site).values()) == {"unchanged"}


def test_a_rule_that_a_person_took_over_is_kept(site, state):
    pushed(site)
    state.rules["andon-silent"] |= {"for": "9m", "provenance": ""}
    assert pushed(site, status=1)["andon-silent"] == "edited"
    assert pushed(site, "--force")["andon-silent"] == "update"


def test_what_comes_from_files_is_left_to_the_files(site, state):
    pushed(site)
    state.datasources[DATASOURCE_UID]["readOnly"] = True
    state.dashboards[OVERVIEW]["meta"]["provisioned"] = True
    state.rules["andon-silent"]["provenance"] = "file"
    found = pushed(site, "--force")
    for uid in (DATASOURCE_UID, OVERVIEW, "andon-silent"):
        assert found[uid] == "provisioned"
    state.dashboards[OVERVIEW]["dashboard"]["title"] = "Old"
    state.calls.clear()
    out = site("dashboards", "push", "--language", "en", "--force", status=1)
    assert "change the files" in out
    assert state.writes == []


def test_the_folder_gets_its_new_title(site, state, tmp_path):
    pushed(site)
    with (tmp_path / "plant.toml").open("a", encoding="utf-8") as plant:
        plant.write('folder = "Suzhou 1"\n')
    assert pushed(site)[FOLDER_UID] == "update"
    assert state.folders[FOLDER_UID]["title"] == "Suzhou 1"


def test_both_languages_lie_beside_each_other(site, state):
    found = actions(site("dashboards", "push", "--language", "all", "--json"))
    assert len(found) == ALL + len(MODULES)
    assert {"andon-overview", "andon-overview-zh"} <= found.keys()
    assert set(actions(site("dashboards", "push", "--language", "all", "--json")).values()) == {"unchanged"}


def test_an_unknown_language_is_refused(site, state):
    site("dashboards", "push", "--language", "de", status=2)
    assert "en, zh-CN, all" in site.err
    assert state.calls == []


# What goes wrong


def test_a_wrong_token(site, state, monkeypatch):
    monkeypatch.setenv("ANDON_GRAFANA_TOKEN", "glsa_wrong-one")
    site("dashboards", "push", status=1)
    assert "does not know the token (401)" in site.err
    assert state.writes == []


def test_a_viewers_token(site, state, monkeypatch):
    pushed(site)
    monkeypatch.setenv("ANDON_GRAFANA_TOKEN", VIEWER)
    site("dashboards", "push", status=1)
    assert "needs the role Admin" in site.err


def test_one_refused_thing_does_not_stop_the_rest(site, state):
    state.fail = lambda method, path: (
        RefusalError(403, "no") if (method, path) == ("POST", "/api/datasources") else None
    )
    found = pushed(site, status=1)
    assert found[DATASOURCE_UID] == "failed"
    assert len(state.dashboards) == len(MODULES)
    state.fail = lambda method, path: None
    again = pushed(site)
    assert again.pop(DATASOURCE_UID) == "create"
    assert set(again.values()) == {"unchanged"}


def test_a_folder_of_that_name_is_there_already(site, state):
    state.folders["other"] = {"uid": "other", "title": "Andon", "version": 1}
    found = pushed(site, status=1)
    assert found[FOLDER_UID] == "failed"
    assert "Rename the other one" in json.dumps(json.loads(site.out))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ((500, "application/json", '{"message": "database is locked"}'), "fault of its own (500: database is locked)"),
        ((502, "text/html", "<html>no message here</html>"), "does not answer as Grafana's API"),
        ((200, "text/html", "<html>please log in</html>"), "does not answer as Grafana's API"),
        ((302, "text/html", "http://127.0.0.1:1/login"), "leads to http://127.0.0.1:1/login"),
    ],
    ids=["500", "html-502", "html-200", "redirect"],
)
def test_no_grafana_behind_the_address(site, state, raw, said):
    state.raw = lambda method, path: raw
    site("dashboards", "push", status=1)
    assert said in site.err


def test_nobody_listens(site, tmp_path, stub):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plant = tmp_path / "plant.toml"
    plant.write_text(plant.read_text(encoding="utf-8").replace(stub[0], f"http://127.0.0.1:{port}"), encoding="utf-8")
    site("dashboards", "push", status=1)
    assert "cannot be reached: Connection refused" in site.err.replace("[Errno 111] ", "")


def test_one_that_never_answers():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        grafana = Grafana(f"http://127.0.0.1:{deaf.getsockname()[1]}/sub/path", Secret(TOKEN), timeout_s=0.2)
        with pytest.raises(GrafanaAwayError, match="did not answer in time"):
            grafana.folder("x")
        grafana.close()


def test_grafana_goes_away_in_the_middle(stub, state):
    url, _ = stub
    grafana = Grafana(url, Secret(TOKEN))
    source = {
        "uid": DATASOURCE_UID,
        "name": "x",
        "type": "influxdb",
        "access": "proxy",
        "url": "http://i",
        "jsonData": {"version": "Flux"},
    }
    changes = plan(grafana, Wanted("Andon", source, Secret("influx"), (), ()))
    state.raw = lambda method, path: (503, "application/json", "{}")
    with pytest.raises(GrafanaAwayError):
        list(push(changes))
    grafana.close()


@pytest.mark.parametrize(
    ("missing", "said"),
    [("ANDON_GRAFANA_TOKEN", "service account"), ("ANDON_GRAFANA_INFLUX_TOKEN", "may only read the buckets")],
)
def test_a_missing_token_says_how_to_get_one(site, state, monkeypatch, missing, said):
    monkeypatch.delenv(missing)
    site("dashboards", "push", status=1)
    assert said in site.err
    assert state.writes == []


def test_a_plant_without_grafana_or_influx(andon, tmp_path):
    andon("init", "--site", "szh1")
    andon("dashboards", "push", status=1)
    assert "no section [grafana]" in andon.err
    with (tmp_path / "plant.toml").open("a", encoding="utf-8") as plant:
        plant.write('\n[grafana]\nurl = "http://127.0.0.1:3000"\n')
    andon("dashboards", "push", status=1)
    assert "no section [influx]" in andon.err


def test_the_stub_is_strict(stub, state):
    """What the stub would let pass, no test would see."""
    grafana = Grafana(stub[0], Secret(TOKEN))
    with pytest.raises(GrafanaError, match="400"):
        grafana.create_datasource({"uid": "x", "name": "x", "type": "influxdb", "access": "proxy", "colour": "blue"})
    with pytest.raises(GrafanaError, match="404"):
        grafana.update_rule({"uid": "none"})
    grafana.rule("none/such")
    grafana.close()
    assert state.faults == ["no such route: GET /api/v1/provisioning/alert-rules/none/such"]
    state.faults.clear()
