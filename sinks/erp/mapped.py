"""What the connectors share that fill the fields of a record: from the body to the fields, and back to a record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from andon.config.erp import Erp
from andon.erp_state import ErpState
from sinks.erp.http import Caller
from sinks.erp.mapping import read_event, render
from sinks.erp.port import ExternalRecord, RefusedError
from sinks.erp.system import Target, places

PAGE = 100  # records asked for at once, where many are listed


@dataclass(frozen=True)
class Draft:
    """A record to be sent: where, with which fields, as which revision."""

    target: Target
    fields: dict[str, object]
    revision: int

    def changes(self) -> dict[str, object]:
        """The fields of a record that is there already."""
        return {name: value for name, value in self.fields.items() if name not in self.target.once}


class Mapped(ABC):
    """Base of the connectors over a system's file. A record's id is its model and its id there: "Asset Repair|17"."""

    def __init__(self, system: str, erp: Erp, caller: Caller) -> None:
        self._places = places(system, erp)
        self._caller = caller

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def preview(self, kind: str, key: str, body: bytes) -> Mapping[str, object]:
        """The fields that `open` would send, without asking the ERP."""
        return self._sent(self._draft(kind, key, body), key)

    @abstractmethod
    def _sent(self, draft: Draft, key: str) -> dict[str, object]:
        """The fields of a new record, with the key and the revision where this ERP has them."""

    def _draft(self, kind: str, key: str, body: bytes) -> Draft:
        """Raises RefusedError when a field that the model requires stays empty: the ERP's own word is often unclear."""
        event, target = read_event(kind, key, body), self._places.of(kind)
        fields = render(target.map, event, self._places.terms, limits=target.limits, html=target.html)
        for name in target.required:
            if fields.get(name) in (None, ""):
                asset = event["data"].get("asset", "")
                raise RefusedError(
                    None, f"erp.map.{kind}: {target.model} needs {name!r} (asset {asset!r}; see erp.equipment)"
                )
        return Draft(target, fields, int(event["data"].get("revision", 1)))

    def _state(self, target: Target, status: str, *, closed: bool | None = None) -> ErpState:
        closed = status in target.closed if closed is None else closed
        return ErpState(status, closed)

    def _split(self, record: ExternalRecord) -> tuple[Target, str]:
        model, _, inner = record.id.partition(ID_SEPARATOR)
        return self._places.of_model(model), inner


ID_SEPARATOR = "|"  # a name of ERPNext and an entity of SAP may hold a slash
