"""Tampering with evidence: whatever is changed in the file, the journal or the records is found."""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.records.canonical import canonical
from service.evidence.bundle import Bundle, EvidenceError, make_bundle
from service.evidence.collect import collect
from service.evidence.verify import verify
from sinks.journal_format import SMALL, decode, encode_parts
from sinks.journal_reader import JournalReader
from tests.evidence_world import EvidenceCopy, EvidenceWorld, evidence_plant, warm_hour


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


PROVED = ("alarm", "why", "rule", "readings", "context", "transitions", "audit")


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
        return path[0] in {
            "incident", "quiet", "assigned_to", "assigned_name", "going_name", "arrives_ns", "arrived_ns",
            "realarm_ns", "label",
        }  # fmt: skip
    if section == "readings":
        return path[0] in {"late", "bad", "skipped_segments", "told", "segments"}
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
