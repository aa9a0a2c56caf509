"""The demo's certificates: whenever it begins, one of its instruments is due soon and none overdue."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from andon.config.load import load_plant
from andon.readings import NS_PER_S
from service.demo_dates import AS_IF, first_day, moved
from simulators.truth import PLANT_TOML


@pytest.mark.parametrize("today", [AS_IF, date(2026, 11, 23), date(2028, 2, 29)])
def test_one_instrument_is_due_soon_whenever_the_demo_begins(tmp_path, today):
    file = tmp_path / "plant.toml"
    file.write_text(moved(PLANT_TOML.read_text(encoding="utf-8"), today), encoding="utf-8")
    left = sorted((date.fromisoformat(one.due) - today).days for one in load_plant(file).config.calibration)
    assert len(left) == 2
    assert 0 < left[0] < 30 < left[1]
    assert all(date.fromisoformat(one.at) < today for one in load_plant(file).config.calibration)


def test_a_demo_that_goes_on_keeps_its_days(tmp_path):
    story, begun = tmp_path / "demo.json", datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    start_ns = int(begun.timestamp()) * NS_PER_S
    assert first_day(story, start_ns) == begun.date()
    story.write_text(json.dumps({"start_ns": start_ns}))
    assert first_day(story, start_ns + int(timedelta(days=40).total_seconds()) * NS_PER_S) == begun.date()
