"""Broker, InfluxDB and ERP away, one after the other: 0 lost, 0 doubled, resumed by themselves.

Scaled down: what matters is the number of outages and that some are longer than every time-out in between; days of
waiting are tested with a clock moved by hand (tests/test_erp_away.py, tests/test_influx_drain.py).
"""

from __future__ import annotations

import pytest

from tests.chaos.outages import away_again_and_again, hung, run_outages
from tests.chaos.plant_site import with_servers
from tests.chaos.processes import Setting
from tests.test_chaos_plant import servers as servers  # noqa: PLC0414 - the fixture

pytestmark = [pytest.mark.real, pytest.mark.crash, pytest.mark.timeout(900)]
SPEED = 120.0


def test_every_server_away_in_turn_loses_nothing(tmp_path, servers):
    site = with_servers(servers)(tmp_path / "site", 61, SPEED, Setting(tmp_path / "logs"))

    def act() -> None:
        away_again_and_again(servers.to_kafka, 30, (0.05, 0.6), seed=1)
        hung(servers.to_kafka, 6.0)
        hung(servers.to_influx, 8.0)  # longer than two of its time-outs
        away_again_and_again(servers.to_influx, 5, (0.1, 1.0), seed=2)
        hung(site.to_erp, 4.0)
        away_again_and_again(site.to_erp, 3, (0.5, 2.0), seed=3)

    verdict = run_outages(site, act)
    assert verdict.faults == []
    assert verdict.compared["faults that must show"] >= 1
    assert verdict.compared["InfluxDB windows"] == verdict.compared["windows"] > 500
