"""The catalogues: the same codes and parameters in every language, real Chinese, and every code in the source known."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from andon.i18n import LANGUAGES
from tests.tree import PACKAGES, ROOT, parsed, python_files, shown

LOCALE = ROOT / "andon" / "locale"
HAN = re.compile(r"[\u4e00-\u9fff]")
# Abbreviations, units and symbols stay in Latin letters in Chinese too; four small letters in a row make a word.
WORD = re.compile(r"[a-z]{4,}")
CODE = re.compile(r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+$")


def no_twins(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """A JSON object in which no key stands twice."""
    found = dict(pairs)
    assert len(found) == len(pairs), sorted({key for key, _ in pairs if [one for one, _ in pairs].count(key) > 1})
    return found


def rooms(language: str) -> dict[str, dict[str, str]]:
    """Room -> code -> sentence."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=no_twins)
        for path in sorted((LOCALE / language).glob("*.json"))
    }


def whole(language: str) -> dict[str, str]:
    """Code -> sentence of all rooms."""
    return {code: text for room in rooms(language).values() for code, text in room.items()}


def parameters(template: str) -> set[str]:
    """Names in braces, without attribute, index and format."""
    return {re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_language_is_there():
    assert sorted(path.name for path in LOCALE.iterdir() if path.is_dir()) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_same_rooms_codes_and_parameters(language):
    english, other = rooms("en"), rooms(language)
    assert english.keys() == other.keys()
    for room, texts in english.items():
        assert sorted(texts.keys() ^ other[room].keys()) == [], f"{language}/{room}.json"
        differing = [code for code, text in texts.items() if parameters(text) != parameters(other[room][code])]
        assert differing == [], f"parameters differ in {language}/{room}.json"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_code_stands_in_two_rooms(language):
    codes = [code for room in rooms(language).values() for code in room]
    assert sorted(codes) == sorted(set(codes))


def test_sentences_are_not_padded_and_empty_in_all_languages_or_none():
    """An empty text stands for "nothing to say here", such as the sign of a state that needs none."""
    texts = {language: whole(language) for language in LANGUAGES}
    assert [code for language in LANGUAGES for code, text in texts[language].items() if text != text.strip()] == []
    assert len({frozenset(code for code, text in one.items() if not text) for one in texts.values()}) == 1


def test_chinese_is_chinese():
    """A sentence without a Chinese character is the same in English and holds no English word."""
    english = whole("en")
    foreign = []
    for code, text in whole("zh-CN").items():
        bare = "".join(literal for literal, *_ in Formatter().parse(text))
        if not HAN.search(bare) and (text != english[code] or WORD.search(bare)):
            foreign.append(f"{code}: {text}")
    assert foreign == []


def test_english_has_no_chinese():
    assert [code for code, text in whole("en").items() if HAN.search(text)] == []


# Codes in the source


def called(node: ast.Call) -> str:
    """The last part of the name that is called."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def error_classes() -> dict[str, set[str]]:
    """AndonError and every class below it in our packages, with the parameters its own __init__ adds."""
    classes = {
        node.name: node
        for path in python_files(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
    }
    found = {"AndonError": set[str]()}
    while True:
        more = {
            name: set().union(*(found[base] for base in bases)) | added_by(node)
            for name, node in classes.items()
            if name not in found and (bases := {called_base(base) for base in node.bases} & found.keys())
        }
        if not more:
            return found
        found |= more


def called_base(base: ast.expr) -> str:
    """Name of a base class."""
    return getattr(base, "id", getattr(base, "attr", ""))


def added_by(node: ast.ClassDef) -> set[str]:
    """Keywords that the class hands to `super().__init__` itself."""
    return {
        keyword.arg
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"
        for keyword in call.keywords
        if keyword.arg
    }


def coded_calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """(file, call, code) of every error raised and every text asked for by a constant code."""
    names = error_classes().keys() | {"translate", "Words"}
    for path in python_files(*PACKAGES):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                code = node.args[0].value
                if called(node) in names and isinstance(code, str) and CODE.match(code):
                    yield path, node, code


def test_errors_are_found_in_the_source():
    assert {"AndonError", "ConfigError", "SourceError"} <= error_classes().keys()
    assert any(code.startswith("spool.") for _, _, code in coded_calls())


def test_every_code_in_the_source_has_a_text():
    known = whole("en")
    missing = [f"{shown(path)}:{call.lineno}: {code}" for path, call, code in coded_calls() if code not in known]
    assert missing == [], "\n".join(missing)


def test_every_call_gives_the_parameters_of_its_text():
    """A text with {path} raised without path= would fail while it is shown."""
    texts, classes = whole("en"), error_classes()
    faults = []
    for path, call, code in coded_calls():
        if called(call) == "Words":  # takes its parameters as a mapping
            continue
        given = {keyword.arg for keyword in call.keywords} | classes.get(called(call), set())
        lacking = parameters(texts.get(code, "")) - given
        if lacking and None not in given:
            faults.append(f"{shown(path)}:{call.lineno}: {code} without {sorted(lacking)}")
    assert faults == [], "\n".join(faults)
