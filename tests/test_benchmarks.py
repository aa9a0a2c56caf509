"""The harness of the benchmarks: ratios the right way round, the result's form, contenders in their own processes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from andon.readings import NS_PER_MS, Message
from andon.series import SeriesDictionary
from benchmarks import catalogue, lane, report, throughput, workload, world
from benchmarks.parts import PARTS as PARTS_OF_THE_RUN
from sources.decode import LogDecoder
from tests.test_results import faults

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCHEMA = json.loads((BENCHMARKS.parent / "docs" / "results" / "bench.schema.json").read_text())
COST = {
    "raw_librdkafka": 0.2, "raw_consume": 0.4, "orjson_per_message": 0.5, "gather_flow": 0.3, "plain_flow": 0.6,
    "sparkplug_flow": 0.05, "arrow_flow": 0.04, "memory_flow": 0.25, "memory_flow_bad": 0.3, "bytewax_windows": 90.0,
    "quix": 30.0, "pathway": 120.0, "flink": 6.0, "default_detector": 0.5, "ewma_detector": 0.01,
    "river_half_space_trees": 20.0, "river_ew_mean_and_variance": 0.2, "detector": 0.9, "default_detector_5k": 0.6,
}  # fmt: skip
PARTS = {"orjson_vs_decode": 20.0, "fstring_vs_line_protocol": 9.0, "series_100k_vs_1k": 1.5}
FIGURES = {
    "snapshot_pause_ms_10k": 4.0, "state_bytes_per_series": 900.0, "latency_p99_over_linger_plus_poll": 2.0,
    "figures_core_share": 0.01, "figures_bytes_per_asset": 30_000.0,
}  # fmt: skip
EXPECTED = {
    "flow_vs_consume": 1.5, "gather_flow_vs_consume": 0.75, "gather_flow_vs_librdkafka": 1.5,
    "vanilla_bytewax_vs_flow": 300.0, "quix_vs_flow": 100.0, "pathway_vs_flow": 400.0, "flink_vs_flow": 20.0,
    "orjson_vs_binary_flow": 12.5, "flow_vs_orjson": 0.5, "bad_vs_clean_input": 1.2,
    "river_trees_vs_default": 40.0, "river_ew_vs_ewma": 20.0, **PARTS,
}  # fmt: skip


COSTS = {
    "detector_us_per_reading": 0.9, "default_detector_us_per_reading": 0.5, "detector_core_share_5k": 0.03,
}  # fmt: skip


def test_ratios_are_the_right_way_round():
    assert report.ratios(COST, PARTS) == pytest.approx(EXPECTED)


def test_costs_are_of_their_rate():
    assert report.costs(COST) == pytest.approx(COSTS)
    assert report.costs({}) == dict.fromkeys(COSTS), "what was not measured is not told"


def test_shares_add_up_to_the_whole_flow():
    parts = {"memory_decode": 0.03, "memory_engine": 0.12, "memory_flow_scored": 0.15}
    told = report.shares({**COST, **parts})
    assert told == pytest.approx({"fetch": 0.5, "decode": 0.1, "compute": 0.3, "bytewax": 0.1})
    assert report.shares(COST) == {}, "not all of them were measured"


def test_all_targets_are_met_by_these_and_each_can_be_missed():
    numbers = {**report.ratios(COST, PARTS), **report.costs(COST), **FIGURES}
    assert [one.name for one in report.verdicts(numbers) if one.met is not True] == []
    for name, (sign, target) in report.TARGETS.items():
        worse = {**numbers, name: target * (1.01 if sign == "<=" else 0.99)}
        assert [one.name for one in report.verdicts(worse) if not one.met] == [name]
    assert set(report.TARGETS) <= {*EXPECTED, *COSTS, *FIGURES}


def test_what_is_absent_is_null_and_neither_met_nor_missed():
    found = report.ratios({name: cost for name, cost in COST.items() if name not in {"quix", "arrow_flow"}}, {})
    assert found["quix_vs_flow"] is None
    assert found["fstring_vs_line_protocol"] is None
    assert found["orjson_vs_binary_flow"] == pytest.approx(10.0), "Sparkplug alone"
    met = {one.name: one.met for one in report.verdicts(found)}
    assert met["quix_vs_flow"] is None
    assert met["orjson_vs_binary_flow"] is False


def measured() -> dict[str, dict[str, object]]:
    entries = [(entry, lane.Lane(entry.name, [], Path("log"))) for entry in catalogue.ENTRIES]
    samples = {
        name: [lane.Sample(1000, cost / 500, 0.1), lane.Sample(1000, cost / 1000, 0.1)] for name, cost in COST.items()
    }
    return throughput.told(entries, samples)


def written(absent: dict[str, str]) -> dict[str, object]:
    options = argparse.Namespace(events=1000, peer_events=100, repeat=2)
    told = throughput.result_of(
        options, measured(), (PARTS, {**FIGURES, "start_up_cpu_s": 0.7, "latency": [1]}), absent, 1.0, (0.5, 1.5)
    )
    return {**json.loads(json.dumps(told)), "commit": "0" * 40}


def test_what_a_run_writes_fits_the_schema_and_has_every_key():
    told = written({"arrow_flow": "why not"})
    assert faults(told, SCHEMA, defs=SCHEMA["$defs"]) == []
    assert told["ratios"] == pytest.approx({name: pytest.approx(value, rel=1e-3) for name, value in EXPECTED.items()})
    assert told["figures"] == {**FIGURES, **COSTS, "start_up_cpu_s": 0.7}
    assert told["details"] == {"latency": [1]}
    assert told["contenders"]["flink"]["cpu_s_per_million"] == pytest.approx(6.0), "the best run"


@pytest.mark.parametrize(
    "change", [{"ratios": None}, {"more": 1}, {"contenders": {"flink": {"kind": "friend"}}}, {"absent": {"quix": 1}}],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_is_seen(change):
    assert faults({**written({}), **change}, SCHEMA, defs=SCHEMA["$defs"])


def test_a_part_gives_ratios_and_details():
    by_name = {part.name: part for part in PARTS_OF_THE_RUN}
    told = by_name["decode"].reads({"orjson_vs_decode": 14.0, "orjson_us": 0.5})
    assert told["ratios"] == {"orjson_vs_decode": 14.0}
    paused = {"snapshot_pause_ms": {"p50": 2.0, "p99": 5.0}, "state_bytes_per_series": 900}
    told = by_name["recovery"].reads(paused)
    assert told["figures"]["snapshot_pause_ms_10k"] == 2.0
    assert all((BENCHMARKS / f"{name}.py").is_file() for name in by_name)


def test_only_what_was_left_out_on_purpose_may_be_absent():
    assert throughput.broken({"quix": "not installed", "raw_consume": catalogue.NO_BROKER}) == []
    assert throughput.broken({"gather_flow": "it crashed", "series": "why"}) == [
        "gather_flow: it crashed",
        "series: why",
    ]


def test_the_page_holds_the_committed_result():
    page = throughput.PAGE.read_text()
    if throughput.RESULT.exists():
        assert throughput.on_page(json.loads(throughput.RESULT.read_text())) in page
    else:
        assert throughput.BEGIN + throughput.END in page


def test_a_run_writes_page_result_and_plot(tmp_path, monkeypatch):
    for name in ("RESULT", "PAGE", "PLOT"):
        monkeypatch.setattr(throughput, name, tmp_path / getattr(throughput, name).name)
    throughput.PAGE.write_text(f"before\n{throughput.BEGIN}old\n{throughput.END}after\n")
    for _ in range(2):
        throughput.write(written({"quix": "not installed"}))
    page = throughput.PAGE.read_text()
    assert page.startswith("before\n" + throughput.BEGIN)
    assert page.endswith(throughput.END + "after\n")
    assert "old" not in page
    assert page.count("| `gather_flow` |") == 1
    assert json.loads(throughput.RESULT.read_text())["suite"] == "bench"
    assert throughput.PLOT.stat().st_size > 1000


def test_the_table_names_everything_with_its_target():
    text = report.table(written({"quix": "not installed"}))
    assert "| `gather_flow` | 0.3 | 3,330,000 |" in text
    assert "| `quix` | - | - | - | absent: not installed |" in text
    assert "| `flink_vs_flow` | 20 | >= 15 |" in text
    assert "| `start_up_cpu_s` | 0.7 |  |" in text


def test_the_plot_is_drawn(tmp_path):
    report.plot(written({}), tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert all(name in text for name in ("gather_flow", "flink", "raw_consume"))
    assert "default_detector" not in text


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from benchmarks.lane import serve

runs = 0

def run():
    global runs
    runs += 1
    print("something a library says", flush=True)
    if runs == int(sys.argv[2]):
        raise SystemExit("that was it")
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    return 1000

serve(run)
"""


