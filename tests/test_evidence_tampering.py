"""Tampering with evidence: whatever is changed in the file, the journal or the records is found."""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.conditions import ConditionChange
from andon.config.models import Plant, Rule
from andon.plant import PlantModel, rule_version
from andon.records import SYSTEM_FLOW, Actor
from andon.records.canonical import canonical
from service.evidence.bundle import Bundle, EvidenceError, make_bundle
from service.evidence.collect import collect
from service.evidence.readings import NO_READINGS, columns_of
from service.evidence.verify import verify
from sinks.journal_format import SMALL, decode, encode_parts
from sinks.journal_reader import JournalReader
from tests.engine_world import START_NS, S, body, tick
from tests.evidence_world import ROOM_AIR, EvidenceCopy, EvidenceWorld, evidence_plant, warm_hour

QUALITY = Actor("q", "Q", "quality", "test")
PROVED = ("alarm", "why", "rule", "readings", "context", "transitions", "audit")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvidenceWorld]:
    """An hour with one excursion; nobody may change it."""
    world = EvidenceWorld(tmp_path_factory.mktemp("evidence"), evidence_plant(), segment_rows=200)
    world.run(warm_hour())
    yield world
    world.close()


@pytest.fixture(scope="module")
def bundle(told: EvidenceWorld) -> Bundle:
    return collect(told.room, told.alarm().key)


@pytest.fixture
def world(told: EvidenceWorld, tmp_path: Path) -> Iterator[EvidenceCopy]:
    """The same, to be changed."""
    copied = EvidenceCopy(told, tmp_path)
    yield copied
    copied.records.close()


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EvidenceWorld, Bundle, Bundle]]:
    """A world whose alarm has moved on since the two bundles were made: of the open alarm, and of the cleared one."""
    world = EvidenceWorld(tmp_path_factory.mktemp("moved"), evidence_plant(), segment_rows=200)
    log = warm_hour()
    world.run(log[: 3 * 230])
    early = collect(world.room, world.alarm().key)
    world.clock.advance(1300)
    world.run(log[3 * 230 :])
    later = collect(world.room, world.alarm().key)
    move_on(world)
    yield world, early, later
    world.close()


def move_on(world: EvidenceWorld) -> None:
    """People act, and a late row moves the start of the alarm."""
    key = world.alarm().key
    world.clock.advance(3600)
    world.records.comment(key, QUALITY, "looked at it")
    world.records.acknowledge(key, QUALITY, "door was open")
    world.records.label(key, QUALITY, "true")
    late = START_NS + 3700 * S
    world.run([(late, body(world.alarm().start_ns - 5 * S, *ROOM_AIR, 8.9)), (late + S, tick(late + S))])
    told = world.alarm()
    assert told.peak is not None
    world.records.apply_conditions(
        [
            ConditionChange(
                "revised", told.asset, told.tag, told.rule_id, told.rule_version, told.raises, told.priority,
                told.condition, told.limit, told.unit, told.start_ns, told.confirmed_ns, told.cleared_ns, told.peak,
                told.out_s + 5.0, 10_000, told.found_late, told.evidence, begun_ns=told.start_ns - 5 * S,
            )
        ],
        SYSTEM_FLOW,
    )  # fmt: skip


def codes(found: list[Any]) -> list[str]:
    return [one.code for one in found]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything in a document that is no list or object."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for name, one in items:
        yield from leaves(one, (*path, name))


def changed(document: Any, path: tuple[Any, ...]) -> Any:
    """A copy with another value at a path."""
    copied = copy.deepcopy(document)
    place = copied
    for name in path[:-1]:
        place = place[name]
    old = place[path[-1]]
    if isinstance(old, str):
        place[path[-1]] = str(int(old) + 1) if old.isdigit() else old + "x"
    else:
        place[path[-1]] = not old if isinstance(old, bool) else 1 if old is None else old + 1
    return copied


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_leaf_is_found(told, bundle, data):
    document = json.loads(bundle.data())
    path = data.draw(st.sampled_from(list(leaves(document))))
    forged = canonical(changed(document, path))
    try:
        assert not verify(told.room, forged).ok
    except EvidenceError:
        assert path == ("manifest", "format")


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_found(told, bundle, data):
    whole = bytearray(bundle.data())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    with suppress(EvidenceError):  # no bundle any more
        assert not verify(told.room, bytes(whole)).ok


