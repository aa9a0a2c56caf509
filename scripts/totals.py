"""The last line of a CI run: the tests of several JUnit files added up. Exit 1 when none was run or one failed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def totals(paths: list[Path]) -> Counter[str]:
    """Passed, failed and skipped tests over all files; a missing file counts nothing."""
    found: Counter[str] = Counter()
    for path in paths:
        if not path.exists():
            continue
        for suite in ET.parse(path).getroot().iter("testsuite"):  # noqa: S314  # written by our own pytest a minute ago
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            found["passed"] += int(suite.get("tests", 0)) - failed - skipped
            found["failed"] += failed
            found["skipped"] += skipped
    return found


if __name__ == "__main__":
    found = totals([Path(name) for name in sys.argv[1:]])
    print(f"{found['passed']} passed, {found['failed']} failed, {found['skipped']} skipped")
    sys.exit(1 if found["failed"] or not found["passed"] else 0)
