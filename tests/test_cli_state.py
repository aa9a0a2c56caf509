"""`andon state`: where the shards stand, and more of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.config.models import Transport
from andon.datafolder import DataFolder
from andon.records import AuditRecord, Records, verify_audit
from flows.workers import arrange, for_cluster, read_layout
from sources.spool import Spool
from tests.command_line import Terminal, andon
from tests.engine_world import START_NS, S, body, tick
from tests.workers_world import SHARDS, assets, everything, fill, new_folder, shard_log, work, write_plant

__all__ = ["andon"]  # fixture


@pytest.fixture
def plant_folder(andon: Terminal) -> DataFolder:
    """plant.toml of six shards that no asset names, and a data folder with records."""
    write_plant(Path(), pinned=False)
    data = new_folder(Path("data"))
    with Records(data.records_db, "s1", SystemClock()):
        pass
    return data


def trail(data: DataFolder) -> list[AuditRecord]:
    with Records(data.records_db, "s1", SystemClock()) as records:
        assert verify_audit(records).ok
        return records.audit_trail()


def test_show_tells_offsets_workers_and_ages(andon: Terminal, plant_folder: DataFolder) -> None:
    andon("state", "show", status=1)
    assert "no flow has run" in andon.err
    write_plant(Path())
    fill(plant_folder, 0.0, 0.2, shards=range(5))
    work(plant_folder, load_plant(Path("plant.toml")), 2)
    for _ in range(2):
        told = json.loads(andon("state", "show", "--json"))
        assert (told["workers"], told["shards"], told["log"]) == (2, SHARDS, "spool")
        assert [row["offset"] for row in told["rows"]] == [round(0.2 * len(shard_log(shard))) for shard in range(5)] + [
            0
        ]
        assert [row["worker"] for row in told["rows"]] == [0, 1, 0, 1, 0, 1]
        assert all(0 <= row["snapshot_age_s"] < 600 for row in told["rows"])
    with plant_folder.lock():
        arrange(plant_folder, 2, Transport(shards=SHARDS))
    text = andon("state", "show")
    assert "2 workers, 6 shards" in text
    assert len(text.splitlines()) == 2 + SHARDS


def test_show_of_a_new_generation_tells_the_seeds(andon: Terminal, plant_folder: DataFolder) -> None:
    write_plant(Path())
    fill(plant_folder, 0.0, 0.2)
    work(plant_folder, load_plant(Path("plant.toml")), 2)
    before = json.loads(andon("state", "show", "--json"))
    with plant_folder.lock():
        arrange(plant_folder, 3, Transport(shards=SHARDS))
    told = json.loads(andon("state", "show", "--json"))
    assert (told["generation"], told["workers"]) == (2, 3)
    assert [row["offset"] for row in told["rows"]] == [row["offset"] for row in before["rows"]]


def test_show_does_not_know_the_store_of_a_cluster(andon: Terminal, plant_folder: DataFolder) -> None:
    for_cluster(plant_folder, Transport(shards=SHARDS))
    andon("state", "show", status=1)
    assert "Bytewax cluster" in andon.err


def test_every_asset_stays_and_new_ones_are_spread(andon: Terminal, plant_folder: DataFolder) -> None:
    before = load_plant(Path("plant.toml"))
    said = andon("state", "rescale", "--shards", "9", "--dry-run")
    assert "Would write" in said
    assert not Path("pins.csv").exists()
    assert plant_folder.read_instance().shards == SHARDS
    said = andon("state", "rescale", "--shards", "9", "--reason", "two lines more", "--by", "Wang Min")
    assert 'shards = 9\n  pins = "pins.csv"' in said
    assert plant_folder.read_instance().shards == 9
    (record,) = trail(plant_folder)
    assert (record.action, record.actor_name, record.reason) == ("state.rescale", "Wang Min", "two lines more")
    assert (json.loads(record.old or ""), json.loads(record.new or "")["shards"]) == ({"shards": SHARDS}, 9)

    write_plant(Path(), 'pins = "pins.csv"', shards=9, pinned=False)
    after = load_plant(Path("plant.toml"))
    own = {path: before.shard_of(path) for path, _, _ in assets()}
    assert {path: after.shard_of(path) for path in own} == own
    assert any(after.shard_of(f"line9/new{number}") >= SHARDS for number in range(20))
    assert "nothing is changed" in andon("state", "rescale", "--reason", "again")
    andon("state", "rescale", "--shards", "12", "--reason", "and more")
    write_plant(Path(), 'pins = "pins.csv"', shards=12, pinned=False)
    last = load_plant(Path("plant.toml"))
    assert {path: last.shard_of(path) for path in own} == own


def test_the_new_number_may_be_in_the_configuration_before(andon: Terminal, plant_folder: DataFolder) -> None:
    own = {path: load_plant(Path("plant.toml")).shard_of(path) for path, _, _ in assets()}
    write_plant(Path(), shards=8, pinned=False)
    andon("run", status=1)
    assert "andon state rescale" in andon.err
    andon("state", "rescale", "--reason", "x")
    write_plant(Path(), 'pins = "pins.csv"', shards=8, pinned=False)
    after = load_plant(Path("plant.toml"))
    assert {path: after.shard_of(path) for path in own} == own


def test_what_rescale_refuses(andon: Terminal, plant_folder: DataFolder) -> None:
    andon("state", "rescale", "--shards", "5", "--reason", "x", status=1)
    assert "cannot become fewer" in andon.err
    assert "replay" in andon.err
    with plant_folder.lock():
        andon("state", "rescale", "--shards", "9", "--reason", "x", status=1)
    assert "in use" in andon.err
    Path("pins.csv").write_text("asset,shard\n")
    andon("state", "rescale", "--shards", "9", "--reason", "x", status=1)
    assert "pins.csv: exists already" in andon.err
    assert plant_folder.read_instance().shards == SHARDS
    assert trail(plant_folder) == []


def test_a_fault_in_between_is_mended_by_the_same_command(
    andon: Terminal, plant_folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise OSError("no power")

    with monkeypatch.context() as patch:
        patch.setattr(DataFolder, "renew", fault)
        andon("state", "rescale", "--shards", "9", "--reason", "x", status=1)
    assert load_plant(Path("plant.toml")).config.transport.shards == SHARDS
    assert plant_folder.read_instance().shards == SHARDS, "nothing has changed"
    andon("state", "rescale", "--shards", "9", "--reason", "x")
    assert plant_folder.read_instance().shards == 9


def test_the_topic_and_its_producers_are_not_forgotten(andon: Terminal, plant_folder: DataFolder) -> None:
    write_plant(Path(), 'kind = "kafka"\nkafka = { brokers = "127.0.0.1:1" }', pinned=False)
    said = andon("state", "rescale", "--shards", "9", "--reason", "x")
    assert "needs 9 partitions" in said
    assert "wrong_partition" in said


def test_a_log_in_the_middle_of_a_growth_gives_the_same(andon: Terminal, plant_folder: DataFolder) -> None:
    """The old shards as if nothing had been; a new one takes a new asset's rows."""
    write_plant(Path())
    whole = new_folder(Path("whole"))
    fill(whole)
    work(whole, load_plant(Path("plant.toml")), 1)
    wanted = everything(whole, load_plant(Path("plant.toml")))

    fill(plant_folder, 0.0, 0.5)
    work(plant_folder, load_plant(Path("plant.toml")), 2)
    andon("state", "rescale", "--shards", "9", "--reason", "a line more")
    path = write_plant(Path(), 'pins = "pins.csv"', shards=9)
    with path.open("a") as file:
        file.write('[[asset]]\npath = "cold/new"\ntemplate = "room"\nshard = 8\n')
    plant = load_plant(path)
    fill(plant_folder, 0.5, 1.0)
    with Spool(plant_folder.spool(8), 8, SystemClock()) as spool:
        for second in range(30):
            now = START_NS + second * S
            spool.append([body(now, "cold/new", "air", 5.0), tick(now)])
    for shard in (6, 7):
        Spool(plant_folder.spool(shard), shard, SystemClock()).close()
    work(plant_folder, plant, 4)
    layout = read_layout(plant_folder)
    assert layout is not None
    assert (layout.workers, layout.shards) == (4, 9)
    found = everything(plant_folder, plant)
    new = {name: {row for row in rows if "cold/new" in row or row.startswith("(8,")} for name, rows in found.items()}
    assert new["window"]
    assert new["ledger"]
    assert {name: [row for row in rows if row not in new[name]] for name, rows in found.items()} == wanted