def test_files_hold_after_the_alarm_has_moved_on(moved):
    """A late row made revision 2 of it: the files still verify, and say that there is a newer one."""
    world, *files = moved
    assert world.alarm().revision == 2
    for bundle in files:
        verdict = verify(world.room, bundle.data())
        assert verdict.ok, verdict.faults
        (newer,) = [one for one in verdict.notes if one.code == "later_alarm"]
        assert newer.params == {"told": 1, "now": 2}
        assert {"later_audit", "later_rows", "not_exported"} <= set(codes(verdict.notes))


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_forger_of_an_alarm_that_has_moved_on_is_found(moved, data):
    world, *files = moved
    bundle = data.draw(st.sampled_from(files))
    section = data.draw(st.sampled_from(PROVED))
    paths = [path for path in leaves(bundle.sections[section]) if path and not ignored(section, path)]
    if paths:
        path = data.draw(st.sampled_from(paths))
        forged = {**bundle.sections, section: changed(bundle.sections[section], path)}
        assert not verify(world.room, make_bundle("s1", bundle.key, forged).data()).ok, (section, path)


@given(st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readings_left_out_are_found(moved, data):
    """Ranges, number, hash and columns are made anew for the rows that are left."""
    world, *files = moved
    bundle = data.draw(st.sampled_from(files))
    told, alarm = bundle.sections["readings"], world.alarm()
    journal = JournalReader(world.data.journal(0))
    ranges = [(int(first), int(last)) for first, last in told["ranges"]]
    held = journal.within(ranges, [told["series"]], int(told["start_ns"]), int(told["end_ns"]))
    first_due = held.number[held.rows["offset"] <= alarm.evidence["journal"]["last_offset"]]
    gone = data.draw(st.sets(st.sampled_from(sorted(first_due.tolist())), min_size=1))
    rest = held.where(~np.isin(held.number, list(gone)))
    one_by_one = [[number, number] for number in sorted(rest.number.tolist())]
    narrow = [[min(rest.number.tolist()), max(rest.number.tolist())]] if len(rest) else []
    forged = {
        **told, "rows": len(rest), "shown": len(rest), "sha256": rest.sha256(), "columns": columns_of(rest),
        "ranges": data.draw(st.sampled_from([one_by_one, narrow])),
    }  # fmt: skip
    assert not verify(world.room, make_bundle("s1", bundle.key, {**bundle.sections, "readings": forged}).data()).ok


def forgeries(bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Sections that hang together in themselves, by what is wrong with them."""
    part = copy.deepcopy(dict(bundle.sections))
    rule = copy.deepcopy(part["rule"])
    rule["content"]["above"] = 12.0
    rule["version"] = rule_version(Rule.model_validate(rule["content"]))
    return {
        "no readings": {"readings": dict(NO_READINGS)},
        "late and bad": {"readings": {**part["readings"], "late": 0, "bad": 0}},
        "alarm": {"alarm": {**part["alarm"], "limit": 12.0, "peak": 8.1, "priority": "low", "evidence": {}}},
        "lot": {"context": {**part["context"], "production": {"lot": "OTHER", "product": "X"}}},
        "sentence": {"why": dict.fromkeys(part["why"], "All was fine.")},
        "no name": {
            "configuration": {**part["configuration"], "series": None}, "why": dict.fromkeys(part["why"], "Fine."),
        },
        "rule": {"rule": rule},
        "rule and its version": {"rule": rule, "alarm": {**part["alarm"], "rule_version": rule["version"]}},
        "no rule": {"rule": {**part["rule"], "content": None, "audit": []}},
        "no audit": {"audit": []},
        "no history": {"transitions": []},
        "shorter history": {"transitions": part["transitions"][:-1]},
        "shorter trail": {"audit": [row for row in part["audit"] if row["action"] == "outbox.queued"]},
        "shorter both": {"transitions": part["transitions"][:-1], "audit": part["audit"][:1]},
        "other site": {"site": {**part["site"], "id": "s2"}},
        "more": {"conclusion": "All was fine."},
    }  # fmt: skip


def test_forged_sections_are_found_before_and_after_the_alarm_moved_on(told, bundle, moved):
    for name, forged in forgeries(bundle).items():
        for world, whole in ((told, bundle), (moved[0], moved[2])):
            mixed = make_bundle("s1", whole.key, {**whole.sections, **forgeries(whole)[name]})
            assert not verify(world.room, mixed.data()).ok, (name, forged.keys())


def test_an_export_on_record_is_known_again(world):
    """The hash in the audit trail stands for the whole file: also for what the records cannot prove."""
    bundle = collect(world.room, world.alarm().key)
    assert codes(verify(world.room, bundle.data()).notes) == ["not_exported"]
    told = {"form": "json", "sha256": bundle.sha256}
    world.records.note(QUALITY, "evidence.exported", "evidence", bundle.key, new=told, reason="x", right="export")
    assert verify(world.room, bundle.data()).notes == []
    forged = make_bundle("s1", bundle.key, {**bundle.sections, "erp": {"order": None, "deliveries": []}})
    assert set(codes(verify(world.room, forged.data()).notes)) == {"not_exported", "since"}


def test_an_asset_that_is_called_otherwise_now_is_a_note(told, bundle):
    content = told.plant.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for asset in content["asset"]:
        if asset["path"] == ROOM_AIR[0]:
            asset["name"] = "Cold room north"
    room = replace(told.room, plant=PlantModel(Plant.model_validate(content)))
    verdict = verify(room, bundle.data())
    assert verdict.ok, verdict.faults
    (renamed,) = [one for one in verdict.notes if one.code == "renamed"]
    assert renamed.params["now"] == "Cold room north"
    why = {"en": "All was fine.", "zh-CN": "All was fine."}
    assert not verify(room, make_bundle("s1", bundle.key, {**bundle.sections, "why": why}).data()).ok


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_forger_who_makes_the_hashes_anew_is_found(told, bundle, data):
    """In every section that journal and records can prove; in the others the difference is noted."""
    section = data.draw(st.sampled_from(sorted(set(bundle.sections) - {"site"})))
    paths = [path for path in leaves(bundle.sections[section]) if path and not ignored(section, path)]
    path = data.draw(st.sampled_from(paths)) if paths else None
    if path is None:
        return
    forged = {**bundle.sections, section: changed(bundle.sections[section], path)}
    verdict = verify(told.room, make_bundle("s1", bundle.key, forged).data())
    if section in PROVED:
        assert not verdict.ok, (section, path)
    else:
        assert verdict.notes, (section, path)


def ignored(section: str, path: tuple[Any, ...]) -> bool:
    """What verification takes for a later state, or does not rest on because the rows themselves prove it."""
    if section == "alarm":
        return path[0] in {"incident", "quiet"}
    if section == "readings":
        return path[0] == "segments"
    return False


@pytest.mark.parametrize("column", ["value", "time_ns", "status", "offset", "received_ns"])
@pytest.mark.parametrize("row", [0, -1])
def test_a_changed_reading_in_the_journal_is_found(world, column, row):
    """The row is changed, its segment is written anew and the manifest says so."""
    key = world.alarm().key
    data = collect(world.room, key).data()
    assert verify(world.room, data).ok
    number = json.loads(data)["evidence"]["readings"]["columns"]["row"][row]
    change_row(world, number, column)
    verdict = verify(world.room, data)
    assert not verdict.ok
    assert {"reading", "rows"} & set(codes(verdict.faults))


def change_row(world: EvidenceCopy, number: int, column: str) -> None:
    """Change one row of the journal behind everybody's back, hashes included."""
    folder = world.data.journal(0)
    sealed = JournalReader(folder).sealed()
    place = next((one for one in sealed.values() if one.first_row <= number < one.first_row + one.rows), None)
    last = max(sealed.values(), key=lambda one: one.segment)
    name, first = (
        (f"{last.segment + 1:08}.open.arrow", last.first_row + last.rows) if place is None
        else (f"{place.segment:08}.arrow", place.first_row)
    )  # fmt: skip
    rows = decode((folder / name).read_bytes())
    rows[column][number - first] += 1
    columns = {one: np.ascontiguousarray(rows[one]) for one in rows.dtype.names}
    written = b"".join(map(bytes, encode_parts(columns, SMALL)))
    (folder / name).write_bytes(written)
    if place is not None:
        lines = (folder / "manifest.jsonl").read_bytes()
        fresh = hashlib.sha256(written).hexdigest()
        (folder / "manifest.jsonl").write_bytes(lines.replace(place.sha256.encode(), fresh.encode()))


def test_a_changed_segment_is_found_by_the_manifest(world):
    data = collect(world.room, world.alarm().key).data()
    (segment,) = [one for one in json.loads(data)["evidence"]["readings"]["segments"] if one["sha256"]][:1]
    path = world.data.journal(0) / f"{segment['segment']:08}.arrow"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    assert "segment" in codes(verify(world.room, data).faults)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("update alarm set peak = peak + 1", "differs"),
        ("update alarm set start_ns = start_ns + 1", "differs"),
        ("update transition set actor_name = 'nobody'", "differs"),
        ("update audit set reason = 'y' where action = 'alarm.raised'", "audit_differs"),
        ("update rule_version set content = replace(content, '\"above\":8', '\"above\":9')", "differs"),
        ("delete from alarm", "no_alarm"),
    ],
)
def test_changed_records_are_found(world, statement, code):
    data = collect(world.room, world.alarm().key).data()
    with closing(sqlite3.connect(world.data.records_db)) as db:
        for (name,) in db.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            db.execute(f"drop trigger {name}")
        db.execute("pragma foreign_keys = off")
        db.execute(statement)
        db.commit()
    assert code in codes(verify(world.room, data).faults)
