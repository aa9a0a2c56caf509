"""The page's history when InfluxDB fails, is slow, is behind, or no longer keeps what is asked for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.clock import SystemClock
from andon.config.deployment import Influx
from andon.datafolder import DataFolder
from andon.figures import KINDS
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.secrets import Secret
from operators.oee import PARTS
from service.web.history_source import BEHIND_S, Behind, cold_chain_names, history_of
from sinks.history import HistoryWriter
from sinks.history_reader import HistoryReader
from sinks.influx import flux, gaps
from sinks.influx.client import AwayError, InfluxError
from sinks.influx.reader import LOCAL_S, InfluxHistory
from sinks.segments import SegmentReader, SegmentWriter
from tests.influx_world import HOUR_NS, Step, StubInflux, plant_for

SIZE = 60 * NS_PER_S


class Answers:
    """In InfluxDB's place: rows, or a failure; and a clock."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows: list[flux.Row] = []
        self.fails = False
        self.now_s = 100.0
        self.kept_from = 0
        self.is_behind = False

    def __call__(self, query: str) -> list[flux.Row]:
        self.asked.append(query)
        if self.fails:
            raise AwayError(None, "ReadTimeout")
        return self.rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = HistoryWriter(tmp_path / "0.db", 0)
    writer.write(Step(plant_for("http://127.0.0.1:1"), 0)(10))
    writer.close()
    return tmp_path / "0.db"


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def history(path: Path, answers: Answers) -> Iterator[InfluxHistory]:
    reader = InfluxHistory(
        [path], answers, "szh1", "andon", part_names={"oee": PARTS, "cold_chain": cold_chain_names()},
        kept_from=lambda: answers.kept_from, behind=lambda: answers.is_behind, now_s=lambda: answers.now_s,
    )  # fmt: skip
    yield reader
    reader.close()


def everything(history: HistoryReader, asset: str, tag: str) -> list[object]:
    return [
        history.windows(asset, tag, SIZE, 0, HOUR_NS), history.states(asset, tag, 0, HOUR_NS),
        history.figures("oee", 0, HOUR_NS), history.newest_figures("cold_chain"), history.sizes(asset, tag),
    ]  # fmt: skip


def test_a_failure_is_met_once_and_then_read_locally(history: InfluxHistory, answers: Answers, path: Path) -> None:
    answers.fails = True
    local = HistoryReader([path])
    for asset, tag in local.paths():
        assert everything(history, asset, tag) == everything(local, asset, tag)
    assert len(answers.asked) == 1
    assert history.source == "local"
    answers.now_s += LOCAL_S + 1
    assert history.source == "influx"
    history.figures("oee", 0, HOUR_NS)
    assert len(answers.asked) == 2
    answers.fails = False
    answers.now_s += LOCAL_S + 1
    assert history.figures("oee", 0, HOUR_NS) == local.figures("oee", 0, HOUR_NS) != []  # an empty answer
    assert len(answers.asked) == 3
    assert history.source == "influx"
    local.close()


def test_an_empty_answer_is_looked_for_in_the_files(history: InfluxHistory, answers: Answers, path: Path) -> None:
    """[influx] is new, or its bucket was lost: the page shows what the files have."""
    local = HistoryReader([path])
    for asset, tag in local.paths():
        assert everything(history, asset, tag) == everything(local, asset, tag)
    assert history.newest_figures("cold_chain") != []
    assert len(answers.asked) > 4
    assert history.source == "influx"
    local.close()


def test_what_influxdb_lacks_is_read_locally(history: InfluxHistory, answers: Answers, path: Path) -> None:
    local = HistoryReader([path])
    asset, tag = local.paths()[0]
    answers.kept_from = 1
    assert history.windows(asset, tag, SIZE, 0, HOUR_NS) == local.windows(asset, tag, SIZE, 0, HOUR_NS)
    assert answers.asked == []
    history.windows(asset, tag, SIZE, 1, HOUR_NS)
    assert len(answers.asked) == 1
    answers.is_behind = True
    assert history.source == "local"
    assert history.windows(asset, tag, SIZE, 1, HOUR_NS) == local.windows(asset, tag, SIZE, 1, HOUR_NS)
    assert len(answers.asked) == 1
    local.close()


def test_the_newest_figures_are_not_asked_for_every_second(history: InfluxHistory, answers: Answers) -> None:
    for _ in range(3):
        history.newest_figures("oee", 5)
    assert len(answers.asked) == 1
    answers.now_s += 2.5
    history.newest_figures("oee", 5)
    assert len(answers.asked) == 2


def test_a_server_that_hangs_costs_the_page_one_short_wait(path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))  # takes connections, never answers
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ask = flux.FluxClient(Influx(url=url), Secret("t"), 0.3)
    history = InfluxHistory([path], ask, "s", "b", part_names={"oee": PARTS}, kept_from=lambda: 0)
    begun = time.monotonic()
    for _ in range(50):
        history.figures("oee", 0, HOUR_NS)
    assert time.monotonic() - begun < 3.0  # of 15 s
    ask.close()
    history.close()
    listener.close()


