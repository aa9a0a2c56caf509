"""The machine's clock set back an hour under a running flow: it sleeps, is started again, and nothing is lost.

Bytewax wakes a source by the wall clock, so a time it was given before the step lies an hour ahead after it. Here the
source names such a time once; for Bytewax that is the same.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from andon import heartbeat
from andon.clock import SystemClock
from andon.records import Records
from service import supervisor as module
from service.supervisor import Part, Supervisor
from tests.test_flow import TOML, alarms, contents, fill, folder, log, reached, run_flow

STEPPED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from flows.plant import main
from sources import spool_bytewax

marker, arguments = Path(sys.argv[1]), sys.argv[2:]

class BeforeTheStep(datetime):
    @classmethod
    def now(cls, zone=None):
        if marker.exists():
            return datetime.now(zone)
        marker.touch()
        return datetime.now(zone) + timedelta(hours=1)

spool_bytewax.datetime = BeforeTheStep
raise SystemExit(main(arguments))
"""


@pytest.mark.crash
def test_a_flow_put_to_sleep_is_started_again_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, marker = tmp_path / "plant.toml", tmp_path / "stepped"
    config.write_text(TOML.replace("[windows]", "[windows]\nhopping_s = [[20.0, 5.0]]"), encoding="utf-8")  # as plant()
    data, whole = folder(tmp_path / "data"), folder(tmp_path / "whole")
    messages = log(200)
    fill(data, messages[:200])
    fill(whole, messages)
    run_flow(whole)
    monkeypatch.setattr(module, "STALLED_S", 3.0)
    monkeypatch.setattr(module, "BACKOFF_S", (0.05,))
    command = [sys.executable, "-c", STEPPED, marker, "--config", config, "--data", data.path, "--worker", "0"]
    watched = Supervisor(data, [Part("flow-0", [str(word) for word in command], watched=True)])
    watched.start()
    try:
        poll(watched, marker.exists)
        fill(data, messages[200:])  # comes while it sleeps
        before = reached(data.history_db(0))
        poll(watched, lambda: watched.restarts()["flow-0"] == 1)
        assert reached(data.history_db(0)) == before <= 200, "it was asleep"
        poll(watched, lambda: reached(data.history_db(0)) == len(messages))
        assert heartbeat.age_s(heartbeat.folder(data) / "flow-0") is not None
    finally:
        watched.stop()
    assert watched.restarts() == {}
    assert contents(data.history_db(0)) == contents(whole.history_db(0))
    with Records(data.records_db, "s1", SystemClock()) as one, Records(whole.records_db, "s1", SystemClock()) as two:
        assert alarms(one) == alarms(two)


def poll(watched: Supervisor, ready, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, "not reached in time"
        watched.poll()
        time.sleep(0.05)
