"""ERPNext over Frappe's REST API (/api/resource), with two Custom Fields on each document type: key and revision."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from andon.clock import Clock
from andon.config.erp import Erp, Erpnext
from andon.erp_state import ErpState
from andon.errors import DeliveryError
from andon.readings import NS_PER_S
from sinks.erp.http import Answer, Caller, judged
from sinks.erp.mapped import ID_SEPARATOR, PAGE, Draft, Mapped
from sinks.erp.port import BrokenError, ExternalRecord
from sinks.erp.system import Target


class ErpnextConnector(Mapped):
    """See `ErpConnector` for what is promised. The key field being unique, a second record of a key is refused (417).

    secret: "key:secret" of a User's API access. Raises DeliveryError for one that is not.
    """

    features = frozenset({"unique_key", "state", "attach", "list"})

    def __init__(self, erp: Erp, secret: str, *, clock: Clock | None = None) -> None:
        if secret.count(":") != 1 or not all(secret.split(":")) or not secret.isascii():
            raise DeliveryError("erp.key_secret_invalid", kind="erpnext", form="key:secret")
        headers = {"authorization": f"token {secret}", "accept": "application/json"}
        super().__init__("erpnext", erp, Caller(erp.url, timeout_s=erp.timeout_s, headers=headers, clock=clock))
        names = erp.erpnext or Erpnext()
        self._key_field, self._revision_field = names.key_field, names.revision_field
        self._zone = self._places.terms.zone

    def find(self, key: str) -> ExternalRecord | None:
        """The oldest document of any configured type that carries `key`."""
        for target in self._places.targets.values():
            for row in self._list(target, [[self._key_field, "=", key]], start=0, most=1):
                return self._record(target, row)
        return None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """POST the document."""
        draft = self._draft(kind, key, body)
        return self._record(draft.target, self._call("POST", _path(draft.target.model), self._sent(draft, key)))

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """PUT the fields that people do not own, if nobody saved the document since it was read (`modified`).

        One that holds a newer revision is left. A submitted document takes only fields that allow it (417).
        """
        draft = self._draft(kind, key, body)
        target, name = self._split(found)
        row = self._call("GET", _path(target.model, name))
        there = self._record(target, row)
        if there.revision > draft.revision:
            return there
        read = {"modified": row["modified"]} if "modified" in row else {}
        fields = draft.changes() | read | {self._revision_field: draft.revision}
        return self._record(draft.target, self._call("PUT", _path(draft.target.model, name), fields))

    def get_state(self, record: ExternalRecord) -> ErpState:
        """The document's state field."""
        target, name = self._split(record)
        return self._state(target, str(self._call("GET", _path(target.model, name)).get(target.state_field, "")))

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """A private File at the document, unless one of that name is there."""
        del media_type  # Frappe tells it by the name
        target, document = self._split(record)
        at = {"attached_to_doctype": target.model, "attached_to_name": document, "file_name": name}
        there = self._rows("File", {"filters": json.dumps([[key, "=", value] for key, value in at.items()])})
        if not there:
            file = {"is_private": 1, "content": base64.b64encode(content).decode(), "decode": True}
            self._call("POST", _path("File"), at | file)

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """Documents with a key made since then, type by type."""
        since = datetime.fromtimestamp(since_ns // NS_PER_S, UTC).astimezone(self._zone)
        for target in self._places.targets.values():
            filters: list[list[object]] = [
                [self._key_field, "is", "set"], ["creation", ">=", since.strftime("%Y-%m-%d %H:%M:%S")],
            ]  # fmt: skip
            start = 0
            while rows := self._list(target, filters, start=start, most=PAGE):
                yield from (self._record(target, row) for row in rows)
                start += len(rows)

    def ping(self) -> None:
        """Ask who we are, and look up a key that no order has: the fields must be there."""
        judged(self._caller.ask("GET", "/api/method/frappe.auth.get_logged_user"), _told)
        self.find("ping")

    def _sent(self, draft: Draft, key: str) -> dict[str, object]:
        return {**draft.fields, self._key_field: key, self._revision_field: draft.revision}

    def _list(
        self, target: Target, filters: list[list[object]], *, start: int, most: int
    ) -> list[Mapping[str, object]]:
        params = {
            "filters": json.dumps(filters), "fields": json.dumps(["name", self._key_field, self._revision_field]),
            "order_by": "creation asc, name asc", "limit_start": str(start), "limit_page_length": str(most),
        }  # fmt: skip
        return self._rows(target.model, params)

    def _rows(self, doctype: str, params: Mapping[str, str]) -> list[Mapping[str, object]]:
        rows = _judged(self._caller.ask("GET", _path(doctype), params=params)).table().get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BrokenError(200, "the answer has no list 'data'")
        return rows

    def _call(self, method: str, path: str, fields: Mapping[str, object] | None = None) -> Mapping[str, object]:
        content = b"" if fields is None else json.dumps(fields, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"} if content else {}
        data = _judged(self._caller.ask(method, path, content=content, headers=headers)).table().get("data")
        if not isinstance(data, dict):
            raise BrokenError(200, "the answer has no document 'data'")
        return data

    def _record(self, target: Target, row: Mapping[str, object]) -> ExternalRecord:
        name, revision = row.get("name"), row.get(self._revision_field)
        if not isinstance(name, str):
            raise BrokenError(200, "the answer names no document")
        return ExternalRecord(
            f"{target.model}{ID_SEPARATOR}{name}", name, revision if isinstance(revision, int) else 1,
            str(row.get(self._key_field) or ""), target.kind,
        )  # fmt: skip


def _path(doctype: str, name: str | None = None) -> str:
    return "/api/resource/" + quote(doctype, safe="") + ("" if name is None else "/" + quote(name, safe=""))


def _judged(answer: Answer) -> Answer:
    if answer.status == 417 and b"TimestampMismatchError" in answer.content:  # somebody saved it meanwhile
        raise BrokenError(417, _told(answer))
    return judged(answer, _told)


def _told(answer: Answer) -> str:
    """The messages for people, else the exception: Frappe packs them as JSON in JSON."""
    try:
        told = answer.table()
        packed = json.loads(str(told.get("_server_messages", "[]")))
        messages = [str(json.loads(message).get("message", message)) for message in packed]
        return f"{told.get('exc_type', '')}: {'; '.join(messages) or told.get('exception', '')}".strip(": ")
    except (ValueError, AttributeError, TypeError, BrokenError):
        return answer.text()
