"""A report as a PDF for print: the same document and language, the same bytes. Typst lays it out (report.typ)."""

from __future__ import annotations

import json
from importlib import resources
from zoneinfo import ZoneInfo

import typst

from service.evidence.report import families, fonts_for
from service.figure_reports.document import Document, Json, ReportError
from service.figure_reports.lot_view import lot_view
from service.figure_reports.shift_view import shift_view
from service.figure_reports.words import Words


def view_of(made: Document, language: str) -> Json:
    """Everything the report says and shows, in order."""
    words = Words(language, ZoneInfo(made.content["site"]["timezone"]))
    say = {"shift": shift_view, "lot": lot_view}[made.kind](dict(made.content), words)
    site = made.content["site"]
    as_of = site["as_of_ms"] or site["reached_ms"]
    return {
        **say, "lang": language[:2], "author": site["name"], "sha256": made.sha256,
        "footer": words.say("footer", subject=made.subject, as_of=words.time(as_of)),
    }  # fmt: skip


def pdf(made: Document, language: str) -> bytes:
    """A4 pages. EvidenceError: it holds Chinese and no font has it; ReportError: Typst refuses."""
    view, site = view_of(made, language), made.content["site"]
    view |= fonts_for(json.dumps(view, ensure_ascii=False), families(), language)
    template = resources.files("service.figure_reports").joinpath("report.typ").read_bytes()
    try:
        return typst.compile(
            template, timestamp=(site["as_of_ms"] or site["reached_ms"] or 0) // 1000,
            sys_inputs={"view": json.dumps(view, ensure_ascii=False)},
        )  # fmt: skip
    except typst.TypstError as error:
        raise ReportError("report.not_printed", detail=error.message[:200]) from None
