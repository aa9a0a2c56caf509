"""The small plant's points in a bucket of the real InfluxDB, and questions to it as Grafana would put them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.grafana_flux import Frame, Scope, ask, filled
from tests.grafana_world import END_S, HOURS, plant

BATCH = 5000


@pytest.fixture(scope="session")
def grafana_bucket(influxd) -> str:
    """The plant's data in a bucket of its own; hourly windows are in a second one."""
    name = influxd.new_bucket()
    influxd.new_bucket(f"{name}-long")
    lines = plant()
    write(influxd, name, lines)
    write(influxd, f"{name}-long", [one for one in lines if one.startswith(b"window,") and b"size=3600s" in one])
    return name


def write(influxd, bucket: str, lines: list[bytes]) -> None:
    for first in range(0, len(lines), BATCH):
        answer = httpx.post(
            f"{influxd.url}/api/v2/write",
            params={"org": influxd.org, "bucket": bucket},
            headers={"Authorization": f"Token {influxd.token}"},
            content=b"\n".join(lines[first : first + BATCH]),
            timeout=30.0,
        )
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text


def scope_of(bucket: str, hours: int = HOURS) -> Scope:
    """Everything on All, one asset and signal, the default of each text box."""
    stop = datetime.fromtimestamp(END_S, UTC)
    start = stop - timedelta(hours=hours)
    return Scope(
        start,
        stop,
        bucket,
        {
            "__from": str(round(start.timestamp() * 1000)), "__to": str(round(stop.timestamp() * 1000)),
            "low": "2", "high": "8", "period": "8h", "offset": "0h", "zone": "Asia/Shanghai",
            "size": "60s", "every": "60s", "bucket": bucket, "series": "air",
        },
        {"site": ".*", "area": ".*", "asset": ".*"},
    )  # fmt: skip


def answer(influxd, scope: Scope, query: str) -> list[Frame]:
    return ask(influxd.url, influxd.org, influxd.token, filled(query, scope))
