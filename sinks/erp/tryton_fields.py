"""What a Tryton record says of an order: fields by templates, machines, lots and controls by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.erp.mapping import Terms, render
from sinks.erp.port import RefusedError
from sinks.erp.tryton_rest import TrytonRest

INSPECTION, ALERT, TASK, HOLD = "quality.inspection", "quality.alert", "project.work", "stock.lot.hold"
CONTROL, MACHINE, LOT = "quality.control", "production.work.center", "stock.lot"
MODELS = {"quality_event": INSPECTION, "maintenance_order": TASK, "lot_hold": HOLD}

TEXT = (
    "{why_en}\n{why_zh}\n\nAsset: {asset}\nTag: {tag}\nRule: {rule}\nPriority: {priority}\nStart: {start}\n"
    "Confirmed: {confirmed}\nPeak: {peak} {unit}\nFound late: {found_late}\nAndon: {key}, revision {revision}\n"
)
WHY = "{why_en}\n{why_zh}\n"
FIELDS: dict[str, dict[str, object]] = {  # of the alert, the task, the hold
    "quality_event": {"title": "{title}", "description": TEXT},
    "maintenance_order": {"name": "{title}", "comment": TEXT},
}
OTHERS: dict[str, dict[str, object]] = {  # of kinds whose data may hold anything
    INSPECTION: {"title": "{title}", "description": WHY},
    TASK: {"name": "{title}", "comment": WHY},
    HOLD: {"title": "{title}"},
}
HOLD_LINES = {  # of the reason of a hold: those whose value its event has
    "why_en": "{why_en}", "why_zh": "{why_zh}", "asset": "Asset: {asset}", "rule": "Rule: {rule}",
    "priority": "Priority: {priority}", "alarm_key": "Alarm: {alarm_key}", "by": "Released by: {by}",
    "reason": "Reason: {reason}",
}  # fmt: skip
LIMITS = {"title": 120, "name": 120}  # Tryton has no limit of its own; longer lines cannot be read in its lists


class TrytonFields:
    """Renders orders for one Tryton; ids it has looked up are kept until `forget`. Arguments as `TrytonConnector`."""

    def __init__(
        self, rest: TrytonRest, control: str, project: str, maps: Mapping[str, Mapping[str, object]],
        models: Mapping[str, str], terms: Terms,
    ) -> None:  # fmt: skip
        self._rest, self._control, self._project, self._terms = rest, control, project, terms
        self._models, self._maps = {**MODELS, **models}, maps
        self._ids: dict[tuple[str, str], int] = {}
        self._points: list[str] | None = None  # of the control

    def forget(self) -> None:
        """Look everything up anew: what is kept here may be gone from the server."""
        self._ids.clear()
        self._points = None

    def model(self, kind: str) -> str:
        """The model of a kind of order. RefusedError for one that Tryton has no place for."""
        if kind not in self._models:
            raise RefusedError(None, f"Tryton has no place for {kind!r}; there are {', '.join(sorted(self._models))}")
        return self._models[kind]

    def told(self, kind: str, event: Mapping[str, Any]) -> dict[str, object]:
        """What an event decides: the fields of the alert, the task or the hold, with the revision."""
        model = self.model(kind)
        usual = FIELDS.get(kind) or OTHERS[model]
        if model == HOLD:
            usual = {**usual, "reason": "\n".join(line for name, line in HOLD_LINES.items() if event["data"].get(name))}
        values = render({**usual, **self._maps.get(kind, {})}, event, self._terms, limits=LIMITS)
        return {**values, "external_revision": int(event["data"].get("revision", 1))}

    def new(self, kind: str, event: Mapping[str, Any]) -> dict[str, object]:
        """All fields of a new record: of the inspection, where the kind has one."""
        company = self._rest.company
        new: dict[str, object] = {"external_key": event["subject"], "external_kind": kind, "company": company}
        model = self.model(kind)
        if model == INSPECTION:
            return {**new, "reference": event["data"].get("asset"), **self._inspected(event)}
        if model == HOLD:
            begun = {"external_revision": 0} if let_go(event) else {}  # in force until `release` is pressed
            return {**new, **self.told(kind, event), "lot": self._lot(event), **begun}
        machine = self._machine(event)
        place = {"type": "task", "parent": self._needed(TASK, self._project)}
        return {**new, **self.told(kind, event), **place, **({} if machine is None else {"work_center": machine})}

    def shown(self, kind: str, event: Mapping[str, Any]) -> dict[str, object]:
        """The same for people: names instead of ids, nothing looked up."""
        model = self.model(kind)
        names = {
            INSPECTION: {"control": self._control, "origin": self._machine_name(event)},
            TASK: {"parent": self._project, "work_center": self._machine_name(event)},
            HOLD: {"lot": event["data"].get("lot")},
        }
        return {"model": model, "external_key": event["subject"], **names[model], **self.told(kind, event)}

    def missing(self) -> list[str]:
        """What the configuration names and the server does not have."""
        wanted = {(CONTROL, self._control), (TASK, self._project)}
        wanted |= {(MACHINE, str(name)) for name in self._terms.equipment.values()}
        return [f"{model} {name!r}" for model, name in sorted(wanted) if self._id(model, name) is None]

    def _inspected(self, event: Mapping[str, Any]) -> dict[str, object]:
        """The control with each of its points told as missed, and the machine when the server has it."""
        control, machine = self._needed(CONTROL, self._control), self._machine(event)
        if self._points is None:
            self._points = [one["name"] for one in self._rest.read(CONTROL, control, ["points.name"])["points"]]
        told = {"control": control, "points": dict.fromkeys(self._points, False)}
        return told if machine is None else {**told, "origin": f"{MACHINE},{machine}"}

    def _machine_name(self, event: Mapping[str, Any]) -> str | None:
        name = self._terms.equipment.get(str(event["data"].get("asset")))
        return None if name is None else str(name)

    def _machine(self, event: Mapping[str, Any]) -> int | None:
        # One that the server does not know is left out: the text names the asset, and `ping` tells what is missing.
        name = self._machine_name(event)
        return None if name is None else self._id(MACHINE, name)

    def _lot(self, event: Mapping[str, Any]) -> int:
        data = event["data"]
        domain = [["number", "=", data.get("lot")]]
        if data.get("product"):
            domain.append(["product.code", "=", data["product"]])
        rows = self._rest.search(LOT, domain, ["number"], limit=2)
        if len(rows) != 1:
            raise RefusedError(None, f"Tryton has {'several lots' if rows else 'no lot'} {data.get('lot')!r}")
        return int(rows[0]["id"])

    def _id(self, model: str, name: str) -> int | None:
        if (model, name) not in self._ids:
            domain = [["name", "=", name], *([["type", "=", "project"]] if model == TASK else [])]
            rows = self._rest.search(model, domain, ["name"], limit=1)
            if not rows:
                return None
            self._ids[model, name] = int(rows[0]["id"])
        return self._ids[model, name]

    def _needed(self, model: str, name: str) -> int:
        found = self._id(model, name)
        if found is None:
            raise RefusedError(None, f"Tryton has no {model} {name!r}")
        return found


def let_go(event: Mapping[str, Any]) -> bool:
    """Whether a hold's event says that a person has released the lot."""
    return event["data"].get("blocked") is False
