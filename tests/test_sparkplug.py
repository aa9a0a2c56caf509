"""Sessions of Sparkplug edge nodes against their twin: births, gaps, deaths, odd metrics, any split, restores."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Decoded, Message, Messages, Reason, Status
from andon.series import SeriesDictionary
from sources.decode.formats import joined
from sources.decode.sparkplug import SparkplugDecoder
from sources.wire_sparkplug import Sent, Tag, birth, data, death, framed
from tests.decode_world import NOW, NOW_MS, PLANT
from tests.naive_sparkplug import NaiveSparkplug

TEMP, DOOR, STATE, TOTAL = (
    Tag("temp", 1, "Double", "Cel"), Tag("Door", 2, "Boolean"), Tag("state", 300, "String"),
    Tag("total", None, "Int32"),
)  # fmt: skip
TAGS = [
    TEMP, DOOR, STATE, TOTAL, Tag("total", 7, "Int8"), Tag("total", 7, "Int16"), Tag("total", 7, "Int64"),
    Tag("total", 7, "UInt8"), Tag("temp", 1, "Float", "K"), Tag("temp", 1, "Float"), Tag("state", 300, "UInt16"),
    Tag("nix", 9), Tag("Node Control/Rebirth", 10, "Boolean"), Tag("temp", 2**63, "Double"), Tag("a/temp"),
]  # fmt: skip
STAMPS = st.sampled_from([None, NOW_MS, NOW_MS - 5000, NOW_MS + 400_000, 5, 2**63])


@st.composite
def sent(draw, tag):
    value = st.sampled_from([-1, 0, 1, 3, 5, 127, -128, 255, 40_000, None])
    if tag.datatype in ("Double", "Float"):
        value = st.sampled_from([21.5, -300.0, float("nan"), float("inf"), None])
    elif tag.datatype == "String":
        value = st.sampled_from(["Idle", "运行", "nix", None])
    elif tag.datatype == "Boolean":
        value = st.booleans() | st.none()
    quality = draw(st.sampled_from([None, None, None, 0, 100, 192, 500, -1]))
    return Sent(tag, draw(value), draw(STAMPS), draw(st.booleans()), quality)


@st.composite
def logs(draw):
    """Messages of two nodes, mostly in a good order."""
    bodies, seq = [], {"line1": 0, "l2": 0}
    for _ in range(draw(st.integers(1, 14))):
        node, device = draw(st.sampled_from([("line1", "f1"), ("line1", "f2"), ("line1", "f1"), ("l2", "f1")]))
        kind = draw(st.sampled_from(["NBIRTH", "DBIRTH", "DBIRTH", *["DDATA"] * 5, "NDATA", "NDEATH", "DDEATH", "STATE",
                                     "cut"]))  # fmt: skip
        seq[node] = (seq[node] + draw(st.sampled_from([1, 1, 1, 1, 1, 0, 2, 255]))) % 256
        rows = [draw(sent(tag)) for tag in draw(st.lists(st.sampled_from(TAGS), max_size=6))]
        session = draw(st.sampled_from([None, 3, 3, 4]))
        stamp = draw(st.sampled_from([NOW_MS, NOW_MS + 7, NOW_MS - 9, 0]))
        if kind == "NBIRTH":
            seq[node] = 0
            body = framed(kind, "fill", node, birth(rows, stamp, 0, session=session))
        elif kind == "DBIRTH":
            body = framed(kind, "Fill" if draw(st.integers(0, 20)) == 0 else "fill", node,
                          birth(rows, stamp, seq[node]), device)  # fmt: skip
        elif kind == "NDEATH":
            body = framed(kind, "fill", node, death(stamp, session=session))
        elif kind == "DDEATH":
            body = framed(kind, "fill", node, death(stamp, seq=seq[node]), device)
        elif kind == "STATE":
            body = b'spBv1.0/STATE/scada\0{"online":true}'
        else:
            device = "" if kind == "NDATA" else device
            body = framed("NDATA" if not device else "DDATA", "fill", node, data(rows, stamp, seq[node]), device)
            if kind == "cut":
                body = body[: -draw(st.integers(1, 4))]
        bodies.append(body)
    return [Message(10 + at, NOW + at * 10**6, body) for at, body in enumerate(bodies)]


def decoded_in(log, cuts, *, restart=False):
    dictionary = SeriesDictionary(PLANT, 0)
    decoder, parts = SparkplugDecoder(dictionary, PLANT, 0), []
    edges = [0, *sorted(set(cuts)), len(log)]
    for begin, end in pairwise(edges):
        if begin < end:
            parts.append(decoder.decode(Messages.of(log[begin:end])))
        if restart:
            state = decoder.snapshot()
            decoder = SparkplugDecoder(dictionary, PLANT, 0)
            decoder.restore(state)
            assert decoder.snapshot() == state
    return joined(parts), dictionary, decoder.snapshot()


def as_rows(decoded: Decoded, dictionary):
    r, d = decoded.readings, decoded.dead
    rows = [
        (offset, time_ns, dictionary.path(series), repr(value), Status(status))
        for offset, time_ns, series, value, status in zip(
            *(getattr(r, name).tolist() for name in ("offset", "time_ns", "series", "value", "status")), strict=True
        )
    ]  # fmt: skip
    dead = [
        (offset, line, Reason(reason), dictionary.path(series)) for offset, line, reason, series in
        zip(d.offset.tolist(), d.line.tolist(), d.reason.tolist(), d.series.tolist(), strict=True)
    ]  # fmt: skip
    return rows, dead


@settings(max_examples=200)
@given(logs(), st.data())
def test_the_twin_finds_the_same(log, draw):
    twin = NaiveSparkplug(PLANT, 0)
    for message in log:
        twin.take(message)
    decoded, dictionary, _ = decoded_in(log, [])
    rows, dead = as_rows(decoded, dictionary)
    assert rows == [(*row[:3], repr(row[3]), row[4]) for row in twin.rows]
    assert dead == twin.dead
    assert list(decoded.rebirths) == twin.rebirths
    assert decoded.rows_in == len(rows) + len(dead)
    cuts = draw.draw(st.lists(st.integers(0, len(log)), max_size=5))
    again, names, state = decoded_in(log, cuts, restart=draw.draw(st.booleans()))
    assert as_rows(again, names) == (rows, dead)
    assert list(again.rebirths) == twin.rebirths
    assert list(again.dead.raw) == list(decoded.dead.raw)
    assert state == decoded_in(log, [])[2]


def test_half_a_sequence_number_of_a_garbled_payload_is_no_gap():
    stamp, topics = bytes.fromhex("08fbd0eab6b733"), ("NBIRTH/line1", "DBIRTH/line1/f1", "DDATA/line1/f1")
    whole = [f"spBv1.0/fill/{topic}\0".encode() + stamp + bytes([0x18, seq]) for seq, topic in enumerate(topics)]
    cut = b"spBv1.0/fill/DDATA/line1/f1\0" + stamp + b"\x18"
    decoded, _, dead, _ = run(*whole, cut)
    assert dead == [(4, 0, Reason.garbled, "")]
    assert decoded.rebirths == []


def run(*bodies):
    log = [Message(at, NOW, body) for at, body in enumerate(bodies, 1)]
    decoded, dictionary, state = decoded_in(log, [])
    return decoded, *as_rows(decoded, dictionary), state


BORN = (
    framed("NBIRTH", "fill", "line1", birth([], NOW_MS, 0, session=3)),
    framed("DBIRTH", "fill", "line1", birth([Sent(TEMP, 20.0), Sent(TOTAL, 5)], NOW_MS, 1), "f1"),
)


def ddata(value, seq, at=1):
    return framed("DDATA", "fill", "line1", data([Sent(TEMP, value, NOW_MS + at)], NOW_MS, seq), "f1")


def test_sequence_numbers_wrap_and_a_gap_asks_once():
    whole = [ddata(20.0 + at, at % 256, at) for at in range(2, 270)]
    decoded, rows, dead, _ = run(*BORN, *whole)
    assert (len(rows), dead, decoded.rebirths) == (270, [], [])
    decoded, rows, dead, _ = run(*BORN, *whole[:5], *whole[6:8], *whole[9:])
    assert (len(rows), dead, decoded.rebirths) == (268, [], [("fill", "line1")])
    decoded, rows, dead, _ = run(*BORN, *whole[:5], whole[4], *whole[5:])
    assert (len(rows), decoded.rebirths) == (271, [])  # told twice: the engine drops the duplicate


def test_a_death_takes_the_values_and_the_aliases():
    gone = framed("NDEATH", "fill", "line1", death(NOW_MS - 60_000, session=3))
    decoded, rows, dead, _ = run(*BORN, gone, ddata(21.0, 2))
    assert rows[2:] == [(3, NOW, f"fill/line1/f1/{tag}", "nan", Status.BAD) for tag in ("temp", "total")]
    assert dead == [(4, 0, Reason.no_birth, "")]
    assert decoded.dead.raw == [ddata(21.0, 2)]
    assert decoded.rebirths == [("fill", "line1")]
    old = framed("NDEATH", "fill", "line1", death(NOW_MS, session=2))
    assert len(run(*BORN, old, ddata(21.0, 2))[1]) == 3  # the will of another session


def test_a_death_says_nothing_of_a_metric_with_another_unit():
    other = framed("DBIRTH", "fill", "line1",
                   birth([Sent(Tag("temp", 1, "Double", "kPa"), 293.0), Sent(TOTAL, 5)], NOW_MS, 1), "f1")  # fmt: skip
    gone = framed("DDEATH", "fill", "line1", death(NOW_MS + 9, seq=2), "f1")
    _, rows, dead, _ = run(BORN[0], other, gone)
    assert [(row[0], row[2]) for row in rows] == [(2, "fill/line1/f1/total"), (3, "fill/line1/f1/total")]
    assert [one[:3] for one in dead] == [(2, 0, Reason.unit_mismatch)]


def test_a_metric_whose_unit_converts_is_in_that_of_its_series_as_long_as_it_lives():
    born = framed("DBIRTH", "fill", "line1", birth([Sent(Tag("temp", 1, "Double", "[degF]"), 104.0)], NOW_MS, 1), "f1")
    later = framed("DDATA", "fill", "line1", data([Sent(Tag("temp", 1), 32.0)], NOW_MS + 9, 2), "f1")
    gone = framed("DDEATH", "fill", "line1", death(NOW_MS + 19, seq=3), "f1")
    _, rows, dead, _ = run(BORN[0], born, later, gone)
    assert [row[3] for row in rows] == ["40.0", "0.0", "nan"]
    assert dead == []


def piece(number, content):
    """A field of Protobuf with bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("alias", [b"\x10\xac\x02", b"\x10\x63"], ids=["born", "not-born"])
