"""Texts by code in English and Chinese. Catalogues are andon/locale/<language>/*.json, flat maps of code to sentence.

A file per room keeps them small; a test proves that every language has the same codes and parameters.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib import resources

LANGUAGES = ("en", "zh-CN")


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of a language, code -> sentence with {parameters}."""
    texts: dict[str, str] = {}
    folder = resources.files("andon").joinpath("locale", language)
    for part in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if part.name.endswith(".json"):
            texts.update(json.loads(part.read_text(encoding="utf-8")))
    return texts


def user_language() -> str:
    """The language of the terminal: zh-CN where LC_ALL, LC_MESSAGES or LANG begin with zh, else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh-CN" if value.startswith("zh") else "en"
    return "en"


def translate(code: str, language: str | None = None, **params: object) -> str:
    """The sentence for `code`; the code itself with its parameters when no catalogue has it."""
    template = catalogue(language or user_language()).get(code)
    if template is None:
        return code if not params else f"{code} {params}"
    return template.format_map(params)
