"""One metrics page for many processes."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from andon import metrics

CHILD = """
import sys
from prometheus_client import Counter, Gauge
Counter("andon_test_things_total", "Things", ["shard"]).labels("0").inc(float(sys.argv[1]))
Gauge("andon_test_depth", "Depth", ["shard"], multiprocess_mode="livesum").labels("0").set(7)
from andon.metrics import exposition
print(exposition().decode())
"""


def child(root: Path, environment: dict[str, str], amount: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(amount)], env=os.environ | environment, cwd=root, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def value(page: str, name: str) -> float:
    found = re.search(rf'^{name}{{shard="0"}} (\S+)$', page, re.MULTILINE)
    assert found, page
    return float(found.group(1))


def test_processes_add_up_and_a_fresh_start_begins_at_zero(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "metrics"
    shared = metrics.environment(folder)
    assert value(child(root, shared, 2), "andon_test_things_total") == 2
    assert value(child(root, shared, 3), "andon_test_things_total") == 5
    again = metrics.environment(folder)
    assert value(child(root, again, 1), "andon_test_things_total") == 1


def test_gauges_of_ended_processes_go_counters_stay(tmp_path: Path, root: Path) -> None:
    shared = metrics.environment(tmp_path)
    assert value(child(root, shared, 2), "andon_test_depth") == 7
    (gauge,) = tmp_path.glob("gauge_livesum_*.db")
    metrics.ended(tmp_path, int(gauge.stem.rpartition("_")[2]))
    page = child(root, shared, 2)
    assert (value(page, "andon_test_depth"), value(page, "andon_test_things_total")) == (7, 4)


def test_alone_it_is_this_process(root: Path) -> None:
    alone = {metrics.VARIABLE: ""}
    code = f"import os; os.environ.pop({metrics.VARIABLE!r}); " + CHILD.strip().replace("\n", "; ")
    done = subprocess.run(
        [sys.executable, "-c", code, "4"], env=os.environ | alone, cwd=root, check=True, capture_output=True, text=True
    )
    assert value(done.stdout, "andon_test_things_total") == 4


def test_every_metric_is_documented_and_every_documented_one_exists(root: Path) -> None:
    """The table in docs/operations.md against what the code defines, by syntax tree."""
    defined = set()
    for folder in ("andon", "alarms", "detectors", "flows", "operators", "service", "sinks", "sources"):
        for path in (root / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
                told = getattr(call.args[0], "value", "") if name in KINDS and call.args else ""
                if isinstance(told, str) and told:  # collections.Counter has the same name
                    defined.add(told if name not in COUNTERS or told.endswith("_total") else f"{told}_total")
    assert len(defined) > 15
    documented = re.findall(
        r"^\| `(andon_\w+)`", (root / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(documented) == sorted(defined)


COUNTERS = {"Counter", "CounterMetricFamily"}
KINDS = COUNTERS | {"Gauge", "Histogram", "GaugeMetricFamily"}
