"""Against the real InfluxDB: what is written is what is read, outages lose nothing, bad lines hold nobody up."""

from __future__ import annotations

import itertools
import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import influxdb_client
import numpy as np
import pytest

from andon.config.deployment import Influx
from andon.errors import AndonError
from andon.outputs import WindowRows
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW
from andon.secrets import Secret
from flows.influx import influx_partition
from operators.oee import PARTS
from service.web.history_source import cold_chain_names
from sinks.history_reader import HistoryReader
from sinks.influx.client import AwayError, BadLinesError, DeniedError, InfluxClient
from sinks.influx.downsampling import IMPORTS, hourly_flux, tasks
from sinks.influx.flux import FluxClient, between, number, time_ns
from sinks.influx.gaps import ask_refill, asks
from sinks.influx.reader import InfluxHistory
from sinks.influx.sdk import connect
from sinks.influx.setup import Setup, rights
from sinks.influx.window_lines import WindowEncoder
from tests.influx_world import HOUR_NS, plant_for, recent_ns, run_until, window_rows, world
from tests.records_world import raised
from tests.servers.fixtures import TOKEN
from tests.servers.fixtures import Influx as InfluxServer
from tests.servers.toxiproxy import Toxiproxy

pytestmark = pytest.mark.real
EVERYTHING = "|> range(start: 0, stop: time(v: 9000000000000000000))"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", TOKEN)


@pytest.fixture
def bucket(influxd: InfluxServer) -> str:
    return influxd.new_bucket()


@pytest.fixture
def asked(influxd: InfluxServer, bucket: str) -> Iterator[FluxClient]:
    client = FluxClient(Influx(url=influxd.url), Secret(TOKEN), 10.0)
    yield client
    client.close()


def client_of(server: InfluxServer, bucket: str, token: str = TOKEN) -> InfluxClient:
    return InfluxClient(server.url, server.org, bucket, Secret(token), timeout_s=10.0)


def pivoted(asked: FluxClient, bucket: str, more: str = "") -> list[dict[str, str]]:
    turned = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    return asked(f'from(bucket: "{bucket}") {EVERYTHING} {more} {turned}')


def count(asked: FluxClient, bucket: str, measurement: str, field: str) -> int:
    found = asked(
        f'from(bucket: "{bucket}") {EVERYTHING} |> filter(fn: (r) => r._measurement == "{measurement}" and '
        f'r._field == "{field}") |> group() |> count()'
    )
    return int(found[0]["_value"]) if found else 0


def test_windows_read_back_to_the_bit(influxd: InfluxServer, bucket: str, asked: FluxClient) -> None:
    """Extremes in every float field; names with everything a tag can hold."""
    odd = [0.0, -0.0, 5e-324, -1e308, 1.7976931348623157e308, 0.1 + 0.2, 101325.00000000001, 2**53 + 2.0, 1e-5, 1e16]
    n = len(odd)
    values = np.array(odd)
    start = recent_ns()
    rows = WindowRows(
        np.zeros(n, np.int32), np.full(n, 10 * NS_PER_S), start + np.arange(n) * 10 * NS_PER_S,
        np.zeros(n, np.int32), np.arange(n), *[np.roll(values, place) for place in range(7)],
    )  # fmt: skip
    path = ("cold/ro om,1=\N{GREEK SMALL LETTER ALPHA}", 'air = température, "x" 温度')
    with client_of(influxd, bucket) as client:
        client.write(WindowEncoder("szh 1", {path: "[degF]"}).encode(rows, {0: path}))
    found = pivoted(asked, bucket)
    assert [time_ns(row["_time"]) for row in found] == rows.start_ns.tolist()
    names = ("min", "max", "mean", "std", "first", "last", "score")
    for place, row in enumerate(found):
        assert (row["asset"], row["series"], row["site"], row["unit"]) == (*path, "szh 1", "[degF]")
        for turn, name in enumerate(names):
            wanted, read = float(np.roll(values, turn)[place]), number(row[name])
            assert read is not None
            assert struct.pack("<d", read) == struct.pack("<d", wanted), name


