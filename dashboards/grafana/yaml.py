"""The little YAML that provisioning files need: nested maps and lists, quoted strings, literal blocks for queries.

Every scalar is written as JSON writes it, which YAML reads the same way, so nothing can turn into a date or a boolean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def dump(value: Mapping[str, object]) -> str:
    r"""One document.

    >>> print(dump({"apiVersion": 1, "a": [{"b": "x: y", "c": "one\ntwo"}], "d": {}}), end="")
    apiVersion: 1
    a:
      - b: "x: y"
        c: |-
          one
          two
    d: {}
    """
    return "".join(f"{line}\n" for line in _map(value, ""))


def _map(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, one in value.items():
        name = key if _PLAIN.fullmatch(key) else json.dumps(key)
        yield from _entry(f"{indent}{name}:", one, f"{indent}  ")


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _map(value, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield head
        yield from _list(value, indent)
    elif isinstance(value, str) and "\n" in value:
        yield f"{head} |-"
        yield from (f"{indent}{line}" if line else "" for line in value.split("\n"))
    else:
        yield f"{head} {json.dumps(value, ensure_ascii=False)}"


def _list(value: Sequence[object], indent: str) -> Iterator[str]:
    for one in value:
        if isinstance(one, Mapping) and one:
            first, *rest = _map(one, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {json.dumps(one, ensure_ascii=False)}"
