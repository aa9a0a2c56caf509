"""Evidence bundles: the same alarm, the same bytes; whatever is changed in file, journal or records is found."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.models import Plant
from andon.i18n import LANGUAGES, catalogue, translate
from andon.plant import PlantModel
from andon.records import Actor
from andon.records.canonical import canonical
from service.evidence import verify as verify_module
from service.evidence import verify_readings, verify_records
from service.evidence.bundle import EvidenceError, make_bundle, read_bundle
from service.evidence.collect import collect
from service.evidence.readings import MOST, thinned
from service.evidence.report import _view
from service.evidence.verify import verify
from sinks.journal_reader import Found, JournalReader
from tests.engine_world import START_NS, S, body, tick
from tests.evidence_world import ROOM_AIR, EvidenceWorld, evidence_plant, warm_hour

OPERATOR = Actor("li.wei", "Li Wei", "operator", "10.0.0.5")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvidenceWorld]:
    """An hour with one excursion; nobody may change it."""
    world = EvidenceWorld(tmp_path_factory.mktemp("evidence"), evidence_plant(), segment_rows=200)
    world.run(warm_hour())
    yield world
    world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EvidenceWorld]:
    """The same, to be changed."""
    made = EvidenceWorld(tmp_path, evidence_plant(), segment_rows=200)
    made.run(warm_hour())
    yield made
    made.close()


def codes(found: list[Any]) -> list[str]:
    return [one.code for one in found]


def test_the_same_alarm_gives_the_same_bytes(told):
    key = told.alarm().key
    data = collect(told.room, key).data()
    assert collect(told.room, key).data() == data
    assert read_bundle(data)[1] == []
    assert verify(told.room, data).ok
    assert data == canonical(json.loads(data))


def test_what_the_bundle_says(told):
    alarm = told.alarm()
    sections = collect(told.room, alarm.key).sections
    assert set(sections["why"]) == set(LANGUAGES)
    assert "above the limit of 8" in sections["why"]["en"]
    assert sections["rule"]["content"]["above"] == 8
    assert [one["hash"] for one in sections["rule"]["audit"]] == [
        row.hash for row in told.records.audit_trail(object_id="warm")
    ]
    assert sections["context"] == {
        "production": {"lot": "L2601", "order": "WO-7", "product": "VIAL-10"},
        "calibration": {"calibration": "CERT-118"},
    }  # fmt: skip
    readings = sections["readings"]
    assert (readings["late"], readings["told"]["agrees"]) == (1, True)
    late = [row for row, is_late in enumerate(readings["columns"]["late"]) if is_late]
    assert [readings["columns"]["value"][row] for row in late] == [10.9]
    assert [one["kind"] for one in sections["transitions"]] == ["raised", "cleared"]
    assert {row["action"] for row in sections["audit"]} == {"alarm.raised", "alarm.cleared", "outbox.queued"}
    assert sections["erp"]["order"]["state"] == "pending"


def test_every_window_and_figure_leads_to_its_readings(told):
    sections = collect(told.room, told.alarm().key).sections
    rows = sections["windows"]["rows"]
    assert rows
    assert all(one["readings"]["agrees"] for one in rows)
    assert max(one["revision"] for one in rows) >= 1, "the late row corrected a window"
    (journal,) = [JournalReader(told.data.journal(0))]
    for one in (*rows, *({**figure, "readings": figure["readings"]["air"]} for figure in sections["figures"])):
        cited = one["readings"]
        held = journal.within([(cited["first_row"], cited["last_row"])], [0], int(one["start_ns"]), 2**62)
        assert cited["sha256"] in {held.where(held.rows["time_ns"] < end).sha256() for end in ends(one, sections)}
    lineage = sections["lineage"]
    (peak,) = journal.within([(lineage["peak"]["row"],) * 2], [0], 0, 2**62).rows["value"]
    assert peak == told.alarm().peak


def ends(one: dict[str, Any], sections: Any) -> list[int]:
    """Where a window or figure ends."""
    if "end_ns" in one:
        return [int(one["end_ns"])]
    return [int(one["start_ns"]) + round(sections["windows"]["size_s"] * S)]


def test_an_open_alarm_and_one_without_readings(tmp_path):
    world = EvidenceWorld(tmp_path, evidence_plant())
    world.run(warm_hour()[: 3 * 230])
    alarm = world.alarm()
    assert alarm.cleared_ns is None
    data = collect(world.room, alarm.key).data()
    assert collect(world.room, alarm.key).data() == data
    world.run([(START_NS + 2310 * S, body(START_NS + 2310 * S, "util/pump", "vibration", 1.0))])
    assert collect(world.room, alarm.key).data() == data, "a row of another series is none of this alarm's business"
    world.run(warm_hour()[3 * 230 :])
    verdict = verify(world.room, data)
    assert verdict.ok, verdict.faults
    assert {"later_alarm", "later_rows", "later_audit"} <= set(codes(verdict.notes))
    (world.data.journal(0) / "series.txt").unlink()
    assert collect(world.room, alarm.key).sections["readings"]["journal"] is None
    world.close()


def test_late_rows_and_acknowledgement_are_notes(world):
    key = world.alarm().key
    data = collect(world.room, key).data()
    world.records.acknowledge(key, OPERATOR, "door was open")
    end = START_NS + 3700 * S
    world.run([(end, body(START_NS + 1805 * S, *ROOM_AIR, 6.6)), (end + S, tick(end + S))])
    verdict = verify(world.room, data)
    assert verdict.ok, verdict.faults
    assert {"later_alarm", "later_rows", "later_audit", "since"} <= set(codes(verdict.notes))


CALIBRATED = {
    "asset": "cold/room", "tag": "air", "certificate": "K-1", "at": "2020-01-01", "due": "2020-12-31", "error": 0.1,
    "uncertainty": 0.2, "mpe": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state", "judged"),
    [
        ({}, "overdue", "fail"), ({"due": "2099-01-01"}, "valid", "fail"),
        ({"due": "2099-01-01", "uncertainty": 9.0}, "failed", "conditional_fail"),
        ({"uncertainty": None, "due": "2099-01-01"}, "doubtful", None),
        ({"at": "2098-01-01", "due": "2099-01-01"}, "none", None),
    ],
)  # fmt: skip
def test_an_alarm_tells_its_instrument_and_whether_uncertainty_decides(tmp_path, change, state, judged):
    content = evidence_plant().config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content["calibration"] = [{**CALIBRATED, **change}]
    world = EvidenceWorld(tmp_path, PlantModel(Plant.model_validate(content)), segment_rows=200)
    world.run(warm_hour())
    data = collect(world.room, world.alarm().key)
    told = data.sections["configuration"]["calibration"]
    assert (told["state"], told["outcome"]) == (state, judged)
    assert told["in_guard_band"] == (None if judged is None else judged == "conditional_fail")
    if judged is not None:
        assert 0.5 < told["beyond"] <= 1.0
        assert (told["beyond"] < 1.0 - 1e-6) == (judged == "conditional_fail")
    assert verify(world.room, data.data()).ok
    for language in LANGUAGES:
        texts = json.dumps(_view(data, language), ensure_ascii=False)
        assert translate(f"evidence.report.instrument_{state}", language) in texts
        assert "evidence.report" not in texts
    world.close()


@pytest.mark.parametrize(("width", "judged"), [(0.2, "fail"), (9.0, "conditional_pass")])
def test_an_alarm_of_a_guarded_rule_tells_where_it_was_judged(tmp_path, width, judged):
    content = evidence_plant().config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    rule = content["rule"][0]
    rule["guard_band"], limit = width, rule["above"]
    content["calibration"] = [{**CALIBRATED, "due": "2099-01-01", "uncertainty": width}]
    world = EvidenceWorld(tmp_path, PlantModel(Plant.model_validate(content)), segment_rows=200)
    world.run(warm_hour())
    data = collect(world.room, world.alarm().key)
    told = data.sections["configuration"]
    assert told["decision"] == {
        "specified": limit, "guard_band": width, "judged_at": pytest.approx(limit - width), "outcome": judged,
    }  # fmt: skip
    assert told["calibration"]["outcome"] == judged, "against the specified limit, not once more inside the guard band"
    assert verify(world.room, data.data()).ok
    for language in LANGUAGES:
        texts = json.dumps(_view(data, language), ensure_ascii=False)
        assert translate(f"evidence.report.outcome_{judged}", language) in texts
    world.close()


def test_an_export_does_not_change_the_evidence(told):
    key = told.alarm().key
    data = collect(told.room, key).data()
    admin = Actor("root", "Root", "admin", "test")
    told.records.note(admin, "evidence.exported", "evidence", key, reason="inspection", right="export")
    assert collect(told.room, key).data() == data


def test_another_sites_bundle_and_what_is_no_bundle(told):
    bundle = collect(told.room, told.alarm().key)
    other = {**bundle.sections, "alarm": {**bundle.sections["alarm"], "site": "s2"}}
    assert "identity" in codes(verify(told.room, make_bundle("s2", bundle.key, other).data()).faults)
    for raw in (b"", b"{}", b"[1]", b"\xff\xfe", b'{"evidence": 1, "manifest": 2}', b"[" * 100_000):
        with pytest.raises(EvidenceError):
            verify(told.room, raw)
    newer = json.loads(bundle.data())
    newer["manifest"]["format"] = "andon-evidence/9"
    with pytest.raises(EvidenceError, match="andon-evidence/9"):
        verify(told.room, canonical(newer))


def test_every_finding_has_a_sentence(told):
    sources = "".join(map(inspect.getsource, (verify_module, verify_records, verify_readings)))
    found = set(re.findall(r'verdict\.(?:fault|note)\(\s*"(\w+)"', sources))
    assert len(found) > 15
    for language in LANGUAGES:
        assert {f"evidence.verify.{code}" for code in found} <= catalogue(language).keys()


@given(st.integers(0, 5000), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_thinning_keeps_the_extremes_the_ends_and_a_bound(count, seed):
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, [("time_ns", "i8"), ("value", "f8")])
    rows["value"] = rng.normal(size=count)
    rows["value"][rng.random(count) < 0.1] = np.nan
    index = thinned(Found(rows, np.arange(count)))
    assert len(index) <= MOST
    if count:
        assert {0, count - 1} <= set(index.tolist())
        assert np.nanmax(rows["value"][index]) == np.nanmax(rows["value"])
        assert np.nanmin(rows["value"][index]) == np.nanmin(rows["value"])
    assert len(index) == count or count > MOST


def test_figures_of_several_series_name_the_rows_of_each(tmp_path):
    """OEE rests on three series; each figure cites the rows of every one of them."""
    world = EvidenceWorld(tmp_path, oee_plant())
    log = []
    for at in range(0, 600, 5):
        stamp = START_NS + at * S
        log += [
            (stamp + S, body(stamp, "line1/filler", "state", "Execute")),
            (stamp + S, body(stamp, "line1/filler", "total", at)),
            (stamp + S, body(stamp, "line1/filler", "good", at * 2 if at > 300 else at)),
            (stamp + S, tick(stamp + S)),
        ]
    world.run(log)
    alarm = world.alarm("fast")
    (figure, *_) = collect(world.room, alarm.key).sections["figures"]
    assert figure["kind"] == "oee"
    assert set(figure["readings"]) == {"state", "total", "good"}
    reader = JournalReader(world.data.journal(0))
    for tag, cited in figure["readings"].items():
        series = reader.series()[f"line1/filler/{tag}"]
        held = reader.find([series], int(figure["start_ns"]), int(figure["end_ns"]))
        assert (cited["rows"], cited["sha256"]) == (len(held), held.sha256())
    world.close()


def oee_plant() -> PlantModel:
    """A rule on a counter of the filler."""
    content = evidence_plant().config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content["rule"].append({"id": "fast", "on": "line1/filler/good", "above": 500.0})
    return PlantModel(Plant.model_validate(content))
