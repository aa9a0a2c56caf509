"""Odoo 19 over its JSON-2 API (/json/2/<model>/<method>), with two fields added to each model: key and revision.

A record is made by `load` under an external id of its key, which Odoo's database keeps unique: the same key again
changes that record and makes no second one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from andon.clock import Clock
from andon.config.erp import Erp, Odoo
from andon.erp_state import ErpState
from andon.errors import DeliveryError
from andon.readings import NS_PER_S
from sinks.erp.http import Answer, Caller, judged
from sinks.erp.mapped import ID_SEPARATOR, PAGE, Draft, Mapped
from sinks.erp.port import BrokenError, ExternalRecord, RefusedError
from sinks.erp.system import Target

# Archived records are found too; times are written in UTC, whatever the user of the key prefers.
CONTEXT = {"active_test": False, "tz": "UTC", "lang": "en_US"}
MODULE = "__andon__"  # of the external ids: no module of Odoo can have this name
Fields = Mapping[str, Mapping[str, Any]]


class OdooConnector(Mapped):
    """See `ErpConnector` for what is promised. secret: an API key, which lives at most 3 months.

    With its first order for a model the driver asks for the model's fields: one of ours or of the map that is not
    there is refused, and named.
    """

    features = frozenset({"unique_key", "state", "attach", "list"})

    def __init__(self, erp: Erp, secret: str, *, clock: Clock | None = None) -> None:
        if not secret.isascii() or len(secret.split()) != 1:
            raise DeliveryError("erp.key_secret_invalid", kind="odoo", form="API key")
        names = erp.odoo or Odoo()
        headers = {"authorization": f"bearer {secret}", "user-agent": "Andon", "accept": "application/json"}
        if names.database is not None:
            headers["x-odoo-database"] = names.database
        super().__init__("odoo", erp, Caller(erp.url, timeout_s=erp.timeout_s, headers=headers, clock=clock))
        self._key_field, self._revision_field = names.key_field, names.revision_field
        self._known: dict[str, Fields] = {}

    def find(self, key: str) -> ExternalRecord | None:
        """The oldest record of any configured model that carries `key`."""
        for target in self._places.targets.values():
            for row in self._search(target.model, [[self._key_field, "=", key]], self._ours(), most=1):
                return self._record(target, row)
        return None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """load() one record under the key's external id; one that is there is brought to the body's revision."""
        draft = self._draft(kind, key, body)
        known = self._fields(draft)
        # load() would put an order that was held up over a newer revision.
        for there in self._search(draft.target.model, [[self._key_field, "=", key]], self._ours(), most=1):
            return self.update(kind, key, body, self._record(draft.target, there))
        row = {"id": f"{MODULE}.{key}"}
        row |= dict(_loaded(name, value, known[name]) for name, value in self._sent(draft, key).items())
        told = self._call(draft.target.model, "load", fields=list(row), data=[list(row.values())])
        ids = told.get("ids") if isinstance(told, dict) else None
        if isinstance(told, dict) and not ids:
            said = "; ".join(str(one.get("message", "")) for one in told.get("messages", ()))
            raise RefusedError(422, said)  # load answers 200 and says what is wrong; 422 is what it means
        if not isinstance(ids, list) or not isinstance(ids[0], int):
            raise BrokenError(200, "the answer of load names no record")
        return self._named(draft, ids[0], key)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """write() the fields that people do not own, unless the record holds a newer revision by now."""
        draft = self._draft(kind, key, body)
        self._fields(draft)
        target, inner = self._split(found)
        there = self._record(target, _row(self._call(target.model, "read", ids=[int(inner)], fields=self._ours())))
        if there.revision > draft.revision:
            return there
        values = draft.changes() | {self._revision_field: draft.revision}
        self._call(draft.target.model, "write", ids=[int(inner)], vals=values)
        return self._named(draft, int(inner), key)

    def get_state(self, record: ExternalRecord) -> ErpState:
        """The record's stage; its own word `done` says whether it is closed."""
        target, inner = self._split(record)
        rows = self._call(target.model, "read", ids=[int(inner)], fields=[target.state_field])
        stage = _row(rows).get(target.state_field)
        if not isinstance(stage, list):  # a selection, or no stage at all
            return self._state(target, str(stage or ""))
        of_stage = target.raw["fields"][target.state_field]["relation"]
        done = _row(self._call(of_stage, "read", ids=[stage[0]], fields=[target.raw["stage_done"]]))
        status = str(stage[1])
        return self._state(target, status, closed=bool(done.get("done")) or status in target.closed)

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """An ir.attachment of the record, unless one of that name is there."""
        target, inner = self._split(record)
        at = {"res_model": target.model, "res_id": int(inner), "name": name}
        if not self._search("ir.attachment", [[key, "=", value] for key, value in at.items()], ["id"], most=1):
            data = base64.b64encode(content).decode()
            self._call("ir.attachment", "create", vals_list=[at | {"datas": data, "mimetype": media_type}])

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """Records with a key made since then, model by model."""
        since = datetime.fromtimestamp(since_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for target in self._places.targets.values():
            after = 0
            made = [[self._key_field, "!=", False], ["create_date", ">=", since]]
            while rows := self._search(target.model, [*made, ["id", ">", after]], self._ours(), most=PAGE):
                yield from (self._record(target, row) for row in rows)
                after = int(rows[-1]["id"])

    def ping(self) -> None:
        """Ask who we are, and look up a key that no order has: the fields must be there."""
        self._call("res.users", "context_get")
        self.find("ping")

    def _sent(self, draft: Draft, key: str) -> dict[str, object]:
        return {**draft.fields, self._key_field: key, self._revision_field: draft.revision}

    def _ours(self) -> list[str]:
        return ["id", "display_name", self._key_field, self._revision_field]

    def _fields(self, draft: Draft) -> Fields:
        """What the model's fields are. Raises RefusedError for a field of ours or of the map that it has not."""
        model, wanted = draft.target.model, {self._key_field, self._revision_field, *draft.target.map}
        if model not in self._known:
            told = self._call(model, "fields_get", attributes=["type"])
            if not isinstance(told, dict):
                raise BrokenError(200, "the answer of fields_get is not a JSON object")
            self._known[model] = told
        missing = sorted(wanted - self._known[model].keys())
        if missing:
            del self._known[model]  # somebody may add them: ask again next time
            raise RefusedError(None, f"{model} has no field {', '.join(missing)}")
        return self._known[model]

    def _search(self, model: str, domain: list[Any], fields: list[str], *, most: int) -> list[dict[str, Any]]:
        rows = self._call(model, "search_read", domain=domain, fields=fields, order="id asc", limit=most)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BrokenError(200, "the answer of search_read is not a list of records")
        return rows

    def _call(self, model: str, method: str, **given: object) -> object:
        content = json.dumps({**given, "context": CONTEXT}, ensure_ascii=False).encode()
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = self._caller.ask("POST", f"/json/2/{model}/{method}", content=content, headers=headers)
        return judged(answer, _told).value()

    def _record(self, target: Target, row: Mapping[str, Any]) -> ExternalRecord:
        if not isinstance(row.get("id"), int):
            raise BrokenError(200, "the answer names no record")
        inner, revision = row["id"], row.get(self._revision_field)
        number = f"{row.get('display_name') or target.model} ({inner})"
        return ExternalRecord(
            f"{target.model}{ID_SEPARATOR}{inner}", number, revision if isinstance(revision, int) else 1,
            str(row.get(self._key_field) or ""), target.kind,
        )  # fmt: skip

    def _named(self, draft: Draft, inner: int, key: str) -> ExternalRecord:
        shown = draft.fields.get("name") or draft.fields.get("title")
        ours = {self._key_field: key, self._revision_field: draft.revision}
        return self._record(draft.target, {"id": inner, "display_name": shown, **ours})


def _loaded(name: str, value: object, known: Mapping[str, Any]) -> tuple[str, str]:
    """A field as load() takes it: text always, a record by its database id."""
    if known.get("type") == "many2one":
        return f"{name}/.id", str(value)
    return name, ("1" if value else "0") if isinstance(value, bool) else str(value)


def _row(rows: object) -> dict[str, Any]:
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        return rows[0]
    raise RefusedError(404, "the record is not there any more")


def _told(answer: Answer) -> str:
    try:
        told = answer.table()
    except BrokenError:
        return answer.text()
    return f"{str(told.get('name', '')).rpartition('.')[2]}: {told.get('message', '')}"
