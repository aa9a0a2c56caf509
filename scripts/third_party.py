"""THIRD_PARTY.md: licences of the packages Andon needs at run time, from their own metadata.

    python scripts/third_party.py           exit 1 when the page is stale or a licence is not allowed
    python scripts/third_party.py --write   writes the page

GPL and AGPL are refused. LGPL is allowed by name in `LGPL_ALLOWED`, with its reason, and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "THIRD_PARTY.md"
LOCK = ROOT / "requirements-runtime.lock"
VENDORED = ROOT / "dashboards" / "static" / "vendor"

# Packages whose metadata leave the licence out: what their licence file says.
STATED: dict[str, str] = {"bytewax": "Apache-2.0"}

# LGPL packages that may be used as they are, each with the reason.
_PSYCOPG = "the driver for records on PostgreSQL, used unchanged as a library of its own that can be replaced in place"
LGPL_ALLOWED: dict[str, str] = {"psycopg": _PSYCOPG, "psycopg-binary": _PSYCOPG}

GPL = re.compile(r"\bA?GPL\b|\bA?GPL[v-]|GNU (Affero )?General Public", re.IGNORECASE)
LGPL = re.compile(r"\bLGPL|Lesser General Public", re.IGNORECASE)


class Package(NamedTuple):
    """One run-time package: its name and version as locked, its licence in its own words."""

    name: str
    version: str
    licence: str


def normal(name: str) -> str:
    """A package's name as the package index compares it: `pydantic_core` is `pydantic-core`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_names(lock: Path = LOCK) -> set[str]:
    """Names in a lock file."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {normal(name) for name in names}


def installed() -> list[Package]:
    """Every installed package that the run-time lock names, sorted by name."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed", "--with-system"]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    wanted = locked_names()
    found = {normal(row["Name"]): row for row in rows}
    missing = sorted(wanted - found.keys())
    if missing:
        message = f"not installed, though requirements-runtime.lock names them: {', '.join(missing)}; run make setup"
        raise SystemExit(message)
    return [
        Package(name, row["Version"], STATED.get(name, row["License"]))
        for name, row in sorted(found.items())
        if name in wanted
    ]


def refused(packages: list[Package]) -> list[str]:
    """One sentence for each package whose licence may not be used at run time."""
    problems = []
    for package in packages:
        name, licence = package.name, package.licence
        if licence in {"", "UNKNOWN"}:
            problems.append(f"{name}: its metadata name no licence; read its licence file and add it to STATED")
        elif LGPL.search(licence):
            if name not in LGPL_ALLOWED:
                problems.append(f"{name}: {licence} is allowed by name only; see LGPL_ALLOWED")
        elif GPL.search(licence) and " OR " not in licence:
            problems.append(f"{name}: {licence} cannot be a run-time dependency of an Apache-2.0 product")
    return problems


def vendored() -> list[str]:
    """A line for each licence file beside files of others in the source tree."""
    licences = sorted(VENDORED.rglob("*LICENSE*"))
    return [f"- `{path.parent.relative_to(ROOT)}`: [{path.name}]({path.relative_to(ROOT)})" for path in licences]


def page(packages: list[Package]) -> str:
    """The whole of THIRD_PARTY.md."""
    lines = [
        "<!-- Written by scripts/third_party.py (make third-party); a test compares it. Do not edit. -->",
        "",
        "# Third-party packages",
        "",
        "What Andon needs at run time, with the versions of `requirements-runtime.lock`. Each is installed under its",
        "own licence; none is GPL or AGPL. The wheels of numpy, scipy and pyarrow carry libraries of their own, whose",
        "licences stand in the wheels.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {one.name} | {one.version} | {one.licence} |" for one in packages),
    ]
    if LGPL_ALLOWED:
        lines += ["", "## LGPL, allowed by name", ""]
        lines += [f"- {name}: {reason}" for name, reason in sorted(LGPL_ALLOWED.items())]
    if vendored():
        lines += ["", "## Files of others in this tree", "", *vendored()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare; 0 when all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write THIRD_PARTY.md instead of comparing")
    write = parser.parse_args().write
    packages = installed()
    problems = refused(packages)
    for problem in problems:
        print(problem)
    wanted = page(packages)
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        print("THIRD_PARTY.md is stale; run: make third-party")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
