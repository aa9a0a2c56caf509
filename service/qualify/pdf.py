"""The report as a PDF for print: Typst lays out what `words.view` says (report.typ)."""

from __future__ import annotations

import json
from datetime import datetime
from importlib import resources

import typst

from service.evidence.report import CHINESE, families, fonts_for
from service.qualify.report import Json
from service.qualify.vectors import QualifyError
from service.qualify.words import texts_of


def can_print_chinese() -> bool:
    """Whether a font for it is installed here."""
    return any(one in families() for one in CHINESE)


def pdf(view: Json, begun: datetime) -> bytes:
    """A PDF of A4 pages. EvidenceError where it holds Chinese and no font has it; QualifyError when Typst refuses."""
    fonts = fonts_for(texts_of(view), families(), "zh-CN" if view["lang"] == "zh" else "en")
    template = resources.files("service.qualify").joinpath("report.typ").read_bytes()
    try:
        return typst.compile(
            template, timestamp=int(begun.timestamp()),
            sys_inputs={"view": json.dumps({**view, **fonts}, ensure_ascii=False)},
        )  # fmt: skip
    except typst.TypstError as error:
        raise QualifyError("qualify.no_report", detail=error.message[:200]) from None
