"""`andon score` at a terminal: what it prints and writes, its exit status, both languages."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from andon.i18n import LANGUAGES, translate
from detectors.settings import fingerprint
from service.score_file import COLUMNS
from tests.command_line import Terminal, andon
from tests.test_score_file import narrow

__all__ = ["andon"]  # fixture

DATA = Path(__file__).parents[2] / "shared" / "data"
NAB, SKAB = DATA / "nab", DATA / "skab"


def rows_of(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text))
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return list(reader)


def test_scores_go_to_standard_output_and_the_rest_to_standard_error(andon: Terminal) -> None:
    Path("log.csv").write_text(narrow(500) + "500,on\n400,1\n")
    rows = rows_of(andon("score", "log.csv"))
    assert [row["timestamp"] for row in rows] == [str(at) for at in range(501)] + ["400"]
    assert [row["reason"] for row in rows[-2:]] == ["bad:value", "bad:order"]
    assert {row["score"] for row in rows[-2:]} == {""}
    assert "bad:value: 1\n" in andon.err
    assert "bad:order: 1\n" in andon.err
    assert "502 rows, 500 scored" in andon.err


def test_scores_go_to_a_file_that_is_whole(andon: Terminal) -> None:
    Path("log.csv").write_text(narrow(500))
    andon("score", "log.csv")
    expected = andon.out
    assert andon("score", "log.csv", "--out", "scores.csv") == ""
    assert Path("scores.csv").read_text() == expected
    Path("bad.csv").write_text("timestamp,value\n1,on\n")
    andon("score", "bad.csv", "--out", "scores.csv", status=1)
    assert Path("scores.csv").read_text() == expected, "what was there stays"
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv", "log.csv", "scores.csv"]
    andon("score", "log.csv", "--out", "./log.csv", status=1)
    assert Path("log.csv").read_text() == narrow(500)


def test_the_summary_as_json(andon: Terminal) -> None:
    Path("log.csv").write_text(narrow(500) + "500,on\n501,\n400,1\n")
    told = json.loads(andon("score", "log.csv", "--json"))
    assert told.pop("seconds") >= 0.0
    alarms = [row["alarm"] for row in rows_of(andon("score", "log.csv"))]
    assert told.pop("alarms") == alarms.count("1") > 0
    assert told.pop("episodes") == len("".join(alarms).replace("0", " ").split())
    assert told == {
        "rows": 503, "scored": 500, "bad_rows": 3, "bad": {"bad:order": 1, "bad:value": 2}, "detector": "ensemble",
        "channels": ["value"], "missing": {}, "setting": fingerprint("ensemble"),
    }  # fmt: skip


def test_what_is_missing_in_some_channels_is_counted_and_the_others_judge(andon: Terminal) -> None:
    rows = [[f"{at}", f"{math.sin(at):.4f}", f"{math.cos(at):.4f}", f"{math.sin(2 * at):.4f}"] for at in range(900)]
    for at in range(500, 520):
        rows[at][2] = ""
    rows[530][1:] = ["", "nan", ""]
    for at in range(700, 900):
        rows[at][3] = "9"
    Path("log.csv").write_text("timestamp;a;b;c\n" + "".join(";".join(row) + "\n" for row in rows))
    said = rows_of(andon("score", "log.csv", "--detector", "mewma"))
    assert "log.csv: b: 20 scored rows without a number there" in andon.err
    assert [at for at, row in enumerate(said) if not row["score"]] == [530]
    assert {row["alarm"] for row in said[420:700]} == {"0"}
    assert {row["reason"] for row in said[750:]} == {"c"}
    assert json.loads(andon("score", "log.csv", "--json"))["missing"] == {"b": 20}


def test_without_stamps_it_says_so(andon: Terminal) -> None:
    Path("log.csv").write_text("value;state\n1;on\n2;off\n")
    rows = rows_of(andon("score", "log.csv"))
    assert [row["timestamp"] for row in rows] == ["0", "1"]
    assert "rows were taken as 1 s apart" in andon.err
    assert "not read: state" in andon.err


def test_detector_and_options(andon: Terminal) -> None:
    Path("log.csv").write_text(narrow(500))
    plain = rows_of(andon("score", "log.csv"))
    rows = rows_of(andon("score", "log.csv", "--detector", "river:StandardAbsoluteDeviation"))
    assert "model" in {row["reason"] for row in rows}
    rows = rows_of(andon("score", "log.csv", "--reference", "500"))
    assert {row["alarm"] for row in rows} == {"0"}
    rows = rows_of(andon("score", "log.csv", "--false-alarm-days", "0.01"))
    assert [row["score"] for row in rows] == [row["score"] for row in plain]
    assert sum(row["alarm"] == "1" for row in rows) >= sum(row["alarm"] == "1" for row in plain) > 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_it_refuses(andon: Terminal, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("LANG", language)
    Path("log.csv").write_text("timestamp,value\n1,2\n")
    Path("empty.csv").write_text("")
    Path("text.csv").write_text("timestamp,state,anomaly\n1,on,1\n2,off,0\n")
    Path("picture.csv").write_bytes(b"a,b\n\x00\x01\x02")
    for words, status, parts in (
        (("missing.csv",), 1, ("missing.csv",)),
        (("empty.csv",), 1, ("empty.csv", "1")),
        (("text.csv",), 1, ("text.csv", "3", "timestamp, state, anomaly", "is_anomaly")),
        (("picture.csv",), 1, ("picture.csv", "2", "0x00", "UTF-8")),
        (("log.csv", "--detector", "oracle"), 2, ("oracle", "half_space, spectral, mewma, half_space_group, river:")),
        (("log.csv", "--reference", "19"), 2, ("19", "20")),
        (("log.csv", "--out", "nowhere/scores.csv"), 1, ("nowhere",)),
        (("log.csv", "--false-alarm-days", "0"), 2, ("0.0",)),
        (("log.csv", "--false-alarm-days", "nan"), 2, ("nan",)),
    ):
        assert andon("score", *words, status=status) == ""
        assert andon.err.startswith(translate("cli.error", language, text=""))
        assert [part for part in parts if part not in andon.err] == []
        assert "score." not in andon.err


def test_the_process_itself(tmp_path: Path, root: Path) -> None:
    """Also where its reader stops early, and with bytes that are no UTF-8."""
    (tmp_path / "log.csv").write_bytes(narrow(20_000).replace("value", "温度").encode("gbk") + b"\xb5,1\n")
    command = f"{sys.executable} -m service.cli score log.csv"
    environment = os.environ | {"PYTHONPATH": str(root), "LC_ALL": "C", "LANG": "C"}
    done = subprocess.run(command.split(), capture_output=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"\n\xb5,,,0,bad:timestamp,,\n")
    assert done.stdout.count(b"\n") == 20_002
    cut = subprocess.run(
        ["bash", "-c", f"{command} 2>err.txt | head -n 3; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert (cut.returncode, cut.stdout) == (0, b"".join(done.stdout.splitlines(keepends=True)[:3]))
    assert (tmp_path / "err.txt").read_bytes() == b""


@pytest.mark.skipif(
    not NAB.is_dir(), reason="needs the Numenta Anomaly Benchmark: clone the public repository numenta/NAB (MIT)"
)
def test_a_real_temperature(andon: Terminal) -> None:
    file = NAB / "realKnownCause" / "ambient_temperature_system_failure.csv"
    told = json.loads(andon("score", str(file), "--out", "scores.csv", "--json"))
    rows = rows_of(Path("scores.csv").read_text())
    lines = file.read_text().splitlines()[1:]
    assert [row["timestamp"] for row in rows] == [line.split(",")[0] for line in lines]
    assert (told["rows"], told["bad_rows"], told["channels"]) == (len(lines), 0, ["value"])
    assert 0 < told["episodes"] <= told["alarms"] < 0.01 * len(lines)
    begin, end = json.loads((NAB / "windows.json").read_text())[f"realKnownCause/{file.name}"][1]
    inside = [row for row in rows if begin[:19] <= row["timestamp"] <= end[:19]]
    assert any(row["alarm"] == "1" for row in rows)
    assert max(float(row["score"]) for row in inside) > 3.0


@pytest.mark.skipif(
    not SKAB.is_dir(), reason="needs the Skoltech Anomaly Benchmark: clone the public repository waico/SKAB (GPL-3.0)"
)
def test_a_real_test_bench(andon: Terminal) -> None:
    file = SKAB / "valve1" / "1.csv"
    told = json.loads(andon("score", str(file), "--out", "scores.csv", "--json"))
    rows = rows_of(Path("scores.csv").read_text())
    header, *lines = file.read_text().splitlines()
    assert told["channels"] == header.split(";")[1:9]
    assert (told["rows"], told["bad_rows"]) == (len(lines), 0)
    marked = [line.split(";")[9] == "1.0" for line in lines]
    alarmed = [row["alarm"] == "1" for row in rows]
    assert any(one and two for one, two in zip(marked, alarmed, strict=True))
    assert {row["reason"] for row in rows} - {""} <= set(told["channels"])
    assert told["detector"] == "mewma"
    rows = rows_of(andon("score", str(file), "--detector", "ewma"))
    assert {row["reason"].split(":")[0] for row in rows} - {""} <= set(told["channels"])
