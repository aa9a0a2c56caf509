"""The import table of docs/architecture.md, read from the source: who may import whom, and who may touch the world."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import PACKAGES, ROOT, parsed, project_files, python_files, shown

MAY_IMPORT: dict[str, set[str]] = {
    "andon": set(),
    "sources": {"andon"},
    "operators": {"andon"},
    "detectors": {"andon"},
    "alarms": {"andon"},
    "sinks": {"andon"},
    "flows": {"andon", "sources", "operators", "detectors", "alarms", "sinks"},
    "dashboards": {"andon"},
    "simulators": {"andon", "sources"},
    "service": set(PACKAGES),
}
PURE = ("operators", "detectors", "alarms")
PURE_LIBRARIES = {"numpy", "numba", "datasketches", "llvmlite", "scipy", "river", "shapely"}
# Standard library modules that read a clock, a file, a socket, the environment or another process.
WORLD = {
    "asyncio", "concurrent", "ctypes", "fileinput", "fcntl", "glob", "http", "importlib", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors", "shelve", "shutil", "signal",
    "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "now", "utcnow", "today", "fromtimestamp"}
DYNAMIC = {"__import__", "import_module", "run_module", "run_path", "resolve_name", "find_spec"}


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def calls(tree: ast.Module) -> Iterator[tuple[int, str, ast.Call]]:
    """(line, last part of the called name, call)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id, node
            elif isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr, node


def table_faults(tree: ast.Module, room: str) -> list[str]:
    """Imports and dynamic imports of our own packages that the table does not allow `room`."""
    faults = []
    for line, module in imports(tree):
        top = module.split(".")[0]
        if module.startswith("."):
            faults.append(f"{line}: relative import {module}")
        elif top == "tests" or (top in PACKAGES and top != room and top not in MAY_IMPORT[room]):
            faults.append(f"{line}: {room} may not import {module}")
    for line, name, call in calls(tree):
        if name in DYNAMIC:
            target = call.args[0] if call.args else None
            known = isinstance(target, ast.Constant) and isinstance(target.value, str)
            if not known or target.value.split(".")[0] in PACKAGES:
                faults.append(f"{line}: dynamic import by {name}(); write an import that can be read")
    return faults


def purity_faults(tree: ast.Module) -> list[str]:
    """What a room without I/O and clock imports or calls and must not."""
    faults = []
    for line, module in imports(tree):
        top = module.split(".")[0]
        if top in WORLD:
            faults.append(f"{line}: {module} reaches the world outside")
        elif top not in PURE_LIBRARIES | set(PACKAGES) | sys.stdlib_module_names:
            faults.append(f"{line}: {module} is not one of {sorted(PURE_LIBRARIES)}")
    faults += [f"{line}: {name}()" for line, name, _ in calls(tree) if name in IMPURE_CALLS]
    return faults


def adapter(path: Path) -> bool:
    """Whether the file is one of those that may import bytewax."""
    room = path.relative_to(ROOT).parts[0]
    return room == "flows" or (room == "sources" and path.stem.endswith("_bytewax"))


def test_the_table_covers_every_package():
    assert set(MAY_IMPORT) == set(PACKAGES)
    assert not [room for room, allowed in MAY_IMPORT.items() if "service" in allowed and room != "service"]


@pytest.mark.parametrize("room", PACKAGES)
def test_imports_follow_the_table(room):
    files = python_files(room)
    assert files, f"no Python file in {room}/"
    faults = [f"{shown(path)}:{fault}" for path in files for fault in table_faults(parsed(path), room)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("room", PURE)
def test_computation_touches_no_world_and_no_clock(room):
    faults = [f"{shown(path)}:{fault}" for path in python_files(room) for fault in purity_faults(parsed(path))]
    assert not faults, "\n".join(faults)


def test_bytewax_stays_in_flows_and_the_adapters():
    faults = [
        f"{shown(path)}:{line}: {module}"
        for path in python_files(*PACKAGES)
        for line, module in imports(parsed(path))
        if module.split(".")[0] == "bytewax" and not adapter(path)
    ]
    assert not faults, "\n".join(faults)


def test_only_the_clock_reads_the_machines_time():
    """Results depend on the log alone, so `time.time()` and its kin stay behind andon/clock.py."""
    rooms = ("andon", "sources", "sinks", "flows", "operators", "detectors", "alarms")
    faults = [
        f"{shown(path)}:{line}: {name}()"
        for path in python_files(*rooms)
        if shown(path) != "andon/clock.py" and not adapter(path)  # Bytewax is told when to wake by the machine's time
        for line, name, call in calls(parsed(path))
        if name in {"time", "time_ns", "now", "utcnow", "today"} and _of_clock_module(call)
    ]
    assert not faults, "\n".join(faults)


def _of_clock_module(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return name in {"time", "datetime", "date"}


@pytest.mark.parametrize("room", PACKAGES)
def test_every_folder_with_modules_is_a_package(room):
    folders = {path.parent for path in python_files(room) if "migrations" not in path.parts}
    missing = [shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()]
    assert not missing, f"no __init__.py in {missing}"


def test_no_two_tests_share_a_name():
    """pytest imports them by their bare name."""
    names = [path.name for path in python_files("tests") if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


# The guards themselves, on sources that break them.
BROKEN = {
    "upwards": ("operators", "from sources.spool import Spool"),
    "inside-a-function": ("sinks", "def f():\n    import flows.plant"),
    "service": ("dashboards", "import service"),
    "relative": ("andon", "from . import plant"),
    "tests": ("andon", "from tests import naive"),
    "dynamic-constant": ("andon", "import importlib\nimportlib.import_module('service.cli')"),
    "dynamic-variable": ("flows", "from importlib import import_module\nimport_module(name)"),
    "dunder": ("sinks", "__import__('flows')"),
}
IMPURE = {
    "file": "open('x')",
    "clock": "import time",
    "now": "from datetime import datetime\ndatetime.now()",
    "library": "import httpx",
    "database": "import sqlite3",
}


@pytest.mark.parametrize(("room", "source"), BROKEN.values(), ids=BROKEN.keys())
def test_the_table_guard_sees(room, source):
    assert table_faults(ast.parse(source), room)


@pytest.mark.parametrize("source", IMPURE.values(), ids=IMPURE.keys())
def test_the_purity_guard_sees(source):
    assert purity_faults(ast.parse(source))


def test_the_guards_let_good_code_through():
    source = "from __future__ import annotations\nimport math\nimport numpy as np\nfrom andon.plant import SeriesSpec\n"
    assert not table_faults(ast.parse(source), "operators")
    assert not purity_faults(ast.parse(source))
    assert any(path.name == "pyproject.toml" for path in project_files())
