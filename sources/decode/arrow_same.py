"""Arrow messages that begin like one before: their columns are found without pyarrow.

What a producer sends is nearly always the same schema and the same dictionaries, byte for byte, and then a batch whose
header differs in counts only. Such a message, once read by pyarrow, is a form: where the bytes between the counts are
the same, the counts can be read from their places. Whatever is not quite so goes to pyarrow.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from andon.readings import I64
from sources.decode.arrow_run import Chunk, Layers
from sources.decode.arrow_same_kernel import PAIR, head_size, read_batches, survey
from sources.decode.memory import address

_KEPT = 16  # forms
_MOST_BATCHES, _MOST_COLUMNS = 16, 6  # of a message that is read here: ts, asset, tag, value, q, unit
_NO_CODE = -1  # as limit: a column of numbers


class _Column(NamedTuple):
    """A column of fixed width; its codes are below most."""

    dtype: np.dtype[Any]
    most: int


class Form(NamedTuple):
    """What messages of a producer have in common.

    head, header, mask: the bytes before the first batch; of a batch's header; 0 in it where counts stand.
    program           : int64, of `read_batches`; it has the addresses of the three.
    dtypes, roles     : of the columns; index of a column for each of ts, asset, tag, value, q and unit, -1 for none.
    """

    head: NDArray[np.uint8]
    header: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    program: I64
    dtypes: tuple[np.dtype[Any], ...]
    roles: tuple[int, ...]
    layers: Layers

    def chunks(self, text: NDArray[np.uint8], found: I64, at: int) -> list[tuple[Layers, Chunk]]:
        """Views of text for the batches of message `at`, as `read_batches` found them."""
        chunks, line = [], 0
        for rows, *begins in found[:, : len(self.dtypes) + 1].tolist():
            views = [  # a tenth of what np.frombuffer takes
                text[begin : begin + rows * dtype.itemsize].view(dtype)
                for dtype, begin in zip(self.dtypes, begins, strict=True)
            ]
            columns: list[Any] = [views[role] if role >= 0 else None for role in self.roles]
            chunks.append((self.layers, Chunk(at, line, *columns)))
            line += rows
        return chunks


class Forms:
    """The forms of the last messages, the last used first."""

    def __init__(self) -> None:
        self._forms: list[Form] = []
        self._found = np.empty((_MOST_BATCHES, 1 + _MOST_COLUMNS), np.int64)
        self._seen: deque[bytes] = deque(maxlen=_KEPT)  # SHA-256 of heads: one that comes once is not worth a form

    def read(self, at: int, text: NDArray[np.uint8], begin: int, end: int) -> list[tuple[Layers, Chunk]] | None:
        """Batches of the message `at`, bytes begin .. end - 1 of text, if it has one of the forms."""
        start = address(text)
        for number, form in enumerate(self._forms):
            count = read_batches(start + begin, start + end, start, form.program, self._found)
            if count:
                if number:
                    self._forms.insert(0, self._forms.pop(number))
                return form.chunks(text, self._found[:count], at)
        return None

    def learn(self, body: bytes, batch: pa.RecordBatch, layers: Layers, first: Chunk) -> None:
        """Keep the form of a message if its kind came before. batch, layers, first: its first batch, by pyarrow."""
        raw = np.frombuffer(body, np.uint8)
        head = head_size(address(raw), address(raw) + len(raw))
        if head <= 0:
            return
        mark = hashlib.sha256(body[:head]).digest()
        if mark not in self._seen:
            self._seen.append(mark)
            return
        if any(one.head.tobytes() == body[:head] for one in self._forms):
            return
        form = _form_of(raw, head, batch, layers)
        if form is not None and self._agrees(form, raw, first):
            self._forms = [form, *self._forms[: _KEPT - 1]]

    def _agrees(self, form: Form, raw: NDArray[np.uint8], first: Chunk) -> bool:
        """Whether a form finds what pyarrow did: it does not where bytes are of the other order."""
        start = address(raw)
        if (first.ts.byteswap() == first.ts).all():  # nothing would tell the byte order
            return False
        if not read_batches(start, start + len(raw), start, form.program, self._found):
            return False
        ((_, own),) = form.chunks(raw, self._found[:1], first.message)
        return all(_equal(one, other) for one, other in zip(own[2:], first[2:], strict=True))


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())


def _form_of(raw: NDArray[np.uint8], head: int, batch: pa.RecordBatch, layers: Layers) -> Form | None:
    """The form of a message, None where not all columns are of fixed width, without nulls and fields of a reading."""
    layout = layers.layout
    names = (layout.series, -1) if layout.series >= 0 else (layout.asset, layout.tag)
    roles = (layout.ts, *names, layout.value, layout.quality, layout.unit_column)
    columns = _columns(batch)
    if columns is None or sorted(role for role in roles if role >= 0) != list(range(len(columns))):
        return None
    size = 8 + int.from_bytes(raw[head + 4 : head + 8].tobytes(), "little")
    places, begin = np.zeros(4, np.int64), address(raw) + head
    if (head | size) % 8 or not survey(begin, begin + size, len(columns), places):
        return None
    mask = np.full(size, 255, np.uint8)
    length, nodes, buffers, body_length = places.tolist()
    for at in (length, body_length, *range(nodes, nodes + PAIR * len(columns), PAIR)):
        mask[at : at + 8] = 0
    mask[buffers : buffers + 2 * PAIR * len(columns)] = 0
    kept = raw[:head].copy(), raw[head : head + size].copy(), mask
    limits = [number for one in columns for number in (one.dtype.itemsize, one.most)]
    program = np.array([head, size, *map(address, kept), len(columns), *places.tolist(), *limits], np.int64)
    return Form(*kept, program, tuple(one.dtype for one in columns), roles, layers)


def _columns(batch: pa.RecordBatch) -> Sequence[_Column] | None:
    """Columns as numpy has them, None when one is not a number, a stamp or a dictionary's code."""
    columns = []
    for column in batch.columns:
        kind, most = column.type, _NO_CODE
        if pa.types.is_dictionary(kind):
            kind = kind.index_type
            most = min(len(column.dictionary), int(np.iinfo(kind.to_pandas_dtype()).max) + 1)
        elif pa.types.is_timestamp(kind):
            kind = pa.int64()
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            return None
        columns.append(_Column(np.dtype(kind.to_pandas_dtype()), most))
    return columns
