"""Each ERP of the contract suite as a world: a connector, a look into the store from behind, faults, a person's hand.

A connector joins the suite with a world of its own in `WORLDS`; one that needs a real server is marked `real`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from andon.config.erp import Erp, Odoo, Sap
from sinks.erp.erpnext import ErpnextConnector
from sinks.erp.odoo import OdooConnector
from sinks.erp.sap import SapConnector
from sinks.erp.stub import Faults
from sinks.erp.webhook import WebhookConnector, new_secret
from tests.erp_stubs.erpnext import ErpnextStub
from tests.erp_stubs.odoo import OdooStub
from tests.erp_stubs.sap import SapStub
from tests.erp_stubs.serving import Stub, serving
from tests.records_world import SECRET, stub_erp

EQUIPMENT = {f"line/m{number}": number + 1 for number in range(7)}
TOKEN = "key:secret-of-andon"


@dataclass(frozen=True)
class World:
    """One ERP.

    make: a connector of its own, to be closed. wrong: one with a wrong secret. stored: the records of a key as fields,
    looked up behind the connector's back, with "revision". faults: of the next requests: "lost", "limited", "broken",
    "-" for none. finish, remove: a person in the ERP closes or deletes the record of a key. files: what is attached to
    any record.
    """

    make: Callable[[], Any]
    wrong: Callable[[], Any]
    stored: Callable[[str], list[dict[str, Any]]]
    faults: Callable[..., None]
    finish: Callable[[str], None] | None = None
    remove: Callable[[str], None] | None = None
    files: Callable[[], list[tuple[str, str, bytes]]] | None = None


class Script(Faults):
    """The faults of the webhook's stub, one after the other."""

    NAMES: ClassVar[Mapping[str, str | None]] = {"lost": "lost", "limited": "busy", "broken": "error", "-": None}

    def __init__(self) -> None:
        super().__init__(None)
        self.next: deque[str] = deque()

    def draw(self) -> str | None:
        return self.NAMES[self.next.popleft()] if self.next else None


@contextmanager
def webhook(folder: Path) -> Iterator[World]:
    """The reference receiver of docs/erp-webhook.md."""
    script = Script()
    with stub_erp(folder, faults=script) as (url, store):

        def stored(key: str) -> list[dict[str, Any]]:
            events = [(json.loads(row["body"]), row) for row in store.records() if row["key"] == key]
            return [row | event["data"] | event for event, row in events]

        def remove(key: str) -> None:
            with closing(sqlite3.connect(folder / "erp.db")) as db, db:
                db.execute("DELETE FROM record WHERE external_key = ?", (key,))

        yield World(
            lambda: WebhookConnector(url, SECRET, timeout_s=5.0),
            lambda: WebhookConnector(url, new_secret(), timeout_s=5.0),
            stored, lambda *names: script.next.extend(names), lambda key: store.settle(key, "Closed", closed=True),
            remove,
        )  # fmt: skip


def erp_of(kind: str, url: str, **given: Any) -> Erp:
    """[erp] for a stub, with equipment for each asset of the tests."""
    return Erp(kind=kind, url=url, timeout_s=5.0, equipment=EQUIPMENT, **given)


def _world(stub: Stub, make: Callable[[], Any], wrong: Callable[[], Any], *, files: bool = True) -> World:
    def stored(key: str) -> list[dict[str, Any]]:
        rows = [row for row in stub.rows if row.model in models and stub.key_of(row) == key]
        return [row.fields | {"revision": stub.revision_of(row)} for row in rows]

    def finish(key: str) -> None:
        for row in stub.rows:
            if row.model in models and stub.key_of(row) == key:
                stub.finish(row)

    def remove(key: str) -> None:
        stub.rows = [row for row in stub.rows if row.model not in models or stub.key_of(row) != key]

    models = {told["model"] for told in stub.system["kind"].values()}
    return World(
        make,
        wrong,
        stored,
        lambda *faults: stub.faults.extend(faults),
        finish,
        remove,
        stub.attached if files else None,
    )


@contextmanager
def erpnext(folder: Path, *, unique: bool = True) -> Iterator[World]:
    """A stub of ERPNext."""
    del folder
    stub = ErpnextStub(token=TOKEN, unique=unique)
    with serving(stub) as url:
        erp = erp_of("erpnext", url, map={"quality_event": {"procedure": "PRC-Cold chain"}})
        yield _world(stub, lambda: ErpnextConnector(erp, TOKEN), lambda: ErpnextConnector(erp, "key:wrong-secret"))


@contextmanager
def odoo(folder: Path) -> Iterator[World]:
    """A stub of Odoo."""
    del folder
    stub = OdooStub(key="api-key-of-andon", database="plant")
    with serving(stub) as url:
        erp = erp_of("odoo", url, odoo=Odoo(database="plant"))
        yield _world(stub, lambda: OdooConnector(erp, stub.key), lambda: OdooConnector(erp, "another-key"))


@contextmanager
def sap(folder: Path, *, idempotent: bool = True, **login: Any) -> Iterator[World]:
    """A stub of S/4HANA; the key of a defect stands in its text, unless defect_key_field is given."""
    del folder
    stub = SapStub(user="ANDON", password="password-of-andon", idempotent=idempotent)
    with serving(stub) as url:
        given = {"user": "ANDON", "client": "100"} | login
        if "client_id" in login:
            given = {**given, "user": None, "token_url": f"{url}/oauth/token"}
        erp = erp_of("sap", url, sap=Sap(**given))
        yield _world(
            stub, lambda: SapConnector(erp, "password-of-andon"), lambda: SapConnector(erp, "wrong-password"),
            files=False,
        )  # fmt: skip


def sap_fields(folder: Path) -> AbstractContextManager[World]:
    """A field for the key of a defect, and OAuth."""
    return sap(folder, client_id="ANDON", defect_key_field="YY1_AndonKey")


WORLDS: dict[str, Callable[[Path], AbstractContextManager[World]]] = {
    "webhook": webhook, "erpnext": erpnext, "odoo": odoo, "sap": sap, "sap-oauth": sap_fields,
}  # fmt: skip