def test_answers_to_bad_requests(influxd: InfluxServer, bucket: str) -> None:
    now = recent_ns()
    with client_of(influxd, bucket) as client:
        client.write(b"m,a=b x=1 %d\n" % now)
        with pytest.raises(BadLinesError) as unreadable:
            client.write(b"m,a=b x=1 %d\nm,a=b x=zz 1\nm,a=c x=7 %d\nbroken 'it's'\n" % (now, now))
        assert unreadable.value.named.keys() == {b"m,a=b x=zz 1", b"broken 'it's'"}
        with pytest.raises(BadLinesError) as conflict:
            client.write(b'm,a=b x="text" %d\nm,a=q x=5 %d\n' % (now, now))
        assert (conflict.value.dropped, conflict.value.status) == (1, 422)
    young = influxd.new_bucket(f"{bucket}-young", 3600)
    with client_of(influxd, young) as client, pytest.raises(BadLinesError) as old:
        client.write(b"m,a=b x=1 %d\nm,a=b x=2 %d\n" % (time.time_ns(), now))
    assert old.value.before_ns is not None
    assert now < old.value.before_ns < time.time_ns()
    with client_of(influxd, bucket, "wrong") as client, pytest.raises(DeniedError):
        client.write(b"m x=1\n")
    with client_of(influxd, "no-such-bucket") as client, pytest.raises(DeniedError):
        client.write(b"m x=1\n")
    with InfluxClient("http://127.0.0.1:1", "o", "b", Secret("t"), timeout_s=1) as nobody, pytest.raises(AwayError):
        nobody.write(b"m x=1\n")


def local_and_remote(
    influxd: InfluxServer, bucket: str, paths: list[Path], site: str
) -> tuple[HistoryReader, InfluxHistory, FluxClient]:
    asked = FluxClient(Influx(url=influxd.url, bucket=bucket), Secret(TOKEN), 10.0)
    remote = InfluxHistory(
        paths, asked, site, bucket, part_names={"oee": PARTS, "cold_chain": cold_chain_names()},
        kept_from=lambda: recent_ns() - 48 * HOUR_NS,
    )  # fmt: skip
    return HistoryReader(paths), remote, asked


def test_the_page_reads_from_influxdb_what_it_reads_locally(influxd: InfluxServer, bucket: str, tmp_path: Path) -> None:
    with world(tmp_path, plant_for(influxd.url, bucket)) as site:
        written = [site.write(25) for _ in range(6)]
        sender = site.sender()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        sender.close()
        local, remote, asked = local_and_remote(influxd, bucket, [site.data.history_db(0)], site.plant.config.site.id)
        begin, end = site.step.start_ns, site.step.start_ns + 3 * HOUR_NS
        spans = [(begin, end), (begin + 90 * NS_PER_S, end - HOUR_NS), (end, end), (begin - HOUR_NS, begin)]
        for asset, tag in written[0].paths.values():
            assert remote.sizes(asset, tag) == local.sizes(asset, tag)
            for (start, stop), limit in itertools.product(spans, (5000, 7)):
                assert remote.windows(asset, tag, 60 * NS_PER_S, start, stop, limit) == local.windows(
                    asset, tag, 60 * NS_PER_S, start, stop, limit
                )
                assert remote.states(asset, tag, start, stop, limit) == local.states(asset, tag, start, stop, limit)
        for kind in ("oee", "cold_chain"):
            for start, stop in spans:
                assert remote.figures(kind, start, stop) == local.figures(kind, start, stop)
            some = local.figures(kind, begin, end)[0].asset
            assert remote.figures(kind, begin, end, some, 2) == local.figures(kind, begin, end, some, 2)
            assert remote.newest_figures(kind) == local.newest_figures(kind)
            assert remote.newest_figures(kind, end + HOUR_NS) == []
        assert remote.source == "influx"
        asked.close()
        local.close()
        remote.close()


