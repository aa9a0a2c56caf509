"""Recorded data as a log: the rows of a recording, in file order, with the ticks that a live log would have.

Stamps of arrival follow event time, so a replay at any speed gives what a live run would have given. A row that
cannot be used goes into the log as it stands and ends as a dead letter; it never stops the replay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

import orjson

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import NS_PER_MS, NS_PER_S, Message
from sources.recording import DATASETS, Recording, Row, open_csv, open_dataset
from sources.ticks import tick_body

__all__ = ["DATASETS", "Recording", "Row", "batches", "messages", "open_csv", "open_dataset", "replay_plant"]

BATCH = 1_000
DEFAULT_ANOMALY = 5.0
LEAST_OFF_DELAY_S, OFF_INTERVALS = 3600.0, 12  # one upset is one episode
QUIET_INTERVALS = 30  # after the last row, for the ticks that close everything
LEAST_JUMP_S, JUMP_INTERVALS = 86_400.0, 100  # a single stamp so far ahead of its neighbours is a wrong one


def replay_plant(recording: Recording, *, anomaly: float = DEFAULT_ANOMALY, site: str = "sandbox") -> PlantModel:
    """A plant for a recording that has none: every column a scored series, an anomaly rule, windows to its pace."""
    every_s = recording.every_s
    pane_s = max(10.0, 60.0 * round(every_s * OFF_INTERVALS / 60.0))
    template = {
        "name": "recorded",
        "series": [{"tag": tag, "detect": True, "every_s": every_s} for tag in recording.tags],
    }
    rule = {
        "id": "anomaly", "on": "*", "anomaly": anomaly,
        "off_delay_s": max(LEAST_OFF_DELAY_S, OFF_INTERVALS * every_s), "raises": "quality_event",
    }  # fmt: skip
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "sandbox"}, "site": {"id": site},
                "windows": {"pane_s": pane_s, "sizes_s": (pane_s, 6 * pane_s), "figures_s": 24 * pane_s},
                "time": {"idle_s": 10.0 * every_s, "correct_for_h": 24.0 * 366.0},
                "template": (template,), "rule": (rule,),
                "asset": tuple({"path": path, "template": "recorded"} for path in _assets(recording)),
            }
        )
    )  # fmt: skip


def messages(recording: Recording, asset: str | None = None) -> Iterator[Message]:
    """The log of a recording: a message a row, a tick at most once an interval, two ticks after the end.

    asset: of the rows of a wide file; `replay/<name of the file>` if not given.
    """
    asset = asset or _assets(recording)[0]
    every_ns = max(NS_PER_S, round(recording.every_s * NS_PER_S))
    offset, now_ns, tick_ns = 0, 0, 0
    for row, arrived_ns in _arrivals(recording):
        now_ns = arrived_ns
        if now_ns >= tick_ns and now_ns:
            offset, tick_ns = offset + 1, now_ns + every_ns
            yield Message(offset, now_ns, tick_body(now_ns))
        offset += 1
        yield Message(offset, now_ns, _body(row, asset))
    quiet_ns = now_ns + round((QUIET_INTERVALS * recording.every_s + LEAST_OFF_DELAY_S) * NS_PER_S)
    for at in range(2):
        yield Message(offset + 1 + at, quiet_ns + at * NS_PER_S, tick_body(quiet_ns + at * NS_PER_S))


def batches(log: Iterable[Message], size: int = BATCH) -> Iterator[list[Message]]:
    """Messages in lists of `size`."""
    batch: list[Message] = []
    for message in log:
        batch.append(message)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _arrivals(recording: Recording) -> Iterator[tuple[Row, int]]:
    """Rows with the time they would have arrived: their own, never backwards.

    One stamp far ahead of the rows around it moves no clock, or every row behind it would be years late. It stays
    ahead of its arrival, so the decoder refuses it.
    """
    jump_ns = round(max(LEAST_JUMP_S, JUMP_INTERVALS * recording.every_s) * NS_PER_S)
    now_ns = 0
    for row, following in pairwise(chain(recording.rows(), [None])):
        if row is None:
            continue
        time_ns = row.time_ns or now_ns
        back_again = following is not None and following.time_ns is not None and time_ns - following.time_ns > jump_ns
        if not (back_again and now_ns and time_ns - now_ns > jump_ns):
            now_ns = max(now_ns, time_ns)
        yield row, now_ns


def _body(row: Row, asset: str) -> bytes:
    """A line of JSON a value; the row as it stands where that cannot be."""
    if row.time_ns is None or not row.values:
        return row.raw
    stamp = row.time_ns / NS_PER_MS if row.time_ns % NS_PER_MS else row.time_ns // NS_PER_MS
    try:
        return b"\n".join(
            orjson.dumps({"ts": stamp, "asset": row.asset or asset, "tag": tag, "value": value, **dict(row.more)})
            for tag, value in row.values
        )
    except TypeError:  # half a character: the file is not UTF-8 here
        return row.raw


def _assets(recording: Recording) -> tuple[str, ...]:
    return recording.assets or (f"replay/{recording.name}",)
