"""The committed results: of the form that their schema says, and with nothing lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from detectors.settings import MODULES, fingerprint
from tests.chaos.compare import Verdict
from tests.chaos.outages import lengths
from tests.chaos.suite import Outcome, result

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SCHEMA = json.loads((RESULTS / "chaos.schema.json").read_text())
FILES = sorted(RESULTS.glob("chaos-*.json"))
OUTAGES = RESULTS / "outages.json"
BENCH = RESULTS / "bench.json"
DETECTION = RESULTS / "detection.json"
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], at: str = "", defs: dict[str, Any] = SCHEMA["$defs"]) -> list[str]:
    """What of a value is not as the schema says; the few words of JSON Schema that ours use. defs: its $defs."""
    schema = {**defs.get(schema.get("$ref", "").rpartition("/")[2], {}), **schema}
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{at}: {value!r} is no {kind}"]
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r}")
    if value not in schema.get("enum", [value]):
        found.append(f"{at}: {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{at}: {value!r}")
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += faults(one, schema.get("items", {}), f"{at}[{number}]", defs)
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, one in value.items():
            if name in known or isinstance(more, dict):
                found += faults(one, known.get(name, more), f"{at}.{name}", defs)
            elif not more:
                found.append(f"{at}: {name} is not known")
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_committed_results(path):
    told = json.loads(path.read_text())
    assert faults(told, SCHEMA) == []
    assert path.stem == f"chaos-{told['shape']}"
    assert (told["lost"], told["doubled"], told["changed"], told["faults"]) == (0, 0, 0, [])
    assert told["kills"]["all"] == sum(count for part, count in told["kills"].items() if part != "all")
    assert told["kills"]["all"] >= 1000
    flows = sum(count for part, count in told["kills"].items() if part.startswith("flow-"))
    assert told["commits_between_kills"] >= flows
    assert told["compared"]["windows"] > 10_000
    assert told["controls"]
    assert all(told["controls"].values()), told["controls"]


def test_committed_outages():
    told = json.loads(OUTAGES.read_text())
    assert faults(told, json.loads((RESULTS / "outages.schema.json").read_text())) == []
    assert (told["lost"], told["doubled"], told["changed"], told["faults"]) == (0, 0, 0, [])
    assert (told["broker_away"]["times"], told["broker_away"]["longest_s"], told["influx_hung_s"]) == (100, 120, 600)
    assert told["compared"]["InfluxDB windows"] == told["compared"]["windows"] > 1_000


def test_committed_erp():
    told = json.loads((RESULTS / "erp.json").read_text())
    assert faults(told, json.loads((RESULTS / "erp.schema.json").read_text())) == []
    assert (told["doubled"], told["faults"]) == (0, [])
    assert told["compared"]["orders"] == told["compared"]["ERP records"] >= 2_000
    assert told["kills"] >= 20
    assert told["answers_lost"] > told["compared"]["orders"] / 10
    assert told["controls"]["unique_key"] > 0


def test_committed_benchmark():
    told, schema = json.loads(BENCH.read_text()), json.loads((RESULTS / "bench.schema.json").read_text())
    assert faults(told, schema, defs=schema["$defs"]) == []
    assert told["workload"]["repeat"] >= 3
    costs = {name: one["cpu_s_per_million"] for name, one in told["contenders"].items()}
    assert all(len(one["runs"]) >= 3 and costs[name] == min(one["runs"]) for name, one in told["contenders"].items())
    assert told["ratios"]["gather_flow_vs_consume"] == pytest.approx(
        costs["gather_flow"] / costs["raw_consume"], rel=0.01
    )
    unexplained = [name for name, value in told["ratios"].items() if value is None and not told["absent"]]
    assert unexplained == []


def test_committed_detection():
    told, schema = json.loads(DETECTION.read_text()), json.loads((RESULTS / "detection.schema.json").read_text())
    assert faults(told, schema, defs=schema["$defs"]) == []
    assert told["settings"] == {name: fingerprint(name) for name in MODULES}, "a setting was changed: measure anew"
    rows = told["nab"]
    river = [name for name in rows if name.startswith("river")]
    default = rows["ensemble (default)"]
    assert len(river) >= 5
    assert all(rows[name]["frozen"]["standard"] < default["frozen"]["standard"] for name in river)
    assert rows["river HalfSpaceTrees"]["ns"] > 20.0 * default["ns"]
    assert set(rows["silent"]["frozen"].values()) == {0.0}
    assert rows["always"]["recall"] == 1.0
    whole = told["skab"]["mewma (default)"]["groups"]["all"]
    assert (whole["f1"] >= 0.82, whole["false_alarm"] <= 0.15) == (True, True)


def test_outages_are_from_a_second_to_two_minutes_and_in_another_order_by_seed():
    first, second = lengths(100, 1), lengths(100, 2)
    assert (min(first), max(first), len(first)) == (1.0, 120.0, 100)
    assert first != second
    assert sorted(first) == sorted(second)
    assert sum(first) < 800


def written() -> dict[str, Any]:
    verdict = Verdict(compared=Counter(windows=5), faults=["one"])
    outcome = Outcome(7, kills=Counter({"flow-0": 3}), rounds=1, verdict=verdict, starts_s=[0.5, 0.7])
    told = result(outcome, "embedded", {"ledger": 3}, RESULTS.parent.parent)
    return {**json.loads(json.dumps(told)), "commit": "0" * 40}


def test_what_a_run_writes_fits_the_schema():
    told = written()
    assert faults(told, SCHEMA) == []
    assert told["kills"] == {"all": 3, "flow-0": 3}
    assert told["faults"] == ["one"]


@pytest.mark.parametrize(
    "change",
    [{"shape": "other"}, {"lost": -1}, {"lost": True}, {"kills": {"flow-0": 1}}, {"more": 1}, {"commit": "HEAD"},
     {"faults": [1]}, {"start_to_progress_s": {"p50": 1.0}}],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_is_seen(change):
    assert faults({**written(), **change}, SCHEMA)
