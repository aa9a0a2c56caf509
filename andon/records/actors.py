"""Who does something: an `Actor` with a role, and what each role may do. Nothing is allowed unless it is listed."""

from __future__ import annotations

from dataclasses import dataclass

from andon import __version__
from andon.errors import AccessError, RecordsError

_OPERATOR = frozenset({"view", "alarm.acknowledge", "alarm.comment", "alarm.assign", "alarm.shelve", "alarm.reset"})
_QUALITY = _OPERATOR | {
    "alarm.out_of_service", "alarm.label", "audit.read", "outbox.release", "dead_letters.redrive", "log.skip_gap",
    "export", "outbox.park",
}  # fmt: skip
RIGHTS: dict[str, frozenset[str]] = {
    "viewer": frozenset({"view"}),
    "operator": _OPERATOR,
    # Who makes a model and tries it is not who puts it into force; to go back is open to both, it cannot wait.
    "quality": _QUALITY | {"holds.decide", "capa.decide", "model.manage", "model.approve"},
    "engineer": _QUALITY | {"rules.edit", "settings.edit", "model.manage"},
    # An administrator runs the system and is no GMP user: no say over alarms or deliveries, but may stop one.
    "admin": frozenset({"view", "audit.read", "export", "outbox.park", "settings.edit", "users.manage"}),
    # Processes of Andon itself. They write what the log decided and deliver it; they never speak for a person.
    "service": frozenset(
        {
            "view", "conditions.apply", "outbox.deliver", "notices.send", "timers.run", "erp.answer", "rules.edit",
            "settings.edit", "users.manage",
        }
    ),
}  # fmt: skip
ROLES = ("viewer", "operator", "quality", "engineer", "admin")


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody (or a named service) answerable for a change.

    id       : unique and never given to someone else.
    name     : full name as printed in the audit trail; of a service, name and version.
    role     : one of `ROLES`, or "service".
    terminal : where from: an address, a host, a process.

    Raises AccessError when any part is blank, the id is "anonymous", or the role is unknown.
    """

    id: str
    name: str
    role: str
    terminal: str

    def __post_init__(self) -> None:
        parts: tuple[object, ...] = (self.id, self.name, self.role, self.terminal)
        if any(not isinstance(part, str) or not part.strip() for part in parts) or self.id.lower() == "anonymous":
            raise AccessError("access.anonymous")
        if self.role not in RIGHTS:
            raise AccessError("access.unknown_role", role=self.role, allowed=", ".join(RIGHTS))


def _service(name: str) -> Actor:
    return Actor(f"service:{name}", f"Andon {name} {__version__}", "service", "local")


SYSTEM_FLOW = _service("flow")
SYSTEM_SENDER = _service("sender")
SYSTEM_SUPERVISOR = _service("supervisor")
SYSTEM_WEB = _service("web")
SYSTEM_CLI = _service("cli")
SYSTEM_ERP = _service("erp")  # what the ERP says, through Andon's ears
SYSTEM_QUALITY = _service("quality")
SYSTEM_NOTIFIER = _service("notifier")


def require_actor(actor: Actor | None, right: str) -> Actor:
    """The actor, when there is one whose role has the right. Raises AccessError otherwise."""
    if not isinstance(actor, Actor):
        raise AccessError("access.anonymous")
    if right not in RIGHTS.get(actor.role, frozenset()):
        raise AccessError("access.denied", role=actor.role, right=right)
    return actor


def require_reason(reason: str) -> str:
    """The reason, stripped. Raises RecordsError when it is blank: a change of GxP data says why."""
    if not reason.strip():
        raise RecordsError("records.reason_missing")
    return reason.strip()
