"""The audit trail against somebody who has the file and a SQLite shell, and against its own writers."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, verify_audit
from andon.records.anchors import Anchor, append_anchor, read_anchors
from andon.records.audit import FIELDS, record_hash
from andon.records.canonical import canonical, plain
from andon.records.verify import hash_of
from tests import records_world
from tests.databases import Shell
from tests.records_world import ADMIN, OPERATOR, START_NS, fresh, opened, orders, raised

GOOD = 60  # records in the good trail
ANCHORED = (20, 40, GOOD)
TEXTS = ("zone", "actor_id", "actor_name", "role", "terminal", "action", "object_type", "object_id", "reason", "new")
EDITS = 10_000

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def good(databases, tmp_path_factory) -> Path:
    """A trail of GOOD records with anchors at 20, 40 and its end."""
    folder = tmp_path_factory.mktemp("good")
    with fresh(folder) as records:
        for number, change in enumerate(orders(GOOD // 2), start=1):
            records.apply_conditions([change], SYSTEM_FLOW)
            if number in (10, 20):
                records.anchor()
    assert [anchor.count for anchor in read_anchors(folder / "anchors.jsonl", "szh1")[0]] == list(ANCHORED)
    return folder


@pytest.fixture
def copied(database, good, tmp_path) -> Path:
    """A copy of the good trail, to spoil."""
    database.copy(good, tmp_path)
    return tmp_path


def shell(folder: Path) -> Shell:
    return Shell(records_world.place(folder))


def verdict(folder: Path):
    records = opened(folder)
    found = verify_audit(records)
    records.engine.dispose()
    return found


def insert(connection, row) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO audit ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def rechain(connection, start: int) -> None:
    """Give every record from `start` on a fitting hash again, and the head too."""
    before = connection.execute("SELECT hash FROM audit WHERE seq = ?", (start - 1,)).fetchone()
    previous = before["hash"] if before else "0" * 64
    for row in connection.execute("SELECT * FROM audit WHERE seq >= ? ORDER BY seq", (start,)):
        changed = {**dict(row), "prev_hash": previous}
        previous = record_hash(changed)
        update = "UPDATE audit SET prev_hash = ?, hash = ? WHERE seq = ?"
        connection.execute(update, (changed["prev_hash"], previous, row["seq"]))
    count = connection.execute("SELECT count(*) AS rows FROM audit").fetchone()["rows"]
    connection.execute("UPDATE site_head SET audit_hash = ?, audit_count = ?", (previous, count))


def edit(connection, rng) -> int:
    seq, column = rng.randint(1, GOOD), rng.choice((*TEXTS, "at_ns", "object_version", "old", "hash", "prev_hash"))
    before = connection.execute("SELECT * FROM audit WHERE seq = ?", (seq,)).fetchone()[column]
    values = ["other", "", "1"] if column != "at_ns" else [rng.randint(0, 2**60)]
    value = rng.choice([one for one in values if one != before])
    connection.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", (value, seq))
    return seq


def edit_to_bytes(connection, rng) -> int:
    if connection.engine.dialect.name == "postgresql":
        return edit(connection, rng)  # its columns take text only
    seq = rng.randint(1, GOOD)
    connection.execute(f"UPDATE audit SET {rng.choice(TEXTS)} = ? WHERE seq = ?", (b"\xff\x00", seq))
    return seq


def delete(connection, rng) -> int:
    seq = rng.randint(1, GOOD - 1)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    return seq


def delete_and_close_up(connection, rng) -> int:
    seq = rng.randint(1, GOOD - 1)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    for later in range(seq + 1, GOOD + 1):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (later - 1, later))
    return seq


def insert_between(connection, rng) -> int:
    seq = rng.randint(1, GOOD)
    row = dict(connection.execute("SELECT * FROM audit WHERE seq = ?", (seq,)).fetchone())
    for later in range(GOOD, seq - 1, -1):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (later + 1, later))
    row["actor_name"] = "Nobody"
    row["hash"] = record_hash(row)
    insert(connection, row)
    # The new record fits after the one before it (unless an anchor knows better); the one it pushed away does not.
    return seq if seq in ANCHORED else seq + 1


def insert_at_zero(connection, rng) -> int:
    row = dict(connection.execute("SELECT * FROM audit WHERE seq = 1").fetchone())
    row["seq"] = -rng.randint(0, 3)
    row["hash"] = record_hash(row)
    insert(connection, row)
    return 1


def append_at_the_end(connection, _rng) -> int:
    row = dict(connection.execute("SELECT * FROM audit WHERE seq = ?", (GOOD,)).fetchone())
    row.update(seq=GOOD + 1, prev_hash=row["hash"], actor_name="Nobody")
    row["hash"] = record_hash(row)
    insert(connection, row)
    return GOOD + 1


def swap(connection, rng) -> int:
    first, second = sorted(rng.sample(range(1, GOOD + 1), 2))
    for old, new in ((first, -1), (second, first), (-1, second)):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (new, old))
    return first


def cut_tail(connection, rng) -> int:
    seq = rng.randint(1, GOOD)
    connection.execute("DELETE FROM audit WHERE seq >= ?", (seq,))
    return seq


def cut_tail_and_fix_the_head(connection, rng) -> int:
    seq = cut_tail(connection, rng)
    rechain(connection, seq)
    before = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()
    connection.execute("UPDATE site_head SET audit_hash = ?", (before["hash"] if before else "0" * 64,))
    return seq


TAMPERS = [
    edit, edit_to_bytes, delete, delete_and_close_up, insert_between, insert_at_zero, append_at_the_end, swap, cut_tail,
    cut_tail_and_fix_the_head,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_tampering_is_found_and_the_first_bad_record_named(copied, tamper, seed):
    connection = shell(copied)
    first = tamper(connection, random.Random(f"{tamper.__name__}{seed}"))
    connection.close()
    found = verdict(copied)
    assert not found.ok
    assert found.first_bad == first, found
    assert found.text("en") != found.code
    assert str(first) in found.text("zh-CN")


@pytest.mark.real  # a minute each: not in every run
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_edits_are_all_found(copied):
    """Each undone before the next, so that every one is made to a good trail."""
    connection, rng = shell(copied), random.Random(20261122)
    records = connection.records(copied / "anchors.jsonl")
    missed = []
    for number in range(EDITS):
        tamper = rng.choice(TAMPERS)
        with connection.undone():
            first = tamper(connection, rng)
            found = verify_audit(records)
        if found.ok or found.first_bad != first:
            missed.append((number, tamper.__name__, first, found))
    assert missed == []
    assert verify_audit(records).ok
    connection.close()


@pytest.mark.parametrize("seq", [1, 15, 20, 21, 39, 40, 41, GOOD])
def test_a_rewritten_chain_is_caught_by_the_next_anchor(copied, seq):
    connection = shell(copied)
    connection.execute("UPDATE audit SET reason = 'it was somebody else' WHERE seq = ?", (seq,))
    rechain(connection, seq)
    connection.close()
    found = verdict(copied)
    anchor = next(count for count in ANCHORED if count >= seq)
    assert (found.ok, found.code, found.first_bad) == (False, "audit.rewritten", anchor)
    assert found.params["since"] <= seq


def test_without_anchors_a_rewritten_chain_passes(copied):
    """The control: this is what anchors are for."""
    (copied / "anchors.jsonl").unlink()
    connection = shell(copied)
    connection.execute("UPDATE audit SET reason = 'it was somebody else' WHERE seq = 30")
    rechain(connection, 30)
    connection.close()
    assert verdict(copied).ok


def test_the_good_trail_passes(copied):
    found = verdict(copied)
    assert (found.ok, found.records, found.anchors, found.first_bad) == (True, GOOD, 3, None)
    assert str(GOOD) in found.text("en")


def test_an_old_copy_brought_back_is_found(database, tmp_path):
    with fresh(tmp_path) as records:
        records.apply_conditions(orders(5), SYSTEM_FLOW)
    database.copy(tmp_path, tmp_path / "old")
    with fresh(tmp_path) as records:
        records.apply_conditions(orders(9)[5:], SYSTEM_FLOW)
    anchors = (tmp_path / "anchors.jsonl").read_bytes()
    database.copy(tmp_path / "old", tmp_path)
    (tmp_path / "anchors.jsonl").write_bytes(anchors)
    found = verdict(tmp_path)
    assert (found.code, found.first_bad) == ("audit.cut", 11)
    with fresh(tmp_path) as records:  # and written on, past the old anchors
        for change in range(50, 60):
            records.apply_conditions([raised(change)], SYSTEM_FLOW)
    assert verdict(tmp_path).code == "audit.rewritten"


def test_anchors_come_every_so_many_records_and_every_quarter_hour(tmp_path, monkeypatch):
    monkeypatch.setattr("andon.records.base.EVERY_RECORDS", 100)  # 1,000 in earnest
    clock = ManualClock(START_NS)
    records = fresh(tmp_path, clock)
    for start in range(0, 110, 10):
        records.apply_conditions(orders(110)[start : start + 10], SYSTEM_FLOW)
    assert [anchor.count for anchor in read_anchors(records.anchors_path, "szh1")[0]] == [100, 200]
    clock.advance(15 * 60)
    records.set_state("a", 1, ADMIN)
    assert [anchor.count for anchor in read_anchors(records.anchors_path, "szh1")[0]][-1] == 221
    records.close()
    assert len(read_anchors(records.anchors_path, "szh1")[0]) == 3  # nothing new since


def test_a_torn_anchor_line_is_told_and_the_next_one_stands_alone(tmp_path):
    path = tmp_path / "anchors.jsonl"
    append_anchor(path, Anchor("szh1", 1, "a" * 64, START_NS))
    with path.open("ab") as file:
        file.write(b'{"count":2,"ro')
    append_anchor(path, Anchor("szh1", 3, "b" * 64, START_NS))
    append_anchor(path, Anchor("other", 4, "b" * 64, START_NS))
    anchors, unreadable = read_anchors(path, "szh1")
    assert ([anchor.count for anchor in anchors], unreadable) == ([1, 3], [2])


def test_an_unwritable_anchor_does_not_undo_the_change(tmp_path):
    records = opened(tmp_path, anchors=tmp_path / "gone" / "a.jsonl")
    with records:
        records.apply_conditions([raised()], SYSTEM_FLOW)
    assert len(records.alarms()) == 1
    records.close()


def test_every_field_is_under_the_hash(good):
    with fresh(good).reading() as connection:
        row = dict(connection.execute(text("SELECT * FROM audit WHERE seq = 7")).mappings().one())
    assert set(FIELDS) == set(row) - {"hash"}
    assert record_hash(row) == row["hash"]
    for field in FIELDS:
        assert record_hash({**row, field: "x"}) != row["hash"]


@given(st.fixed_dictionaries({name: st.text() | st.none() for name in FIELDS}))
def test_the_checker_hashes_as_the_writer_does(row):
    """The two share no code below SHA-256: rfc8785 writes, orjson checks."""
    row = {**row, "seq": 7, "at_ns": START_NS}
    assert hash_of([row[name] for name in FIELDS]) == record_hash(row)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15) | st.just(float("inf")) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_content_has_canonical_bytes_that_read_back(value):
    first = canonical(value)
    assert canonical(json.loads(first)) == first
    assert rfc8785.dumps(plain(value)) == first


def test_stamps_survive_beyond_the_range_of_json_numbers():
    assert canonical({"at": 1_767_225_600_123_456_789}) == b'{"at":"1767225600123456789"}'
    assert canonical({"x": float("nan"), "y": 2**53 - 1}) == b'{"x":"NaN","y":9007199254740991}'.replace(b"NaN", b"nan")


def test_each_act_of_a_person_is_in_the_trail_with_zone_and_time(tmp_path):
    with fresh(tmp_path) as records:
        records.apply_conditions([raised()], SYSTEM_FLOW)
        records.clock.advance(3)
        records.acknowledge(records.alarms()[0].key, OPERATOR, "seen")
        last = records.audit_trail(newest=True, limit=1)[0]
        assert (last.at_ns, last.zone, last.seq) == (START_NS + 3 * NS_PER_S, "Asia/Shanghai", 3)
        assert [one.seq for one in records.audit_trail(after=1, limit=1)] == [2]
        assert {one.object_id for one in records.audit_trail(object_id=last.object_id)} == {last.object_id}