def test_an_outage_loses_nothing(influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path) -> None:
    with world(tmp_path, plant_for(influxd.url, bucket)) as site:
        sender = site.sender()
        sender.drain.gaps_s = (0.05,)
        windows = len(site.write().windows)
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        influxd.kill()
        try:
            for _ in range(5):
                windows += len(site.write().windows)
                sender.step()
            assert sender.drain.health.away_ns is not None
            assert sender.queues["0"].backlog_rows() > 100
            sender.close()  # the sender is started again meanwhile
            sender = site.sender()
            sender.drain.gaps_s = (0.05,)
            sender.step()
        finally:
            influxd.start()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        assert sender.drain.health.away_ns is None
        sender.close()
        assert count(asked, bucket, "window", "mean") == windows


def test_a_bad_network_loses_nothing(
    influxd: InfluxServer, toxiproxy: Toxiproxy, bucket: str, asked: FluxClient, tmp_path: Path
) -> None:
    """Cut connections, answers that are lost or cut off, a trickle, nobody there: faults that come and go."""
    proxy = toxiproxy.proxy(bucket, influxd.address)
    faults = itertools.cycle([
        lambda: proxy.toxic("reset_peer", timeout=5), lambda: proxy.toxic("limit_data", bytes=50),
        lambda: proxy.toxic("timeout", timeout=100), lambda: proxy.toxic("limit_data", stream="upstream", bytes=3000),
        lambda: proxy.toxic("slicer", average_size=30, size_variation=10, delay=100), proxy.down,
    ])  # fmt: skip
    plant = plant_for(f"http://{proxy.address}", bucket, timeout_s=1.0)
    with world(tmp_path, plant) as site:
        sender = site.sender()
        sender.drain.gaps_s = (0.02,)
        windows, failures = 0, 0
        for _ in range(12):
            next(faults)()
            windows += len(site.write(20).windows)
            for _ in range(3):
                sender.step()
            failures += sender.drain.health.away_ns is not None
            proxy.clear()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        sender.close()
    assert failures >= 6
    assert count(asked, bucket, "window", "mean") == windows
    proxy.delete()


def test_what_was_given_up_is_refilled_from_the_local_history(
    influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path
) -> None:
    plant = plant_for(influxd.url, bucket, spool_mb=0.06)
    with world(tmp_path, plant) as site:
        windows = sum(len(site.write(15).windows) for _ in range(20))
        sender = site.sender()
        assert sender.queues["0"].gaps()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0 and not sender.queues["0"].gaps())
        run_until(sender, lambda: sender.queues["sender"].backlog_bytes() == 0)
        sender.close()
        assert count(asked, bucket, "window", "mean") == windows
        assert count(asked, bucket, "state", "name") == 40
        local, remote, client = local_and_remote(influxd, bucket, [site.data.history_db(0)], plant.config.site.id)
        for kind in ("oee", "cold_chain"):
            span = (site.step.start_ns, site.step.start_ns + 10 * HOUR_NS)
            assert remote.figures(kind, *span) == local.figures(kind, *span) != []
        client.close()
        local.close()
        remote.close()


def test_bad_lines_are_parked_and_the_others_written(
    influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path
) -> None:
    plant = plant_for(influxd.url, bucket)
    with world(tmp_path, plant) as site:
        with client_of(influxd, bucket) as client:  # somebody else wrote one of our fields as a text
            client.write(b'oee,asset=x quality="good" %d\n' % site.step.start_ns)
        site.partition._writer.write(b"window,broken\n", 1)
        windows = len(site.write(30).windows)
        sender = site.sender()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        lines = sender.parked.newest(1000)
        assert [one.line for one in lines if one.status == 400] == ["window,broken"]
        (clash,) = [one for one in lines if one.status == 422]
        assert clash.line.startswith("oee,")
        assert "field type conflict" in clash.reason
        assert (sender.parked.total(), sum(sender.parked.counts().values())) == (2, 2)
        assert count(asked, bucket, "window", "mean") == windows
        assert count(asked, bucket, "cold_chain", "final") == 1
        sender.close()


