"""Throws away compiled kernels that are older than any source file of this package.

numba keeps a compiled kernel until its own file changes. Kernels here call kernels of other files, whose old code would
go on inside of them after an upgrade.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def forget_stale(sources: Path, cache: Path) -> int:
    """Remove the stale index files in `cache` of kernels in the modules in `sources`; returns how many there were.

    numba then compiles again at the first call. A folder that may not be written is left alone: an installation that
    is read-only has no sources that change.
    """
    modules = list(sources.glob("*.py"))
    newest = max(module.stat().st_mtime_ns for module in modules)
    names = {module.stem for module in modules}
    gone = 0
    with suppress(OSError):
        for index in cache.glob("*.nbi"):
            if index.name.split(".")[0] in names and index.stat().st_mtime_ns < newest:
                index.unlink(missing_ok=True)
                gone += 1
    return gone
