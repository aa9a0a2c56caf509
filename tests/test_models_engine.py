"""A model from the records to the history: the flow's engine reads the file, and its scores come out again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.outputs import ShardOutputs
from andon.readings import Message, Messages
from andon.records import Actor, Records
from andon.slots import SlotFiles
from detectors.settings import fingerprint
from flows.model_file import ModelFile
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.stage import EngineStage
from service.model_replay import reproduce
from service.models import publish
from sinks.history import HistoryWriter
from sinks.history_reader import HistoryReader
from sinks.journal import Journal
from sources.batch import Batch
from tests.engine_world import START_NS, S, body, plant, tick

PUMP = ("util/pump", "vibration")
PERSON = Actor("chen", "Chen Jing", "quality", "test")
ROWS, PROMOTED, BACK = 3000, 1200, 2400  # a reading a second; the second from which on


def messages() -> list[Message]:
    value = np.random.default_rng(5).normal(2.0, 0.1, ROWS)
    value[1800:1815] += 2.0
    found: list[Message] = []
    for at, one in enumerate(value.tolist()):
        now_ns = START_NS + at * S
        found.append(Message(2 * at + 1, now_ns, body(now_ns, *PUMP, one)))
        found.append(Message(2 * at + 2, now_ns, tick(now_ns)))
    return found


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create("s1", 1)
    return folder


def run(data: DataFolder, messages: list[Message], cut: int, writer: HistoryWriter) -> list[ShardOutputs]:
    """The stage over the messages; stopped and opened again from its snapshot in the middle."""
    model, state, outputs = plant(), None, []

    def opened(shard: int) -> tuple[ShardEngine, Quarantine]:
        engine = ShardEngine(model, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))
        return engine, Quarantine(data.slots(shard).parent / "quarantine.json")

    for half in (messages[: len(messages) // 2], messages[len(messages) // 2 :]):
        stage = EngineStage(state, opened, models=ModelFile(data.models_json))
        for begin in range(0, len(half), cut):
            told, _ = stage.on_batch([Batch(0, Messages.of(half[begin : begin + cut]))])
            for one in told:
                writer.write(one)
                outputs.append(one)
        state = stage.snapshot()
    return outputs


@pytest.mark.parametrize("cut", [64, 1001])
def test_a_model_judges_from_its_time_on_and_its_scores_come_out_again(data: DataFolder, cut: int) -> None:
    with Records(data.records_db, "s1", ManualClock(START_NS)) as records:
        records.register_model("pumps", "ensemble", {"false_alarm_days": 0.5}, fingerprint("ensemble"), PERSON, "x")
        records.evaluate_model("pumps:1", *PUMP, (0, 1), {}, PERSON, "x")
        records.promote_model(*PUMP, PERSON, "x", model="pumps:1", from_ns=START_NS + PROMOTED * S)
        records.roll_back_model(*PUMP, PERSON, "x", from_ns=START_NS + BACK * S)
        publish(records, data)
        version = records.model_version("pumps:1")
        rows = records.model_assignments()[0]
    writer = HistoryWriter(data.history_db(0), 0)
    outputs = run(data, messages(), cut, writer)
    writer.close()
    history = HistoryReader([data.history_db(0)])
    told = history.model_alarms(0, 2**62)
    history_models = {one.model for one in told}
    assert "pumps:1" in history_models
    assert history_models <= {"pumps:1", "plant:ensemble"}
    for one in told:
        under = PROMOTED <= (one.time_ns - START_NS) // S < BACK
        assert (one.model == "pumps:1") == under
    assert sorted(told, key=lambda one: one.time_ns) == [one for out in outputs for one in out.model_alarms]
    span_ns = START_NS, START_NS + ROWS * S
    again = reproduce(plant(), data, history, version, rows, {"pumps:1": "ensemble"}, PUMP, span_ns)
    assert again.bit_for_bit is True
    assert again.rows == ROWS
    assert again.windows >= (BACK - PROMOTED) // 10 - 2
    history.close()