def test_behind_while_lines_have_waited_long(tmp_path: Path) -> None:
    clock = [0.0]
    behind = Behind([tmp_path / "0"], lambda: clock[0])
    assert not behind()
    writer = SegmentWriter(tmp_path / "0")
    writer.restore(None)
    writer.write(b"m x=1 1\n", 1)
    clock[0] += 10
    assert not behind()
    (segment,) = (tmp_path / "0").glob("*.seg")
    begun_ns = SystemClock().now_ns() - round((BEHIND_S + 5) * NS_PER_S)
    content = segment.read_bytes()
    segment.write_bytes((b"# andon segment 1 rows 0 at %d" % begun_ns).ljust(63) + content[63:])
    assert not behind()  # looked at a moment ago
    clock[0] += 10
    assert behind()
    writer.close()


def test_behind_while_a_gap_is_open_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    behind = Behind([tmp_path], lambda: clock[0])

    def now() -> bool:
        clock[0] += 10
        return behind()

    assert not now()
    gaps.ask_refill(tmp_path, {"window": (1, 2)})
    assert now()
    reader = SegmentReader(tmp_path)
    gaps.take_asks(reader)
    assert now()
    with monkeypatch.context() as patched:  # the sender makes the gap good between the look and the read
        patched.setattr(Path, "read_bytes", missing)
        assert not now()
    reader.gap_done(gaps.ASKED)
    assert not now()


def missing(path: Path) -> bytes:
    raise FileNotFoundError(path)


def test_which_history_a_site_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, data = plant_for("http://127.0.0.1:1"), DataFolder(tmp_path)
    monkeypatch.delenv("ANDON_INFLUX_TOKEN", raising=False)
    without = PlantModel(plant.config.model_copy(update={"influx": None}))
    assert type(history_of(without.config, data, tmp_path)) is HistoryReader
    assert type(history_of(plant.config, data, tmp_path)) is HistoryReader  # no token: the page works all the same
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", "token-of-a-test")
    history = history_of(plant.config, data, tmp_path)
    assert isinstance(history, InfluxHistory)
    assert history.source == "influx"
    now_ns = SystemClock().now_ns()
    assert history.figures("oee", now_ns, now_ns + HOUR_NS) == []  # nobody there: local
    assert history.source == "local"
    history.close()


def test_every_declared_part_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of an OEE, not its time elements alone; and what windows of a cold chain are merged by."""
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", "token-of-a-test")
    history = history_of(plant_for("http://127.0.0.1:1").config, DataFolder(tmp_path), tmp_path)
    assert isinstance(history, InfluxHistory)
    told = {
        "_time": "2026-01-01T00:00:00Z",
        "asset": "a",
        "series": "s",
        "seconds": "60",
        "revision": "1",
        "final": "1",
    }
    for kind, more in (("oee", ()), ("cold_chain", ("integral_c_s", "arrhenius_log", "activation_j_mol"))):
        names = [*(part.name for part in KINDS[kind].parts if not part.at_read), *more]
        wanted = {name: float(place) for place, name in enumerate(names)}
        found = history._figure(kind, told | {name: str(value) for name, value in wanted.items()})
        assert found.parts == wanted
    history.close()


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_literal_ends_where_it_should(value: str) -> None:
    literal = flux.text(value)
    assert literal.startswith('"')
    assert literal.endswith('"')
    body = literal[1:-1].replace("\\\\", "")
    assert '"' not in body.replace('\\"', "")
    assert "${" not in body.replace("\\${", "")
    assert "\n" not in literal


def test_rows_of_several_tables() -> None:
    answer = ["a,b\r\n", "1,\r\n", "2,x\r\n", "\r\n", "c\r\n", "3\r\n", "\r\n"]
    assert list(flux.rows(answer)) == [{"a": "1", "b": ""}, {"a": "2", "b": "x"}, {"c": "3"}]


@given(st.integers(0, 4 * 10**18))
def test_stamps(at_ns: int) -> None:
    whole, rest = divmod(at_ns, NS_PER_S)
    stamp = f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    assert flux.time_ns(f"{stamp}{fraction}Z") == at_ns


@pytest.mark.parametrize("body", [b"error,reference\r\nout of memory,897\r\n", b"a,b\r\n1,2\r\n", b"\xff\xfe\r\n1\r\n"])
def test_an_answer_that_is_none_is_a_failure(body: bytes) -> None:
    stub = StubInflux()
    stub.always = lambda _query: (200, {"Content-Type": "text/csv"}, body)
    ask = flux.FluxClient(Influx(url=stub.url), Secret("t"), 2.0)
    with pytest.raises(InfluxError):
        ask('from(bucket: "b")')
    ask.close()
    stub.stop()
