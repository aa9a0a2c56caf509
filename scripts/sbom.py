"""dist/sbom.json: a CycloneDX bill of materials of what Andon needs at run time, with the hashes of the lock file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from andon import __version__

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements-runtime.lock"
SBOM = ROOT / "dist" / "sbom.json"


def write(target: Path = SBOM) -> int:
    """Write the bill of materials, checked against the CycloneDX schema; the number of its components."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", str(LOCK),
        "--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application",
        "--output-reproducible", "--validate", "--output-format", "JSON", "--output-file", str(target),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    bill = json.loads(target.read_text(encoding="utf-8"))
    name_our_own(bill)
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    return len(bill["components"])


def name_our_own(bill: dict[str, Any]) -> None:
    """Add Andon's version and which components it asks for itself; a lock file alone does not say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^A-Za-z0-9_-]", one)[0] for one in project["dependencies"]}
    refs = sorted(part["bom-ref"] for part in bill["components"] if part["name"] in asked)
    bill["metadata"]["component"]["version"] = __version__
    root = bill["metadata"]["component"]["bom-ref"]
    bill["dependencies"] = [part for part in bill.get("dependencies", []) if part["ref"] != root]
    bill["dependencies"].append({"ref": root, "dependsOn": refs})


if __name__ == "__main__":
    print(f"{SBOM.relative_to(ROOT)}: {write()} components")
