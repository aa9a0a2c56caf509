"""The event stream over real HTTP: what a page sees live, and what it gets after it was away."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from andon.clock import ManualClock
from andon.records import SYSTEM_FLOW
from service.erp_link import write_link
from service.web import stream
from service.web.api import counts
from sinks.breaker import Breaker
from tests.page_desk import served
from tests.page_fixture import FILLER, NOW_NS, PagePlant, Served, page_plant

__all__ = ["served"]  # a fixture


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagePlant]:
    made = page_plant(tmp_path_factory.mktemp("stream"))
    yield made
    made.close()


@pytest.fixture
def client(plant: PagePlant, served: Served) -> Iterator[httpx.Client]:
    with closing(httpx.Client(base_url=served.address, timeout=20)) as one:
        assert one.get("/", params={"token": plant.token()}).status_code == 303
        yield one


def events(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """The events of a stream as {event, id, data}; comments are left out."""
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, text = line.partition(":")
            event[name] = text.strip()
        elif "event" in event:
            yield event
            event = {}


def until(answer: httpx.Response, wanted: str) -> dict[str, str]:
    """The first event of that name."""
    return next(event for event in events(answer) if event["event"] == wanted)


def test_the_pulse_comes_every_second_and_has_no_id(client: httpx.Client, plant: PagePlant) -> None:
    with client.stream("GET", "/api/v1/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        first, second = (event for event, _ in zip(events(answer), range(2), strict=False))
    assert "id" not in first
    overview = json.loads(first["data"])
    assert overview["as_of_ms"] == plant.room.now_ns() // 1_000_000
    assert overview["lines"][0]["hour"]["OEE"] > 0.5
    assert overview["erp"]["delivered"] == 3
    assert second["event"] == "pulse"


def test_changes_come_once_and_a_page_that_was_away_gets_what_it_missed(client: httpx.Client, plant: PagePlant) -> None:
    head = plant.records.change_head()
    change = plant.change("raised", "fill-weight", FILLER, "fill_g", -100, None, 10.15, 10.4, "outside", "g")
    with client.stream("GET", "/api/v1/stream") as answer:
        arriving = events(answer)
        assert next(arriving)["event"] == "pulse"
        plant.records.apply_conditions([change], SYSTEM_FLOW)
        told = next(event for event in arriving if event["event"] == "alarms")
        [alarm] = json.loads(told["data"])["alarms"]
        assert (alarm["rule_id"], alarm["start_ms"]) == ("fill-weight", (NOW_NS - 100 * 10**9) // 10**6)
        assert int(told["id"]) == plant.records.change_head() > head
        rest = [event["event"] for event, _ in zip(arriving, range(3), strict=False)]
        assert rest == ["pulse"] * 3
    with client.stream("GET", "/api/v1/stream", headers={"last-event-id": str(head)}) as answer:
        missed = json.loads(until(answer, "alarms")["data"])["alarms"]
    assert [one["key"] for one in missed] == [alarm["key"]]
    with client.stream("GET", "/api/v1/stream", params={"after": 0}) as answer:
        everything = json.loads(until(answer, "alarms")["data"])["alarms"]
    assert len(everything) == 7
    with client.stream("GET", "/api/v1/stream", headers={"last-event-id": told["id"]}) as answer:
        assert next(events(answer))["event"] == "pulse"


def test_texts_of_the_stream_are_in_the_pages_language(client: httpx.Client) -> None:
    client.cookies.set("andon_language", "zh-CN")
    with client.stream("GET", "/api/v1/stream", params={"after": 0}) as answer:
        alarms = json.loads(until(answer, "alarms")["data"])["alarms"]
    assert "冷库温度高于 8 °C" in {alarm["rule_name"] for alarm in alarms}


def test_a_session_that_ended_ends_the_stream(
    client: httpx.Client, plant: PagePlant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SESSION_CHECK_S", 0.0)
    with client.stream("GET", "/api/v1/stream") as answer:
        plant.records.logout(client.cookies["andon_session"])
        *_, last = events(answer)
        assert (last["event"], last["data"]) == ("bye", "{}")
    assert client.get("/api/v1/stream").status_code == 401


def test_too_many_streams_are_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 0)
    answer = client.get("/api/v1/stream")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "page.too_many_streams")


def test_streams_are_counted_down_when_pages_go(client: httpx.Client, served: Served) -> None:
    pulse = served.app.state.pulse
    with client.stream("GET", "/api/v1/stream") as answer:
        arriving = events(answer)
        next(arriving)
        assert pulse.streams >= 1
    deadline = time.monotonic() + 10
    while pulse.streams and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pulse.streams == 0


def test_watching_is_no_activity(tmp_path: Path) -> None:
    plant = page_plant(tmp_path)
    token, _ = plant.records.redeem_one_time_token(plant.token(), "test")
    seen: list[bool] = []
    real = plant.records.session

    def session(given: str | None, *, touch: bool = True) -> object:
        seen.append(touch)
        return real(given, touch=touch)

    plant.records.session = session
    served = Served(plant.room)
    with closing(httpx.Client(base_url=served.address, timeout=20)) as client:
        client.cookies.set("andon_session", token)
        with client.stream("GET", "/api/v1/stream") as answer:
            next(events(answer))
        client.get("/api/v1/overview", headers={"x-andon-background": "1"})
        client.get("/api/v1/overview")
    served.close()
    plant.close()
    assert seen == [False, False, True]


def test_a_changed_alarm_does_not_wait_for_the_next_pulse(
    client: httpx.Client, plant: PagePlant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "EVERY_S", 3600.0)
    with client.stream("GET", "/api/v1/stream") as answer:
        arriving = events(answer)
        assert next(arriving)["event"] == "pulse"
        plant.records.apply_conditions(
            [plant.change("raised", "fill-weight", FILLER, "fill_g", -50, None, 10.1, 10.4, "outside", "g")],
            SYSTEM_FLOW,
        )
        assert next(arriving)["event"] == "alarms"


def test_the_pulse_says_how_the_way_to_the_erp_is(plant: PagePlant) -> None:
    assert counts(plant.room)["erp_link"] is None
    room = replace(plant.room, data=plant.data)
    assert counts(room)["erp_link"] is None, "no sender has run"
    breaker = Breaker(ManualClock(NOW_NS), (5.0,), random.Random(1))
    breaker.failed(breaker.round, "503: closed for stocktaking", None)
    write_link(plant.data, breaker)
    assert counts(room)["erp_link"] == {
        "state": "open", "since_ms": NOW_NS // 10**6, "failures": 1, "error": "503: closed for stocktaking",
    }  # fmt: skip


def test_the_records_are_looked_at_once_for_all_pages(
    client: httpx.Client, plant: PagePlant, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(type(plant.records), "change_head", lambda _self: looks.append(1) or 10**9)
    monkeypatch.setattr(stream, "LOOK_S", 3600.0)
    monkeypatch.setattr(served.app.state.pulse, "_looked", float("-inf"))
    with client.stream("GET", "/api/v1/stream", params={"after": 10**9}) as one:
        next(events(one))
        with client.stream("GET", "/api/v1/stream", params={"after": 10**9}) as other:
            next(events(other))
    assert len(looks) == 1
