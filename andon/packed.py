"""State as bytes, and back."""

from __future__ import annotations

import pickle
from typing import Any


def pack(state: object) -> bytes:
    """Plain tuples, numbers, texts and bytes as bytes."""
    return pickle.dumps(state, protocol=5)


def unpack(packed: bytes) -> Any:
    """What `pack` or Bytewax's store was given.

    Only for bytes of the data folder, which is its owner's alone: cells and files whose hashes were checked, and
    Bytewax's recovery store. Whoever may write there may also replace the programs that read it.
    """
    return pickle.loads(packed)  # noqa: S301 - of the data folder alone, as said above