def test_alarms_ledger_and_pipeline(influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path) -> None:
    with world(tmp_path, plant_for(influxd.url, bucket)) as site:
        outputs = [site.write() for _ in range(3)]
        start = site.step.start_ns
        change = raised(0, start_ns=start, confirmed_ns=start + NS_PER_S)
        site.records.apply_conditions([change], SYSTEM_FLOW)
        sender = site.sender()
        run_until(
            sender, lambda: count(asked, bucket, "alarm", "key") >= 1 and count(asked, bucket, "ledger", "dead") > 0
        )
        run_until(sender, lambda: count(asked, bucket, "pipeline", "lag_s") >= 1)
        sender.close()
        rows = pivoted(asked, bucket, '|> filter(fn: (r) => r._measurement == "ledger")')
        totals = {(row["asset"], row["series"], time_ns(row["_time"])): float(row["received"]) for row in rows}
        local = HistoryReader([site.data.history_db(0)])
        wanted = {
            (one.asset or "-", one.tag or "-", hour): float(one.received)
            for asset, tag in local.paths() for hour, one in local.ledger_hours(asset, tag)
        }  # fmt: skip
        assert totals == wanted
        assert len(outputs) == 3
        local.close()


def test_a_range_that_people_ask_for_is_written_again(
    influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path
) -> None:
    with world(tmp_path, plant_for(influxd.url, bucket)) as site:
        windows = len(site.write(30).windows)
        for file in site.data.segments("influx", 0).glob("*.seg"):
            file.write_bytes(file.read_bytes()[:64])  # InfluxDB was lost, or is new
        times = (site.step.start_ns - HOUR_NS, site.step.start_ns + 2 * HOUR_NS)
        ask_refill(site.data.segments("influx", 0), {"window": times, "alarm": times})
        sender = site.sender()
        run_until(sender, lambda: not sender.queues["0"].gaps() and not asks(sender.queues["0"].folder))
        sender.close()
        assert count(asked, bucket, "window", "mean") == windows


def test_a_bucket_that_the_sender_makes_is_filled(influxd: InfluxServer, tmp_path: Path) -> None:
    bucket = f"{influxd.new_bucket()}-anew"
    with world(tmp_path, plant_for(influxd.url, bucket)) as site:
        site.history.write(site.step(60))  # delivered to a bucket that is no more
        sender = site.sender()
        run_until(sender, lambda: sender.link.made or bool(sender.queues["0"].gaps()))
        run_until(sender, lambda: not sender.queues["0"].gaps() and not asks(sender.queues["0"].folder))
        sender.close()
        client = FluxClient(Influx(url=influxd.url), Secret(TOKEN), 10.0)
        assert count(client, bucket, "window", "mean") == 240
        client.close()


def test_points_older_than_the_bucket_keeps_are_not_parked_by_a_refill(influxd: InfluxServer, tmp_path: Path) -> None:
    bucket = f"{influxd.new_bucket()}-short"
    influxd.new_bucket(bucket, 3600)
    with world(tmp_path, plant_for(influxd.url, bucket), begun=False) as site:
        site.history.write(site.step(60))  # of six hours ago
        sender = site.sender()
        run_until(sender, lambda: not sender.queues["0"].gaps() and not asks(sender.queues["0"].folder))
        assert {one.line.partition(",")[0] for one in sender.parked.newest(100)} <= {"ledger"}  # of a queue
        sender.close()


def test_setup_is_made_once_and_changes_only_what_differs(influxd: InfluxServer) -> None:
    names = (influxd.new_bucket(), f"{influxd.new_bucket()}-long")
    influx = Influx(url=influxd.url, bucket=names[0], long_bucket=names[1], retention_d=30, long_retention_d=400)
    plans = tasks(*names, (10.0, 60.0), 168.0)
    with connect(influx, Secret(TOKEN)) as client:
        try:
            dry = Setup(client, influx, plans).run(dry=True)
            assert [step.action for step in dry] == ["change", "create", "create", "create"]
            assert Setup(client, influx, plans).run(dry=True) == dry
            careful = Setup(client, influx, plans).run(dry=False, change=False)
            assert careful == dry
            assert Setup(client, influx, plans).run(dry=True)[0].action == "change"  # retention is a person's to change
            Setup(client, influx, plans).run(dry=False)
            assert {step.action for step in Setup(client, influx, plans).run(dry=False)} == {"as it is"}
            assert all(rights(client, influx, Secret(TOKEN)).values())
        finally:
            for task in client.tasks_api().find_tasks():
                client.tasks_api().delete_task(task.id)


