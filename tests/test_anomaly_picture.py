"""What the picture of an alarm's evidence draws of an anomaly."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from andon.i18n import LANGUAGES, translate
from andon.readings import NS_PER_S
from service.evidence.picture import picture

START_S = 1_767_225_600
REASON = {
    "component": "from_reference", "value": 5.0, "value_unit": "mm/s", "expected": 2.0, "spread": 0.25,
    "since_ns": str((START_S + 300) * NS_PER_S), "at_ns": str((START_S + 620) * NS_PER_S),
}  # fmt: skip


def drawn(language="en", condition="anomaly", **told):
    """The picture of an anomaly in 20 minutes of readings, one each 10 s."""
    times = [(START_S + at) * NS_PER_S for at in range(0, 1200, 10)]
    value = [5.0 if at > (START_S + 600) * NS_PER_S else 2.0 for at in times]
    sections = {
        "site": {"timezone": "Asia/Shanghai"},
        "alarm": {
            "asset": "util/pump", "tag": "vibration", "rule_id": "odd", "key": "k" * 20, "unit": "1", "limit": 5.0,
            "condition": condition, "start_ns": (START_S + 600) * NS_PER_S, "begun_ns": None,
            "confirmed_ns": (START_S + 660) * NS_PER_S, "cleared_ns": None, "evidence": {**REASON, **told},
        },
        "configuration": {"series": {"unit": "mm/s", "name": "Pump", "states": []}},
        "rule": {"content": {"anomaly": 5.0}},
        "readings": {"columns": {
            "time_ns": times, "value": value, "late": [False] * len(times), "status": [0] * len(times),
        }},
    }  # fmt: skip
    return ET.fromstring(picture(sections, language))


def texts(svg):
    return [one.text or "" for one in svg.iter() if one.tag.endswith("text")]


def boxes(svg):
    return [one for one in svg.iter() if one.tag.endswith("rect") and one.get("opacity") == "0.16"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_band_since_and_the_row_that_says_most(language):
    svg = drawn(language)
    said = texts(svg)
    assert translate("evidence.picture.band", language, value="2 ± 0.25") in said
    assert translate("evidence.picture.since", language) in said
    assert translate("evidence.picture.most", language) in said
    [band] = boxes(svg)
    [ring] = [one for one in svg.iter() if one.tag.endswith("circle")]
    assert float(ring.get("cy")) < float(band.get("y")) < float(band.get("y")) + float(band.get("height")) <= 440


def test_an_unusual_time_before_the_readings_stands_at_the_edge_with_its_time():
    said = texts(drawn(since_ns=str((START_S - 86_400) * NS_PER_S)))
    assert any(re.search(r"unusual since 12-31 08:00:00", one) for one in said)


@pytest.mark.parametrize("told", [{"expected": None}, {"spread": None}, {"spread": -1.0}, {"expected": "NaN"}])
def test_a_component_that_names_no_normal_value_has_no_band(told):
    svg = drawn(**told)
    assert boxes(svg) == []
    assert translate("evidence.picture.most", "en") in texts(svg)


@pytest.mark.parametrize("told", [{"condition": "above"}, {"component": ""}])
def test_other_alarms_are_drawn_as_before(told):
    svg = drawn(**told)
    assert boxes(svg) == []
    assert translate("evidence.picture.since", "en") not in texts(svg)


def test_what_cannot_be_read_is_not_drawn():
    said = texts(drawn(since_ns="soon", at_ns=None, value=True))
    assert translate("evidence.picture.since", "en") not in said
    assert translate("evidence.picture.most", "en") not in said
