"""Calibrations over real HTTP: how instruments stand, what a failed one touches, what a figure was measured with."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from andon.config.load import load_plant
from tests.page_fixture import NOW_NS, PLANT, ROOM, Served, page_plant

FOUND = """
[[calibration]]
asset = "cold/room1"
tag = "air"
certificate = "{name}"
at = "{at}"
due = "2027-01-01"
error = {error}
left = 0.0
uncertainty = 0.2
mpe = 0.5
"""
NS_PER_MS = 10**6


@pytest.fixture
def viewer(tmp_path):
    plant = page_plant(tmp_path)
    told = (
        FOUND.format(name="C1", at="2025-06-01", error=0.1),
        FOUND.format(name="C2", at="2026-01-01T08:00:00Z", error=0.9),
    )
    without = re.sub(r"\[\[calibration\]\]\n(\w+ = .*\n)+", "", PLANT.read_text())  # the demo's own
    (tmp_path / "calibrated.toml").write_text(without + "".join(told))
    room = replace(plant.room, plant=load_plant(tmp_path / "calibrated.toml"))
    served = Served(room)
    with closing(httpx.Client(base_url=served.address, timeout=20)) as client:
        client.get("/", params={"token": plant.token("viewer")})
        yield room, client
    served.close()
    plant.close()


def test_how_instruments_stand(viewer):
    _, client = viewer
    (told,) = client.get("/api/v1/calibrations").json()["calibrations"]
    assert (told["asset"], told["tag"], told["certificate"], told["state"]) == (ROOM, "air", "C2", "valid")
    assert (told["uncertainty"], told["k"], told["permitted"]) == (0.2, 2.0, 0.5)


def test_a_failed_one_lists_figures_and_alarms_and_none_more(viewer):
    room, client = viewer
    (told,) = client.get("/api/v1/calibrations/impact").json()["impacts"]
    assert (told["certificate"], told["last_good"]) == ("C2", "C1")
    begin, end = told["since_ms"] * NS_PER_MS, told["until_ms"] * NS_PER_MS
    assert begin < NOW_NS - 8 * 3600 * 10**9 < end < NOW_NS
    there = [one for one in room.history.figures("cold_chain", begin, end, ROOM) if one.final]
    assert there
    listed = [one for one in told["figures"] if one["kind"] == "cold_chain"]
    assert [one["start_ms"] for one in listed] == [one.start_ns // NS_PER_MS for one in there]
    alarms = [
        one.key for one in room.records.alarms(asset=ROOM, before_ns=end)
        if one.tag == "air" and (one.cleared_ns is None or one.cleared_ns > begin)
    ]  # fmt: skip
    assert alarms
    assert {one["key"] for one in told["alarms"]} >= set(alarms)
    assert {one["key"] for one in told["alarms"]} <= {one.key for one in room.records.alarms(asset=ROOM)}


def test_figures_tell_on_demand_what_they_were_measured_with(viewer):
    room, client = viewer
    asked = {"kind": "cold_chain", "asset": ROOM, "limit": 500}
    assert "measured" not in client.get("/api/v1/figures", params=asked).json()["figures"][0]
    rows = client.get("/api/v1/figures", params={**asked, "measured": True}).json()["figures"]
    assert {one["certificate"] for row in rows for one in row["measured"] if one["tag"] == "air"} == {"C1", "C2"}
    cut = 1_767_254_400_000  # 08:00Z
    for row in rows:
        air = [one for one in row["measured"] if one["tag"] == "air"]
        if row["end_ms"] <= cut:
            assert [(one["certificate"], one["in_doubt"]) for one in air] == [("C1", True)]
        elif row["start_ms"] >= cut:
            assert [(one["certificate"], one["in_doubt"]) for one in air] == [("C2", False)]
    other = client.get("/api/v1/figures", params={"kind": "oee", "measured": True}).json()["figures"][0]
    assert {one["state"] for one in other["measured"]} == {"none"}


def test_nobody_without_a_session_reads_them(viewer):
    _, client = viewer
    client.cookies.clear()
    for path in ("calibrations", "calibrations/impact"):
        assert client.get(f"/api/v1/{path}").status_code == 401
