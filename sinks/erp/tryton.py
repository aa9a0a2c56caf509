"""Tryton 8.2 with the module of deploy/tryton: quality alerts, maintenance tasks, holds on lots.

A quality event takes three calls: an inspection under the key, its processing, which fails it and opens the alert, and
the alert's texts with the revision. Cut off in between, `find` gives what is there with revision 0 and `update` goes on
from it. The key is UNIQUE on both, so whoever repeats or races finds the one record. One call makes a task or a hold.
"""

from __future__ import annotations

import heapq
from base64 import b64encode
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Literal, cast

from andon.clock import Clock
from andon.erp_state import ErpState
from sinks.erp.mapping import Terms, read_event
from sinks.erp.port import FEATURES, BrokenError, ExternalRecord, RefusedError, SendError
from sinks.erp.tryton_fields import ALERT, HOLD, INSPECTION, MODELS, TASK, TrytonFields, let_go
from sinks.erp.tryton_rest import Domain, Row, TrytonRest, moment

KINDS = {ALERT: "quality_event", **{model: kind for kind, model in MODELS.items()}}  # where a record does not say it
NUMBER = {ALERT: "number", INSPECTION: "number", TASK: "number", HOLD: "lot.number"}
STATE = {
    ALERT: ("state",), INSPECTION: ("state",), HOLD: ("state",), TASK: ("status.name", "status.progress"),
}  # fmt: skip
CLOSED = {ALERT: "resolved", INSPECTION: "passed", HOLD: "released"}  # a task is closed by a status of 100 %


