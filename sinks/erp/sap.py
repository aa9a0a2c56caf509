"""SAP S/4HANA over its OData V2 services: a defect for a quality event, a notification for a maintenance order.

No field of theirs is unique. What keeps a key to one record is the look-up before every second try, and the Gateway's
idempotent services: a create carries RequestID and RepeatabilityCreation, the same on every resend.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from andon.clock import Clock, SystemClock
from andon.config.erp import Erp, Sap
from andon.erp_state import ErpState
from andon.readings import NS_PER_S
from sinks.erp.http import Answer, Caller, judged
from sinks.erp.mapped import ID_SEPARATOR, PAGE, Draft, Mapped
from sinks.erp.mapping import CUT, cut
from sinks.erp.port import BrokenError, ExternalRecord, lacking
from sinks.erp.sap_login import SapLogin
from sinks.erp.system import Target

TEXT = 40  # characters of a short text
KEY = re.compile(r"[A-Z2-7]{20}")
KEY_IN_TEXT = re.compile(r"^([A-Z2-7]{20}) ")
REVISION = re.compile(r" #([0-9]{1,6})$")


class SapConnector(Mapped):
    """See `ErpConnector` for what is promised; without "unique_key".

    secret: the password of `erp.sap.user`, or the client secret of `erp.sap.client_id`.

    The external reference of a notification takes capitals only: a key is written and looked up in them. The revision
    stands at the end of the short text ("... #2"), from the second on; a person who edits it away is told it again.
    """

    features = frozenset({"state", "list"})

    def __init__(self, erp: Erp, secret: str, *, clock: Clock | None = None) -> None:
        super().__init__("sap", erp, Caller(erp.url, timeout_s=erp.timeout_s, clock=clock))
        self._sap = erp.sap or Sap()
        self._login = SapLogin(self._sap, secret, erp.timeout_s, clock or SystemClock())
        self._tokens: dict[str, str] = {}  # service -> CSRF token

    def close(self) -> None:
        """Let the connections go."""
        self._login.close()
        super().close()

    def find(self, key: str) -> ExternalRecord | None:
        """The oldest record of any configured entity that carries `key`."""
        for target in self._places.targets.values():
            for row in self._list(target, self._carries(target, key), most=1):
                return self._record(target, row)
        return None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """POST the entity, repeatable under the key; what an earlier revision had made is brought to this one."""
        draft = self._draft(kind, key, body)
        event = json.loads(body)
        headers = {
            "requestid": hashlib.sha256(key.encode()).hexdigest()[:32].upper(),
            "repeatabilitycreation": str(event["time"]),
        }
        answer = self._change("POST", draft.target, f"/{draft.target.model}", self._sent(draft, key), headers)
        record = self._record(draft.target, _d(answer))
        return self.update(kind, key, body, record) if record.revision < draft.revision else record

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """PATCH the fields that people do not own, if nobody changed the entity since it was read (ETag)."""
        draft = self._draft(kind, key, body)
        _, inner = self._split(found)
        path = _path(draft.target, inner)
        etag = _d(self._ask(path)).get("__metadata", {}).get("etag", "*")
        fields = self._with_key(draft, draft.changes(), key)
        self._change("PATCH", draft.target, path, fields, {"if-match": str(etag)})
        return ExternalRecord(found.id, found.number, draft.revision, key, kind)

    def get_state(self, record: ExternalRecord) -> ErpState:
        """The entity's phase or status."""
        target, inner = self._split(record)
        return self._state(target, str(_d(self._ask(_path(target, inner))).get(target.state_field, "")))

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """Not offered: these two services take no files."""
        del record, name, content, media_type
        raise lacking("attach")

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """Entities with a key made on that day or later, entity by entity."""
        day = datetime.fromtimestamp(since_ns // NS_PER_S, UTC).astimezone(self._places.terms.zone)
        for target in self._places.targets.values():
            made = f"{target.raw['created_field']} ge datetime'{day:%Y-%m-%d}T00:00:00'"
            key_field = self._key_field(target)
            where = made if key_field is None else f"{made} and {key_field} ne ''"
            skip = 0
            while rows := self._list(target, where, most=PAGE, skip=skip):
                told = (self._record(target, row) for row in rows)
                yield from (record for record in told if record.key)
                skip += len(rows)

    def ping(self) -> None:
        """Look up a key that no order has, in every entity."""
        self.find("a" * 20)

    def _sent(self, draft: Draft, key: str) -> dict[str, object]:
        return self._with_key(draft, draft.fields, key)

    def _key_field(self, target: Target) -> str | None:
        if target.kind == "quality_event":
            return self._sap.defect_key_field
        return str(target.raw["key_field"]) if "key_field" in target.raw else None

    def _carries(self, target: Target, key: str) -> str:
        field, key = self._key_field(target), key.upper().replace("'", "''")
        return f"{field} eq '{key}'" if field else f"startswith({target.raw['text_field']},'{key} ') eq true"

    def _with_key(self, draft: Draft, fields: Mapping[str, object], key: str) -> dict[str, object]:
        """The fields with key and revision: in a field of their own, or around the short text. Numbers become text."""
        name, field = draft.target.raw["text_field"], self._key_field(draft.target)
        before = "" if field else f"{key.upper()} "
        after = f" #{draft.revision}" if draft.revision > 1 else ""
        most = draft.target.limits.get(name, TEXT) - len(before) - len(after)
        text = str(fields.get(name, ""))
        if len(text) > most:
            text = cut(text.removesuffix(CUT), most)
        told = {one: str(value) if type(value) in {int, float} else value for one, value in fields.items()}
        return {**told, name: before + text + after, **({field: key.upper()} if field else {})}

    def _record(self, target: Target, row: Mapping[str, Any]) -> ExternalRecord:
        inner, number = row.get(target.raw["id_field"]), row.get(target.raw["number_field"])
        if not isinstance(inner, str) or not inner:
            raise BrokenError(200, f"the answer has no {target.raw['id_field']!r}")
        text, field = str(row.get(target.raw["text_field"], "")), self._key_field(target)
        in_text, revision = KEY_IN_TEXT.match(text), REVISION.search(text)
        told = str(row.get(field, "")) if field else in_text[1] if in_text else ""
        key = told.lower() if KEY.fullmatch(told) else ""  # others use the reference for their own numbers
        return ExternalRecord(
            f"{target.model}{ID_SEPARATOR}{inner}", str(number or inner), int(revision[1]) if revision else 1, key,
            target.kind,
        )  # fmt: skip

    def _list(self, target: Target, where: str, *, most: int, skip: int = 0) -> list[dict[str, Any]]:
        names = {target.raw[one] for one in ("id_field", "number_field", "text_field")} | {self._key_field(target)}
        asked = {
            "$filter": where, "$select": ",".join(sorted(name for name in names if name)), "$top": str(most),
            "$skip": str(skip), "$orderby": target.raw["id_field"],
        }  # fmt: skip
        rows = _d(self._ask(f"/{target.model}", asked)).get("results")
        if not isinstance(rows, list):
            raise BrokenError(200, "the answer has no list 'd.results'")
        return rows

    def _ask(self, path: str, asked: Mapping[str, str] | None = None) -> Answer:
        headers = {"accept": "application/json", "authorization": self._login.authorization()}
        return self._judged(self._caller.ask("GET", self._query(path, asked or {}), headers=headers))

    def _change(
        self, method: str, target: Target, path: str, fields: Mapping[str, object], extra: Mapping[str, str]
    ) -> Answer:
        """Send with a CSRF token; a token that has run out is refused before anything is done, so once more."""
        service = target.model.partition("/")[0]
        content = json.dumps(fields, ensure_ascii=False).encode()

        def send(token: str) -> Answer:
            headers = {
                "accept": "application/json", "content-type": "application/json", "x-csrf-token": token,
                "authorization": self._login.authorization(), **extra,
            }  # fmt: skip
            return self._caller.ask(method, self._query(path, {}), content=content, headers=headers)

        answer = send(self._tokens.get(service) or self._fetch_token(service))
        if answer.status == 403 and answer.headers.get("x-csrf-token", "").lower() == "required":
            answer = send(self._fetch_token(service))
        return self._judged(answer)

    def _fetch_token(self, service: str) -> str:
        headers = {"accept": "application/json", "authorization": self._login.authorization(), "x-csrf-token": "Fetch"}
        answer = self._judged(self._caller.ask("GET", self._query(f"/{service}/", {}), headers=headers))
        token = answer.headers.get("x-csrf-token", "")
        if not token:
            raise BrokenError(answer.status, "the service gives no CSRF token")
        self._tokens[service] = token
        return token

    def _query(self, path: str, asked: Mapping[str, str]) -> str:
        client = {"sap-client": self._sap.client} if self._sap.client else {}
        query = urlencode({**asked, **client}, quote_via=quote)
        return f"{path}?{query}" if query else path

    def _judged(self, answer: Answer) -> Answer:
        if answer.status == 401:
            self._login.forget()
        if answer.status in {412, 423, 428}:  # changed by somebody since it was read, or open at somebody's: try again
            raise BrokenError(answer.status, _told(answer), answer.retry_after_s)
        return judged(answer, _told)


def _path(target: Target, inner: str) -> str:
    return f"/{target.model}('{quote(inner, safe='')}')"


def _d(answer: Answer) -> dict[str, Any]:
    told = answer.table().get("d")
    if not isinstance(told, dict):
        raise BrokenError(answer.status, "the answer has no object 'd'")
    return told


def _told(answer: Answer) -> str:
    """OData's message; the page of a gateway before it as it is."""
    try:
        error: Any = answer.table()["error"]
        return f"{error['code']}: {error['message']['value']}"
    except (BrokenError, KeyError, TypeError):
        return answer.text()
