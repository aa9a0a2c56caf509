"""Tables of the parts of figures in docs/figures/*.md, generated from `andon.figures.KINDS` and the texts.

`python -m andon.figures.tables docs/figures` writes them between `<!-- figures:<kind> -->` and `<!-- /figures -->`;
everything else of a page is left as it is. A test fails when a committed page says something else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from andon.figures import KINDS
from andon.figures.base import Kind, Part
from andon.i18n import catalogue

BLOCK = re.compile(r"(<!-- figures:([\w-]+) -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)
HEAD = ("part", "unit", "adds up", "what it is")


def kinds_in(page: str) -> list[str]:
    r"""The kinds that a page has tables of, in order.

    >>> kinds_in("<!-- figures:oee -->\n<!-- /figures -->")
    ['oee']
    """
    return [found.group(2) for found in BLOCK.finditer(page)]


def filled(page: str) -> str:
    """A page with its tables written anew. KeyError for a kind that is none."""
    return BLOCK.sub(lambda found: f"{found.group(1)}{table(KINDS[found.group(2)])}\n{found.group(4)}", page)


def table(kind: Kind, language: str = "en") -> str:
    """Markdown table of a kind's parts, and what else it tells."""
    texts = catalogue(language)
    lines = [_row(HEAD), _row(["---"] * len(HEAD)), *(_row(_cells(kind, part, texts)) for part in kind.parts)]
    if kind.about:
        lines += ["", f"Told beside numbers (`about`): {', '.join(f'`{one}`' for one in kind.about)}."]
    return "\n".join(lines)


def undefined(kind: Kind, language: str = "en") -> list[str]:
    """Codes that a kind's texts lack: its name, the name and the definition of each part."""
    texts = catalogue(language)
    codes = [f"figure.{kind.name}"]
    for part in kind.parts:
        codes += [f"figure.{kind.name}.{part.name}", f"figure.{kind.name}.{part.name}.how"]
    return [code for code in codes if code not in texts]


def _cells(kind: Kind, part: Part, texts: Mapping[str, str]) -> tuple[str, str, str, str]:
    code = f"figure.{kind.name}.{part.name}"
    told = [texts[one] for one in (code, f"{code}.how") if one in texts]
    what = ". ".join(one.rstrip(".") for one in told)
    unit = "" if part.unit == "1" else f"`{part.unit}`"
    return f"`{part.name}`", unit, "yes" if part.additive else "", f"{what}." if what else ""


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def write(folder: Path) -> list[Path]:
    """Fill every page of a folder; returns those that changed."""
    changed = []
    for page in sorted(folder.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


if __name__ == "__main__":
    for written in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures")):
        sys.stdout.write(f"{written}\n")
