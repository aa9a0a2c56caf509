"""What a flow tells of itself. Counters count work done: rows that a crash makes it read again are counted again."""

from __future__ import annotations

from typing import Final

import numpy as np
from prometheus_client import Counter, Histogram

from andon.outputs import ShardOutputs

CLASSES: Final = ("counted", "late", "duplicate", "bad", "dead", "conflict")
_rows = Counter(
    "andon_flow_rows_total", "Rows that the flow has judged, by class of the ledger; conflict is a part of the others.",
    ["shard", "class"],
)  # fmt: skip
_windows = Counter("andon_flow_windows_total", "Windows written, revisions included.", ["shard"])
_conditions = Counter("andon_flow_conditions_total", "Conditions raised and cleared.", ["shard", "kind"])
_drifts = Counter("andon_model_drifts_total", "Drifts of what models read and say.", ["shard", "signal"])
_seconds = Histogram(
    "andon_flow_step_seconds", "Time the engine took for a batch.", ["shard"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)  # fmt: skip


def note_step(outputs: ShardOutputs, seconds: float) -> None:
    """Count one step of a shard's engine."""
    shard = str(outputs.shard)
    _seconds.labels(shard).observe(seconds)
    if written := len(outputs.windows) + len(outputs.spans):
        _windows.labels(shard).inc(written)
    for change in outputs.conditions:
        _conditions.labels(shard, change.kind).inc()
    for drift in outputs.model_drifts:
        _drifts.labels(shard, drift.signal).inc()
    for rows in outputs.ledger:
        for name in CLASSES:
            count = int(np.sum(getattr(rows, name)))
            if count:
                _rows.labels(shard, name).inc(count)
