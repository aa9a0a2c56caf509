"""The sender process: how it sets the sender up from plant.toml."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from andon.datafolder import DataFolder
from service import sender
from tests.records_world import SECRET

PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[erp]
url = "http://127.0.0.1:1"
secret_file = "secret"
timeout_s = {timeout_s}
[[template]]
name = "machine"
series = [{{ tag = "value", unit = "Cel", range = [-50.0, 150.0] }}]
[[asset]]
path = "hall/m1"
template = "machine"
"""


@pytest.mark.parametrize(("timeout_s", "lease_s"), [(15.0, 60.0), (0.5, 60.0), (40.0, 160.0)])
def test_a_lease_is_longer_than_three_calls_to_the_erp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout_s: float, lease_s: float
) -> None:
    made: list[dict[str, object]] = []

    class Noted:
        def __init__(self, *_given: object, **named: object) -> None:
            made.append(named)

        def run(self, stop: threading.Event, **_named: object) -> None:
            """Nothing to do."""

    (tmp_path / "plant.toml").write_text(PLANT.format(timeout_s=timeout_s))
    (tmp_path / "secret").write_text(SECRET)
    DataFolder(tmp_path / "data").create("szh1")
    monkeypatch.setattr(sender, "Sender", Noted)
    monkeypatch.setattr(sender, "stop_on_signals", threading.Event)
    monkeypatch.setattr(sender, "set_up_logs", lambda _name: None)
    arguments = ["--config", str(tmp_path / "plant.toml"), "--data", str(tmp_path / "data")]
    assert sender.main(arguments) == 0
    (named,) = made
    assert named["lease_s"] == lease_s > 3 * timeout_s
    beside = named["beside"]
    assert isinstance(beside, list)
    assert len(beside) == sender.CONNECTIONS - 1
