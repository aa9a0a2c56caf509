"""Reports of shifts and lots over HTTP, below /api/v1. Looking needs the right to view; a PDF is an audited export."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from andon.readings import NS_PER_MS
from andon.records import require
from service.figure_reports.document import EXPORTED, EXPORTS, Document
from service.figure_reports.lot import lot_report
from service.figure_reports.printing import pdf
from service.figure_reports.shared import Sources
from service.figure_reports.shift import shift_report
from service.web.api import Millis, Path, room_of, session_of

#: Exports: they change nothing, but each writes this audit action.
EXPORT_ROUTES = {
    ("GET", "/api/v1/reports/shift.pdf"): EXPORTED,
    ("GET", "/api/v1/reports/lot.pdf"): EXPORTED,
}
Language = Annotated[Literal["en", "zh-CN"] | None, Query()]
Reason = Annotated[str, Query(max_length=2000)]
Day = Annotated[str, Query(max_length=10)]
Name = Annotated[str, Query(max_length=64)]
router = APIRouter(prefix="/api/v1")


@router.get("/reports/shift")
def shift(request: Request, day: Day, shift: Name = "", asset: Path = "", as_of: Millis = None) -> Response:
    """A shift of a machine, a line, an area or the whole site: canonical JSON. as_of: only what was known then, ms."""
    require(session_of(request), "view")
    return _json(shift_report(_sources(request, as_of), day, shift, asset))


@router.get("/reports/shift.pdf")
def shift_pdf(
    request: Request, day: Day, shift: Name = "", asset: Path = "", as_of: Millis = None, language: Language = None,
    reason: Reason = "",
) -> Response:  # fmt: skip
    """The same for print; an audited export."""
    require(session_of(request), "export")
    return _pdf(request, shift_report(_sources(request, as_of), day, shift, asset), language, reason)


@router.get("/reports/lot")
def lot(request: Request, lot: Name, as_of: Millis = None) -> Response:
    """A lot at every asset it was at: canonical JSON."""
    require(session_of(request), "view")
    return _json(lot_report(_sources(request, as_of), lot))


@router.get("/reports/lot.pdf")
def lot_pdf(
    request: Request, lot: Name, as_of: Millis = None, language: Language = None, reason: Reason = ""
) -> Response:  # fmt: skip
    """The same for print; an audited export."""
    require(session_of(request), "export")
    return _pdf(request, lot_report(_sources(request, as_of), lot), language, reason)


def _sources(request: Request, as_of_ms: int | None) -> Sources:
    return Sources(room_of(request), None if as_of_ms is None else as_of_ms * NS_PER_MS)


def _json(made: Document) -> Response:
    return Response(made.data(), media_type="application/json", headers={"x-content-sha256": made.sha256})


def _pdf(request: Request, made: Document, language: str | None, reason: str) -> Response:
    """Made before the audit record: a report that fails is no export."""
    actor, content = require(session_of(request), "export"), pdf(made, language or request.state.language)
    told = {"form": "pdf", "sha256": made.sha256, "kind": made.kind}
    room_of(request).records.note(actor, EXPORTED, EXPORTS, made.subject, new=told, reason=reason, right="export")
    headers = {
        "x-content-sha256": made.sha256, "content-disposition": f'attachment; filename="{made.name("pdf")}"',
    }  # fmt: skip
    return Response(content, media_type="application/pdf", headers=headers)
