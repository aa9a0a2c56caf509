"""kill -9 of the Kafka sender in the middle of its work: nothing is lost, and what comes twice has the same id."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest
from confluent_kafka import Consumer

from sinks.kafka.message import Mark
from sinks.kafka.window_lines import window_lines
from tests.kafka_out_world import (
    KINDS,
    PATHS,
    Site,
    condition,
    consume,
    dead_letters,
    ends_of,
    make_topics,
    only_equal_doubles,
    publishing,
    stop,
    until,
    window_rows,
)

pytestmark = [pytest.mark.real, pytest.mark.crash, pytest.mark.slow]
KILLS, SEED = 6, 20_261_122
WINDOWS, DEAD, ALARMS = 45_000, 8_000, 40
LIST = 5_000  # messages between two looks at what is confirmed
UNITS = {0: "1", 1: "Cel", 2: "mm/s"}


@pytest.mark.timeout(300)
def test_a_sender_killed_at_random_instants_loses_nothing(kafka, tmp_path):
    rng = random.Random(SEED)
    make_topics(kafka.bootstrap, "sigkill.")
    site = Site(tmp_path / "data", publishing(kafka.bootstrap, "sigkill."))
    for first in range(0, WINDOWS, 15_000):
        site.write_windows(window_rows(first, 15_000))
    for first in range(1, DEAD, 1_000):
        site.write_dead(dead_letters(first, 1_000))
    site.apply([condition(number) for number in range(ALARMS)])
    sent_when_killed, looks = [], Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "tests", "log_level": 0})
    for number in range(KILLS):
        some = round((number + rng.random()) / KILLS * WINDOWS)
        sender = site.start_sender()
        until(
            lambda some=some, sender=sender: sent(looks) > some or sender.poll() is not None,
            limit_s=60.0, every_s=0.0,
        )  # fmt: skip
        assert stop(sender, signal.SIGKILL) == -signal.SIGKILL
        sent_when_killed.append(sent(looks))
        site.apply([condition(number, cleared=True)])  # goes on changing meanwhile
    looks.close()
    sender = site.start_sender()
    until(lambda: everything(site, kafka.bootstrap), limit_s=120.0, every_s=1.0)
    assert stop(sender) == 0
    found = {kind: consume(kafka.bootstrap, f"sigkill.{kind}") for kind in KINDS}
    doubled = {kind: sum(n - 1 for n in only_equal_doubles(found[kind]).values()) for kind in KINDS}
    print("messages at each kill", sent_when_killed, "doubled", doubled)
    lines = window_lines("s1", window_rows(0, WINDOWS), PATHS, UNITS).splitlines()
    assert {b"%s\t%s" % (one.id.encode(), one.value) for one in found["windows"]} == set(lines)
    assert all(0 <= count <= KILLS * LIST for count in doubled.values())
    newest = {one.key: json.loads(one.value)["data"] for one in found["alarms"]}
    assert sorted(one["open"] for one in newest.values()) == [False] * KILLS + [True] * (ALARMS - KILLS)
    assert any(0 < count < WINDOWS for count in sent_when_killed)  # a kill came in the middle


def sent(looks: Consumer) -> int:
    """How many windows are in their topic, what came twice counted twice."""
    return sum(ends_of(looks, "sigkill.windows", time.monotonic() + 10.0).values())


def everything(site: Site, bootstrap: str) -> bool:
    """Whether all has been sent: the sender's marks have come to the end."""
    with site.records() as records:
        head = records.change_head()
    marks = site.data.segments("kafka", 0).parent
    return (
        len({one.id for one in consume(bootstrap, "sigkill.windows")}) == WINDOWS
        and Mark(marks / "dead-letters-0.json", (0, 0)).read() == (DEAD, 0)
        and Mark(marks / "alarms.json", (0,)).read() == (head,)
    )