def contender(folder: Path, last: int = 0, **how: object) -> lane.Lane:
    script = folder / "child.py"
    script.write_text(CHILD)
    return lane.Lane("one", [sys.executable, str(script), str(BENCHMARKS.parent), str(last)], folder / "log", **how)


def test_a_contender_is_measured_in_its_own_process(tmp_path):
    one = contender(tmp_path)
    samples = [one.run(), one.run()]
    one.close()
    assert all(sample.events == 1000 and sample.cpu_s >= 0.05 for sample in samples)
    assert all(5.0 < sample.rss_mb < 500.0 for sample in samples)
    assert one.start_cpu_s > 0.0
    assert lane.per_million_s(samples) == pytest.approx(min(sample.cpu_s for sample in samples) * 1000)
    assert "something a library says" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("fresh", "goes"), [(False, 1), (True, 3)])
def test_one_that_ends_says_why(tmp_path, fresh, goes):
    """Warmed up once in each process; the third run of a process is its last."""
    one = contender(tmp_path, last=3, fresh=fresh, warm=1)
    for _ in range(goes):
        assert one.run().events == 1000
    if not fresh:
        with pytest.raises(lane.LaneError, match="that was it"):
            one.run()
    one.close()


def test_one_that_hangs_is_ended(tmp_path):
    one = lane.Lane("one", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", limit_s=0.2)
    with pytest.raises(lane.LaneError, match="no answer"):
        one.run()


def test_the_stretch_is_the_middle_of_a_run():
    stretch = lane.Stretch(1000)
    for read in (0, 99, 120, 500, 849, 900, 1000):
        stretch.note(read)
    assert stretch.sample(10_000).events == (900 - 120) * 10
    with pytest.raises(RuntimeError, match="more events"):
        lane.Stretch(1000).sample(1000)


def test_the_workload_is_as_described():
    rows = workload.events(20_000)
    assert {len(body) for body in workload.bodies(rows)} <= {97, 98, 99}
    newest, late = 0, 0
    for at_ms, *_ in rows:
        late += at_ms < newest
        newest = max(newest, at_ms)
    assert 100 < late < 300
    assert len({(asset, tag) for _, asset, tag, _ in rows}) == 1000
    kafka = world.kafka_section("127.0.0.1:1", "json")
    model = workload.plant(detect=False, kafka=kafka)
    shard = {asset: model.shard_of(asset) for asset in model.assets}
    assert set(shard.values()) == set(range(workload.PARTITIONS))
    messages = workload.bodies(rows)
    ticked = list(world.with_ticks(rows, messages, shard))
    assert len(ticked) == 20_000 + 2 * workload.PARTITIONS
    assert all(shard[key] == partition for partition, key, _, _ in ticked if key)
    for encode, births in ((world.ndjson_bodies, 0), (world.sparkplug_bodies, workload.PARTITIONS)):
        batched = list(world.batched(rows, shard, encode))
        ticks = [body for _, _, body, _ in batched if b"tick" in body]
        per_partition = [-(-sum(shard[row[1]] == one for row in rows) // 1024) for one in range(workload.PARTITIONS)]
        assert len(ticks) == 2 * workload.PARTITIONS
        assert len(batched) == len(ticks) + births + sum(per_partition)
        for partition in range(workload.PARTITIONS):
            stamps = [stamp for one, _, _, stamp in batched if one == partition]
            assert stamps == sorted(stamps)


def test_every_unusable_message_becomes_a_dead_letter():
    """One that turns into a reading after all would measure something else."""
    model = workload.plant(detect=False)
    decoder = LogDecoder(SeriesDictionary(model, 0), model, 0)
    received_ns = workload.START_MS * NS_PER_MS
    for at, raw in enumerate(workload.BAD):
        decoded = decoder.decode([Message(at + 1, received_ns, raw)])
        assert (len(decoded.readings), len(decoded.dead)) == (0, 1), raw
