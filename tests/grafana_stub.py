"""A strict stand-in for Grafana's HTTP API, after its documentation: what it does not know is a fault of the test.

State, bearer tokens, version conflicts, provisioned things that cannot be changed, and bodies checked key by key. It is
no Grafana: that ours accepts a body does not prove that a real one would.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
TOKEN, VIEWER = "glsa_of-the-tests", "glsa_of-a-viewer"
UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
DURATION = re.compile(r"0s|([1-9]\d*[smhdw])+")

DASHBOARD_KEYS = {
    "id", "uid", "title", "description", "tags", "timezone", "editable", "graphTooltip", "time", "timepicker",
    "refresh", "fiscalYearStartMonth", "schemaVersion", "version", "panels", "templating", "annotations", "links",
}  # fmt: skip
RULE_KEYS = {
    "id", "uid", "orgID", "folderUID", "ruleGroup", "title", "condition", "data", "updated", "noDataState",
    "execErrState", "for", "annotations", "labels", "provenance", "isPaused",
}  # fmt: skip


class RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status, self.body = code, {"message": message, **more}


@dataclass
class State:
    """What this Grafana holds. `faults` must be empty at the end of a test."""

    folders: dict[str, Json] = field(default_factory=dict)
    datasources: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)  # uid -> {dashboard, meta, versions}
    rules: dict[str, Json] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    fail: Callable[[str, str], RefusalError | None] = lambda method, path: None  # a refusal out of turn
    raw: Callable[[str, str], tuple[int, str, str] | None] = lambda method, path: None  # (status, type, body) instead
    migrate: Callable[[Json], None] = lambda dashboard: None  # what this version does to a dashboard it stores
    list_versions: bool = False  # the answer of Grafana 10: a list
    ids: int = 0

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET"]

    def next_id(self) -> int:
        self.ids += 1
        return self.ids

    def save_by_hand(self, uid: str, change: Callable[[Json], None], message: str = "") -> None:
        """What a person does in the pages."""
        stored = self.dashboards[uid]
        change(stored["dashboard"])
        stored["dashboard"]["version"] += 1
        stored["versions"].insert(0, message)


def check(condition: object, message: str) -> None:
    if not condition:
        raise RefusalError(400, message)


def exactly(body: Json, needed: set[str], allowed: set[str]) -> None:
    """Keys that must and keys that may be there."""
    check(needed <= body.keys(), f"missing: {sorted(needed - body.keys())}")
    check(body.keys() <= needed | allowed, f"unknown: {sorted(body.keys() - needed - allowed)}")


# Routes: (method, pattern) -> answer


def get_folder(state: State, uid: str, _: Json) -> tuple[int, Any]:
    if uid not in state.folders:
        raise RefusalError(404, "folder not found", status="not-found")
    return 200, state.folders[uid]


def post_folder(state: State, body: Json) -> tuple[int, Any]:
    exactly(body, {"title"}, {"uid", "parentUid"})
    check(body["title"] and UID.fullmatch(body["uid"]), "folder title cannot be empty")
    if body["uid"] in state.folders or body["title"] in {one["title"] for one in state.folders.values()}:
        raise RefusalError(409, "a folder with the same name already exists in the current location")
    made = {**body, "id": state.next_id(), "version": 1, "url": f"/dashboards/f/{body['uid']}"}
    state.folders[body["uid"]] = made
    return 200, made


def put_folder(state: State, uid: str, body: Json) -> tuple[int, Any]:
    exactly(body, {"title"}, {"version", "overwrite"})
    there = get_folder(state, uid, {})[1]
    if body.get("version") != there["version"] and not body.get("overwrite"):
        raise RefusalError(412, "the folder has been changed by someone else", status="version-mismatch")
    there.update(title=body["title"], version=there["version"] + 1)
    return 200, there


def get_datasource(state: State, uid: str, _: Json) -> tuple[int, Any]:
    if uid not in state.datasources:
        raise RefusalError(404, "Data source not found")
    secret = {"secureJsonFields": dict.fromkeys(state.secrets[uid], True)}
    return 200, {**state.datasources[uid], **secret}


def checked_datasource(body: Json) -> tuple[Json, Json]:
    exactly(body, {"name", "type", "access"}, {"uid", "url", "isDefault", "jsonData", "secureJsonData", "version"})
    check(body["type"] == "influxdb" and body["access"] == "proxy", "bad request data")
    check(body["jsonData"]["version"] == "Flux" and body["url"], "bad request data")
    bare = {key: value for key, value in body.items() if key != "secureJsonData"}
    return bare, body.get("secureJsonData", {})


def post_datasource(state: State, body: Json) -> tuple[int, Any]:
    bare, secret = checked_datasource(body)
    if bare["name"] in {one["name"] for one in state.datasources.values()}:
        raise RefusalError(409, "data source with the same name already exists")
    made = {**bare, "id": state.next_id(), "orgId": 1, "version": 1, "readOnly": False, "basicAuth": False, "user": ""}
    state.datasources[bare["uid"]], state.secrets[bare["uid"]] = made, secret
    return 200, {"datasource": made, "id": made["id"], "message": "Datasource added", "name": bare["name"]}


def put_datasource(state: State, uid: str, body: Json) -> tuple[int, Any]:
    there = get_datasource(state, uid, {})[1]
    if there["readOnly"]:
        raise RefusalError(403, "Cannot update read-only data source")
    bare, secret = checked_datasource(body)
    if bare.get("version") != there["version"]:
        raise RefusalError(409, "Datasource has already been updated by someone else. Please reload and try again")
    state.datasources[uid].update(bare, version=there["version"] + 1)
    state.secrets[uid].update(secret)
    return 200, {"datasource": state.datasources[uid], "message": "Datasource updated", "name": bare["name"]}


def get_dashboard(state: State, uid: str, _: Json) -> tuple[int, Any]:
    if uid not in state.dashboards:
        raise RefusalError(404, "Dashboard not found")
    return 200, {key: state.dashboards[uid][key] for key in ("dashboard", "meta")}


def get_versions(state: State, uid: str, _: Json) -> tuple[int, Any]:
    get_dashboard(state, uid, {})
    versions = [{"version": index, "message": text} for index, text in enumerate(state.dashboards[uid]["versions"])]
    return 200, versions[:1] if state.list_versions else {"continueToken": "", "versions": versions[:1]}


def post_dashboard(state: State, body: Json) -> tuple[int, Any]:
    exactly(body, {"dashboard"}, {"folderUid", "message", "overwrite"})
    dashboard = body["dashboard"]
    exactly(dashboard, {"uid", "title", "panels", "schemaVersion"}, DASHBOARD_KEYS)
    check(UID.fullmatch(dashboard["uid"]), "uid contains illegal characters")
    check(dashboard["title"], "Dashboard title cannot be empty")
    check(len(body.get("message", "")) <= 500, "message too long, max 500 characters")
    if body["folderUid"] not in state.folders:
        raise RefusalError(400, "folder not found")
    there = state.dashboards.get(dashboard["uid"])
    if there is None:
        check(dashboard.get("id") is None, "id of a dashboard that is not there")
    elif there["meta"].get("provisioned"):
        raise RefusalError(400, "Cannot save provisioned dashboard")
    elif not body.get("overwrite") and dashboard.get("version") != there["dashboard"]["version"]:
        raise RefusalError(412, "The dashboard has been changed by someone else", status="version-mismatch")
    version = 1 if there is None else there["dashboard"]["version"] + 1
    stored = {**deepcopy(dashboard), "id": dashboard.get("id") or state.next_id(), "version": version}
    state.migrate(stored)
    meta = {"folderUid": body["folderUid"], "provisioned": False, "version": version}
    versions = [body.get("message", ""), *([] if there is None else there["versions"])]
    state.dashboards[dashboard["uid"]] = {"dashboard": stored, "meta": meta, "versions": versions}
    return 200, {
        "id": stored["id"],
        "uid": stored["uid"],
        "status": "success",
        "version": version,
        "slug": "x",
        "url": "/d/x",
    }


def get_rule(state: State, uid: str, _: Json) -> tuple[int, Any]:
    if uid not in state.rules:
        raise RefusalError(404, "")
    return 200, state.rules[uid]


def checked_rule(state: State, body: Json) -> Json:
    exactly(body, RULE_KEYS - {"id", "updated", "annotations", "labels", "provenance", "isPaused"}, RULE_KEYS)
    check(UID.fullmatch(body["uid"]) and 0 < len(body["title"]) <= 190 and 0 < len(body["ruleGroup"]) <= 190, "names")
    check(body["folderUID"] in state.folders, "folder does not exist")
    check(body["noDataState"] in {"NoData", "Alerting", "OK", "KeepLast"}, "unknown no data state")
    check(body["execErrState"] in {"Error", "Alerting", "OK", "KeepLast"}, "unknown error state")
    check(DURATION.fullmatch(body["for"]), f"not a valid duration string: {body['for']!r}")
    references = set()
    for query in body["data"]:
        exactly(query, {"refId", "datasourceUid", "model", "relativeTimeRange"}, {"queryType"})
        check(query["model"]["refId"] == query["refId"], "refId")
        span = query["relativeTimeRange"]
        if query["datasourceUid"] == "__expr__":
            check(query["model"]["type"] in {"reduce", "threshold"}, "unknown expression")
            check(query["model"]["expression"] in references, "expression refers to a query that is not before it")
        else:
            check(span["from"] > span["to"] >= 0 and query["model"]["query"], "invalid relative time range")
        references.add(query["refId"])
    check(body["condition"] in references, "condition does not exist")
    strings = [*body.get("labels", {}).values(), *body.get("annotations", {}).values()]
    check(all(isinstance(one, str) for one in strings), "labels and annotations are strings")
    return {**deepcopy(body), "updated": "2026-11-22T00:00:00Z", "provenance": "api"}


def post_rule(state: State, body: Json) -> tuple[int, Any]:
    check(
        body.get("uid") not in state.rules,
        "a conflicting alert rule is found: rule UID under the same org should be unique",
    )
    made = checked_rule(state, body)
    made["id"] = state.next_id()
    for query in made["data"]:  # what a real one adds when it stores a rule
        query["queryType"] = ""
    state.rules[body["uid"]] = made
    return 201, made


def put_rule(state: State, uid: str, body: Json) -> tuple[int, Any]:
    there = get_rule(state, uid, {})[1]
    if there["provenance"] == "file":
        raise RefusalError(409, "cannot change provenance from 'file' to 'api'")
    state.rules[uid] = {**checked_rule(state, body), "id": there["id"]}
    return 200, state.rules[uid]


ROUTES: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
    ("GET", r"/api/folders/([\w-]+)", get_folder),
    ("POST", r"/api/folders", post_folder),
    ("PUT", r"/api/folders/([\w-]+)", put_folder),
    ("GET", r"/api/datasources/uid/([\w-]+)", get_datasource),
    ("POST", r"/api/datasources", post_datasource),
    ("PUT", r"/api/datasources/uid/([\w-]+)", put_datasource),
    ("GET", r"/api/dashboards/uid/([\w-]+)", get_dashboard),
    ("GET", r"/api/dashboards/uid/([\w-]+)/versions\?limit=1", get_versions),
    ("POST", r"/api/dashboards/db", post_dashboard),
    ("GET", r"/api/v1/provisioning/alert-rules/([\w-]+)", get_rule),
    ("POST", r"/api/v1/provisioning/alert-rules", post_rule),
    ("PUT", r"/api/v1/provisioning/alert-rules/([\w-]+)", put_rule),
]


def answer_to(state: State, method: str, path: str, token: str, body: Json) -> tuple[int, Any]:
    """One call: rights first, then the route."""
    state.calls.append((method, path))
    if token not in {TOKEN, VIEWER}:
        raise RefusalError(401, "Invalid API key")
    if token == VIEWER and (method != "GET" or "datasources" in path):
        raise RefusalError(403, "You'll need additional permissions to perform this action")
    refusal = state.fail(method, path)
    if refusal is not None:
        raise refusal
    for allowed, pattern, route in ROUTES:
        match = re.fullmatch(pattern, path)
        if allowed == method and match:
            return route(state, *match.groups(), body)
    state.faults.append(f"no such route: {method} {path}")
    raise RefusalError(404, "Not found")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    state: State


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        state = self.server.state
        other = state.raw(self.command, self.path)
        if other is not None:
            self._send(*other)
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        try:
            body = json.loads(text) if text else {}
            status, value = answer_to(state, self.command, self.path, token, body)
        except RefusalError as refusal:
            status, value = refusal.status, refusal.body
        except Exception as error:  # a body that the stub stumbles over is a fault of its sender
            state.faults.append(f"{self.command} {self.path}: {error!r}")
            status, value = 400, {"message": "bad request data"}
        empty = status == 404 and value == {"message": ""}  # what an absent alert rule is answered with
        self._send(status, "application/json", "" if empty else json.dumps(value))

    def _send(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status in {301, 302, 307, 308}:
            self.send_header("Location", text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815  # the library's names

    def log_message(self, *_: object) -> None:
        """Not on standard error."""


@contextmanager
def grafana_stub() -> Iterator[tuple[str, State]]:
    """(base address, state); at the end no call may have been a fault."""
    state = State()
    server = Server(("127.0.0.1", 0), Handler)
    server.state = state
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert state.faults == []