@pytest.mark.parametrize("properties", [
    piece(1, b"foo") + piece(2, b"\xff"), piece(1, b"foo") + piece(2, b"\x42\x05x"),
    piece(1, b"foo") + piece(2, b"") + piece(2, b"\x08"),
])  # fmt: skip
def test_a_broken_property_is_one_dead_letter_and_no_more(alias, properties):
    born = framed("DBIRTH", "fill", "line1", birth([Sent(TEMP, 20.0), Sent(STATE, "Idle")], NOW_MS, 1), "f1")
    metric = alias + piece(15, b"nix") + piece(9, properties)
    bad = b"spBv1.0/fill/DDATA/line1/f1\0" + piece(2, metric) + b"\x18\x02"
    log = [Message(at, NOW, one) for at, one in enumerate((BORN[0], born, bad, ddata(21.0, 3), ddata(22.0, 4, 2)), 1)]
    for cuts in ([], [2, 3]):  # in one call with others, and alone
        decoded, dictionary, _ = decoded_in(log, cuts)
        rows, dead = as_rows(decoded, dictionary)
        assert dead == [(3, 0, Reason.garbled, "")]
        assert list(decoded.dead.raw) == [bad]
        assert [(row[0], row[3]) for row in rows if row[0] > 2] == [(4, "21.0"), (5, "22.0")]


