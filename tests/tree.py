"""Which files belong to the project, for the guards that read the source instead of running it."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "alarms", "andon", "dashboards", "detectors", "flows", "operators", "service", "simulators", "sinks", "sources",
)  # fmt: skip


@cache
def project_files() -> tuple[Path, ...]:
    """Every file that is or would be committed, sorted: what git knows or does not ignore."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    return tuple(sorted(path for name in set(names) if name and (path := ROOT / name).is_file()))


def python_files(*folders: str) -> list[Path]:
    """Project files ending in .py below the given top-level folders; all of them when none is given."""
    return [
        path
        for path in project_files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def shown(path: Path) -> str:
    """The path as people name it, from the top of the tree."""
    return path.relative_to(ROOT).as_posix()
