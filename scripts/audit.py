"""Asks the advisory service about every package of the lock file, through pip-audit.

    exit 0  every package was looked up, none has a known weakness; or the service could not be reached, said plainly
    exit 1  a package has a known weakness, or some packages were answered for and others not
    exit 3  with --must-answer: the service could not be reached

pip-audit itself reports "no known vulnerabilities" when the index answers for no package at all (a mirror without
advisories, a closed network): it only counts them as skipped. Here that is never a pass.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
TIMEOUT_S = 300
NOT_REACHED = 3


def ask() -> list[dict[str, object]] | None:
    """What pip-audit found, one mapping for each package; None when it got no answer at all."""
    command = [
        sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off",
        "--format=json", "--requirement", str(LOCK),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=TIMEOUT_S)
        dependencies: list[dict[str, object]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return None
    return dependencies


def judge(dependencies: list[dict[str, object]] | None) -> tuple[int, list[str]]:
    """Exit status and the lines to print."""
    if not dependencies or all("skip_reason" in one for one in dependencies):
        return NOT_REACHED, [f"NOT AUDITED: the advisory service answered for none of the packages in {LOCK.name}."]
    weak = [one for one in dependencies if one.get("vulns")]
    skipped = [one for one in dependencies if "skip_reason" in one]
    lines = [f"{one['name']} {one.get('version', '')}: {one['vulns']}" for one in weak]
    lines += [f"{one['name']}: not looked up: {one['skip_reason']}" for one in skipped]
    lines.append(
        f"{len(dependencies) - len(skipped)} of {len(dependencies)} packages looked up, {len(weak)} with a weakness"
    )
    return (1 if weak or skipped else 0), lines


def main() -> int:
    """Print the verdict; the exit status above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--must-answer", action="store_true", help="exit 3 when the service cannot be reached")
    must_answer = parser.parse_args().must_answer
    status, lines = judge(ask())
    print("\n".join(lines))
    return 0 if status == NOT_REACHED and not must_answer else status


if __name__ == "__main__":
    sys.exit(main())
