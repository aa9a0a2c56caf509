"""deploy/compose.yaml: taken by docker compose, pinned, closed, and of one mind with plant-compose.toml.

There is no Docker daemon in the tests: no container of it has run here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from andon import __version__
from andon.config.load import load_plant
from andon.process import DRAIN_S
from service.cli import build_app
from service.servers import ServerMissingError, where
from tests.tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE, PLANT = DEPLOY / "compose.yaml", DEPLOY / "plant-compose.toml"
ALWAYS = {"andon", "buckets", "grafana", "influxdb", "kafka", "topics"}
PINNED = re.compile(r"(?:[a-z]+/)?[a-z]+:\d+(?:\.\d+)+(?:-[a-z]+)?")
ONCE = {"buckets", "topics"}
OWN = {"andon", *ONCE}


def in_order(*arguments: str) -> dict[str, Any]:
    """What `docker compose config` makes of the file, profiles included or not."""
    try:
        program = where("compose") / "docker-compose"
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; CI leaves nothing out", pytrace=False)
        pytest.skip(str(error))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "ANDON_"))}
    command = [program, "-f", COMPOSE, *arguments, "config", "--format", "json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return in_order("--profile", "*")


@pytest.fixture(scope="module")
def services(everything) -> dict[str, dict[str, Any]]:
    return everything["services"]


@pytest.fixture(scope="module")
def plant():
    return load_plant(PLANT).config


@pytest.mark.real
def test_docker_compose_takes_it(everything):
    assert set(everything["services"]) == {*ALWAYS, "postgres"}
    assert set(in_order()["services"]) == ALWAYS


@pytest.mark.real
def test_every_image_is_pinned(services):
    images = {name: one["image"] for name, one in services.items()}
    assert [image for image in images.values() if not PINNED.fullmatch(image)] == []
    assert {images[name] for name in OWN} == {f"andon:{__version__}"}
    assert {services[name]["build"]["dockerfile"] for name in OWN} == {"deploy/Dockerfile"}


@pytest.mark.real
def test_the_servers_are_the_versions_that_the_tests_run(services):
    tested = {
        "kafka": re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([\d.]+)<", text_of("kafka/pom.xml")),
        "influxdb": re.search(r"github\.com/influxdata/influxdb/v2 v([\d.]+)", text_of("influxd/go.mod")),
    }
    for name, found in tested.items():
        assert found is not None
        assert services[name]["image"].endswith(f":{found[1]}")


def text_of(name: str) -> str:
    return (ROOT / "scripts" / "servers" / name).read_text(encoding="utf-8")


@pytest.mark.real
def test_nobody_is_root_or_has_rights_to_spare(services):
    for name, one in services.items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert int(one["user"].partition(":")[0]) > 0, name
        assert not one.get("privileged"), name
    assert {name for name, one in services.items() if one.get("read_only")} == {*OWN, "grafana", "postgres"}
    image_user = re.search(r"^USER (\S+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert image_user is not None
    assert {services[name]["user"] for name in OWN} == {image_user[1]}


@pytest.mark.real
def test_every_service_is_looked_at_and_started_again(services):
    for name, one in services.items():
        assert (one["restart"], one["healthcheck"].get("disable", False)) == (
            ("no", True) if name in ONCE else ("unless-stopped", False)
        ), name
    assert services["andon"]["healthcheck"]["test"] == ["CMD", "python", "/opt/andon/healthcheck.py"]
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(\d+)s", services["andon"]["stop_grace_period"]).groups()
    assert int(minutes or 0) * 60 + int(seconds) >= 3 * DRAIN_S


@pytest.mark.real
def test_what_runs_once_is_a_command_and_comes_before(services):
    for name in OWN:
        command, (path,) = services[name]["command"], {"/etc/andon/plant.toml"}
        shown = CliRunner().invoke(build_app(), [*command[: command.index("--config")], "--help"])
        assert shown.exit_code == 0, shown.output
        assert {option for option in command if option.startswith("--")} <= set(re.findall(r"--[a-z-]+", shown.output))
        assert path in command
    before = services["andon"]["depends_on"]
    assert {name for name, one in before.items() if one["condition"] == "service_completed_successfully"} == ONCE
    assert before["postgres"] == {"condition": "service_healthy", "required": False}


@pytest.mark.real
def test_every_mounted_file_is_there_and_cannot_be_written(services):
    binds = [one for service in services.values() for one in service.get("volumes", []) if one["type"] == "bind"]
    assert binds
    for one in binds:
        assert Path(one["source"]).exists(), one["source"]
        assert one["read_only"], one["source"]
    chinese = str(COMPOSE.parent / "grafana" / "provisioning" / "zh-CN")
    assert Path(chinese).is_dir()


@pytest.mark.real
def test_volumes_keep_what_must_outlive_a_container(everything):
    used = {
        one["source"] for service in everything["services"].values() for one in service.get("volumes", [])
        if one["type"] == "volume"
    }  # fmt: skip
    assert used == set(everything["volumes"])
    assert all(name.endswith(("-data", "-config")) for name in used)


@pytest.mark.real
def test_every_port_is_on_this_machine_only(services):
    ports = [one for service in services.values() for one in service.get("ports", [])]
    assert len(ports) == 4
    assert {one["host_ip"] for one in ports} == {"127.0.0.1"}
    assert {services[name]["network_mode"] for name in OWN} == {"host"}


@pytest.mark.real
def test_addresses_and_names_are_those_of_the_plant(services, plant):
    def published(name: str) -> str:
        (port,) = services[name]["ports"]
        return f"{port['host_ip']}:{port['published']}"

    kafka, influx, grafana, web = plant.transport.kafka, plant.influx, plant.grafana, plant.web
    assert kafka.brokers == published("kafka")
    assert services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"CLIENT://{kafka.brokers}"
    assert kafka.replication == 1  # one broker
    assert urlsplit(influx.url).netloc == published("influxdb")
    assert urlsplit(grafana.url).netloc == published("grafana")
    setup = services["influxdb"]["environment"]
    assert (influx.org, influx.bucket) == (setup["DOCKER_INFLUXDB_INIT_ORG"], setup["DOCKER_INFLUXDB_INIT_BUCKET"])
    assert f"{influx.retention_d:g}d" == setup["DOCKER_INFLUXDB_INIT_RETENTION"]
    shown = services["grafana"]["environment"]
    assert grafana.influx_url == shown["ANDON_INFLUX_URL"]
    assert (influx.org, influx.bucket) == (shown["ANDON_INFLUX_ORG"], shown["ANDON_INFLUX_BUCKET"])
    health = urlsplit(services["andon"]["environment"]["ANDON_HEALTH_URL"])
    assert (health.scheme, health.netloc, health.path) == ("http", f"{web.host}:{web.port}", "/healthz")
    assert influx.token_file in targets(services["andon"])
    assert services["andon"]["command"][0] == "run"
    assert {one["target"] for one in services["andon"]["volumes"]} == {"/etc/andon/plant.toml", "/data"}


def targets(service: dict[str, Any]) -> set[str]:
    """Where a service finds its secrets."""
    return {one["target"] for one in service.get("secrets", [])}


@pytest.mark.real
def test_the_records_section_for_postgres_fits_its_service(services, tmp_path):
    text = PLANT.read_text(encoding="utf-8")
    section = re.search(r"^# \[records\].*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    (tmp_path / "plant.toml").write_text(text.replace(section[0], re.sub(r"(?m)^# ", "", section[0])), encoding="utf-8")
    records = load_plant(tmp_path / "plant.toml").config.records
    assert records is not None
    url, told = urlsplit(records.url), services["postgres"]["environment"]
    (port,) = services["postgres"]["ports"]
    assert (url.hostname, str(url.port)) == (port["host_ip"], port["published"])
    assert (url.username, url.path) == (told["POSTGRES_USER"], f"/{told['POSTGRES_DB']}")
    assert records.password_file == told["POSTGRES_PASSWORD_FILE"]
    assert records.password_file in targets(services["andon"])


SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY")


@pytest.mark.real
def test_secrets_are_files_and_nothing_else(everything, tmp_path):
    made = subprocess.run([DEPLOY / "secrets.sh", tmp_path / "secrets"], check=True, capture_output=True, text=True)
    files = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert len(made.stdout.splitlines()) == len(files)
    assert {Path(one["file"]).name for one in everything["secrets"].values()} == files
    for name, service in everything["services"].items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert value in targets(service), (name, variable)


@pytest.mark.real
def test_grafana_gets_every_variable_that_its_files_name(services):
    files = [path for path in (DEPLOY / "grafana" / "provisioning").rglob("*") if path.is_file()]
    assert files
    named = {name for path in files for name in re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8"))}
    (*_, script) = services["grafana"]["entrypoint"]
    assert named <= {*services["grafana"]["environment"], *re.findall(r"export (\w+)", script)}
    mounts = {one["target"]: one["source"] for one in services["grafana"]["volumes"]}
    for path in files:
        for folder in re.findall(r"path: \"?(/etc/andon\S+?)\"?$", path.read_text(encoding="utf-8"), re.MULTILINE):
            below = Path(folder).relative_to("/etc/andon/dashboards")
            assert list((Path(mounts["/etc/andon/dashboards"]) / below).glob("*.json")), folder


@pytest.mark.real
def test_grafana_starts_with_the_token_of_the_file(services, tmp_path):
    shell, flag, script = services["grafana"]["entrypoint"]
    (tmp_path / "token").write_text("the-token")
    (tmp_path / "run").write_text('#!/bin/sh\nprintf %s "$ANDON_GRAFANA_INFLUX_TOKEN"\n')
    (tmp_path / "run").chmod(0o700)
    script = script.replace("$$", "$").replace("/run/secrets/influx_token", str(tmp_path / "token"))
    done = subprocess.run(
        [shell, flag, script.replace("/run.sh", str(tmp_path / "run"))], capture_output=True, check=True
    )
    assert done.stdout == b"the-token"


def test_secrets_are_made_once_for_their_owner(tmp_path):
    folder = tmp_path / "secrets"
    subprocess.run([DEPLOY / "secrets.sh", folder], check=True, capture_output=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(set(first.values())) == len(first) >= 4
    for name, value in first.items():
        assert re.fullmatch(r"[A-Za-z0-9_-]{40,}", value), name
    (folder / "influx_token").unlink()
    again = subprocess.run([DEPLOY / "secrets.sh", folder], check=True, capture_output=True, text=True)
    assert again.stdout.splitlines() == [f"made {folder / 'influx_token'}"]
    second = {path.name: path.read_text() for path in folder.iterdir()}
    assert {name for name in first if first[name] != second[name]} == {"influx_token"}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_folder_of_secrets_is_never_committed():
    done = subprocess.run(["git", "check-ignore", "deploy/secrets/influx_token"], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_plant_of_the_compose_file_is_good(plant):
    assert plant.transport.kind == "kafka"
    assert set(plant.transport.kafka.out) == {"windows", "alarms", "dead-letters"}
    assert "password" not in plant.model_dump_json(exclude_none=True)
