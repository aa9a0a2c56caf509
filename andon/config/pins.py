"""The pins file: which shard an asset stays in whatever the number of shards, as `andon state rescale` writes it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from andon.config.files import read_text
from andon.config.models import Transport
from andon.config.problems import Place, Problem, Words, shown, unknown_key, unknown_name
from andon.config.validate import Draft

COLUMNS = ("asset", "shard")


def read_pins(draft: Draft) -> dict[str, int]:
    """Shard by asset, from transport.pins; problems go to the document's. Empty where no file is named."""
    transport: Transport | None = draft.section("transport", Transport())
    if transport is None or transport.pins is None:
        return {}
    path = draft.document.folder / transport.pins
    text = read_text(draft.document, path)
    if text is None:
        return {}
    pins: dict[str, int] = {}
    try:
        draft.document.problems.extend(_read(draft, draft.document.name(path), text, transport.shards, pins))
    except csv.Error as error:
        place = Place(draft.document.name(path), None, "")
        draft.document.problems.append(Problem("config.csv_broken", place, detail=error))
    return pins


def pins_text(pins: Mapping[str, int]) -> str:
    """The content of a pins file, by asset.

    >>> pins_text({"b": 1, "a": 0}).splitlines()
    ['asset,shard', 'a,0', 'b,1']
    """
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *sorted(pins.items())])
    return out.getvalue()


def _read(draft: Draft, name: str, text: str, shards: int, pins: dict[str, int]) -> Iterator[Problem]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = list(reader.fieldnames or [])
    for column in found:
        if column not in COLUMNS:
            yield unknown_key(Place(name, 1, column), column, [one for one in COLUMNS if one not in found])
    for column in COLUMNS:
        if column not in found:
            yield Problem("config.missing", Place(name, 1, column))
    if set(found) != set(COLUMNS):
        return
    own = {asset.path: asset.shard for _, asset in draft.lists["asset"]}
    known = draft.named("asset", "path")
    first: dict[str, Place] = {}
    for row in reader:
        place = Place(name, reader.line_num, "")
        asset, shard = (row["asset"] or "").strip(), (row["shard"] or "").strip()
        number = int(shard) if shard.isascii() and shard.isdigit() else shards
        if asset in first:
            yield Problem("config.twice", place, found=shown(asset), first=first[asset])
        elif asset not in known:
            yield unknown_name(place._replace(path="asset"), asset, Words("config.word.asset"), known)
        elif number >= shards:
            yield Problem("config.shard", place._replace(path="shard"), found=shown(shard), last=shards - 1)
        elif own.get(asset) not in (None, number):
            yield Problem("config.pin", place, asset=asset, found=number, shard=own[asset])
        first.setdefault(asset, place)
        pins[asset] = number
