"""A plant with every kind of series, and what the decoder's tests share."""

from __future__ import annotations

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.series import SeriesDictionary
from sources.decode import JsonDecoder

NOW_MS = 1_767_225_600_123
NOW = NOW_MS * 1_000_000
PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"},
    "transport": {"shards": 2}, "sources": {"max_message_bytes": 3000},
    "template": [
        {"name": "t", "series": [
            {"tag": "temp", "unit": "Cel", "range": [-20, 150]},
            {"tag": "state", "kind": "state", "states": ["Idle", "Execute", "Held é", "运行"]},
            {"tag": "door", "kind": "boolean"},
            {"tag": "total", "kind": "counter", "modulus": 65536},
        ]},
        {"name": "u", "series": [{"tag": "temp"}]},
    ],
    "asset": [
        {"path": "fill/line1/f1", "template": "t", "shard": 0},
        {"path": "fill/line1/f2", "template": "t", "shard": 0},
        {"path": "a", "template": "u", "shard": 0},
        {"path": "other", "template": "u", "shard": 1},
    ],
}))  # fmt: skip


def decoder():
    return JsonDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)


def reading(**changes):
    row = {"ts": NOW_MS, "asset": "fill/line1/f1", "tag": "temp", "value": 21.5, **changes}
    return {name: value for name, value in row.items() if value is not ...}


# what a mutation puts in
PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b" ", b"\0", b"0", b"9", b"-", b".", b"e5", b"e999",
          b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"null", b"NaN", b"true", b'"ts":1,', b"\\ud800", b"\\u00e9", b"\x01",
          b'"value":3,']  # fmt: skip
