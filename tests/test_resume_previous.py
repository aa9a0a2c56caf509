"""State that earlier versions wrote resumes, and the rest of the log gives what those versions gave for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import connect, migrate
from flows.shard import ShardEngine
from tests.state_fixture import outputs, read, read_log, run_part, unpack

STORED = sorted(path for path in (Path(__file__).parent / "fixtures" / "state").iterdir() if path.is_dir())
MACHINE = re.compile(rb"/(?:home|root|tmp|usr|work)/")  # what must not have slipped into a stored file
S = 1_000_000_000
START_NS = 1_767_225_600 * S
#: Later versions set right what late rows change. Rule, start in s -> what they say: cleared ns, peak, out s, revision.
SET_RIGHT = {
    ("warm", 500.0): (START_NS + round(519.5 * S), 9.0, 19.5, 2),  # a late row at 519.5 s lies in the middle of it
    ("warm", 520.0): (START_NS + 530 * S, 9.0, 10.0, 1),
}


def same(found: object, wanted: object) -> None:
    """Equal; numbers to a rounding error of the order in which sums are made."""
    if isinstance(wanted, float) and isinstance(found, float):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    elif isinstance(wanted, list) and isinstance(found, list):
        assert len(found) == len(wanted), (found, wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif isinstance(wanted, dict) and isinstance(found, dict):
        assert found.keys() >= wanted.keys()
        for key, value in wanted.items():
            same(found[key], value)
    else:
        assert found == wanted


def without_scores(rows: dict[str, list[list[object]]], stopped_ns: int) -> dict[str, list[list[object]]]:
    """The stored versions scored with a detector that is gone; the one of now begins empty and says what it says.

    What they had told of an anomaly before they stopped is the same alarm still; when it ends is the new one's matter.
    """
    told = [
        one[:4] if one[1] == "strange" else one
        for one in rows["alarm"]
        if one[1] != "strange" or int(str(one[3])) < stopped_ns
    ]
    scored = {name: [one[:-1] if one[1] == "vibration" else one for one in rows[name]] for name in ("window", "latest")}
    return {**rows, **scored, "alarm": told}


def late_free(alarm: list[object]) -> bool:
    """Whether no late row touched it."""
    return (alarm[1], (alarm[2] - START_NS) / S) not in SET_RIGHT


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
def test_state_of_an_earlier_version_goes_on(folder, tmp_path, monkeypatch):
    step, offsets = ShardEngine.step, []

    def noted(self, messages):
        offsets.extend(message.offset for message in messages)
        return step(self, messages)

    log, taken = read_log(folder)
    unpack((folder / "data.tar.xz").read_bytes(), tmp_path)
    data = DataFolder(tmp_path)
    data.open("s1", 1)
    monkeypatch.setattr(ShardEngine, "step", noted)
    engine = connect(data.records_db)
    migrate(engine)  # as `andon upgrade` does
    engine.dispose()
    run_part(PlantModel(Plant.model_validate(read(folder, "plant.json.xz"))), data, log)
    assert offsets == list(range(taken + 1, len(log) + 1))
    both, stopped_ns = (outputs(data), read(folder, "expected.json.xz")), log[taken - 1][0]
    found, wanted = (without_scores(one, stopped_ns) for one in both)
    assert [one for one in found["alarm"] if one[1] == "strange"]
    late = {(one[1], (one[2] - START_NS) / S): one for one in found["alarm"]}
    assert {key: tuple(late[key][4:8]) for key in SET_RIGHT} == SET_RIGHT
    # What still runs is shown as far as its machine was fed, which an earlier version did otherwise.
    found["figure"], wanted["figure"] = ([row for row in one["figure"] if row[6]] for one in (found, wanted))
    for name, rows in (found | wanted).items():
        found[name] = [one for one in found[name] if name != "alarm" or late_free(one)]
        wanted[name] = [one for one in rows if name != "alarm" or late_free(one)]
    for name, rows in wanted.items():
        assert len(found[name]) == len(rows), name
        for one, other in zip(found[name], rows, strict=True):
            same(one, other)


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
def test_stored_state_is_small_and_names_no_machine(folder, tmp_path):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    unpack((folder / "data.tar.xz").read_bytes(), tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not MACHINE.search(content), path.name
