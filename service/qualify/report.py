"""What a qualification found, as one document: what was run, where, by which versions, and each vector's verdict."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import socket
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata, resources
from typing import Any

from andon import __version__
from service.qualify.run import Result, counts
from service.qualify.vectors import VectorFile

FORMAT = "andon-qualify/1"
LIBRARIES = ("numpy", "numba", "scipy", "pint", "ucumvert", "shapely", "holidays", "tzdata", "bytewax", "pyarrow")
PACKAGES = ("alarms", "andon", "detectors", "flows", "operators", "service", "sinks", "sources")
LONGEST = 160  # characters of an answer in print; JSON has it whole
Json = dict[str, Any]


def document(results: Sequence[Result], file: VectorFile, code_sha256: str, begun: datetime, took_s: float) -> Json:
    """The report as JSON, in no language. begun: UTC. Answers that JSON cannot hold (NaN) are texts."""
    return {
        "format": FORMAT, "begun": begun.isoformat(timespec="seconds"), "took_s": round(took_s, 3),
        "vectors": {"file": file.name, "sha256": file.sha256, "count": len(file.vectors)},
        "host": {
            "name": socket.gethostname(), "system": platform.platform(), "machine": platform.machine(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
        },
        "versions": {"andon": __version__, **_versions()}, "code_sha256": code_sha256,
        "summary": {verdict.value: count for verdict, count in counts(results).items()},
        "areas": [{"area": area, **found} for area, found in _by_area(results).items()],
        "results": [_result(one) for one in results],
    }  # fmt: skip


def code_sha256() -> str:
    """One hash of every Python file that is installed, with its name: which code it was, beyond its version."""
    whole = hashlib.sha256()
    for package in PACKAGES:
        for name, content in sorted(_files(resources.files(package), package)):
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def _files(folder: Any, at: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for one in folder.iterdir():
        name = f"{at}/{one.name}"
        if one.is_dir() and one.name != "__pycache__":
            found += _files(one, name)
        elif one.name.endswith(".py"):
            found.append((name, one.read_bytes()))
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _by_area(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    areas: dict[str, list[Result]] = {}
    for one in results:
        areas.setdefault(one.vector.area, []).append(one)
    return {
        area: {verdict.value: count for verdict, count in counts(mine).items()} for area, mine in areas.items()
    }  # fmt: skip


def _result(one: Result) -> Json:
    vector = one.vector
    return {
        "id": vector.id, "area": vector.area, "fn": vector.fn, "kind": vector.kind, "source": vector.source,
        "note": vector.note, "inputs": vector.inputs, "expected": vector.expected, "got": _finite(one.got),
        "tol": vector.tol, "verdict": one.verdict.value, "where": one.where, "detail": one.detail, "about": one.about,
    }  # fmt: skip


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: Any) -> str:
    """A value in print: whole where it is short, else its beginning."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def tolerance(tol: Json) -> str:
    """Of a vector, in print."""
    parts = [f"±{tol['abs']:g}" if "abs" in tol else "", f"±{100 * tol['rel']:g} %" if "rel" in tol else ""]
    return " / ".join(part for part in parts if part) or "="
