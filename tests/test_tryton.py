"""The connector on a real Tryton 8.2: what a client of it must get right, each as one test."""

from __future__ import annotations

import json
import threading

import pytest

from andon.records.canonical import canonical
from service.servers import free_port
from sinks.erp.mapping import Terms
from sinks.erp.port import FEATURES, BrokenError, ExternalRecord, RefusedError, UnavailableError
from sinks.erp.tryton_rest import TrytonRest
from tests.tryton_world import connector, lossy, order, report

pytestmark = pytest.mark.real
ALL = ("quality_event", "maintenance_order")


@pytest.fixture
def erp(tryton):
    one = connector(tryton.url, tryton)
    yield one
    one.close()


@pytest.fixture
def rest(tryton):
    one = TrytonRest(tryton.url, tryton.token)
    yield one
    one.close()


def keyed(rest, model, key, *fields):
    return rest.search(model, [["external_key", "=", key]], fields or ["external_key"])


# One order, one record


def test_a_quality_event_is_an_open_alert_of_a_failed_inspection(erp, rest):
    asked = order(asset="line/m0")
    record = erp.open(**asked)
    assert record == erp.find(asked["key"])
    assert (record.key, record.kind, record.revision) == (asked["key"], "quality_event", 1)
    fields = ("number", "title", "description", "state", "origin")
    alert = keyed(rest, "quality.alert", asked["key"], *fields)[0]
    assert (alert["number"], alert["state"]) == (record.number, "open")
    assert alert["title"] == "line/m0 air above 8 Cel"
    assert asked["key"] in alert["description"]
    inspection = keyed(rest, "quality.inspection", asked["key"], "state", "origin", "reference")[0]
    assert alert["origin"] == f"quality.inspection,{inspection['id']}"
    assert (inspection["state"], inspection["reference"]) == ("failed", "line/m0")
    assert inspection["origin"].startswith("production.work.center,")


def test_a_maintenance_order_is_a_task_of_the_project_at_its_machine(erp, rest):
    asked = order("maintenance_order")
    record = erp.open(**asked)
    fields = ("number", "name", "status.name", "parent.name", "work_center.name")
    task = keyed(rest, "project.work", asked["key"], *fields)[0]
    assert (task["number"], task["name"]) == (record.number, "line/m0 air above 8 Cel")
    assert (task["parent"]["name"], task["work_center"]["name"]) == ("Maintenance", "LATHE-07")
    assert erp.find(asked["key"]) == record


@pytest.mark.parametrize("kind", ALL)
def test_an_asset_without_a_machine_and_one_that_tryton_does_not_know_are_told_all_the_same(tryton, erp, kind):
    assert erp.open(**order(kind, asset="cold/room9")).revision == 1
    other = connector(tryton.url, tryton, terms=Terms(equipment={"line/m0": "GONE-1"}))
    assert other.open(**order(kind)).revision == 1
    with pytest.raises(RefusedError, match=r"no production\.work\.center 'GONE-1'"):
        other.ping()
    other.close()


def test_a_hold_names_its_lot(erp, rest):
    asked = report(
        "lot_hold", {"lot": "LOT-A", "product": "IOL-23", "asset": "cold/room1", "why_en": "12 min too warm"}
    )
    record = erp.open(**asked)
    assert (record.kind, record.number, record.revision) == ("lot_hold", "LOT-A", 1)
    hold = keyed(rest, "stock.lot.hold", asked["key"], "state", "reason")[0]
    assert (hold["state"], "12 min too warm" in hold["reason"]) == ("held", True)
    assert not erp.get_state(record).closed
    rest.act("stock.lot.hold", hold["id"], "release", ["state"])
    assert erp.get_state(record).closed
    with pytest.raises(RefusedError, match="no lot 'LOT-Z'"):
        erp.open(**report("lot_hold", {"lot": "LOT-Z"}))


def released(asked):
    """The same hold after a person has let the lot go."""
    event = json.loads(asked["body"])
    event["data"] |= {"blocked": False, "state": "released", "by": "Chen Jing", "reason": "tested, fine", "revision": 2}
    return {**asked, "body": canonical(event)}


