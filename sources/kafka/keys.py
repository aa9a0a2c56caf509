"""The key of a message: its asset, so that an asset's messages are in one partition."""

from __future__ import annotations

import orjson

MOST = 4_096  # characters; what is longer is no asset, and a key counts towards the size that the broker takes


def asset_of(body: bytes) -> bytes | None:
    """The key: the asset of a message, where it has one asset.

    >>> asset_of(b'{"asset": "a", "tag": "t"}'), asset_of(b'[{"asset": "a"}, {"asset": "b"}]'), asset_of(b"nothing")
    (b'a', None, None)
    """
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            rows = [orjson.loads(line) for line in body.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            return None
    assets = {_asset(row) for row in (rows if isinstance(rows, list) else [rows])}
    only = assets.pop() if len(assets) == 1 else None
    return only.encode() if only is not None and len(only) <= MOST else None


def _asset(row: object) -> str | None:
    asset = row.get("asset") if isinstance(row, dict) else None
    return asset if isinstance(asset, str) else None
