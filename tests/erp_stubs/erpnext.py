"""A stub of ERPNext: /api/resource with a unique key field, as sinks/erp/systems/erpnext.toml describes it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from tests.erp_stubs.serving import Asked, RefuseError, Reply, Row, Stub

KEY, REVISION = "custom_andon_key", "custom_andon_revision"
PREFIX = "/api/resource/"


class ErpnextStub(Stub):
    """unique: whether the key field is; token: the user's "key:secret"."""

    def __init__(self, *, token: str, unique: bool = True) -> None:
        super().__init__("erpnext")
        self.token, self.unique = token, unique

    def bad(self) -> str:
        return "mandatory"

    def worded(self, says: str) -> str:
        return json.dumps(
            {"exc_type": "ValidationError", "_server_messages": json.dumps([json.dumps({"message": says})])}
        )

    def handle(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"token {self.token}":
            raise RefuseError("unauthenticated")
        if asked.path == "/api/method/frappe.auth.get_logged_user":
            return _json({"message": "andon@example.com"})
        doctype, _, name = asked.path.removeprefix(PREFIX).partition("/")
        if asked.method == "POST":
            return _json({"data": self._create(doctype, json.loads(asked.content))})
        if asked.method == "PUT":
            row, given = self._row(doctype, name), json.loads(asked.content)
            if given.pop("modified") != row.fields["modified"]:
                raise RefuseError("moved")
            self._check(doctype, given, new=False)
            row.fields |= {**given, "modified": row.fields["modified"] + 1}
            return _json({"data": _document(row)})
        return _json({"data": _document(self._row(doctype, name)) if name else self._list(doctype, asked.query)})

    def key_of(self, row: Row) -> str:
        return str(row.fields.get(KEY, ""))

    def revision_of(self, row: Row) -> int:
        return int(row.fields.get(REVISION, 0))

    def finish(self, row: Row) -> None:
        row.fields |= {"status": "Resolved", "repair_status": "Completed"}

    def attached(self) -> list[tuple[str, str, bytes]]:
        told = [row.fields for row in self.of("File")]
        return [(one["attached_to_name"], one["file_name"], base64.b64decode(one["content"])) for one in told]

    def _create(self, doctype: str, fields: dict[str, Any]) -> dict[str, Any]:
        if doctype != "File":
            self._check(doctype, fields, new=True)
            if self.unique and any(row.fields.get(KEY) == fields.get(KEY) for row in self.of(doctype)):
                raise RefuseError("unique")
        return _document(self.add(doctype, {**fields, "creation": self.now_s, "modified": 1}))

    def _check(self, doctype: str, fields: dict[str, Any], *, new: bool) -> None:
        known = {name: value for name, value in fields.items() if name not in {KEY, REVISION}}
        self.checked(self.kind_of(doctype), known, new=new)

    def _row(self, doctype: str, name: str) -> Row:
        for row in self.of(doctype):
            if _name(row) == name:
                return row
        raise RefuseError("not_found")

    def _list(self, doctype: str, query: dict[str, str]) -> list[dict[str, Any]]:
        rows = [row for row in self.of(doctype) if all(_fits(row, *one) for one in json.loads(query["filters"]))]
        start, most = int(query.get("limit_start", 0)), int(query.get("limit_page_length", 20))
        fields = json.loads(query.get("fields", '["name"]'))
        return [{name: _document(row).get(name) for name in fields} for row in rows[start : start + most]]


def _fits(row: Row, name: str, operator: str, value: Any) -> bool:
    found = row.fields.get(name)
    if operator == "=":
        return bool(found == value)
    if operator == "is":
        return bool(found)
    stamp = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    return bool(found >= stamp)


def _name(row: Row) -> str:
    return f"{''.join(word[0] for word in row.model.split())}-{row.id:05d}"


def _document(row: Row) -> dict[str, Any]:
    return {"name": _name(row), **row.fields}


def _json(told: object) -> Reply:
    return 200, {"content-type": "application/json"}, json.dumps(told).encode()
