"""Evidence of alarms over HTTP, below /api/v1. Looking needs the right to view; taking a copy is an audited export.

Looking gives no audit records, which have a right of their own, so what is looked at is no copy that verifies.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from andon.records import require
from service.evidence import collect as collecting  # it needs the page's sentences: each imports the other
from service.evidence.bundle import EXPORTED, EXPORTS, Bundle
from service.evidence.picture import picture
from service.evidence.report import report
from service.web.api import room_of, session_of

#: Exports: they change nothing, but each writes this audit action.
EXPORT_ROUTES = {
    ("GET", "/api/v1/alarms/{key}/evidence"): EXPORTED,  # only with ?download=true
    ("GET", "/api/v1/alarms/{key}/evidence.pdf"): EXPORTED,
}
Language = Annotated[Literal["en", "zh-CN"] | None, Query()]
Reason = Annotated[str, Query(max_length=2000)]
router = APIRouter(prefix="/api/v1")


@router.get("/alarms/{key}/evidence")
def evidence(request: Request, key: str, reason: Reason = "", *, download: bool = False) -> Response:
    """The evidence without its audit records, canonical JSON. download: the whole bundle, an audited export."""
    require(session_of(request), "view")
    bundle = collecting.collect(room_of(request), key)
    headers = {"x-content-sha256": bundle.sha256}
    if download:
        headers |= _exported(request, bundle, "json", reason)
    else:
        shown = {name: section for name, section in bundle.sections.items() if name != "audit"}
        bundle = Bundle(shown, bundle.manifest)
    return Response(bundle.data(), media_type="application/json", headers=headers)


@router.get("/alarms/{key}/evidence.svg")
def evidence_svg(request: Request, key: str, language: Language = None) -> Response:
    """The trend around the alarm, with its limit."""
    require(session_of(request), "view")
    drawn = picture(collecting.collect(room_of(request), key).sections, language or request.state.language)
    return Response(drawn, media_type="image/svg+xml")


@router.get("/alarms/{key}/evidence.pdf")
def evidence_pdf(request: Request, key: str, language: Language = None, reason: Reason = "") -> Response:
    """The report for print; an audited export."""
    require(session_of(request), "export")
    bundle = collecting.collect(room_of(request), key)
    made = report(bundle, language or request.state.language)  # before the record: a report that fails is no export
    return Response(made, media_type="application/pdf", headers=_exported(request, bundle, "pdf", reason))


def _exported(request: Request, bundle: Bundle, form: str, reason: str) -> dict[str, str]:
    """Write the audit record of an export; returns the headers that make the answer a file."""
    actor = require(session_of(request), "export")
    told = {"form": form, "sha256": bundle.sha256}
    room_of(request).records.note(actor, EXPORTED, EXPORTS, bundle.key, new=told, reason=reason, right="export")
    return {"content-disposition": f'attachment; filename="andon-evidence-{bundle.key}.{form}"'}
