"""What is known of each ERP: every field and error names its source, every error is told as what it means."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from pathlib import Path

import pytest

from andon.config.erp import Erp, Erpnext, Sap, Tryton
from andon.config.erp_names import ALARM_NAMES, names_in
from andon.errors import ConfigError, DeliveryError
from sinks.erp import port
from sinks.erp.connectors import connector
from sinks.erp.erpnext import ErpnextConnector
from sinks.erp.odoo import OdooConnector
from sinks.erp.port import RefusedError, SendError
from sinks.erp.sap import SapConnector
from sinks.erp.sap_login import SapLogin
from sinks.erp.system import SYSTEMS, places, read_system
from sinks.erp.tryton import TrytonConnector
from tests.erp_stubs.odoo import OdooStub
from tests.erp_stubs.orders import connected, revised, told_orders
from tests.erp_stubs.sap import SapStub
from tests.erp_stubs.serving import serving
from tests.erp_stubs.worlds import TOKEN, WORLDS, erp_of
from tests.tree import ROOT

ERRORS = [(system, name) for system in SYSTEMS for name in read_system(system)["errors"]]


@pytest.fixture(scope="module")
def order(tmp_path_factory):
    return told_orders(tmp_path_factory.mktemp("orders"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_everything_has_a_source_and_fits_together(system):
    told = read_system(system)
    assert told["priorities"].keys() == {"critical", "high", "medium", "low"}
    assert told["kind"].keys() == {"quality_event", "maintenance_order"}
    assert "stub" in told["against"]
    for kind in told["kind"].values():
        assert [name for name, one in kind["fields"].items() if not one["source"].strip()] == []
        own = {kind.get(name) for name in ("key_field", "text_field", "id_field", "number_field", "created_field")}
        assert {*kind["map"], *kind["once"], kind["state_field"], *(own - {None})} <= kind["fields"].keys()
        for template in kind["map"].values():
            assert set(names_in(template)) <= ALARM_NAMES
    for name, error in told["errors"].items():
        assert error["source"].strip(), name
        assert issubclass(getattr(port, error["outcome"]), SendError)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_docs_tell_what_it_ran_against_and_where_a_double_is_possible(system):
    page = " ".join((ROOT / "docs" / "erp.md").read_text(encoding="utf-8").split())
    told = read_system(system)
    unsourced = sum("unsourced" in one["source"] for kind in told["kind"].values() for one in kind["fields"].values())
    unsourced += sum("unsourced" in one["source"] for one in told["errors"].values())
    row = f"| {told['name']} | {told['version']} | {told['against']} | {unsourced} | {told['residual']} |"
    assert row in page, row


@pytest.mark.parametrize(("system", "name"), ERRORS, ids=["-".join(one) for one in ERRORS])
def test_each_error_is_told_as_what_it_means(tmp_path, order, system, name):
    told = read_system(system)["errors"][name]
    with WORLDS[system](tmp_path) as world, connected(world) as erp:
        erp.open(*order(1))
        world.faults(name)
        with pytest.raises(SendError) as caught:
            erp.find(order(0)[1])
    assert type(caught.value).__name__ == told["outcome"]
    assert caught.value.status == told["status"]
    assert told.get("says", "") in str(caught.value)
    assert (caught.value.retry_after_s == 7.0) == ("headers" in told)
    for hidden in (TOKEN, "password-of-andon", "api-key-of-andon", "Traceback", "127.0.0.1"):
        assert hidden not in str(caught.value)


def test_maps_are_added_to_the_usual_ones_and_a_model_of_ones_own_starts_empty():
    erp = Erp(
        kind="odoo", url="https://erp.example.com",
        map={"quality_event": {"team_id": 3}, "lot_hold": {"name": "{lot}"}},
        models={"maintenance_order": "maintenance.order", "lot_hold": "stock.hold"},
        priorities={"high": "9"}, timezone="Asia/Shanghai",
    )  # fmt: skip
    made = places("odoo", erp)
    assert made.of("quality_event").map["team_id"] == 3
    assert made.of("quality_event").map["title"] == "{title}"
    assert made.of("maintenance_order").map == {}
    assert made.of("lot_hold").map == {"name": "{lot}"}
    assert made.terms.priority_codes["high"] == "9"
    assert made.terms.priority_codes["low"] == "0"
    assert str(made.terms.zone) == "Asia/Shanghai"
    with pytest.raises(RefusedError, match="oee_shift"):
        made.of("oee_shift")


def test_a_required_field_that_stays_empty_is_named_before_anything_is_sent(order):
    erp = Erp(kind="erpnext", url="http://127.0.0.1:1")
    with ErpnextConnector(erp, TOKEN) as connected_, pytest.raises(RefusedError) as caught:
        connected_.open(*order(1))
    assert "'asset'" in str(caught.value)
    assert "'line/m1'" in str(caught.value)
    assert "erp.equipment" in str(caught.value)
    with ErpnextConnector(erp, TOKEN) as connected_, pytest.raises(RefusedError, match="procedure"):
        connected_.preview(*order(0))


def test_odoo_names_the_fields_that_nobody_added(order):
    stub = OdooStub(key="api-key", database="plant", ours=False)
    with serving(stub) as url:
        erp = Erp(kind="odoo", url=url, odoo={"database": "plant"}, map={"quality_event": {"x_line": "a"}})
        with OdooConnector(erp, "api-key") as odoo:
            with pytest.raises(RefusedError) as caught:
                odoo.open(*order(0))
            assert "x_andon_key, x_andon_revision, x_line" in str(caught.value)
            stub.ours = True
            with pytest.raises(RefusedError) as caught:
                odoo.open(*order(0))  # asked again: somebody added two of them
    assert "x_andon" not in str(caught.value)


def test_odoo_says_what_load_refuses(order):
    stub = OdooStub(key="api-key", database="plant")
    with serving(stub) as url:
        erp = Erp(kind="odoo", url=url, odoo={"database": "plant"}, map={"quality_event": {"title": ""}})
        with OdooConnector(erp, "api-key") as odoo:
            made = odoo.open(*order(0))
            assert made.revision == 1
            stub._check = _refuse  # type: ignore[method-assign]  # a rule of the model's own
            with pytest.raises(RefusedError, match="a team is needed") as caught:
                odoo.open(*order(2))
    assert caught.value.status == 422


def _refuse(*_given: object, **_named: object) -> None:
    from tests.erp_stubs.serving import RefuseError

    raise RefuseError("refused", says="a team is needed")


def test_sap_writes_the_key_in_capitals_and_cuts_the_text_around_it(tmp_path, order):
    for number, name in ((0, "DefectText"), (1, "NotificationText")):
        with WORLDS["sap"](tmp_path) as world, connected(world) as sap:
            sap.open(*order(number))
            (stored,) = world.stored(order(number)[1])
            assert len(stored[name]) <= 40
            assert order(number)[1].upper() in stored.values() or stored[name].startswith(order(number)[1].upper())
            assert all(
                isinstance(value, str) for key, value in stored.items() if key[0].isupper() and "Creat" not in key
            )


def test_sap_fetches_another_token_when_one_runs_out(order):
    stub = SapStub(user="ANDON", password="pw", token_lasts=1)
    with serving(stub) as url:
        erp = erp_of("sap", url, sap=Sap(user="ANDON", client="100"))
        with SapConnector(erp, "pw") as sap:
            for number in range(1, 9, 2):
                sap.open(*order(number))
    assert len(stub.rows) == 4
    assert len(stub.csrf) == 4


def test_sap_reads_again_what_somebody_changed(tmp_path, order):
    with WORLDS["sap"](tmp_path) as world, connected(world) as sap:
        made = sap.open(*order(1))
        world.faults("-", "changed")
        with pytest.raises(port.BrokenError):
            sap.update(*order(1), made)
        assert sap.update(*order(1), made).id == made.id


@pytest.mark.parametrize("system", ["odoo", "erpnext"])
def test_what_was_held_up_does_not_overwrite_a_newer_revision(tmp_path, order, system):
    with WORLDS[system](tmp_path) as world, connected(world) as erp:
        told = order(1)
        found = erp.open(*told)
        erp.update(*revised(told), found)
        assert erp.update(*told, found).revision == 2
        with suppress(SendError):  # a unique key refuses it, which is as good
            erp.open(*told)
        assert [one["revision"] for one in world.stored(told[1])] == [2]


def test_sap_makes_one_record_though_a_revision_was_decided_meanwhile(tmp_path, order):
    with WORLDS["sap"](tmp_path) as world, connected(world) as erp:
        told = order(1)
        erp.open(*told)
        assert erp.open(*revised(told)).revision == 2, "its first answer was lost, and no look-up saw it yet"
        assert [one["revision"] for one in world.stored(told[1])] == [2]


def test_a_reference_of_other_people_is_no_key_of_ours():
    stub = SapStub(user="ANDON", password="pw")
    with serving(stub) as url:
        erp = erp_of("sap", url, sap=Sap(user="ANDON", client="100"))
        row = stub.add("API_MAINTNOTIFICATION/MaintenanceNotification", {"NotificationText": "Leak"})
        row.fields |= {"_version": 1, "CreationDate": stub.now_s, "MaintNotifExtReferenceNumber": "4500012345"}
        with SapConnector(erp, "pw") as sap:
            assert list(sap.records(0)) == []


@pytest.mark.parametrize("secret", ["abc", "abc:", "a:b:c", "schlüssel:b"])
def test_an_unusable_secret_of_erpnext_is_said_without_it(secret):
    with pytest.raises(DeliveryError) as caught:
        ErpnextConnector(Erp(kind="erpnext", url="https://erp.example.com"), secret)
    for language in ("en", "zh-CN"):
        assert "key:secret" in caught.value.text(language)
        assert "schl" not in caught.value.text(language)


def test_the_factory_reads_the_secret_beside_plant_toml(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("ANDON_ERP_SECRET", raising=False)
    (tmp_path / "erp.secret").write_text("key:secret\n", encoding="utf-8")
    (tmp_path / "erp.secret").chmod(0o600)
    for kind, given, made in (
        ("erpnext", {"erpnext": Erpnext(key_field="k")}, ErpnextConnector),
        ("odoo", {}, OdooConnector),
        ("sap", {"sap": Sap(user="u")}, SapConnector),
        ("tryton", {"tryton": Tryton(database="erp")}, TrytonConnector),
    ):
        erp = Erp(kind=kind, url="https://erp.example.com", secret_file="erp.secret", **given)
        with closing(connector(erp, tmp_path)) as found:
            assert isinstance(found, made)
    with pytest.raises(ConfigError, match="ANDON_ERP_SECRET"):
        connector(Erp(kind="odoo", url="https://erp.example.com"), tmp_path)


def test_a_token_is_kept_while_it_lasts_and_forgotten_when_refused():
    from andon.clock import ManualClock

    stub, clock = SapStub(user="ANDON", password="pw"), ManualClock(0)
    with serving(stub) as url:
        login = SapLogin(Sap(token_url=f"{url}/oauth/token", client_id="ANDON"), "pw", 5.0, clock)
        first = login.authorization()
        assert re.fullmatch(r"Bearer bearer-0", first)
        clock.advance(3500)
        assert login.authorization() == first
        clock.advance(60)
        assert login.authorization() == "Bearer bearer-1"
        login.forget()
        assert login.authorization() == "Bearer bearer-2"
        login.close()
        wrong = SapLogin(Sap(token_url=f"{url}/oauth/token", client_id="ANDON"), "other", 5.0, clock)
        with pytest.raises(RefusedError, match="invalid_client"):
            wrong.authorization()
        wrong.close()
