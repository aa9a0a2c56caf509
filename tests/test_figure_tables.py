"""The tables of figures in the docs: generated, current, and every part in them defined in both languages."""

from __future__ import annotations

import re

import pytest

from andon.figures import KINDS
from andon.figures.base import Kind, Part
from andon.figures.tables import filled, kinds_in, table, undefined, write
from andon.i18n import LANGUAGES
from tests.tree import ROOT

PAGES = sorted((ROOT / "docs" / "figures").glob("*.md"))
EMPTY = "# A\n\n<!-- figures:oee -->\n<!-- /figures -->\n\nB\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_committed_tables_are_current(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- figures:(.*?) -->", text)) <= KINDS.keys()
    assert filled(text) == text, f"run: python -m andon.figures.tables docs/figures  ({page.name})"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_part_in_a_table_is_defined(page, language):
    shown = kinds_in(page.read_text(encoding="utf-8"))
    assert [code for kind in shown for code in undefined(KINDS[kind], language)] == []


def test_a_table_has_a_row_for_each_part_and_filling_twice_is_filling_once():
    text = filled(EMPTY)
    assert [text.count(f"| `{part.name}` |") for part in KINDS["oee"].parts] == [1] * len(KINDS["oee"].parts)
    assert text.startswith("# A\n")
    assert text.endswith("\n\nB\n")
    assert filled(text) == text


def test_units_sums_and_what_else_is_told():
    kind = Kind("made-up", (Part("run_s", "s", additive=True), Part("ratio")), about=("lot",))
    assert table(kind).splitlines()[2:] == [
        "| `run_s` | `s` | yes |  |", "| `ratio` |  |  |  |", "", "Told beside numbers (`about`): `lot`.",
    ]  # fmt: skip
    assert undefined(kind)[:2] == ["figure.made-up", "figure.made-up.run_s"]


def test_only_pages_that_differ_are_written(tmp_path):
    (tmp_path / "a.md").write_text(EMPTY)
    (tmp_path / "b.md").write_text("nothing here\n")
    assert [path.name for path in write(tmp_path)] == ["a.md"]
    assert write(tmp_path) == []
    with pytest.raises(KeyError):
        filled("<!-- figures:nothing -->\n<!-- /figures -->")