def test_a_metric_that_the_kernel_reads_and_the_library_does_not_stops_nothing():
    metric = b"\x10\x63\x7a\x82\x80\x80\x80\x80\x00on"  # the length of a text in more bytes than it needs
    bad = b"spBv1.0/fill/DDATA/line1/f1\0" + piece(2, metric) + b"\x18\x02"
    _, rows, dead, _ = run(*BORN, bad, ddata(21.0, 3))
    assert [(one[0], one[1]) for one in dead] == [(3, 0)]
    assert rows[-1][0] == 4


def test_nodes_that_never_sent_a_birth_do_not_fill_the_state(monkeypatch):
    monkeypatch.setattr("sources.decode.sparkplug.MOST_NODES", 3)
    strangers = [framed("NDATA", "fill", f"x{at}", data([], NOW_MS, 0)) for at in range(10)]
    _, rows, dead, (_, nodes) = run(*BORN, *strangers, ddata(21.0, 2))
    assert [one[2] for one in dead] == [Reason.no_birth] * 10
    assert rows[-1] == (13, NOW + 10**6, "fill/line1/f1/temp", "21.0", Status.GOOD)
    assert len(nodes) <= 3
    assert nodes[0][:2] == ("fill", "line1")


def test_a_topic_without_a_payload_is_no_node():
    _, _, dead, (_, nodes) = run(b"spBv1.0/fill/NDATA/line1", b"spBv1.0/fill/NBIRTH/line2")
    assert [one[2] for one in dead] == [Reason.garbled] * 2
    assert nodes == []


def test_dead_metrics_read_as_json():
    other = framed("DDATA", "fill", "line1", data([Sent(Tag("x", 77), 1.5), Sent(TOTAL, None, 5)], NOW_MS, 2), "f1")
    decoded, _, dead, _ = run(*BORN, other)
    assert [one[2] for one in dead] == [Reason.unknown_series, Reason.stamp_unreadable]
    assert decoded.dead.raw == [
        f'{{"ts":{NOW_MS},"topic":"spBv1.0/fill/DDATA/line1/f1","alias":77,"value":1.5}}'.encode(),
        b'{"ts":5,"asset":"fill/line1/f1","tag":"total","value":null}',
    ]


@settings(max_examples=200)
@given(st.lists(st.one_of(
    st.binary(max_size=30).map(lambda tail: b"spBv1.0/" + tail),
    st.builds(lambda kind, tail: b"spBv1.0/fill/" + kind + b"/line1/f1\0" + tail,
              st.sampled_from([b"DBIRTH", b"DDATA", b"DDEATH"]), st.binary(max_size=30)),
    st.sampled_from([*BORN, ddata(1.0, 2), b"spBv1.0/", b"spBv1.0/a/NBIRTH/b\0\x12\x03\x0a\x01\xff"]),
), min_size=1, max_size=8))  # fmt: skip
def test_no_bytes_stop_it(bodies):
    decoded, rows, dead, _ = run(*bodies)
    assert decoded.rows_in == len(rows) + len(dead)
    assert all(row[0] for row in rows)
