"""`python -m dashboards.grafana`: writes the committed dashboards and provisioning files (`make dashboards`)."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.grafana.files import committed, write


def main() -> int:
    """Names each file that changed."""
    for path in write(committed(Path(__file__).parents[2])):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
