"""What is known of an ERP, as data in systems/*.toml: fields, lengths, usual maps, error answers, and their sources.

The same file makes the stub of the tests, so that connector and stub cannot come to differ in a name or a length.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from andon.config.erp import Erp
from sinks.erp.mapping import Terms
from sinks.erp.port import RefusedError

SYSTEMS = ("erpnext", "odoo", "sap")


@dataclass(frozen=True)
class Target:
    """Where a kind of order goes.

    model: document type, model or entity. map: field -> literal or template. once: fields that only a new record gets,
    since people own them afterwards. limits: most characters of a field. html: fields that hold HTML.
    required: what a new record must have.
    state_field, closed: where a record's state stands, and which states mean that nobody works on it any more.
    raw: the table of the file, for what only one system has.
    """

    kind: str
    model: str
    map: Mapping[str, object]
    once: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    html: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    state_field: str = ""
    closed: frozenset[str] = frozenset()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """The targets of a configuration, and the terms of its templates."""

    targets: Mapping[str, Target]
    terms: Terms

    def of(self, kind: str) -> Target:
        """Raises RefusedError for a kind that the ERP has no place for."""
        if kind not in self.targets:
            raise RefusedError(None, f"erp.models: there is no place for {kind!r}; there are {', '.join(self.targets)}")
        return self.targets[kind]

    def of_model(self, model: str) -> Target:
        """Raises RefusedError for a record of a model that is no longer configured."""
        for target in self.targets.values():
            if target.model == model:
                return target
        raise RefusedError(None, f"erp.models: no kind of order goes to {model!r}")


@cache
def read_system(name: str) -> dict[str, Any]:
    """The file of a system."""
    text = resources.files("sinks.erp").joinpath("systems", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def places(name: str, erp: Erp) -> Places:
    """What a system's file and [erp] say together; a model of one's own starts with an empty map."""
    system = read_system(name)
    targets = {kind: _target(kind, raw) for kind, raw in system["kind"].items()}
    for kind, model in erp.models.items():
        if kind not in targets or targets[kind].model != model:
            targets[kind] = Target(kind, model, {}, raw=targets[kind].raw if kind in targets else {})
    for kind, fields in erp.map.items():
        if kind in targets:
            targets[kind] = replace(targets[kind], map={**targets[kind].map, **fields})
    codes: dict[str, str] = system["priorities"] | {str(name): code for name, code in erp.priorities.items()}
    terms = Terms(ZoneInfo(erp.timezone), dict(erp.equipment), codes)
    return Places(targets, terms)


def _target(kind: str, raw: Mapping[str, Any]) -> Target:
    fields = raw["fields"]
    return Target(
        kind, raw["model"], raw["map"], frozenset(raw["once"]),
        {name: told["max"] for name, told in fields.items() if "max" in told},
        frozenset(name for name, told in fields.items() if told["type"] == "html"),
        tuple(name for name, told in fields.items() if told.get("required")),
        raw["state_field"], frozenset(raw.get("closed", ())), raw,
    )  # fmt: skip
