"""The pages do not lie about the tree: links, folders, make targets and commands that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from tests.tree import PACKAGES, ROOT, project_files, shown

PAGES = [path for path in project_files() if path.suffix == ".md" and "vendor" not in path.parts]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Folders that are no part of the product's source and need no line in README.
UNLISTED = {".ci"}


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, after GitHub's rule."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Targets of a page's links that point into the tree."""
    return [target for target in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page):
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_pictures_are_committed():
    known = set(project_files())
    pictures = {
        (page.parent / one).resolve() for page in PAGES for one in links(page) if one.endswith((".svg", ".png"))
    }
    assert pictures
    assert pictures <= known


def test_every_page_can_be_found_from_the_index():
    seen, left = set(), [ROOT / "docs" / "index.md"]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        left += [(page.parent / one.partition("#")[0]).resolve() for one in links(page)]
    lost = [shown(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in seen]
    assert lost == []


def test_folders_in_readme_are_the_folders():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Where things are")[2].partition("\n## ")[0]
    named = {one for row in table.splitlines() if row.startswith("|") for one in re.findall(r"`([a-z]+)/`", row)}
    real = {path.relative_to(ROOT).parts[0] for path in project_files() if len(path.relative_to(ROOT).parts) > 1}
    assert named == real - UNLISTED


def test_the_import_table_in_the_docs_is_the_one_that_is_enforced():
    from tests.test_architecture import MAY_IMPORT

    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)/` \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
    said = {room: set(re.findall(r"[a-z]+", allowed)) & set(PACKAGES) for room, allowed in rows}
    assert said.keys() == MAY_IMPORT.keys()
    assert {room: allowed for room, allowed in MAY_IMPORT.items() if room != "service"} == {
        room: allowed for room, allowed in said.items() if room != "service"
    }


def test_the_changelog_is_open():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert text.partition("## Unreleased")[2].strip()


def test_readme_has_exactly_two_setup_commands():
    start = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Start")[2].partition("\n## ")[0]
    assert re.findall(r"^```sh\n(.*?)\n```", start, re.MULTILINE | re.DOTALL) == ["make demo", "make test"]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_make_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", text, re.MULTILINE)
    assert {target for group in named for target in group.split()} - make_targets() == set()


def test_every_target_has_a_line_of_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    helped = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert set(phony.split()) == make_targets() == helped


def commands() -> set[str]:
    """Every command of `andon`, groups with their members."""
    from service.cli import build_app

    top = get_command(build_app()).commands
    below = {f"{name} {one}" for name, group in top.items() for one in getattr(group, "commands", {})}
    return set(top) | below


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_commands_exist(page):
    """`andon WORD` in code, of which WORD is a command; a group is followed by one of its own."""
    known = commands()
    code = re.findall(r"`([^`\n]+)`", prose(page)) + FENCE.findall(page.read_text(encoding="utf-8"))
    named = {match for one in code for match in re.findall(r"(?:^|[\s/])andon ([a-z][a-z-]*)(?=[\s`]|$)", one)}
    assert named - {name.split()[0] for name in known} == set()
