"""A stub of Odoo's JSON-2 API, as odoo.toml describes it: load with external ids, write, read, search_read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.erp_stubs.serving import Asked, RefuseError, Reply, Row, Stub

KEY, REVISION = "x_andon_key", "x_andon_revision"
OURS = {KEY: "char", REVISION: "integer"}
STAGES = {1: ("New", False), 2: ("In Progress", False), 3: ("Solved", True)}


class OdooStub(Stub):
    """key: the API key; database: what X-Odoo-Database must name; ours: whether the two fields were added."""

    def __init__(self, *, key: str, database: str, ours: bool = True) -> None:
        super().__init__("odoo")
        self.key, self.database, self.ours = key, database, ours
        self.external_ids: dict[str, Row] = {}

    def worded(self, says: str) -> str:
        return json.dumps({"name": "odoo.exceptions.ValidationError", "message": says, "arguments": [], "debug": ""})

    def handle(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"bearer {self.key}":
            raise RefuseError("unauthenticated")
        if asked.headers.get("x-odoo-database") != self.database:
            raise RefuseError("no_model", says="no such database")
        _, _, _, model, method = asked.path.split("/")
        given = json.loads(asked.content)
        assert given.pop("context") == {"active_test": False, "tz": "UTC", "lang": "en_US"}
        if (model, method) == ("res.users", "context_get"):
            return _json({"uid": 2})
        if model.endswith(".stage"):
            return _json([{"id": one, "done": STAGES[one][1]} for one in given["ids"]])
        if model != "ir.attachment":
            self.kind_of(model)
        methods: dict[str, Callable[..., object]] = {
            "load": self._load, "write": self._write, "read": self._read, "create": self._create,
            "search_read": self._search_read, "fields_get": self._fields_get,
        }  # fmt: skip
        return _json(methods[method](model, **given))

    def key_of(self, row: Row) -> str:
        return str(row.fields.get(KEY, ""))

    def revision_of(self, row: Row) -> int:
        return int(row.fields.get(REVISION, 0))

    def finish(self, row: Row) -> None:
        row.fields["stage_id"] = 3

    def attached(self) -> list[tuple[str, str, bytes]]:
        told = [row.fields for row in self.of("ir.attachment")]
        return [(str(one["res_id"]), one["name"], base64.b64decode(one["datas"])) for one in told]

    def _fields_get(self, model: str, attributes: list[str]) -> dict[str, dict[str, str]]:
        assert attributes == ["type"]
        fields = {name: told["type"] for name, told in self.system["kind"][self.kind_of(model)]["fields"].items()}
        fields |= OURS if self.ours else {}
        return {name: {"type": kind} for name, kind in fields.items()}

    def _load(self, model: str, fields: list[str], data: list[list[str]]) -> object:
        assert all(isinstance(value, str) for value in data[0])
        values = dict(zip(fields, data[0], strict=True))
        xml_id = values.pop("id")
        try:
            converted = {name.removesuffix("/.id"): self._converted(model, name, text) for name, text in values.items()}
            self._check(model, converted, new=True)
        except RefuseError as refused:
            return {"ids": False, "messages": [{"type": "error", "message": refused.says}], "nextrow": 0}
        row = self.external_ids.get(xml_id)
        if row is None:
            made = {"create_date": self.now_s, "stage_id": 1}
            row = self.external_ids[xml_id] = self.add(model, made)
        row.fields |= converted
        return {"ids": [row.id], "messages": [], "nextrow": 0}

    def _converted(self, model: str, name: str, text: str) -> object:
        if name.endswith("/.id") or name == REVISION:
            return int(text)
        if self._fields_get(model, ["type"]).get(name, {}).get("type") == "many2one":
            raise RefuseError("refused", says=f"no record is named {text}")
        return text

    def _check(self, model: str, fields: dict[str, Any], *, new: bool) -> None:
        known = {name: value for name, value in fields.items() if name not in OURS}
        self.checked(self.kind_of(model), known, new=new)

    def _write(self, model: str, ids: list[int], vals: dict[str, Any]) -> object:
        self._check(model, vals, new=False)
        for row in self._rows(model, ids):
            row.fields |= vals
        return True

    def _create(self, model: str, vals_list: list[dict[str, Any]]) -> object:
        return [self.add(model, dict(vals)).id for vals in vals_list]

    def _read(self, model: str, ids: list[int], fields: list[str]) -> object:
        return [{"id": row.id, **{name: _shown(row, name) for name in fields}} for row in self._rows(model, ids)]

    def _search_read(self, model: str, domain: list[Any], fields: list[str], order: str, limit: int) -> object:
        assert order == "id asc"
        rows = [row for row in self.of(model) if all(_fits(row, *one) for one in domain)][:limit]
        return [{name: _shown(row, name) for name in fields} for row in rows]

    def _rows(self, model: str, ids: list[int]) -> list[Row]:
        rows = [row for row in self.of(model) if row.id in ids]
        if len(rows) < len(ids):
            raise RefuseError("not_found")
        return rows


def _shown(row: Row, name: str) -> object:
    if name == "id":
        return row.id
    if name == "display_name":
        return row.fields.get("name") or row.fields.get("title") or row.model
    if name == "stage_id":
        return [row.fields[name], STAGES[row.fields[name]][0]]
    return row.fields.get(name, False)


def _fits(row: Row, name: str, operator: str, value: Any) -> bool:
    found = row.id if name == "id" else row.fields.get(name, False)
    if operator == "=":
        return bool(found == value)
    if operator == "!=":
        return bool(found != value)
    if operator == ">":
        return bool(found > value)
    stamp = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    return bool(found >= stamp)


def _json(told: object) -> Reply:
    return 200, {"content-type": "application/json; charset=utf-8"}, json.dumps(told).encode()
