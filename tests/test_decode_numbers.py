"""Decimal text in the kernel against Python's float()."""

from __future__ import annotations

import json
import math
import random
import struct

import numpy as np

from andon.readings import Message
from tests.decode_world import NOW, NOW_MS, decoder


def test_decimal_text_is_rounded_like_python_does():
    rng = random.Random(4)
    texts = []
    for _ in range(20_000):
        kind = rng.random()
        if kind < 0.3:
            texts.append(repr(struct.unpack("<d", rng.randbytes(8))[0]))
        elif kind < 0.6:
            texts.append(repr(rng.gauss(20, 50)))
        elif kind < 0.8:
            whole = rng.randrange(10 ** rng.randrange(1, 12))
            texts.append(f"{whole}.{rng.randrange(10**9)}e{rng.randrange(-330, 310)}")
        else:
            texts.append(str(rng.randrange(-(10 ** rng.randrange(1, 20)), 10 ** rng.randrange(1, 20))))
    texts = [t for t in texts if "n" not in t and math.isfinite(float(t))]
    texts += ["9007199254740993", "9007199254740992.5", "1.7976931348623157e308", "2.2250738585072014e-308", "1e23"]
    subject = decoder()
    body = "\n".join(f'{{"ts":{NOW_MS},"asset":"a","tag":"temp","value":{t}}}' for t in texts).encode()
    messages = [Message(k, NOW, line) for k, line in enumerate(body.split(b"\n"))]
    got = subject.decode(messages).readings.value
    assert got.tobytes() == np.array([float(json.loads(t)) for t in texts]).tobytes()
    assert subject.rows_slow < len(texts) / 20
