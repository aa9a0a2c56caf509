"""How a producer of Kafka chooses the partition of a key: the two ways in common use, bit for bit.

crc32 is the default of librdkafka (C, Python, Go, .NET clients), murmur2 that of the Java client.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

_M, _SEED, _MASK = 0x5BD1E995, 0x9747B28C, 0xFFFFFFFF


def crc32(key: bytes) -> int:
    """CRC-32 of zlib.

    >>> crc32(b"foobar") % 6
    5
    """
    return zlib.crc32(key)


def murmur2(key: bytes) -> int:
    """MurmurHash2, 32 bits with the Java client's seed, without its sign bit.

    >>> murmur2(b"foobar")
    1357151166
    """
    hashed = _SEED ^ len(key)
    whole = len(key) - len(key) % 4
    for at in range(0, whole, 4):
        part = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        part = (part ^ part >> 24) * _M & _MASK
        hashed = hashed * _M & _MASK ^ part
    if whole < len(key):
        hashed = (hashed ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return (hashed ^ hashed >> 15) & 0x7FFFFFFF


PARTITIONERS: Mapping[str, Callable[[bytes], int]] = {"crc32": crc32, "murmur2": murmur2}
