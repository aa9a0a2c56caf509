"""A running flow whose records are on a PostgreSQL that is killed under it: every alarm is there once."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from andon import heartbeat
from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.records import Records, site_records, verify_audit
from service import supervisor as module
from service.supervisor import Part, Supervisor
from tests.engine_world import START_NS, S, body, tick
from tests.servers.postgres import Postgres
from tests.test_clock_step import poll
from tests.test_flow import TOML, alarms, contents, fill, folder, reached, run_flow

pytestmark = [pytest.mark.real, pytest.mark.crash]
PERIOD_S, WARM_S = 20, 12  # an alarm every 20 s of the log


def warm_log(seconds: int) -> list[tuple[int, bytes]]:
    out = []
    for second in range(seconds):
        now = START_NS + second * S
        out += [(now, body(now, "cold/room", "air", 9.0 if second % PERIOD_S < WARM_S else 5.0)), (now, tick(now))]
    return out


@pytest.fixture
def server(server_folder):
    one = Postgres(server_folder / f"flow-{time.monotonic_ns()}")
    one.start()
    yield one
    one.stop()


def site(tmp_path: Path, url: str) -> tuple[Path, DataFolder]:
    config = tmp_path / "plant.toml"
    text = TOML.replace("[windows]", "[windows]\nhopping_s = [[20.0, 5.0]]")  # as plant() of the other run
    config.write_text(f'{text}\n[records]\nurl = "{url}"\nstart_timeout_s = 2.0\n', encoding="utf-8")
    return config, folder(tmp_path / "data")


def flow(config: Path, data: DataFolder) -> Supervisor:
    argv = [sys.executable, "-m", "flows.plant", "--config", str(config), "--data", str(data.path), "--worker", "0"]
    return Supervisor(data, [Part("flow-0", argv, watched=True)])


def test_a_server_killed_again_and_again_loses_no_alarm(tmp_path, server, monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_S", (0.05,))
    rng = random.Random(8)
    config, data = site(tmp_path, server.new_database())
    whole = folder(tmp_path / "whole")
    messages = warm_log(600)
    fill(whole, messages)
    run_flow(whole)
    fill(data, messages[:200])
    watched = flow(config, data)
    watched.start()
    try:
        poll(watched, lambda: reached(data.history_db(0)) >= 200)
        for begin in range(200, len(messages), 200):
            poll(watched, lambda most=begin - 100: reached(data.history_db(0)) >= most)
            fill(data, messages[begin : begin + 100])
            time.sleep(rng.uniform(0.0, 0.3))
            server.kill()
            fill(data, messages[begin + 100 : begin + 200])  # comes while it is away
            until = time.monotonic() + rng.uniform(0.5, 2.0)
            poll(watched, lambda until=until: time.monotonic() > until)
            server.start()
        poll(watched, lambda: reached(data.history_db(0)) == len(messages))
        assert watched.restarts()["flow-0"] > 0
    finally:
        watched.stop()
    assert contents(data.history_db(0)) == contents(whole.history_db(0))
    with (
        site_records(load_plant(config).config, data) as one,
        Records(whole.records_db, "s1", SystemClock()) as two,
    ):
        assert len(two.alarms()) == 600 // PERIOD_S
        assert alarms(one) == alarms(two)
        assert {order.order_key for order in one.orders()} == {order.order_key for order in two.orders()}
        assert {key: [step.kind for step in one.transitions(key)] for key in (x.key for x in one.alarms())} == {
            key: [step.kind for step in two.transitions(key)] for key in (x.key for x in two.alarms())
        }
        assert verify_audit(one).records == verify_audit(two).records
        assert verify_audit(one).ok


def test_a_flow_waits_for_a_server_that_is_away_at_the_start(tmp_path, server, monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 5.0)  # a flow that waits gives signs of life: it is not taken for hung
    config, data = site(tmp_path, server.new_database())
    messages = warm_log(60)
    fill(data, messages)
    server.kill()
    watched = flow(config, data)
    watched.start()
    try:
        poll(watched, lambda: heartbeat.age_s(heartbeat.folder(data) / "flow-0") is not None)
        until = time.monotonic() + 8.0
        poll(watched, lambda: time.monotonic() > until)
        assert watched.restarts() == {"flow-0": 0}
        server.start()
        poll(watched, lambda: reached(data.history_db(0)) == len(messages))
        assert watched.restarts() == {"flow-0": 0}
    finally:
        watched.stop()
    assert "records.waiting" in (data.logs / "flow-0.log").read_text(encoding="utf-8")
    with site_records(load_plant(config).config, data) as records:
        assert len(records.alarms()) == 3


def test_a_flow_told_to_fail_says_why_and_ends(tmp_path, server):
    import subprocess

    config, data = site(tmp_path, server.new_database())
    config.write_text(config.read_text(encoding="utf-8") + 'start = "fail"\n', encoding="utf-8")
    server.kill()
    command = [sys.executable, "-m", "flows.plant", "--config", str(config), "--data", str(data.path), "--worker", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "[records]" in done.stderr
    assert "Traceback" not in done.stderr
