"""Records of rows to dead letters: the kernels against slices of the messages."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from andon.readings import Message, Messages, Reason
from sources.decode.dead import dead_letters, survey
from sources.decode.layout import MISSING_FIELD, NOT_JSON, ROW, SLOW, TICK
from sources.decode.memory import address
from tests.decode_world import NOW, decoder

BODIES = st.lists(
    st.binary(max_size=40) | st.sampled_from([b'{"samples":1}', b'x"samples"', b'"sample"', b'"samples']), min_size=1
)
VERDICTS = st.sampled_from([NOT_JSON, MISSING_FIELD, SLOW, TICK])
IDS = np.array([5, 3, -1, -1], np.int32)  # the last stands for no place


@given(BODIES, st.data())
def test_the_kernels_do_what_slices_do(bodies, data):
    n = len(bodies)
    messages = Messages.of([Message(10 * at, at, body) for at, body in enumerate(bodies)])
    records, expected, size, left = np.zeros(n, ROW), [], 0, []
    seen = data.draw(st.booleans())
    for at, body in enumerate(bodies):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, len(body)))
        verdict, place = data.draw(VERDICTS), data.draw(st.integers(-1, 2))
        records[at] = (0, 0.0, start, end, 10 * at, at, at, at + 7, place, 0, verdict, 0, b"")
        raw = body[start:end]
        if verdict == MISSING_FIELD and b'"samples"' in raw and not seen:
            left.append(at)
        elif verdict < SLOW:
            expected.append((10 * at, at + 7, at, verdict, int(IDS[place]), raw))
            size += len(raw)
    text = np.frombuffer(messages.text, np.uint8)
    found = survey(address(records), n, address(text), messages.ends, seen)
    assert found == (len(expected), size, len(left))
    assert (records["verdict"][left] == SLOW).all()
    dead = dead_letters(records, *found[:2], messages, IDS)
    columns = (dead.offset, dead.line, dead.received_ns, dead.reason, dead.series)
    assert list(zip(*(column.tolist() for column in columns), dead.raw, strict=True)) == expected


def test_what_python_found_to_lack_a_field_stays_dead_though_it_has_samples():
    body = b'{"samples":[1.0],"tag":"temp","value":1}'
    decoded = decoder().decode([Message(3, NOW, body), Message(4, NOW, b"{}")])
    assert decoded.dead.reason.tolist() == [Reason.missing_field, Reason.missing_field]
    assert list(decoded.dead.raw) == [body, b"{}"]
    assert decoded.rows_in == 2