class TrytonConnector:
    """See `ErpConnector` for what is promised; it has all of `FEATURES`.

    url     : of the server and the database, `https://erp.example.com/erp`. Raises DeliveryError as `check_url` says.
    token   : REST key; its user needs no more than deploy/tryton/prepare.py gives.
    company : id of the company the records belong to.
    control : the quality control of the inspections; each of its points is told as missed.
    project : the project whose tasks are the maintenance orders.
    maps    : kind -> field of the alert, the task or the hold -> value or template; added to the usual ones.
    models  : kind of order -> the model of one of `MODELS`; added to those.
    terms   : `equipment` names work centers; an order of an asset without one names no machine.

    `timeout_s` bounds each request; `open` takes three, and up to five more the first time and where the key is taken.
    """

    def __init__(
        self, url: str, token: str, *, company: int = 1, control: str = "Andon", project: str = "Maintenance",
        maps: Mapping[str, Mapping[str, object]] | None = None, models: Mapping[str, str] | None = None,
        terms: Terms | None = None, timeout_s: float = 15.0, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._rest = TrytonRest(url, token, company=company, timeout_s=timeout_s, clock=clock)
        self._fields = TrytonFields(self._rest, control, project, maps or {}, models or {}, terms or Terms())

    @property
    def features(self) -> frozenset[str]:
        return FEATURES

    def close(self) -> None:
        self._rest.close()

    def find(self, key: str) -> ExternalRecord | None:
        """The alert, else the inspection that has none yet (revision 0), else the task or the hold."""
        for model in (ALERT, INSPECTION, TASK, HOLD):
            if row := self._keyed(model, key):
                return _record(model, row)
        return None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """Create it; where the key is taken already, bring that record to the body's revision."""
        event, model = read_event(kind, key, body), self._fields.model(kind)
        try:
            row = self._rest.create(model, self._fields.new(kind, event), _read(model))
        except RefusedError as refused:
            self._fields.forget()  # perhaps the server does not know an id any more
            taken = self._keyed(model, key)
            if taken is None:
                raise _conflict(refused) from refused
            return self._revise(model, taken, kind, event)
        if model == INSPECTION or (model == HOLD and let_go(event)):
            return self._revise(model, row, kind, event)
        return _record(model, row)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        model, record = _parsed(found)
        event = read_event(kind, key, body)
        row = self._rest.read(model, record, _read(model)) if model == INSPECTION else {"id": record}
        return self._revise(model, row, kind, event)

    def get_state(self, record: ExternalRecord) -> ErpState:
        """The state of the alert or the status of the task, and the verdict that people set; 404 when it is gone."""
        model, number = _parsed(record)
        row = self._rest.read(model, number, ("external_verdict", *STATE[model]))
        verdict = cast("Literal['', 'true', 'false', 'known']", row.get("external_verdict") or "")
        if model == TASK:
            status = row.get("status") or {}
            return ErpState(str(status.get("name")), (status.get("progress") or 0.0) >= 1.0, verdict)
        return ErpState(str(row.get("state")), row.get("state") == CLOSED[model], verdict)

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """A file of that name is left as it is: Tryton's REST can change none. It knows the type by the name's end."""
        del media_type
        model, number = _parsed(record)
        resource = f"{model},{number}"
        if not self._rest.search("ir.attachment", [["resource", "=", resource], ["name", "=", name]], ["name"]):
            data = {"__class__": "bytes", "base64": b64encode(content).decode()}
            told = {"name": name, "type": "data", "resource": resource, "data": data}
            self._rest.create("ir.attachment", told, ["name"])

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """By the time of the ERP. An inspection stands for its alert while it has none."""
        asked: list[object] = [["external_key", "!=", None], ["create_date", ">=", moment(since_ns)]]
        alone = [*asked, ["alerts", "=", None]]
        each = [self._listed(model, asked) for model in (ALERT, TASK, HOLD)] + [self._listed(INSPECTION, alone)]
        return (record for _, record in heapq.merge(*each, key=itemgetter(0)))

    def preview(self, kind: str, key: str, body: bytes) -> Mapping[str, object]:
        return self._fields.shown(kind, read_event(kind, key, body))

    def ping(self) -> None:
        """The key is known, the module is there, and so is all that the configuration names."""
        for model in (ALERT, INSPECTION, TASK, HOLD):
            try:
                self._keyed(model, "ping")
            except BrokenError as error:
                detail = f"{model}: is the module andon of deploy/tryton activated? {error.detail}"
                raise BrokenError(error.status, detail) from error
        self._fields.forget()
        if missing := self._fields.missing():
            raise RefusedError(None, f"Tryton has no {', no '.join(missing)}")

    def _keyed(self, model: str, key: str) -> Row | None:
        """The oldest row that carries the key."""
        rows = self._rest.search(model, [["external_key", "=", key]], _read(model), limit=1)
        return rows[0] if rows else None

    def _listed(self, model: str, domain: Domain) -> Iterator[tuple[tuple[int, ...], ExternalRecord]]:
        return ((_made(row), _record(model, row)) for row in self._rest.pages(model, domain, _read(model)))

    def _revise(self, model: str, row: Row, kind: str, event: Mapping[str, Any]) -> ExternalRecord:
        if model == INSPECTION:
            return self._alert(row, kind, event)
        if model == HOLD and let_go(event):
            self._let_go(int(row["id"]))  # before the revision is told: cut off in between, it is done again
        return _record(model, self._rest.write(model, int(row["id"]), self._fields.told(kind, event), _read(model)))

    def _let_go(self, hold: int) -> None:
        """Press `release`, unless it was pressed before. A hold is never put in force again: people decide that."""
        if self._rest.read(HOLD, hold, ["state"])["state"] != "held":
            return
        try:
            self._rest.act(HOLD, hold, "release", ["state"])
        except RefusedError:
            if self._rest.read(HOLD, hold, ["state"])["state"] == "held":  # nobody else has just pressed it
                raise

    def _alert(self, row: Row, kind: str, event: Mapping[str, Any]) -> ExternalRecord:
        """The inspection's alert with the event's texts; of an inspection that a person has passed, itself."""
        inspection, told = int(row["id"]), self._fields.told(kind, event)
        if row["state"] == "pending":
            try:
                row = self._rest.act(INSPECTION, inspection, "process", _read(INSPECTION))
            except RefusedError as refused:
                row = self._rest.read(INSPECTION, inspection, _read(INSPECTION))
                if row["state"] == "pending":  # nobody else has just processed it
                    raise _conflict(refused) from refused
        if row.get("alerts"):
            return _record(ALERT, self._rest.write(ALERT, int(row["alerts"][0]["id"]), told, _read(ALERT)))
        kept = {"external_revision": told["external_revision"]}
        return _record(INSPECTION, self._rest.write(INSPECTION, inspection, kept, _read(INSPECTION)))


def _conflict(refused: RefusedError) -> SendError:
    """What a refusal means when nothing has the key: another UNIQUE value was taken, and the next try takes another.

    Over SQLite, Tryton gives two requests at the same time one number of a sequence; over PostgreSQL it does not.
    """
    return BrokenError(refused.status, refused.detail) if "must be unique" in refused.detail else refused


def _read(model: str) -> tuple[str, ...]:
    own = ("state", "alerts.number") if model == INSPECTION else ()
    return NUMBER[model], "external_key", "external_kind", "external_revision", "create_date", *own


def _record(model: str, row: Row) -> ExternalRecord:
    number = (row.get("lot") or {}).get("number") if model == HOLD else row.get("number")
    kind = row.get("external_kind") or KINDS[model]
    revision = int(row.get("external_revision") or 0)
    return ExternalRecord(f"{model},{row['id']}", str(number or row["id"]), revision, row["external_key"], kind)


def _parsed(record: ExternalRecord) -> tuple[str, int]:
    """Model and id of a record's `id`. RefusedError for what is none of ours."""
    model, _, number = record.id.partition(",")
    if model not in NUMBER or not number.isdecimal():
        raise RefusedError(None, f"{record.id!r} is no record of Tryton; it looks like quality.alert,17")
    return model, int(number)


def _made(row: Row) -> tuple[int, ...]:
    told = row["create_date"]
    return tuple(told[part] for part in ("year", "month", "day", "hour", "minute", "second", "microsecond"))
