"""A stub of S/4HANA's OData V2 services: CSRF tokens, ETags, idempotent creates, no unique field, as sap.toml says."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

from tests.erp_stubs.serving import Asked, RefuseError, Reply, Row, Stub

ENTITY = re.compile(r"/([A-Z_]+)/([A-Za-z_]+)\('([^']*)'\)")
CONDITION = re.compile(r"(\w+) (eq|ne|ge) (?:datetime)?'([^']*)'|startswith\((\w+),'([^']*)'\) eq true")
UPPER = ("MaintNotifExtReferenceNumber", "YY1_AndonKey")
EXTRA = ("YY1_AndonKey",)


class SapStub(Stub):
    """user, password: basic authentication, or what the token is asked with.

    idempotent: whether the Gateway's idempotent services are set up.
    token_lasts: requests that change something before a CSRF token runs out.
    """

    def __init__(self, *, user: str, password: str, idempotent: bool = True, token_lasts: int = 3) -> None:
        super().__init__("sap")
        self.basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.idempotent, self.token_lasts = idempotent, token_lasts
        self.done: dict[tuple[str, str], Reply] = {}
        self.csrf: dict[str, int] = {}
        self.bearers: set[str] = set()

    def worded(self, says: str) -> str:
        return json.dumps({"error": {"code": "IM/000", "message": {"lang": "en", "value": says}}})

    def handle(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            return self._bearer(asked)
        if asked.headers.get("authorization") not in {self.basic, *(f"Bearer {one}" for one in self.bearers)}:
            raise RefuseError("unauthenticated")
        if asked.query.get("sap-client") != "100":
            raise RefuseError("forbidden")
        if asked.headers.get("x-csrf-token", "").lower() == "fetch":
            token = f"token-{len(self.csrf)}"
            self.csrf[token] = self.token_lasts
            return (
                200,
                {"x-csrf-token": token, "content-type": "application/json", "set-cookie": "s=1; path=/"},
                b'{"d": {}}',
            )
        if asked.method != "GET":
            left = self.csrf.get(asked.headers.get("x-csrf-token", ""), 0)
            if not left or asked.headers.get("cookie") != "s=1":
                return 403, {"x-csrf-token": "Required", "content-type": "text/plain"}, b"CSRF token validation failed"
            self.csrf[asked.headers["x-csrf-token"]] = left - 1
        return self._served(asked)

    def key_of(self, row: Row) -> str:
        told = row.fields.get(UPPER[0]) or row.fields.get(UPPER[1])
        return str(told or str(row.fields["DefectText"])[:20]).lower()

    def revision_of(self, row: Row) -> int:
        text = str(row.fields.get("NotificationText") or row.fields.get("DefectText"))
        return int(text.rpartition(" #")[2]) if " #" in text else 1

    def finish(self, row: Row) -> None:
        row.fields[self.system["kind"][self.kind_of(row.model)]["state_field"]] = "4" if "NOTIF" in row.model else "03"

    def _bearer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != self.basic or asked.content != b"grant_type=client_credentials":
            return 401, {"content-type": "application/json"}, b'{"error": "invalid_client"}'
        token = f"bearer-{len(self.bearers)}"
        self.bearers.add(token)
        told = {"access_token": token, "token_type": "bearer", "expires_in": 3600}
        return 200, {"content-type": "application/json"}, json.dumps(told).encode()

    def _served(self, asked: Asked) -> Reply:
        entity = ENTITY.fullmatch(asked.path)
        if entity is None:
            model = asked.path.strip("/")
            kind = self.kind_of(model)
            return self._list(model, asked.query) if asked.method == "GET" else self._create(kind, model, asked)
        model = f"{entity[1]}/{entity[2]}"
        row = next((one for one in self.of(model) if self._id(one) == entity[3]), None)
        if row is None:
            raise RefuseError("not_found")
        if asked.method == "GET":
            return _json(200, {"d": self._shown(row)})
        if asked.headers.get("if-match") != self._etag(row):
            raise RefuseError("changed" if "if-match" in asked.headers else "conditional")
        self._take(row, json.loads(asked.content), new=False)
        return 204, {}, b""

    def _create(self, kind: str, model: str, asked: Asked) -> Reply:
        request_id, first = asked.headers.get("requestid", ""), asked.headers.get("repeatabilitycreation", "")
        assert re.fullmatch(r"[0-9A-F]{32}", request_id)
        assert first
        if self.idempotent and (request_id, first) in self.done:
            status, headers, body = self.done[request_id, first]
            return status, {**headers, "repeatabilityresult": "accepted"}, body
        made = self.system["kind"][kind]
        row = Row(model, len(self.rows) + 1, {})
        self._take(row, json.loads(asked.content), new=True)
        row.fields |= {made["created_field"]: self.now_s, made["state_field"]: "1"}
        self.rows.append(row)
        reply = self.done[request_id, first] = _json(201, {"d": self._shown(row)})
        return reply

    def _take(self, row: Row, fields: dict[str, Any], *, new: bool) -> None:
        known = {name: value for name, value in fields.items() if name not in EXTRA}
        self.checked(self.kind_of(row.model), known, new=new)
        row.fields |= {name: value.upper() if name in UPPER else value for name, value in fields.items()}
        row.fields["_version"] = row.fields.get("_version", 0) + 1

    def _list(self, model: str, query: dict[str, str]) -> Reply:
        conditions = [CONDITION.fullmatch(one) for one in query["$filter"].split(" and ")]
        rows = [row for row in self.of(model) if all(one and self._fits(row, one) for one in conditions)]
        skip = int(query.get("$skip", 0))
        names = query["$select"].split(",")
        shown = [self._shown(row) for row in rows[skip : skip + int(query["$top"])]]
        return _json(200, {"d": {"results": [{name: one.get(name, "") for name in names} for one in shown]}})

    def _fits(self, row: Row, condition: re.Match[str]) -> bool:
        name, operator, value, begins, with_text = condition.groups()
        if begins:
            return str(row.fields.get(begins, "")).startswith(with_text)
        if operator == "ge":
            day = datetime.fromisoformat(value).replace(tzinfo=UTC)
            return bool(row.fields[name] >= day.timestamp())
        found = row.fields.get(name, "")
        return bool(found == value) if operator == "eq" else bool(found != value)

    def _id(self, row: Row) -> str:
        return f"{10_000_000 + row.id:012d}"

    def _etag(self, row: Row) -> str:
        return f"W/\"'{row.fields['_version']}'\""

    def _shown(self, row: Row) -> dict[str, Any]:
        made = self.system["kind"][self.kind_of(row.model)]
        ids = {made["number_field"]: str(10_000_000 + row.id), made["id_field"]: self._id(row)}
        return {"__metadata": {"etag": self._etag(row)}, **row.fields, **ids}


def _json(status: int, told: object) -> Reply:
    return status, {"content-type": "application/json"}, json.dumps(told).encode()
