"""POST /api/v1/erp/states: the ERP tells how a record stands. Signed, no session; see docs/erp-back.md.

Nothing about why a message was refused is told to who sent it; the log and the metrics have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from andon.config.erp import Erp
from andon.erp_state import ErpState
from andon.readings import NS_PER_MS
from andon.records import SYSTEM_ERP
from andon.records.erp_answers import Told
from andon.secrets import read_secret
from service.erp_poller import judged
from service.web.api import room_of
from service.web.errors import WebError, json_response
from service.web.signed import Forged, Signed, verify
from sinks.erp.webhook import check_secret

ENDPOINT = "/api/v1/erp/states"
log = structlog.get_logger()
router = APIRouter()
_messages = Counter("andon_inbound_webhooks_total", "Webhooks that came in, by what became of them.", ["outcome"])


class State(BaseModel):
    """How a record stands: `key` is the order's 20 characters."""

    model_config = ConfigDict(extra="ignore", strict=True)  # an ERP's message may say more than we read

    key: str = Field(pattern="^[a-z2-7]{20}$")
    status: str = Field(min_length=1, max_length=1000)
    closed: bool = False
    verdict: Literal["", "true", "false", "known"] = ""
    comment: str = Field("", max_length=5000)
    changed_ms: int | None = Field(None, ge=0, le=2**53)


@router.post(ENDPOINT)
async def take_state(request: Request) -> Response:
    """Take in one signed message; the same message again changes nothing and is answered alike."""
    room = room_of(request)
    keys = request.app.state.access.inbound_keys
    if not keys:
        raise WebError("page.not_found")
    raw = await request.body()
    try:
        signed = verify(request.headers, raw, keys, room.records.clock.now_ns())
    except Forged as forged:
        _messages.labels(forged.reason).inc()
        log.warning("web.webhook_refused", reason=forged.reason)
        raise WebError("page.webhook_refused") from None
    state = _state(signed)
    back = room.plant.config.erp.back if room.plant.config.erp else None
    changed_ns = None if state.changed_ms is None else state.changed_ms * NS_PER_MS
    told = ErpState(state.status, state.closed, state.verdict, state.comment, changed_ns)
    answer = await to_thread.run_sync(
        lambda: room.records.erp_answered(
            state.key, told if back is None else judged(told, back), SYSTEM_ERP,
            Told(ENDPOINT, signed.id, signed.digest),
        )
    )  # fmt: skip
    _messages.labels(answer).inc()
    return json_response({"key": state.key, "outcome": answer})


def inbound_keys(erp: Erp | None, base: Path) -> tuple[bytes, ...]:
    """The secrets that a message may be signed with; none where [erp.back] names none. base: the folder of plant.toml.

    Raises ConfigError for a file that cannot be read, DeliveryError for one that holds no such secret.
    """
    if erp is None:
        return ()
    file = str(base / erp.back.secret_file) if erp.back.secret_file else None
    secret = read_secret("ANDON_ERP_BACK_SECRET", file, "erp.back.secret_file")
    return () if secret is None else tuple(check_secret(line) for line in secret.reveal().split())


def _state(signed: Signed) -> State:
    """The message's state: the object itself, or the `data` of a CloudEvent. Raises WebError naming what is wrong."""
    data = signed.content.get("data", signed.content)
    try:
        return State.model_validate(data)
    except ValidationError as error:
        _messages.labels("invalid").inc()
        what = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise WebError("page.invalid", what=what) from None
