"""CPU time of decoding JSON against orjson.loads for each message: `orjson_vs_decode`.

.venv/bin/python benchmarks/decode.py
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script: the packages are beside its folder

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import NS_PER_MS, Messages
from andon.series import SeriesDictionary
from benchmarks import workload
from sources.decode import JsonDecoder

ROWS, ROUNDS, LINES = 100_000, 5, 1_024


def plant(series: int) -> PlantModel:
    """The workload's plant with more assets, and with messages as long as a batch of lines needs."""
    tags = [{"tag": f"tag{tag:02}", "unit": "Cel", "range": [-50.0, 150.0]} for tag in range(10)]
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "bench"}, "site": {"id": "bench"},
                "sources": {"max_message_bytes": 1_000_000}, "template": [{"name": "machine", "series": tags}],
                "asset": [{"path": f"hall/line{k:03}/filler", "template": "machine"} for k in range(series // 10)],
            }
        )
    )  # fmt: skip


def bodies(series: int) -> list[bytes]:
    """Readings of uniformly random series, as the workload has them."""
    rng = np.random.default_rng(7)
    asset, tag = rng.integers(0, series // 10, ROWS).tolist(), rng.integers(0, 10, ROWS).tolist()
    value = np.round(20.0 + rng.normal(0.0, 0.5, ROWS), 4).tolist()
    return workload.bodies([
        (workload.START_MS + row // 10, f"hall/line{asset[row]:03}/filler", f"tag{tag[row]:02}", value[row])
        for row in range(ROWS)
    ])  # fmt: skip


def batches(messages: Sequence[bytes], rows: int) -> list[Messages]:
    """Batches of 8,192 rows, `rows` of them a message."""
    joined = [b"\n".join(messages[at : at + rows]) for at in range(0, len(messages), rows)] if rows > 1 else messages
    size = workload.BATCH // rows
    out = []
    for at in range(0, len(joined), size):
        part = joined[at : at + size]
        offset = np.arange(at, at + len(part), dtype=np.int64)
        received_ns = np.full(len(part), (workload.START_MS + ROWS) * NS_PER_MS, np.int64)
        out.append(Messages.of_columns(part, offset, received_ns))
    return out


def cpu_us(work: Callable[[], object]) -> float:
    """CPU time, us a row."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / ROWS * 1e6


def _orjson(messages: Sequence[bytes]) -> None:
    """A batch's results held until the next, as throughput.py has it; dropped at once is a third cheaper."""
    for at in range(0, len(messages), workload.BATCH):
        _held = [orjson.loads(one) for one in messages[at : at + workload.BATCH]]


def _orjson_dropped(messages: Sequence[bytes]) -> None:
    for one in messages:
        orjson.loads(one)


def _decode(subject: JsonDecoder, work: Sequence[Messages]) -> None:
    for one in work:
        subject.decode(one)


def orjson_vs_decode() -> dict[str, float]:
    """CPU times in us a row, best of rounds in which all take turns, and how much cheaper than orjson each is."""
    contenders: dict[str, Callable[[], object]] = {}
    decoders = {}
    for series in (1_000, 100_000):
        messages, model = bodies(series), plant(series)
        if series == 1_000:
            contenders["orjson_us"] = partial(_orjson, messages)
            contenders["orjson_dropped_us"] = partial(_orjson_dropped, messages)
        for name, rows in (("messages", 1), ("lines", LINES)):
            subject = decoders[f"{name}_{series}"] = JsonDecoder(SeriesDictionary(model, 0), model, 0)
            contenders[f"{name}_{series}_us"] = partial(_decode, subject, batches(messages, rows))
    for work in contenders.values():
        work()  # kernels, ids and templates are there before anything is measured
    result = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            result[name] = min(result[name], cpu_us(work))
    for name, subject in decoders.items():
        result[f"orjson_vs_decode_{name}"] = result["orjson_us"] / result[f"{name}_us"]
        result[f"template_share_{name}"] = subject.rows_template / (subject.rows_template + subject.rows_general)
    result["orjson_vs_decode"] = result["orjson_vs_decode_messages_1000"]
    result["orjson_dropped_vs_decode"] = result["orjson_dropped_us"] / result["messages_1000_us"]
    result["decode_100k_vs_1k"] = result["messages_100000_us"] / result["messages_1000_us"]
    return result


if __name__ == "__main__":
    print(json.dumps({name: round(value, 4) for name, value in orjson_vs_decode().items()}, indent=2))
