"""How the way to the ERP is, as the sender last said, as a file: for the control room, the metrics and whoever looks.

state/erp-link.json: {"state": "closed", "since_ns": 1767225600000000000, "failures": 0, "error": ""}.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import structlog

from andon.datafolder import DataFolder
from sinks.breaker import STATES, Breaker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ErpLink:
    """state: closed (orders go), open (the ERP is left alone), half_open (one order finds out). error: of the outage.

    since_ns: when the outage, or the time without one, began; machine's clock. failures: attempts in a row.
    """

    state: str
    since_ns: int
    failures: int
    error: str


def write_link(data: DataFolder, breaker: Breaker) -> None:
    """Replace the file; what cannot be written (a full disk) is told in the log and stays as it was."""
    path = data.path / "state" / "erp-link.json"
    link = ErpLink(breaker.state, breaker.since_ns, breaker.failures, breaker.error)
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(link)))
        draft.replace(path)
    except OSError as error:
        log.warning("outbox.link_not_written", cause=error.strerror)


def read_link(data: DataFolder) -> ErpLink | None:
    """What the sender said last; None where it has said nothing."""
    try:
        link = ErpLink(**json.loads((data.path / "state" / "erp-link.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return link if link.state in STATES else None
