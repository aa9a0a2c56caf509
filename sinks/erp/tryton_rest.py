"""Tryton's REST (8.0, 8.2): models by name, searches by domain, and the error shapes it really has.

A refusal (validation, a second record of a UNIQUE key, a missing right, a warning that somebody would have to confirm)
is 400 with a message in JSON; an unknown model or field is 500 and a wrong key 401, both with a page of HTML. Seen on a
real 8.2.1 server: tests/test_tryton.py.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from andon.clock import Clock
from andon.readings import NS_PER_S
from sinks.erp.http import Answer, Caller, judged
from sinks.erp.port import BrokenError

Domain = Sequence[object]
Row = dict[str, Any]

PAGE = 100
MAX_ANSWER = 1_000_000  # bytes; a page of rows with their texts
TAGS = re.compile(r"(<[^>]+>|\s)+")


class TrytonRest:
    """Calls to one database. url: base address of the server and the name of the database. company: its id.

    token: key of a user application of kind `rest`.
    """

    def __init__(
        self, url: str, token: str, *, company: int = 1, timeout_s: float = 15.0, clock: Clock | None = None
    ) -> None:
        self.company = company
        headers = {
            "authorization": f"bearer {token.strip()}", "accept": "application/json", "accept-language": "en",
            "x-tryton-context": coded({"company": company}),
        }  # fmt: skip
        self._caller = Caller(url, timeout_s=timeout_s, headers=headers, clock=clock, max_answer=MAX_ANSWER)

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def search(self, model: str, domain: Domain, fields: Sequence[str], *, limit: int = PAGE) -> list[Row]:
        """The rows that fit, the oldest first."""
        asked = urlencode({"d": coded(domain), "f": list(fields), "o": coded([["id", "ASC"]]), "s": limit}, doseq=True)
        told = judged(self._caller.ask("GET", f"{_path(model)}?{asked}"), explained).value()
        if not isinstance(told, list) or not all(isinstance(row, dict) and "id" in row for row in told):
            raise BrokenError(200, "the answer is no list of records")
        return told

    def pages(self, model: str, domain: Domain, fields: Sequence[str]) -> Iterator[Row]:
        """All rows that fit, the oldest first; each page is asked for when it is needed."""
        last = 0
        while rows := self.search(model, [*domain, ["id", ">", last]], fields):
            yield from rows
            last = int(rows[-1]["id"])
            if len(rows) < PAGE:
                return

    def read(self, model: str, record: int, fields: Sequence[str]) -> Row:
        """One row. RefusedError 404 where there is none."""
        asked = urlencode({"f": list(fields)}, doseq=True)
        return judged(self._caller.ask("GET", f"{_path(model, record)}?{asked}"), explained).table()

    def create(self, model: str, values: Mapping[str, object], fields: Sequence[str]) -> Row:
        """Make a record; its row."""
        return self._send("POST", _path(model), values, fields)

    def write(self, model: str, record: int, values: Mapping[str, object], fields: Sequence[str]) -> Row:
        """Change a record; its row."""
        return self._send("PUT", _path(model, record), values, fields)

    def act(self, model: str, record: int, action: str, fields: Sequence[str]) -> Row:
        """Press a button of a record; its row."""
        return self._send("POST", f"{_path(model, record)}/{quote(action)}", {}, fields)

    def _send(self, method: str, path: str, values: Mapping[str, object], fields: Sequence[str]) -> Row:
        content = json.dumps(values, ensure_ascii=False).encode()
        asked = urlencode({"f": list(fields)}, doseq=True)
        headers = {"content-type": "application/json"}
        answer = self._caller.ask(method, f"{path}?{asked}", content=content, headers=headers)
        row = judged(answer, explained).table()
        if not isinstance(row.get("id"), int):
            raise BrokenError(answer.status, "the answer names no record: 'id' is missing")
        return row


def explained(answer: Answer) -> str:
    """The message of an error answer: Tryton's own where it is JSON, else the words of the page."""
    if answer.status == 401:  # its page speaks of browsers and passwords
        return "Tryton does not know this key, or it is not yet validated"
    try:
        told = json.loads(answer.content)
    except ValueError:
        told = None
    if isinstance(told, dict) and "message" in told:
        return " ".join(str(told[name]) for name in ("message", "description") if told.get(name))
    return html.unescape(TAGS.sub(" ", answer.text())).strip()


def coded(told: object) -> str:
    """As domains, orders and contexts go into addresses and headers."""
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode()


def moment(at_ns: int) -> dict[str, object]:
    """A time as Tryton writes it, UTC, cut to the second."""
    at = datetime.fromtimestamp(max(0, at_ns) // NS_PER_S, tz=UTC)
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(at, part) for part in parts}}


def _path(model: str, record: int | None = None) -> str:
    return f"/rest/model/{quote(model)}" + ("" if record is None else f"/{record}")