def test_rights_of_a_token_that_may_only_write(influxd: InfluxServer, bucket: str) -> None:
    library: Any = influxdb_client
    with connect(Influx(url=influxd.url), Secret(TOKEN)) as client:
        found = client.buckets_api().find_bucket_by_name(bucket)
        place = library.PermissionResource(type="buckets", id=found.id, org_id=found.org_id)
        permission = library.Permission(action="write", resource=place)
        narrow = client.authorizations_api().create_authorization(found.org_id, [permission]).token
    influx = Influx(url=influxd.url, bucket=bucket, long_bucket=None)
    with connect(influx, Secret(narrow)) as client:
        assert rights(client, influx, Secret(narrow)) == {f"read:{bucket}": False, f"write:{bucket}": True}


def test_hours_are_exact_and_may_be_made_again(influxd: InfluxServer, bucket: str, asked: FluxClient) -> None:
    """Against plain sums over the windows, at a level where a sum of squares fails; then with a late revision."""
    start = recent_ns()
    rows = window_rows(start, 150, [0, 1])
    rows.mean[:] += 101_325.0
    rows.score[rows.series == 1] = np.nan
    paths = {0: ("cold/room1", "air"), 1: ("cold/room1", "door")}
    long = influxd.new_bucket()
    span = f"start = time(v: {start})\nstop = time(v: {start + 3 * HOUR_NS})\n"
    flux = IMPORTS + span + hourly_flux(bucket, long, "60s")
    with client_of(influxd, bucket) as client:
        for revision in (0, 1):
            rows.revision[5] = revision
            rows.mean[5] += revision
            client.write(WindowEncoder("szh1", {}).encode(rows, paths))
            asked(flux)
            asked(flux)
            found = asked(
                f'from(bucket: "{long}") {between(start, start + 4 * HOUR_NS)} '
                '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
            )
            assert len(found) == 6
            for row in found:
                assert (row["size"], row["unit"], row["site"]) == ("3600s", "1", "szh1")
                mine = rows.series == (0 if row["series"] == "air" else 1)
                mine &= (rows.start_ns >= time_ns(row["_time"])) & (rows.start_ns < time_ns(row["_time"]) + HOUR_NS)
                n, mean = rows.count[mine], rows.mean[mine]
                whole = math.fsum(n * mean) / n.sum()
                spread = math.sqrt(math.fsum(n * (rows.std[mine] ** 2 + (mean - whole) ** 2)) / n.sum())
                assert number(row["count"]) == n.sum()
                assert number(row["mean"]) == pytest.approx(whole, rel=1e-14)
                assert number(row["std"]) == pytest.approx(spread, rel=1e-9)
                assert number(row["min"]) == rows.minimum[mine].min()
                assert number(row["max"]) == rows.maximum[mine].max()
                assert (number(row["first"]), number(row["last"])) == (rows.first[mine][0], rows.last[mine][-1])
                assert number(row["revision"]) == rows.revision[mine].sum()
                best = np.nanmax(rows.score[mine]) if row["series"] == "air" else None
                assert number(row.get("score")) == best


def test_a_partition_goes_on_where_its_state_says(
    influxd: InfluxServer, bucket: str, asked: FluxClient, tmp_path: Path
) -> None:
    plant = plant_for(influxd.url, bucket)
    with world(tmp_path, plant) as site:
        first = len(site.write().windows)
        state = site.partition.snapshot()
        site.partition.write_batch([site.step()])  # a crash before the next snapshot
        site.partition.close()
        site.step.offset -= 10
        site.partition = influx_partition(plant, site.data, 0, state)
        second = len(site.write().windows)
        sender = site.sender()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        sender.close()
        assert count(asked, bucket, "window", "mean") == first + second


def test_an_error_shows_no_token(influxd: InfluxServer, bucket: str) -> None:
    with client_of(influxd, bucket, "wrong-and-secret") as client, pytest.raises(AndonError) as refused:
        client.write(b"m x=1\n")
    assert "wrong-and-secret" not in refused.value.text() + repr(refused.value)
