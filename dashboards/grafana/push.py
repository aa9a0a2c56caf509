"""The push: looks at what Grafana has, says what would change, and changes that; a second push changes nothing.

What is provisioned from files belongs to the files and is left alone. A dashboard saved by a person since our last push
is left alone too, unless forced: our saves carry a mark in the version's message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from andon.secrets import Secret
from dashboards.grafana import DATASOURCE_UID, FOLDER_UID, Json
from dashboards.grafana.api import Grafana, GrafanaAwayError, GrafanaError
from dashboards.grafana.differences import differences

Action = Literal["create", "update", "unchanged", "edited", "provisioned", "failed"]
MARK = "andon "  # begin of the version's message; then the digest of what was pushed
GRAFANAS_OWN = ("id", "version", "iteration")  # keys that Grafana puts into a dashboard


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be in Grafana."""

    folder: str  # title
    datasource: Json
    influx_token: Secret | None
    dashboards: Sequence[Json]
    rules: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing of Grafana and what is to be done with it; `differences` are lines `path: theirs -> ours`.

    edited: changed by a person, kept. provisioned: belongs to a file of Grafana's, kept. failed: see `error`.
    """

    kind: Literal["folder", "datasource", "dashboard", "rule"]
    uid: str
    title: str
    action: Action
    differences: tuple[str, ...] = ()
    error: str = ""
    apply: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    @property
    def settled(self) -> bool:
        """Grafana has, or is about to have, what it should."""
        return self.action in {"create", "update", "unchanged"} or (
            self.action == "provisioned" and not self.differences
        )


def plan(grafana: Grafana, wanted: Wanted, *, force: bool = False, renew_token: bool = False) -> list[Change]:
    """What a push would do; reads only. GrafanaError when Grafana cannot be read."""
    return [
        _folder(grafana, wanted),
        _datasource(grafana, wanted, renew_token=renew_token),
        *(_dashboard(grafana, one, force=force) for one in wanted.dashboards),
        *(_rule(grafana, one, force=force) for one in wanted.rules),
    ]


def push(changes: Sequence[Change]) -> Iterator[Change]:
    """Do it, one after the other; what Grafana refuses is `failed` and the rest goes on.

    GrafanaAwayError when Grafana went away meanwhile.
    """
    for change in changes:
        try:
            if change.apply is not None:
                change.apply()
            yield change
        except GrafanaAwayError:
            raise
        except GrafanaError as error:
            yield replace(change, action="failed", error=error.text(), apply=None)


def _folder(grafana: Grafana, wanted: Wanted) -> Change:
    there = grafana.folder(FOLDER_UID)
    if there is None:
        return Change(
            "folder",
            FOLDER_UID,
            wanted.folder,
            "create",
            apply=lambda: grafana.create_folder(FOLDER_UID, wanted.folder),
        )
    found = tuple(differences({"title": there["title"]}, {"title": wanted.folder}))
    if not found:
        return Change("folder", FOLDER_UID, wanted.folder, "unchanged")
    version = there.get("version", 0)
    rename = lambda: grafana.rename_folder(FOLDER_UID, wanted.folder, version)  # noqa: E731  # as the others
    return Change("folder", FOLDER_UID, wanted.folder, "update", found, apply=rename)


def _datasource(grafana: Grafana, wanted: Wanted, *, renew_token: bool) -> Change:
    there = grafana.datasource(DATASOURCE_UID)
    title = wanted.datasource["name"]
    token = wanted.influx_token
    secret = {"secureJsonData": {"token": token.reveal()}} if token is not None else {}
    if there is None:
        if token is None:
            raise GrafanaError("grafana.error.no_influx_token")
        body = {**wanted.datasource, **secret}
        return Change(
            "datasource", DATASOURCE_UID, title, "create", tuple(differences({}, wanted.datasource)),
            apply=lambda: grafana.create_datasource(body),
        )  # fmt: skip
    found = tuple(differences(there, wanted.datasource, only_ours=True))
    if there.get("readOnly"):
        return Change("datasource", DATASOURCE_UID, title, "provisioned", found)
    known = bool(there.get("secureJsonFields", {}).get("token"))
    if not known or renew_token:
        if token is None:
            raise GrafanaError("grafana.error.no_influx_token")
        found = (*found, "secureJsonData.token: (hidden) -> (hidden)")
    if not found:
        return Change("datasource", DATASOURCE_UID, title, "unchanged")
    merged = {**there.get("jsonData", {}), **wanted.datasource["jsonData"]}
    body = {**wanted.datasource, "jsonData": merged, "version": there.get("version", 1), **secret}
    return Change("datasource", DATASOURCE_UID, title, "update", found, apply=lambda: grafana.update_datasource(body))


def _dashboard(grafana: Grafana, ours: Json, *, force: bool) -> Change:
    uid, title = ours["uid"], ours["title"]
    there = grafana.dashboard(uid)
    message = f"{MARK}{digest(ours)}"
    if there is None:
        body = {"dashboard": {"id": None, **ours}, "folderUid": FOLDER_UID, "message": message, "overwrite": False}
        return Change("dashboard", uid, title, "create", apply=lambda: grafana.save_dashboard(body))
    theirs, meta = there["dashboard"], there.get("meta", {})
    bare = {key: value for key, value in theirs.items() if key not in GRAFANAS_OWN}
    found = tuple(differences(bare, ours))
    if meta.get("provisioned"):
        return Change("dashboard", uid, title, "provisioned", found)
    said = grafana.last_message(uid) if found else ""
    # With our mark on the last version, whatever differs is Grafana's own rewriting of what we pushed.
    if not found or said == message:
        return Change("dashboard", uid, title, "unchanged")
    if not said.startswith(MARK) and not force:
        return Change("dashboard", uid, title, "edited", found)
    # Who moved it to another folder wants it there. The version read: nobody's save in between is overwritten.
    body = {
        "dashboard": {**ours, "id": theirs.get("id"), "version": theirs.get("version", 0)},
        "folderUid": meta.get("folderUid") or FOLDER_UID, "message": message, "overwrite": False,
    }  # fmt: skip
    return Change("dashboard", uid, title, "update", found, apply=lambda: grafana.save_dashboard(body))


def _rule(grafana: Grafana, ours: Json, *, force: bool) -> Change:
    uid, title = ours["uid"], ours["title"]
    there = grafana.rule(uid)
    if there is None:
        return Change("rule", uid, title, "create", apply=lambda: grafana.create_rule(ours))
    found = tuple(differences(there, ours, only_ours=True))
    provenance = there.get("provenance", "")
    if provenance == "file":
        return Change("rule", uid, title, "provisioned", found)
    if not found:
        return Change("rule", uid, title, "unchanged")
    if provenance != "api" and not force:  # somebody took it over in Grafana's pages
        return Change("rule", uid, title, "edited", found)
    return Change("rule", uid, title, "update", found, apply=lambda: grafana.update_rule(ours))


def digest(dashboard: Json) -> str:
    """Of what we push, independent of the order of keys."""
    return hashlib.sha256(json.dumps(dashboard, sort_keys=True).encode()).hexdigest()[:16]
