"""The schemas of a shard's log on disk: what a registry said once is read here ever after, without a network.

state/<shard>/schemas/<id>.json is a schema, whole or not there; unknown.json says up to which offset messages of an
id are dead letters, because the registry did not have it when they came. Ids of a registry are immutable, so what the
log and this folder give never changes. One writer, the process of the shard's flow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from andon.datafolder import write_durably

MOST_UNKNOWN = 4_096  # ids; beyond, the oldest is forgotten and would be asked for again


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema as the registry gave it.

    kind: AVRO, PROTOBUF or another name of the registry. text: JSON of Avro; of Protobuf the serialized file
    descriptor, base64. references: (name, text) of what it names, each behind those it names itself.
    """

    id: int
    kind: str
    text: str
    references: tuple[tuple[str, str], ...] = ()


class SchemaFiles:
    """The folder of one shard. Nothing is made before the first schema is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, number: int) -> Schema | None:
        """The schema with this id; None when it is not kept, or the file is not what was written."""
        try:
            found = json.loads((self.folder / f"{number}.json").read_bytes())
            content = found["schema"]
            if found["sha256"] != _digest(content) or content["id"] != number:
                return None
            references = tuple((str(name), str(text)) for name, text in content["references"])
            return Schema(number, str(content["kind"]), str(content["text"]), references)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, schema: Schema) -> None:
        """On disk when this returns."""
        content = json.loads(json.dumps(asdict(schema)))
        self._write(f"{schema.id}.json", {"layout": 1, "sha256": _digest(content), "schema": content})

    def unknown_until(self, number: int) -> int:
        """Messages of this id up to this offset are dead letters; -1 when none are."""
        return self._all_unknown().get(number, -1)

    def note_unknown(self, until: dict[int, int]) -> None:
        """The registry does not have these ids: messages of id up to its offset are dead letters. On disk then."""
        known = self._all_unknown()
        for number, offset in until.items():
            known[number] = max(offset, known.pop(number, -1))
        while len(known) > MOST_UNKNOWN:
            del known[next(iter(known))]
        self._write("unknown.json", {str(number): offset for number, offset in known.items()})

    def _all_unknown(self) -> dict[int, int]:
        try:
            found = json.loads((self.folder / "unknown.json").read_bytes())
            return {int(number): int(offset) for number, offset in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _write(self, name: str, content: object) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self.folder / name, json.dumps(content).encode() + b"\n")


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
