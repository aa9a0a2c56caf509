"""The stub ERP: signatures, numbers, repeats, conflicts, faults on purpose, and its command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from andon.erp_state import ErpState
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER
from sinks.erp import stub as stub_module
from sinks.erp.port import ErpConnector, ExternalRecord, RefusedError, UnavailableError
from sinks.erp.stub import RATES, Faults
from sinks.erp.stub_store import StubStore
from sinks.erp.webhook import WebhookConnector
from tests.records_world import SECRET, fresh, orders, raised, stub_erp


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> list[bytes]:
    """Bodies as the outbox makes them: two orders, then revision 2 of the first."""
    with fresh(tmp_path_factory.mktemp("events")) as records:
        records.apply_conditions(orders(2), SYSTEM_FLOW)
        first = [records.claim_order("x", 9.0, SYSTEM_SENDER) for _ in range(2)]
        revision = raised(0, asset="line/m0", raises="quality_event", peak=12.0, offset=900)
        records.apply_conditions([revision], SYSTEM_FLOW)
        records.clock.advance(10)
        return [item.body.encode() for item in (*first, records.claim_order("x", 9.0, SYSTEM_SENDER))]


@contextmanager
def client(folder, **settings):
    """An HTTP client of a running stub."""
    with stub_erp(folder, **settings) as (url, _), httpx.Client(base_url=url, trust_env=False) as speaking:
        yield speaking


@pytest.fixture
def stub(tmp_path):
    with client(tmp_path) as speaking:
        yield speaking


def signed(body: bytes, *, message_id=None, secret=SECRET, at=None, **headers):
    message_id = message_id or json.loads(body)["id"]
    at = at or datetime.now(tz=UTC)
    signature = Webhook(secret).sign(message_id, at, body.decode())
    made = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return {**made, **headers}


def post(stub, body, **kwargs):
    return stub.post("/events", content=body, headers=signed(body, **kwargs))


def test_numbers_run_by_kind(stub, events):
    answers = [post(stub, body) for body in events[:2]]
    assert [(one.status_code, one.json()["number"]) for one in answers] == [(201, "QE-000001"), (201, "MO-000001")]


def test_a_repeat_has_no_effect_and_the_same_answer(stub, events):
    first, second = post(stub, events[0]), post(stub, events[0])
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert stub.get("/stats").json()["effects"] == {"created": 1}


def test_a_revision_updates_and_an_old_one_does_not(stub, events):
    post(stub, events[0])
    assert post(stub, events[2]).json()["revision"] == 2
    assert post(stub, events[0]).json()["revision"] == 2
    assert stub.get("/stats").json()["effects"] == {"created": 1, "updated": 1}


def test_the_same_event_id_with_another_body_is_a_conflict(stub, events):
    post(stub, events[0])
    other = events[0].replace(b"9.5", b"9.6")
    assert other != events[0]
    assert post(stub, other).status_code == 409


def test_a_strict_erp_refuses_the_repeat(tmp_path, events):
    with client(tmp_path, strict=True) as stub:
        assert [post(stub, events[0]).status_code for _ in range(2)] == [201, 400]


def test_without_a_key_repeats_make_doubles_and_nothing_is_found(tmp_path, events):
    with client(tmp_path, unique=False) as stub:
        assert [post(stub, events[0]).status_code for _ in range(2)] == [201, 201]
        key = json.loads(events[0])["subject"]
        found = stub.get(f"/records?key={key}", headers=signed(b"", message_id=f"find.{key}"))
        assert found.json() == {"records": []}
        assert stub.get("/stats").json()["doubled"] == 1


FORGERIES = {
    "no-headers": lambda _body: {},
    "other-secret": lambda body: signed(body, secret="whsec_" + "QUJD" * 11),
    "other-body": lambda body: signed(body + b" ", message_id=json.loads(body)["id"]),
    "stale": lambda body: signed(body, at=datetime.now(tz=UTC) - timedelta(minutes=6)),
    "from-the-future": lambda body: signed(body, at=datetime.now(tz=UTC) + timedelta(minutes=6)),
    "moved-id": lambda body: {**signed(body), "webhook-id": "other"},
    "no-version": lambda body: {**signed(body), "webhook-signature": "abc"},
    "not-base64": lambda body: {**signed(body), "webhook-signature": "v1,@@@"},
    "v2-only": lambda body: {**signed(body), "webhook-signature": "v2" + signed(body)["webhook-signature"][2:]},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_forged_events_change_nothing(stub, events, forge):
    assert stub.post("/events", content=events[0], headers=forge(events[0])).status_code == 401
    assert stub.get("/stats").json()["records"] == 0


def test_a_signature_of_one_look_up_is_no_key_to_another(stub, events):
    post(stub, events[0])
    key = json.loads(events[0])["subject"]
    assert stub.get(f"/records?key={key}", headers=signed(b"", message_id="find.other")).status_code == 401
    found = stub.get(f"/records?key={key}", headers=signed(b"", message_id=f"find.{key}"))
    assert [one["number"] for one in found.json()["records"]] == ["QE-000001"]


BAD_EVENTS = [
    b"not json", b"[]", b"{}", b'{"specversion":"1.0"}',
    b'{"specversion":"1.0","type":"andon.Coffee.opened","id":"a","source":"s","subject":"k","data":{"revision":1}}',
    b'{"specversion":"1.0","type":"andon.quality_event.opened","id":"a","source":"s","subject":"k","data":{"revision":0}}',
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_EVENTS)
def test_bad_events_are_refused(stub, body):
    assert stub.post("/events", content=body, headers=signed(body, message_id="a")).status_code == 400


def test_an_event_too_large_is_refused(stub):
    body = b"x" * 20_000
    assert stub.post("/events", content=body, headers=signed(body, message_id="a")).status_code == 413


def test_faults_are_repeatable_and_near_their_rates():
    first, second = Faults(5), Faults(5)
    drawn = [first.draw() for _ in range(5000)]
    assert drawn == [second.draw() for _ in range(5000)]
    for fault, rate in RATES.items():
        assert abs(drawn.count(fault) / 5000 - rate) < 0.02
    assert {Faults().draw() for _ in range(100)} == {None}


def test_a_lost_answer_is_committed_and_then_found(tmp_path, events):
    faults = Faults(1, {"lost": 1.0})
    with stub_erp(tmp_path, faults=faults) as (url, store), WebhookConnector(url, SECRET) as erp:
        key = json.loads(events[0])["subject"]
        with pytest.raises(UnavailableError):
            erp.open("quality_event", key, events[0])
        faults.seed = None
        assert erp.find(key).number == "QE-000001"
        assert erp.find("unknown") is None
        assert store.stats()["faults"] == {"lost": 1}


def test_a_slow_answer_is_a_timeout(tmp_path, events):
    faults = Faults(1, {"slow": 1.0}, slow_s=1.0)
    with stub_erp(tmp_path, faults=faults) as (url, store), WebhookConnector(url, SECRET, timeout_s=0.1) as erp:
        with pytest.raises(UnavailableError, match="Timeout"):
            erp.open("quality_event", json.loads(events[0])["subject"], events[0])
        assert store.stats()["records"] == 1


def test_redirects_are_not_followed(tmp_path, events, monkeypatch):
    with stub_erp(tmp_path) as (url, _), WebhookConnector(url, SECRET) as erp:
        away = httpx.Response(302, headers={"location": "https://evil.example"})
        transport = httpx.MockTransport(lambda _request: away)
        monkeypatch.setattr(erp._caller, "_client", httpx.Client(transport=transport))
        with pytest.raises(Exception, match="302"):
            erp.open("quality_event", json.loads(events[0])["subject"], events[0])


ANSWERS = {
    "429": (429, {"retry-after": "7"}, b"", "BusyError", 7.0),
    "503-no-wait": (503, {}, b"", "BusyError", None),
    "nonsense-wait": (503, {"retry-after": "soon"}, b"", "BusyError", None),
    "nan-wait": (503, {"retry-after": "nan"}, b"", "BusyError", None),
    "a-year": (503, {"retry-after": "31536000"}, b"", "BusyError", 86400.0),
    "past-date": (503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"", "BusyError", 0.0),
    "408": (408, {}, b"", "BusyError", None),
    "502": (502, {}, b"", "UnavailableError", None),
    "500": (500, {}, b"boom", "BrokenError", None),
    "409": (409, {}, b"", "BrokenError", None),
    "410": (410, {}, b"", "RefusedError", None),
    "422": (422, {}, b"no such asset", "RefusedError", None),
    "200-html": (200, {}, b"<html>", "BrokenError", None),
    "200-list": (200, {}, b"[]", "BrokenError", None),
    "200-no-id": (200, {}, b"{}", "BrokenError", None),
    "endless": (200, {}, b"x" * 70_000, "BrokenError", None),
}


@pytest.mark.parametrize(("status", "headers", "content", "kind", "wait"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_answer_has_its_meaning(events, monkeypatch, status, headers, content, kind, wait):
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, headers=headers, content=content))
    with WebhookConnector("https://erp.example.com", SECRET) as erp:
        monkeypatch.setattr(erp._caller, "_client", httpx.Client(transport=transport))
        with pytest.raises(Exception) as caught:
            erp.open("quality_event", json.loads(events[0])["subject"], events[0])
    assert type(caught.value).__name__ == kind
    assert caught.value.retry_after_s == wait
    assert "erp.example.com" not in str(caught.value)


def test_a_body_of_another_order_is_not_sent(events):
    with WebhookConnector("http://127.0.0.1:9", SECRET) as erp, pytest.raises(RefusedError):
        erp.open("quality_event", "k" * 20, events[0])


def test_the_command_serves_and_stops_on_sigterm(tmp_path, root, events):
    (tmp_path / "secret").write_text(SECRET)
    command = [sys.executable, "-m", "sinks.erp.stub", "--port", "0", "--db", str(tmp_path / "erp.db")]
    process = subprocess.Popen([*command, "--secret-file", str(tmp_path / "secret")], stdout=subprocess.PIPE, cwd=root)
    url = json.loads(process.stdout.readline())["url"]
    with WebhookConnector(url, SECRET) as erp:
        erp.ping()
        record = erp.open("quality_event", json.loads(events[0])["subject"], events[0])
    assert (record.number, record.revision) == ("QE-000001", 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) in (0, -signal.SIGTERM)
    process.stdout.close()
    store = StubStore(tmp_path / "erp.db")
    assert store.stats()["records"] == 1
    store.close()


def test_the_command_wants_a_secret(tmp_path, root):
    command = [sys.executable, "-m", "sinks.erp.stub", "--db", str(tmp_path / "erp.db")]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, env={"PYTHONPATH": str(root)})
    assert done.returncode == 2
    assert b"ANDON_ERP_SECRET" in done.stderr


def test_the_list_comes_in_pages_with_key_and_kind_doubles_too(tmp_path, events, monkeypatch):
    monkeypatch.setattr(stub_module, "PAGE", 2)
    with stub_erp(tmp_path, unique=False) as (url, _), WebhookConnector(url, SECRET) as erp:
        assert list(erp.records(0)) == []
        keys = [json.loads(body)["subject"] for body in events]
        for key, body in zip(keys, events, strict=True):
            erp.open(json.loads(body)["type"].split(".")[1], key, body)
        listed = list(erp.records(0))
    assert [one.key for one in listed] == keys
    assert keys[0] == keys[2], "revision 2 of the first, which this ERP takes for a new one"
    assert [(one.kind, one.revision) for one in listed] == [
        ("quality_event", 1), ("maintenance_order", 1), ("quality_event", 2),
    ]  # fmt: skip


def test_a_list_wants_its_own_signature_and_a_place_to_go_on(stub):
    for after, message_id, status in (("0", "list.1", 401), ("x", "list.x", 400), ("0", "list.0", 200)):
        answer = stub.get(f"/records?since_ns=0&after={after}", headers=signed(b"", message_id=message_id))
        assert answer.status_code == status


@pytest.mark.parametrize("onward", ["0", "../secret", 1.5, ["1"]])
def test_a_list_without_an_end_is_given_up(monkeypatch, onward):
    with WebhookConnector("https://erp.example.com", SECRET) as erp:
        monkeypatch.setattr(erp, "_call", lambda *_: {"records": [], "next": onward})
        with pytest.raises(Exception, match="next"):
            list(erp.records(0))


def test_how_a_record_stands(tmp_path, events):
    key = json.loads(events[0])["subject"]
    with stub_erp(tmp_path) as (url, _), WebhookConnector(url, SECRET) as erp:
        record = erp.open("quality_event", key, events[0])
        assert record.key == key
        assert erp.get_state(record) == ErpState("open", closed=False)
        told = {"key": key, "status": "done", "closed": True, "verdict": "false", "comment": "door left open"}
        assert httpx.post(f"{url}/standing", json=told).status_code == 200
        assert erp.get_state(record) == ErpState("done", closed=True, verdict="false", comment="door left open")
        with pytest.raises(RefusedError, match="no record"):
            erp.get_state(replace(record, key="k" * 20))


def test_the_webhook_driver_is_a_whole_one(events):
    with WebhookConnector("https://erp.example.com", SECRET) as erp:
        whole: ErpConnector = erp
        key = json.loads(events[0])["subject"]
        assert whole.preview("quality_event", key, events[0]) == json.loads(events[0])
        assert "attach" not in whole.features
        with pytest.raises(RefusedError, match="attach"):
            whole.attach(ExternalRecord("1", "1"), "a.pdf", b"", "application/pdf")
