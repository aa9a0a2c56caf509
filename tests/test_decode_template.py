"""Rows by learned templates against the twin, and against a decoder without templates: nothing but the cost differs."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Message
from sources.decode import template as t
from sources.decode.learning import compiled, steps_of
from tests.decode_world import NOW, NOW_MS, PIECES, PLANT, decoder, reading
from tests.naive_decode import NaiveDecoder, as_rows

VALUES = {
    "temp": ["20.1234", "-3.5", "0", "-0", "-0.0", "150.001", "21", "1013.25", "0.1", "19.123456789012345", "1e2",
             "0.000012345", "00.5", "5.", "-.5", "123456789.125", "9007199254740993.5", "123456789012345678", "null",
             "1234.567", "12345.67", "999999.9", "20.0234", "1.2.3", "", "--1", "true", '"x"'],
    "state": ["1", "3", "4", '"Execute"', '"Held é"', '"运行"', '"nix"', '"a\\u0062"', "null", "1.0", "0.5"],
    "door": ["true", "false", "0", "1", "2", "null", "tru"],
    "total": ["65535", "1", "1234567890", "0.25"],
}  # fmt: skip
FORMS = [
    '{"ts":%s,"asset":"%s","tag":"%s","value":%s,"q":%s,"unit":"%s"}',
    '{"ts": %s, "asset": "%s", "tag": "%s", "value": %s, "q": %s, "unit": "%s"}',
    '{"unit":"%6$s","value":%4$s,"tag":"%3$s","asset":"%2$s","q":%5$s,"ts":%1$s}',
    '{"asset":"%2$s","a long name of another field":"B-1","tag":"%3$s","n":-1.5e3,"ts":"%7$s","value":%4$s,"ok":null}',
    '{"ts":%s,"asset":"%s","tag":"%s","value":%s}',
]
STAMPS = [str(NOW_MS), str(NOW_MS - 12_345), str(NOW_MS + 300_000), str(NOW_MS + 300_001), "1767225600", "999999999999",
          "7289654400000", "0767225600123", "17672256001234"]  # fmt: skip
TEXTS = ["2026-01-01T00:00:00.123Z", "2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"]


def written(form, fields):
    if "$s" not in form:
        return form % tuple(fields[: form.count("%s")])
    for number, field in enumerate(fields, 1):
        form = form.replace(f"%{number}$s", field)
    return form


def made(rng):
    """A row of one of the forms with fields good and bad; one in four is broken somewhere."""
    tag = rng.choice(["temp"] * 5 + ["state", "door", "total", "nix", ""])
    number = rng.choice([repr(rng.uniform(-300, 300)), f"{rng.uniform(-50, 200):.4f}", f"{rng.uniform(-50, 200):.2f}"])
    fields = [
        rng.choice([STAMPS[0]] * 12 + STAMPS),
        rng.choice(["fill/line1/f1"] * 3 + ["fill/line1/f2", "a", "other", "nix"]),
        tag,
        rng.choice([number, rng.choice(VALUES.get(tag, ["1"]))]),
        rng.choice(["192"] * 12 + ["0", "64", "1080000000", "4294967296", "-1", "192.0", "01", ""]),
        rng.choice(["Cel"] * 12 + ["1", "K", "", "longer than seven"]),
        rng.choice(TEXTS),
    ]
    row = written(rng.choice(FORMS[:1] * 4 + FORMS), fields).encode()
    if rng.random() < 0.25:
        at, piece = rng.randrange(len(row) + 1), rng.choice([b"", rng.randbytes(1), *PIECES])
        row = row[:at] + piece + row[at + rng.randrange(4) :]
    return row


def framed(parts, frame):
    if frame == "array":
        return [b"[" + b",".join(parts) + b"]"]
    return [b"\n".join(parts)] if frame == "lines" else list(parts)


def learned():
    """A decoder that has met a good row of four of the forms."""
    subject = decoder()
    for form in FORMS[:4]:
        body = written(form, [STAMPS[0], "fill/line1/f1", "temp", "21.5", "192", "Cel", TEXTS[0]]).encode()
        for k in range(8):
            subject.decode([Message(-100 + k, NOW, body)])
    return subject


def checked(bodies, cuts, *, trailing=b""):
    messages = [Message(10 * k, NOW + k, body + trailing) for k, body in enumerate(bodies)]
    subject, naive = learned(), NaiveDecoder(PLANT, 0)
    naive.ids[("fill/line1/f1", "temp")] = 0
    wanted = [row for message in messages for row in naive.decode(message)]
    got, dead, edges = [], [], sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        more, more_dead = as_rows(subject.decode(messages[begin:end]))
        got += more
        dead += more_dead
    assert [row for row in wanted if row[0] != "dead"] == got
    assert [row for row in wanted if row[0] == "dead"] == dead
    return subject


TICK = json.dumps({"ts": NOW_MS, "event": "tick"}).encode()
EVENT = json.dumps({"ts": NOW_MS, "asset": "a", "event": "lot.started", "data": {"n": 1}}).encode()


@given(st.integers(0, 2**32), st.lists(st.integers(0, 100), max_size=3),
       st.sampled_from([b"", b"", b"\n", b" ", b"\r\n"]))  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_rows_of_templates_and_what_is_nearly_one_are_read_like_the_twin_does(seed, cuts, trailing):
    rng, bodies = random.Random(seed), []
    for _ in range(rng.randrange(1, 8)):
        other = rng.choice([TICK, EVENT])  # one of them a message: as_rows cannot order both at one place
        parts = [other if rng.random() < 0.05 else made(rng) for _ in range(rng.randrange(1, 50))]
        bodies += framed(parts, rng.choice(["one", "one", "lines", "array"]))
    checked([body for body in bodies if len(body) < 2990], cuts, trailing=trailing)


@pytest.mark.parametrize("form", FORMS)
def test_any_byte_of_a_row_may_be_any_other(form):
    """Every place of a row, in every frame: each byte replaced, dropped, or with a piece before it."""
    rng = random.Random(len(form))
    row = written(form, [STAMPS[0], "fill/line1/f1", "temp", "20.1234", "192", "Cel", TEXTS[0]]).encode()
    bodies = []
    for at in range(len(row) + 1):
        for piece in (b"", bytes([rng.randrange(256)]), rng.choice(PIECES), b"0", b'"', b"\\", b"\xff"):
            bodies += [row[:at] + piece + row[at + 1 :], row[:at] + piece + row[at:]]
    checked(bodies, [])
    checked([b"\n".join([row, body, row]) for body in bodies[::2]], [])
    checked([b"[" + b",".join([row, body, row]) + b"]" for body in bodies[1::2]], [])


@pytest.mark.parametrize("frame", ["one", "lines", "array"])
@pytest.mark.parametrize("form", FORMS[:4])
def test_the_template_is_really_taken(form, frame):
    good = [
        written(form, [str(NOW_MS - k), "fill/line1/f1", "temp", f"{20 + k / 7:.4f}", "192", "Cel", TEXTS[0]]).encode()
        for k in range(20)
    ]
    subject = learned()
    before = (subject.rows_template, subject.rows_general, subject.rows_slow)
    got = subject.decode([Message(k, NOW, body) for k, body in enumerate(framed(good, frame))])
    after = (subject.rows_template, subject.rows_general, subject.rows_slow)
    assert [a - b for a, b in zip(after, before, strict=True)] == [20, 0, 0]
    assert len(got.readings) == got.rows_in == 20


def test_producers_of_different_layouts_share_a_log():
    subject = decoder()
    for _ in range(60):
        for form in FORMS[:4]:
            fields = [STAMPS[0], "a", "temp", "1.5", "192", "1", TEXTS[0]]
            subject.decode([Message(1, NOW, written(form, fields).encode())])
    assert subject.rows_template > 200
    assert subject.rows_template + subject.rows_general == 240


def test_a_broken_array_takes_back_the_rows_of_templates_and_their_count():
    subject = learned()
    before = subject.rows_template
    row = written(FORMS[0], [STAMPS[0], "fill/line1/f1", "temp", "1", "192", "Cel"]).encode()
    got = subject.decode([Message(1, NOW, b"[" + b",".join([row] * 70) + b",]"), Message(2, NOW, row)])
    assert (len(got.readings), len(got.dead), got.rows_in) == (1, 1, 2)
    assert subject.rows_template == before + 1


@pytest.mark.parametrize("row", [
    b'{"ts":1767225600123,"asset":"a","tag":"t","value":1,"x":[1]}',
    b'{"ts":1,"ts":2,"asset":"a","tag":"t","value":1}',
    b'{"ts":1,"asset":"a\\u0062","tag":"t","value":1}', b'{"ts":1,\n"asset":"a","tag":"t","value":1}',
    b"[]", b"{}", b"",
    b'{"ts":1,"asset":"a","tag":"t"}', b'{"ts":1,"asset":"a","tag":"t","value":1,"event":null}',
    b'{"ts":1,"asset":"a","tag":"t","value":1} ', b'{"ts":null,"asset":"a","tag":"t","value":1}',
])  # fmt: skip
def test_rows_that_no_template_can_have(row):
    assert steps_of(row) is None


def test_long_fixed_parts_are_cut_into_steps():
    steps = steps_of(json.dumps(reading(x=None, **{"a" * 60: "b"}), separators=(",", ":")).encode())
    assert steps is not None
    program = compiled(steps)
    assert program is not None
    assert program["size"].max() == t.FIXED_BYTES
    assert program["size"].sum() == sum(len(fixed) for fixed, _, _ in steps)
    assert compiled(steps * 10) is None


@pytest.mark.parametrize("rows_a_message", [1, 20])
def test_rows_that_overtake_a_block_stay_in_the_order_of_the_log(rows_a_message):
    good = written(FORMS[0], [STAMPS[0], "fill/line1/f1", "temp", "20.5", "192", "Cel"])
    kinds = [
        good, good.replace("line1/f1", "line9/f1"), good.replace("Cel", "K"), good.replace("/f1", "/f2"),
        good.replace("temp", "\\u0074emp"), good.replace('"value"', ' "value"'), '{"ts": 1}', "{", "[1]", TICK.decode(),
        written(FORMS[4], [STAMPS[0], "a", "temp", "true"]), written(FORMS[4], [STAMPS[0], "a", "temp", "3"]),
    ]  # fmt: skip
    for seed in range(20):
        rng = random.Random(seed)
        rows = rng.choices(kinds, [rng.choice([1, 9])] + [rng.choice([0, 0, 1, 9]) for _ in kinds[1:]], k=400)
        bodies = ["\n".join(rows[at : at + rows_a_message]).encode() for at in range(0, len(rows), rows_a_message)]
        checked(bodies, [rng.randrange(400)])
