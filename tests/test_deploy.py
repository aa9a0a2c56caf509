"""What the deployment files promise: own user, nothing writable but the data, nothing installed unchecked."""

from __future__ import annotations

import configparser
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.tree import PACKAGES, ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "andon.service"


class Repeats(dict[str, str]):
    """Keeps every value of a key that stands twice, as systemd does, one a line."""

    def __setitem__(self, key: str, value: str) -> None:
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]
        super().__setitem__(key, value)


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False, dict_type=Repeats, delimiters=("=",))
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


HARDENING = {
    "User": "andon", "Group": "andon", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "StateDirectory": "andon", "StateDirectoryMode": "0700",
    "UMask": "0077", "Restart": "on-failure", "KillMode": "mixed", "KillSignal": "SIGTERM", "OOMPolicy": "continue",
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), HARDENING.items(), ids=HARDENING.keys())
def test_the_unit_says(key, value):
    assert unit()["Service"][key] == value


def test_the_unit_waits_for_the_drain():
    """The supervisor gives its parts in three stop orders 20 s each before it kills them."""
    from andon.process import DRAIN_S

    assert float(unit()["Service"]["TimeoutStopSec"]) >= 3 * DRAIN_S


def test_the_unit_does_not_restart_on_a_bad_configuration():
    from andon.errors import ConfigError

    assert unit()["Service"]["RestartPreventExitStatus"] == str(ConfigError.exit_status)


def test_the_unit_writes_only_where_systemd_lets_it():
    service = unit()["Service"]
    assert "--data /var/lib/andon" in service["ExecStart"]
    assert "NUMBA_CACHE_DIR=/var/cache/andon" in service["Environment"]
    assert "ReadWritePaths" not in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    verify = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, check=False, text=True)
    assert (verify.returncode, verify.stderr) == (0, "")
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(copy)]
    measured = subprocess.run(exposure, capture_output=True, check=False, text=True)
    assert measured.returncode == 0, measured.stdout[-300:]


def test_the_user_has_no_shell():
    (line,) = [one for one in (DEPLOY / "andon.sysusers").read_text().splitlines() if not one.startswith("#")]
    assert line.split()[:2] == ["u", "andon"]
    assert line.endswith("/usr/sbin/nologin")


def test_the_configuration_belongs_to_root():
    lines = [one.split() for one in (DEPLOY / "andon.tmpfiles").read_text().splitlines() if one.startswith("d ")]
    assert {path: (mode, owner) for _, path, mode, owner, *_ in lines} == {
        "/etc/andon": ("0750", "root"),
        "/etc/andon/secrets": ("0700", "root"),
    }


def test_the_image_does_not_run_as_root():
    last = [arguments for name, arguments in instructions() if name == "USER"][-1]
    assert int(last.split(":")[0]) >= 10_000


def test_the_image_is_pinned_and_installs_by_hash():
    (base,) = [arguments for name, arguments in instructions() if name == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-bookworm", base)
    assert {arguments.split()[0] for name, arguments in instructions() if name == "FROM"} == {"${BASE}"}
    runs = " && ".join(arguments for name, arguments in instructions() if name == "RUN")
    installs = [part for part in runs.split("&&") if "pip install" in part]
    assert installs
    for part in installs:
        assert "--require-hashes" in part or ("--no-index" in part and "--no-deps" in part), part
    assert "ADD" not in {name for name, _ in instructions()}


def test_the_image_has_two_stages_a_volume_a_probe_and_a_signal():
    names = [name for name, _ in instructions()]
    assert names.count("FROM") == 2
    assert {"VOLUME", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT"} <= set(names)
    assert ("STOPSIGNAL", "SIGTERM") in instructions()
    arguments = dict(instructions())["CMD"]
    assert "/data/site" in arguments


def test_the_image_gets_every_package_and_nothing_else():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert lines[0] == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    assert set(PACKAGES) <= taken
    assert not taken & {"tests", ".git", ".venv", "docs", "benchmarks"}
    missing = [name for name in taken if not (ROOT / name).exists()]
    assert missing == []


@pytest.fixture
def answering():
    """A server that answers /healthz with 200, anything else with 503; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name http.server calls
            self.send_response(200 if self.path == "/healthz" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "status"), [("/healthz", 0), ("/other", 1)])
def test_the_probe(answering, path, status):
    assert probe(f"http://127.0.0.1:{answering}{path}") == status


def test_the_probe_of_nothing():
    assert probe("http://127.0.0.1:9/healthz") == 1


def probe(url: str) -> int:
    env = os.environ | {"ANDON_HEALTH_URL": url}
    command = [sys.executable, str(Path(DEPLOY) / "healthcheck.py")]
    return subprocess.run(command, env=env, check=False, capture_output=True).returncode
