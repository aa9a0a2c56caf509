"""The machine's clock is set while a flow reads from Kafka; the broker's is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.datafolder import DataFolder
from andon.readings import NS_PER_MS
from tests.clock_shim import MovedClock, clock_library, moved_clock
from tests.kafka_world import new_topic, produce
from tests.test_clock_step import HOUR_S, STEPS, assert_equal, flow, poll
from tests.test_flow import TOML, fill, folder, log, reached, run_flow

__all__ = ["clock_library", "moved_clock"]  # fixtures
pytestmark = [pytest.mark.real, pytest.mark.crash, pytest.mark.timeout(240)]


def site(tmp_path: Path, bootstrap: str, topic: str) -> tuple[Path, DataFolder, DataFolder]:
    config = tmp_path / "plant.toml"
    text = TOML.replace("[windows]", "[windows]\nhopping_s = [[20.0, 5.0]]")  # as plant() of the undisturbed run
    kafka = f'kafka = {{ brokers = "{bootstrap}", topic = "{topic}", stamps = "producer" }}'
    config.write_text(f'{text}\n[transport]\nkind = "kafka"\n{kafka}\n', encoding="utf-8")
    return config, folder(tmp_path / "data"), folder(tmp_path / "whole")


@pytest.mark.parametrize("steps", [STEPS["back"], STEPS["forward-and-right-again"], [-HOUR_S, 0.0, -HOUR_S]], ids=str)
def test_a_flow_over_kafka_goes_on_when_the_clock_is_set_under_it(
    tmp_path: Path, kafka, moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch, steps: list[float]
) -> None:
    topic = new_topic(kafka.bootstrap, 1, stamps="producer", **{"retention.ms": "-1"})
    config, data, whole = site(tmp_path, kafka.bootstrap, topic)
    messages = log(400)
    fill(whole, messages)
    run_flow(whole)
    for name, value in moved_clock.environment.items():
        monkeypatch.setenv(name, value)
    parts = [messages[begin : begin + 210] for begin in range(0, len(messages), 210)]

    def send(part: list[tuple[int, bytes]]) -> None:
        produce(kafka.bootstrap, topic, [raw for _, raw in part], stamps_ms=[stamp // NS_PER_MS for stamp, _ in part])

    send(parts[0])
    watched = flow(config, data)
    watched.start()
    sent = len(parts[0])
    try:
        poll(watched, lambda: reached(data.history_db(0)) == sent)
        for seconds, part in zip([*steps, *([steps[-1]] * 3)], parts[1:], strict=False):
            moved_clock.add(seconds)
            send(part)
            sent += len(part)
            poll(watched, lambda most=sent: reached(data.history_db(0)) == most)
        assert watched.restarts() == {"flow-0": 0}
    finally:
        watched.stop()
    assert sent == len(messages)
    assert_equal(data, whole)
