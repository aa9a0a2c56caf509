"""CSV files as people have them, and what is said of their rows: `service/score_csv.py`, `service/score_file.py`."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import SourceError
from detectors import registry
from detectors.alarm_manager import AlarmManager
from detectors.ensemble import EnsembleDetector
from detectors.mewma import MewmaDetector
from service import score_file as module
from service.score_csv import LINE_MOST, PATIENCE, TURN, Clock, Row, Sheet, number, time_of
from service.score_file import COLUMNS, Summary, score_file
from service.score_judges import judge_maker

SECOND = 10**9
DEFAULT = judge_maker("", 0, None)


def sheet_of(text: str) -> tuple[Sheet, list[Row]]:
    sheet = Sheet(io.StringIO(text))
    return sheet, list(sheet.read())


def said(path: Path, make=DEFAULT) -> tuple[list[str], Summary]:
    """Lines of the output without the header, and the summary."""
    parts: list[str] = []
    summary = score_file(path, make, parts.append)
    header, *lines = "".join(parts).splitlines(keepends=True)
    assert header == ",".join(COLUMNS) + "\n"
    return lines, summary


def write(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def noisy(n: int, seed: int = 7) -> list[float]:
    value = np.random.default_rng(seed).normal(20.0, 0.1, n)
    value[int(0.9 * n)] += 5.0
    return value.round(4).tolist()


LAYOUTS = {
    # id:                    text                                                  names of channels, time in s, values
    "comma": ("timestamp,value\n2026-01-01T00:00:00Z,1\n", ("value",), 1767225600.0, (1.0,)),
    "semicolon": ("datetime;a;b\n2026-01-01 00:00:00;1.5;2\n", ("a", "b"), 1767225600.0, (1.5, 2.0)),
    "tab": ("time\tx y\n1767225600\t3\n", ("x y",), 1767225600.0, (3.0,)),
    "decimal-comma": ("Datum;Wert\n2026-01-01 00:00:00;-1,5\n", ("Wert",), 1767225600.0, (-1.5,)),
    "milliseconds": ("ts,v\n1767225600500,3\n", ("v",), 1767225600.5, (3.0,)),
    "zone": ("ts,v\n2026-01-01T08:00:00+08:00,3\n", ("v",), 1767225600.0, (3.0,)),
    "stamps-in-the-middle": ("v,when,w\n1,2026-01-01 00:00:00,2\n", ("v", "w"), 1767225600.0, (1.0, 2.0)),
    "index-column": (",timestamp,v\n0,2026-01-01 00:00:00,2\n", ("v",), 1767225600.0, (2.0,)),
    "quoted": ('"timestamp","a,b"\n"2026-01-01 00:00:00","2"\n', ("a,b",), 1767225600.0, (2.0,)),
    "separator-at-the-end": ("timestamp;v;\n2026-01-01 00:00:00;2;\n", ("v",), 1767225600.0, (2.0,)),
    "no-header": ("2026-01-01 00:00:00,2\n", ("column2",), 1767225600.0, (2.0,)),
    "no-header-epoch": ("1767225600,2\n", ("column2",), 1767225600.0, (2.0,)),
    "no-stamps": ("a;b\n1;2\n", ("a", "b"), 0.0, (1.0, 2.0)),
    "one-column": ("value\n4\n", ("value",), 0.0, (4.0,)),
    "labels": ("timestamp,v,Anomaly,changepoint,LABEL,is_anomaly,labels\n1,2,0,0,0,0,0\n", ("v",), 1.0, (2.0,)),
    "text-column": ("timestamp,v,state\n1,2,running\n", ("v",), 1.0, (2.0,)),
    "carriage-returns": ("timestamp,v\r\n1,2\r\n", ("v",), 1.0, (2.0,)),
    "chinese": ("时间,温度\n2026/1/1 0:00,2\n", ("温度",), 1767225600.0, (2.0,)),
}


@pytest.mark.parametrize(("text", "names", "time_s", "values"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_layout_is_found_out(tmp_path, text, names, time_s, values):
    path = write(tmp_path, text)
    with module.opened(path) as file:
        sheet = Sheet(file)
        (row,) = sheet.read()
    assert (sheet.channel_names(), row.time_ns, row.values, row.bad) == (names, round(time_s * SECOND), values, "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gbk"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "log.csv"
    text = "timestamp,温度\n1,2\n"
    path.write_bytes((b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding))
    lines, summary = said(path)
    assert lines == ["1,0.0000,1,0,,,\n"]
    assert encoding == "gbk" or summary.channels == ("温度",)


BAD = {
    "": "bad:fields", ",": "bad:timestamp", "5": "bad:fields", "5,1,2": "bad:fields", "5,": "bad:value",
    "5,nan": "bad:value", "5,inf": "bad:value", "5,on": "bad:value", "5,1_0": "bad:value", "5,1;0": "bad:value",
    "x,1": "bad:timestamp", "2026-13-01 00:00:00,1": "bad:timestamp", "1,1": "bad:order", '5,"1': "",
    '"5,1': "bad:fields",
    "0001-01-01T00:00:00+14:00,1": "bad:timestamp", "1e99,1": "bad:timestamp", "5,1,": "", "5,1e999": "bad:value",
}  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), BAD.items(), ids=repr)
def test_a_bad_row_has_a_reason_and_harms_no_other(line, reason):
    _, rows = sheet_of(f"timestamp,value\n4,1\n{line}\n6,2\n7,3\n")
    assert [row.bad for row in rows] == ["", reason, "", ""]
    assert [row.values for row in rows[2:]] == [(2.0,), (3.0,)]


def test_a_line_without_end_is_no_row_and_is_not_kept():
    _, rows = sheet_of("timestamp,value\n4,1\n5," + "1" * (2 * LINE_MOST + 5) + "\n6,2\n")
    assert [row.bad for row in rows] == ["", "bad:fields", ""]


def test_one_channel_must_have_a_number():
    sheet, rows = sheet_of("timestamp;a;b\n1;2;3\n2;nan;3\n3;;nan\n4;2;3\n")
    assert [row.bad for row in rows] == ["", "", "bad:value", ""]
    assert sheet.unread() == ()


def test_a_column_that_is_empty_at_first_is_waited_for():
    sheet, rows = sheet_of("timestamp;a;b\n" + "".join(f"{at};2;{'' if at < 5 else 3}\n" for at in range(9)))
    assert [row.bad for row in rows] == 5 * ["bad:value"] + 4 * [""]
    assert sheet.channel_names() == ("a", "b")
    sheet, rows = sheet_of("timestamp;a;b\n" + "".join(f"{at};2;\n" for at in range(PATIENCE + 5)))
    assert [row.bad for row in rows].count("bad:value") == PATIENCE - 1
    assert (sheet.channel_names(), sheet.unread()) == (("a",), ("b",))


def test_a_text_at_the_beginning_does_not_make_the_only_column_text():
    sheet, rows = sheet_of("timestamp;a\n1;ERR\n2;\n3;7\n")
    assert [row.bad for row in rows] == ["bad:value", "bad:value", ""]


def test_blank_lines_count_only_between_rows():
    _, rows = sheet_of("\n\nvalue\n1\n\n3\n\n\n")
    assert [(row.stamp, row.bad) for row in rows] == [("0", ""), ("1", "bad:value"), ("2", "")]


def test_stamps_stay_as_they_stand(tmp_path):
    path = write(tmp_path, "timestamp,value\n 2026-01-01 00:00:00.500 ,1\n2026-01-01T00:00:01Z,2\n")
    assert [line.split(",")[0] for line in said(path)[0]] == [" 2026-01-01 00:00:00.500 ", "2026-01-01T00:00:01Z"]
    path = write(tmp_path, 'timestamp;value\n1;1\n"Jan 1, 2026";2\n')
    assert said(path)[0][1] == '"Jan 1, 2026",,,0,bad:timestamp,,\n'


TIMES = {
    "1970-01-01": 0.0, "1970-01-01T00:00:00.25Z": 0.25, "1970-01-01t00:00:01+00:00": 1.0, "1969-12-31 23:59:59": -1.0,
    "1970/1/2 1:2:3.5": 90123.5, "12.5": 12.5, "-0.5": -0.5, "1.7672256e9": 1767225600.0,
    "1767225600123456": 1767225600.123456,
    "1767225600123456789": 1767225600.123456789, "": None, "nan": None, "1_0": None, "2026-02-30": None,
    "1970/13/1 0:00": None, "9999-12-31 00:00:00": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "time_s"), TIMES.items(), ids=repr)
def test_times(text, time_s):
    found = time_of(text)
    assert found is None if time_s is None else found == pytest.approx(time_s * SECOND, abs=300)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.text(max_size=6))
def test_a_number_is_finite_or_none(what):
    value = number(str(what), comma=True)
    assert math.isnan(value) or math.isfinite(value)
    if isinstance(what, float) and math.isfinite(what):
        assert value == what


@given(st.text(max_size=30))
def test_any_text_may_stand_for_a_time(text):
    assert time_of(text) is None or isinstance(time_of(text), int)


def test_a_clock_that_is_set_back_goes_on():
    clock = Clock()
    assert clock.step(10**6) == 10**6
    behind = [clock.step(at) for at in range(TURN + 3)]
    assert behind == (TURN - 1) * [None] + [10**6, 10**6 + 1, 10**6 + 2, 10**6 + 3]
    falling = Clock()
    falling.step(10**6)
    assert {falling.step(10**6 - at) for at in range(1, 3 * TURN)} == {None}


@given(st.lists(st.integers(-50, 50), max_size=400))
def test_times_never_fall(stamps):
    clock = Clock()
    times = [at for at in map(clock.step, stamps) if at is not None]
    assert times == sorted(times)


# What is said

WIDE = "datetime;a;b;anomaly\n" + "".join(
    f"2026-01-01 {at // 3600:02}:{at // 60 % 60:02}:{at % 60:02};{one};{two};{at % 7}\n"
    for at, (one, two) in enumerate(zip(noisy(900), noisy(900, 8), strict=True))
)


def narrow(n: int) -> str:
    return "timestamp,value\n" + "".join(f"{at},{value}\n" for at, value in enumerate(noisy(n)))


def cells(lines: list[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(",".join(COLUMNS) + "\n" + "".join(lines))))


def test_scores_and_alarms_are_the_defaults_own(tmp_path):
    lines, summary = said(write(tmp_path, narrow(2_000)))
    value = np.array(noisy(2_000))
    columns = np.zeros(2_000, np.int32), np.arange(2_000) * SECOND
    scored = EnsembleDetector(1).score_many(*columns, value)
    rows = cells(lines)
    assert [row["score"] for row in rows] == [f"{score:.4f}" for score in scored.score]
    alarm = AlarmManager(1).step(*columns, scored.score, scored.part)
    assert [row["alarm"] for row in rows] == [str(one) for one in alarm]
    (spike,) = [row for row in rows if row["timestamp"] == "1800"]
    assert (spike["alarm"], spike["reason"]) == ("1", EnsembleDetector.PARTS[scored.part[1800]])
    assert float(spike["expected"]) == pytest.approx(20.0, abs=0.5)
    assert 0.0 < float(spike["spread"]) < 1.0
    assert float(spike["p_value"]) == pytest.approx(10.0 ** -float(scored.score[1800]), rel=1e-3)
    assert (summary.detector, summary.rows, summary.scored, summary.bad) == ("ensemble", 2_000, 2_000, {})
    assert summary.alarms == summary.episodes == int(alarm.sum())


def test_several_channels_are_judged_together(tmp_path):
    values = np.array([noisy(900), noisy(900, 8)]).T
    values[700:, 1] += 0.3
    rows = "".join(f"{at};{one};{two}\n" for at, (one, two) in enumerate(values.tolist()))
    lines, summary = said(write(tmp_path, "ts;a;b\n" + rows))
    assert (summary.channels, summary.detector, summary.episodes) == (("a", "b"), "mewma", 1)
    found = MewmaDetector(2).score_many(np.arange(900) * SECOND, values)
    told = cells(lines)
    assert [row["score"] for row in told] == [f"{score:.4f}" for score in found.score]
    assert [row["alarm"] for row in told] == [str(alarm) for alarm in found.alarm]
    assert [row["reason"] for row in told] == [{0: "a", 1: "b"}.get(at, "") for at in found.channel.tolist()]
    assert (told[-1]["alarm"], told[-1]["reason"], told[-1]["expected"]) == ("1", "b", "")


def test_with_a_detector_of_single_series_the_highest_channel_speaks(tmp_path):
    lines, summary = said(write(tmp_path, WIDE), judge_maker("ensemble", 0, None))
    assert (summary.channels, summary.detector) == (("a", "b"), "ensemble")
    alone = []
    for seed in (7, 8):
        value = np.array(noisy(900, seed))
        alone.append(EnsembleDetector(1).score_many(np.zeros(900, np.int32), np.arange(900) * SECOND, value).score)
    rows = cells(lines)
    assert [row["score"] for row in rows] == [f"{score:.4f}" for score in np.maximum(*alone)]
    channel, part = rows[810]["reason"].split(":")
    assert rows[810]["alarm"] == "1"
    assert channel == "ab"[int(alone[1][810] > alone[0][810])]
    assert part in EnsembleDetector.PARTS
    assert 0.0 < float(rows[810]["spread"]) < 1.0


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(7)), st.sampled_from(["anomaly", "CHANGEPOINT", "Label", "is_anomaly", "labels"]))
def test_labels_are_never_read(tmp_path_factory, order, name):
    folder = tmp_path_factory.mktemp("labels")
    expected = said(write(folder, WIDE))[0]
    header, *rows = WIDE.splitlines()
    cells = [row.rpartition(";") for row in rows]
    mixed = "".join(f"{left};{'x' if order[int(mark)] == 3 else order[int(mark)]}\n" for left, _, mark in cells)
    assert said(write(folder, header.replace("anomaly", name) + "\n" + mixed))[0] == expected


LINES = st.sampled_from(
    ["{at},{value}", "{at},", "{at},nan", ",{value}", "{at},x", "0,{value}", "{at}", "{at},1,2", "", '"{at},1']
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(LINES | st.just("{at},{value}"), min_size=1, max_size=60),
    st.integers(0, 300),
    st.integers(1, 60),
    st.integers(1, 400),
)
def test_a_prefix_of_the_file_gives_a_prefix_of_the_output(tmp_path_factory, wild, calm, cut, batch):
    """Whatever its rows are, and however many are read at once."""
    folder = tmp_path_factory.mktemp("prefix")
    kinds = ["{at},{value}"] * calm + wild
    rows = [
        kind.format(at=at, value=value) + "\n" for at, (kind, value) in enumerate(zip(kinds, noisy(400), strict=False))
    ]
    text = "timestamp,value\n0,1\n"
    whole, summary = said(write(folder, text + "".join(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", batch)
        part, _ = said(write(folder, text + "".join(rows[: max(0, len(rows) - cut)])))
    left = "".join(rows[: max(0, len(rows) - cut)]).rstrip("\n")
    assert part == whole[: 1 + len(left.splitlines())]
    assert summary.rows == len(whole) == summary.scored + sum(summary.bad.values())


@pytest.mark.parametrize("batch", [1, 7, 300])
def test_any_split_gives_the_same_lines(tmp_path, batch, monkeypatch):
    path = write(tmp_path, WIDE)
    expected = said(path)
    monkeypatch.setattr(module, "BATCH", batch)
    assert said(path) == expected


def test_memory_is_bounded_whatever_the_length(tmp_path):
    """No more rows are held than a batch has."""
    path = write(tmp_path, narrow(3 * module.BATCH + 5))
    sizes: list[int] = []
    score_file(path, DEFAULT, lambda text: sizes.append(text.count("\n")))
    assert sizes == [module.BATCH + 1, module.BATCH, module.BATCH, 5]


def test_a_number_too_great_for_the_detector_is_a_bad_row(tmp_path):
    lines, summary = said(write(tmp_path, "timestamp,value\n1,1\n2,1e300\n3,1\n"))
    assert lines[1] == "2,,,0,bad:value,,\n"
    assert summary.bad == {"bad:value": 1}


REFUSED = {
    "empty": (b"", "score.empty"),
    "header-only": (b"timestamp,value\n", "score.no_rows"),
    "blank": (b"\n \n", "score.no_rows"),
    "text": (b"timestamp,state\n1,on\n2,off\n", "score.no_numbers"),
    "labels-only": (b"timestamp,anomaly\n1,0\n2,1\n", "score.no_numbers"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "score.binary"),
    "compressed": (b"\x1f\x8b\x08\x00", "score.binary"),
}


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_file_of_numbers_is_refused(tmp_path, content, code):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    parts: list[str] = []
    with pytest.raises(SourceError) as caught:
        score_file(path, DEFAULT, parts.append)
    assert (caught.value.code, parts) == (code, [])
    for language in ("en", "zh-CN"):
        assert "log.csv" in caught.value.text(language)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(SourceError) as caught:
        score_file(tmp_path / name, DEFAULT, print)
    assert caught.value.code == "score.unreadable"


# Options


def test_a_tighter_budget_gives_fewer_alarms(tmp_path):
    value = np.random.default_rng(3).standard_t(3, 20_000)
    path = write(
        tmp_path, "timestamp,value\n" + "".join(f"{300 * at},{one}\n" for at, one in enumerate(value.tolist()))
    )
    some = [said(path, judge_maker("ewma", 0, days)) for days in (0.1, 10.0, 1000.0)]
    assert some[0][1].alarms > some[1][1].alarms > some[2][1].alarms > 0
    scores = [[line.split(",")[1] for line in lines] for lines, _ in some]
    assert scores[0] == scores[1] == scores[2]


def test_the_reference_only_teaches(tmp_path):
    path = write(tmp_path, narrow(1_000))
    before, _ = said(path)
    after, summary = said(path, judge_maker("", 901, None))
    assert [line.split(",")[:3] for line in before] == [line.split(",")[:3] for line in after]
    assert any(line.split(",")[3] == "1" for line in before[:901])
    assert not any(line.split(",")[3] == "1" for line in after[:901])
    assert summary.rows == 1_000


def test_the_reference_of_a_group_is_what_it_learns(tmp_path):
    lines, _ = said(write(tmp_path, WIDE), judge_maker("", 200, None))
    values = np.array([noisy(900), noisy(900, 8)]).T
    found = MewmaDetector(2, reference_rows=200).score_many(np.arange(900) * SECOND, values)
    assert [row["score"] for row in cells(lines)] == [f"{score:.4f}" for score in found.score]


def test_more_channels_than_a_group_can_have(tmp_path):
    names = [f"c{at}" for at in range(registry.GROUP_MOST + 1)]
    path = write(tmp_path, ",".join(names) + "\n" + 3 * (",".join("1" for _ in names) + "\n"))
    assert said(path)[1].detector == registry.DEFAULT
    with pytest.raises(SourceError) as caught:
        score_file(path, judge_maker("mewma", 0, None), print)
    assert (caught.value.code, caught.value.params["allowed"]) == ("score.too_many", 254)


@pytest.mark.parametrize("name", registry.names())
def test_every_detector_of_the_registry_scores(tmp_path, name):
    fault = [(at >= 1100) * (1.0 + 0.5 * math.sin(0.8 * at)) for at in range(1200)]  # a step, and an oscillation
    rows = "".join(f"{at},{value + fault[at]}\n" for at, value in enumerate(noisy(1200)))
    lines, summary = said(write(tmp_path, "timestamp,value\n" + rows), judge_maker(name, 0, None))
    assert (summary.detector, summary.scored, len(lines)) == (name, 1200, 1200)
    parts = {"value"} if name in registry.GROUPS else registry.maker(name)(1).PARTS
    assert {row["reason"] for row in cells(lines)} & set(parts)
    assert said(write(tmp_path, WIDE), judge_maker(name, 0, None))[1].detector == name


def test_an_unknown_detector_has_no_maker():
    for name in ("", "river:", "river:LocalOutlierFactor", "Ensemble", "mewma"):
        with pytest.raises(KeyError):
            registry.maker(name)
    with pytest.raises(KeyError):
        registry.group_maker("ensemble")