def test_a_lot_that_a_person_lets_go_is_free_in_tryton_too(erp, rest):
    data = {"lot": "LOT-A", "product": "IOL-23", "asset": "cold/room1", "rule": "cold-room-high", "blocked": True}
    asked = report("lot_hold", {**data, "alarm_key": "a" * 20})
    record = erp.open(**asked)
    assert erp.update(**released(asked), found=record).revision == 2
    assert erp.update(**released(asked), found=record).revision == 2, "cut off and told again"
    hold = keyed(rest, "stock.lot.hold", asked["key"], "state", "reason")[0]
    assert hold["state"] == "released"
    lines = ["Asset: cold/room1", "Rule: cold-room-high", f"Alarm: {'a' * 20}", "Released by: Chen Jing"]
    assert hold["reason"].splitlines() == [*lines, "Reason: tested, fine"]
    with pytest.raises(RefusedError, match="newer"):
        erp.open(**asked)
    assert erp.get_state(record).closed, "a late first revision puts nothing in force again"


def test_a_hold_that_was_let_go_before_it_was_told_is_released_however_often_it_is_cut_off(erp, rest):
    asked = released(report("lot_hold", {"lot": "LOT-A", "product": "IOL-23", "asset": "cold/room1"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erp, "_let_go", lambda _: (_ for _ in ()).throw(UnavailableError(None, "cut off")))
        with pytest.raises(UnavailableError):
            erp.open(**asked)
    found = erp.find(asked["key"])
    assert found.revision == 0, "so that the next attempt goes on"
    assert erp.update(**asked, found=found).revision == 2
    assert erp.get_state(found).closed
    other = released(report("lot_hold", {"lot": "LOT-A", "product": "IOL-23", "asset": "cold/room1"}))
    assert erp.get_state(erp.open(**other)).closed


def test_kinds_are_bounded_and_may_be_given_a_place(tryton, erp):
    asked = report("calibration_due", {"asset": "line/m0", "why_en": "Due in 7 days"})
    with pytest.raises(RefusedError, match="no place for 'calibration_due'"):
        erp.open(**asked)
    other = connector(tryton.url, tryton, models={"calibration_due": "project.work"})
    assert other.open(**asked).kind == "calibration_due"
    assert other.find(asked["key"]).kind == "calibration_due"
    other.close()


# Repeats, races, lost answers


@pytest.mark.parametrize("kind", ALL)
def test_a_repeat_is_no_second_record(erp, rest, kind):
    asked = order(kind)
    assert erp.open(**asked) == erp.open(**asked)
    assert len(keyed(rest, "project.work" if kind == ALL[1] else "quality.alert", asked["key"])) == 1


@pytest.mark.parametrize("kind", ALL)
def test_eight_at_once_leave_one_record_and_all_are_told_of_it(tryton, rest, kind):
    asked, told, failed = order(kind), [], []
    together = threading.Barrier(8)

    def race():
        one = connector(tryton.url, tryton, timeout_s=60.0)
        try:
            together.wait()
            told.append(one.open(**asked))
        except Exception as error:
            failed.append(error)
        finally:
            one.close()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({record.id for record in told}) == 1
    for model in ("project.work",) if kind == ALL[1] else ("quality.inspection", "quality.alert"):
        assert len(keyed(rest, model, asked["key"])) == 1


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("at", range(6))
def test_whichever_answer_is_lost_the_next_attempt_goes_on_from_there(tryton, rest, kind, at):
    """The connector is stopped after each of its calls in turn; the sender's next attempt looks up and goes on."""
    asked = order(kind)
    with lossy(tryton) as proxy:
        one = connector(proxy.url, tryton)
        forget = count_calls(one, lambda number: proxy.lose_next() if number == at else None)
        try:
            record = one.open(**asked)
            assert at >= forget(), "the answer was lost and nobody missed it"
        except UnavailableError:
            forget()
            assert proxy.lost == 1
            found = one.find(asked["key"])
            record = one.open(**asked) if found is None else one.update(**asked, found=found)
        assert record.revision == 1
        assert one.find(asked["key"]) == record
        one.close()
    for model in ("project.work",) if kind == ALL[1] else ("quality.inspection", "quality.alert"):
        assert len(keyed(rest, model, asked["key"])) == 1


def count_calls(one, before):
    """Calls `before(number)` ahead of each request of the connector, until what is returned is called: the count."""
    caller, count = one._rest._caller, 0
    ask = caller.ask

    def counted(*given, **named):
        nonlocal count
        before(count)
        count += 1
        return ask(*given, **named)

    def forget():
        caller.ask = ask
        return count

    caller.ask = counted
    return forget


# Revisions


@pytest.mark.parametrize("kind", ALL)
def test_a_revision_updates_the_record_and_an_older_one_never_goes_back(erp, rest, kind):
    asked = order(kind)
    first = erp.open(**asked)
    newer = order(kind, key=asked["key"], revision=3, peak=12.5)
    second = erp.update(**newer, found=first)
    assert (second.id, second.number, second.revision) == (first.id, first.number, 3)
    late = order(kind, key=asked["key"], revision=2)
    with pytest.raises(RefusedError) as caught:
        erp.update(**late, found=first)
    assert caught.value.status == 400
    assert "newer than 2" in caught.value.detail
    model, text = ("project.work", "comment") if kind == ALL[1] else ("quality.alert", "description")
    assert "12.5" in keyed(rest, model, asked["key"], text)[0][text]


def test_an_inspection_that_a_person_has_passed_takes_the_revision_itself(erp, rest):
    asked = order()
    half = rest.create(
        "quality.inspection",
        {
            "company": 1, "external_key": asked["key"], "points": {"within_limits": True},
            "control": rest.search("quality.control", [["name", "=", "Andon"]], ["name"])[0]["id"],
        },
        ["state"],
    )  # fmt: skip
    rest.act("quality.inspection", half["id"], "process", ["state"])
    found = erp.find(asked["key"])
    assert found.revision == 0
    record = erp.update(**asked, found=found)
    assert (record.id, record.revision) == (f"quality.inspection,{half['id']}", 1)
    assert erp.get_state(record).closed


# Back from the ERP


def test_the_state_of_an_alert_and_the_verdict_of_people(erp, rest):
    record = erp.open(**order())
    alert = int(record.id.partition(",")[2])
    seen = [erp.get_state(record)]
    for action in ("process", "resolve"):
        rest.act("quality.alert", alert, action, ["state"])
        seen.append(erp.get_state(record))
    assert [(state.status, state.closed) for state in seen] == [
        ("open", False), ("processing", False), ("resolved", True)
    ]  # fmt: skip
    rest.write("quality.alert", alert, {"external_verdict": "false"}, ["state"])
    assert (seen[0].verdict, erp.get_state(record).verdict) == ("", "false")


def test_a_task_is_closed_when_its_status_is_all_done(erp, rest):
    record = erp.open(**order("maintenance_order"))
    assert (erp.get_state(record).status, erp.get_state(record).closed) == ("Open", False)
    done = rest.search("project.work.status", [["progress", "=", 1.0]], ["name"])[0]["id"]
    rest.write("project.work", int(record.id.partition(",")[2]), {"status": done, "progress": 1.0}, ["name"])
    assert (erp.get_state(record).status, erp.get_state(record).closed) == ("Done", True)


def test_a_record_that_is_gone_or_none_of_ours_is_said_to_be(erp):
    with pytest.raises(RefusedError) as caught:
        erp.get_state(ExternalRecord("quality.alert,99999999", "x"))
    assert caught.value.status == 404
    with pytest.raises(RefusedError, match=r"looks like quality\.alert,17"):
        erp.get_state(ExternalRecord("res.user,1", "x"))


def test_a_file_of_one_name_is_kept_once(erp, rest):
    record = erp.open(**order())
    for content in (b"\x00first", b"second, after the first answer was lost"):
        erp.attach(record, "evidence.json", content, "application/json")
    erp.attach(record, "picture.svg", b"<svg/>", "image/svg+xml")
    kept = rest.search("ir.attachment", [["resource", "=", record.id]], ["name", "data_size"])
    assert sorted((one["name"], one["data_size"]) for one in kept) == [("evidence.json", 6), ("picture.svg", 6)]


def test_all_records_are_listed_in_order_with_key_kind_and_revision(erp, monkeypatch):
    monkeypatch.setattr("sinks.erp.tryton_rest.PAGE", 3)  # several pages
    monkeypatch.setattr(TrytonRest.search, "__kwdefaults__", {"limit": 3})
    asked = [order(ALL[number % 2]) for number in range(8)]
    made = [erp.open(**one) for one in asked]
    ours = {one["key"] for one in asked}
    listed = [record for record in erp.records(0) if record.key in ours]
    assert listed == made
    assert list(erp.records(4_000_000_000 * 10**9)) == []


def test_half_an_order_is_listed_with_revision_0(erp, rest):
    asked = order()
    control = rest.search("quality.control", [["name", "=", "Andon"]], ["name"])[0]["id"]
    rest.create("quality.inspection", {"company": 1, "external_key": asked["key"], "control": control}, ["state"])
    assert [record.revision for record in erp.records(0) if record.key == asked["key"]] == [0]


# What its errors mean


def test_a_wrong_key_is_a_refusal_whose_page_is_read(tryton):
    one = connector(tryton.url, tryton)
    one._rest._caller._client.headers["authorization"] = "bearer wrong"
    with pytest.raises(RefusedError) as caught:
        one.find("x" * 20)
    assert caught.value.status == 401
    assert "does not know this key" in caught.value.detail
    one.close()


def test_what_tryton_does_not_know_is_500_and_so_not_tried_for_ever(rest):
    for model, field in (("no.such.model", "name"), ("quality.alert", "no_such_field")):
        with pytest.raises(BrokenError) as caught:
            rest.search(model, [], [field])
        assert caught.value.status == 500
        assert field.removeprefix("name") in caught.value.detail
        assert "<" not in caught.value.detail


def test_what_the_key_may_not_do_is_refused_with_tryton_s_words(rest):
    with pytest.raises(RefusedError, match="not allowed"):
        rest.create("party.category", {"name": "x"}, ["name"])


def test_a_field_that_is_read_only_is_refused_too(rest):
    with pytest.raises(RefusedError):
        rest.create("project.work", {"name": "x", "type": "task", "company": 1, "number": "MO-1"}, ["number"])


def test_a_missing_control_and_another_database_are_told_by_ping(tryton, erp):
    erp.ping()
    other = connector(tryton.url, tryton, control="Nobody's", project="Nowhere")
    with pytest.raises(RefusedError, match=r"no project\.work 'Nowhere', no quality\.control"):
        other.ping()
    with pytest.raises(RefusedError, match=r"no quality\.control"):
        other.open(**order())
    other.close()
    elsewhere = connector(tryton.url + "x", tryton)
    with pytest.raises(RefusedError) as caught:
        elsewhere.ping()
    assert caught.value.status == 404
    elsewhere.close()


def test_nobody_there_is_an_outage(tryton):
    one = connector(f"http://127.0.0.1:{free_port()}/erp", tryton)
    with pytest.raises(UnavailableError):
        one.find("x" * 20)
    one.close()


def test_the_body_of_another_order_is_not_sent(erp):
    asked = order()
    with pytest.raises(RefusedError, match="not the event of this order"):
        erp.open(asked["kind"], "a" * 20, asked["body"])


def test_preview_shows_what_open_would_send(erp):
    asked = order()
    shown = erp.preview(**asked)
    assert shown["model"] == "quality.inspection"
    assert (shown["control"], shown["origin"], shown["external_key"]) == ("Andon", "LATHE-07", asked["key"])
    assert shown["title"] == "line/m0 air above 8 Cel"
    assert erp.find(asked["key"]) is None


def test_fields_are_configured_and_a_wrong_name_is_told(tryton, rest):
    own = {"quality_event": {"title": "{priority}: {asset}"}}
    one = connector(tryton.url, tryton, maps=own)
    asked = order()
    one.open(**asked)
    assert keyed(rest, "quality.alert", asked["key"], "title")[0]["title"] == "high: line/m0"
    one.close()
    wrong = connector(tryton.url, tryton, maps={"quality_event": {"title": "{prio}"}})
    with pytest.raises(RefusedError, match="title: there is no 'prio'"):
        wrong.open(**order())
    wrong.close()


def test_it_has_every_feature(erp):
    assert erp.features == FEATURES
