"""The speed of a shaft: of the block itself, of a tachometer, of a line, as configured; what a changing one does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from andon.config.load import load_plant
from andon.config.models import Plant
from andon.errors import ConfigError
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Status
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from flows.speeds import KEPT, Speeds
from flows.waveforms import with_figures
from operators.bearings import bearing_rates
from operators.health_machine import specs
from operators.machines import Every
from operators.spectrum import at_even_angles
from operators.vibration import Shaft
from sinks.journal import Journal
from sources.decode import LogDecoder
from tests.machine_runs import inputs_of, run
from tests.test_blocks import NOW_MS as NOW
from tests.test_blocks import Messages, messages_of

RATE, SAMPLES, RPM = 8_192, 8_192, 1_500.0
BEARING = {"name": "small", "balls": 9, "ball_diameter": 7.94, "pitch_diameter": 38.5}
VIBRATION = {"tag": "vib", "envelope_hz": (1_500.0, 2_500.0), "bearing": "small", "speed_tag": "tacho"}
FIGURES = (".speed", ".bpfo", ".speed_from", ".speed_change")
SERIES = [
    {"tag": "vib", "kind": "waveform", "unit": "m/s2"}, {"tag": "tacho", "unit": "{rev}/min", "range": [0.0, 1e4]},
    {"tag": "vib.speed", "unit": "{rev}/min"}, *({"tag": f"vib{one}"} for one in FIGURES[1:]),
]  # fmt: skip


def plant(**vibration):
    health = [{"tag": "vib.bpfo"}, {"tag": "tacho"}]
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"}, "bearing": [BEARING],
        "template": [{"name": "t", "series": SERIES, "vibration": [VIBRATION | vibration], "health": health}],
        "asset": [{"path": "m", "template": "t"}],
    }))  # fmt: skip


def struck(begin_rpm=RPM, end_rpm=None):
    """A block of a pitted outer ring: a hit every 1 / BPFO of the shaft's own angle, ringing at 2 kHz."""
    end_rpm = begin_rpm if end_rpm is None else end_rpm
    at = np.arange(SAMPLES) / RATE
    turns = (begin_rpm * at + (end_rpm - begin_rpm) * at * at / (2.0 * SAMPLES / RATE)) / 60.0
    hits = turns * bearing_rates(9, 7.94, 38.5, 0.0, 60.0).bpfo
    since = (hits % 1.0) / np.maximum(np.gradient(hits, at), 1e-9)
    return np.round(5.0 * np.exp(-600.0 * since) * np.sin(2.0 * np.pi * 2_000.0 * since), 4).tolist()


def block(at_s, samples, **more):
    return {"ts": NOW + at_s * 1000, "asset": "m", "tag": "vib", "rate_hz": RATE, "samples": samples, **more}


def tacho(at_s, rpm):
    return {"ts": NOW + at_s * 1000, "asset": "m", "tag": "tacho", "value": rpm}


def told(world, *rows, cuts=()):
    """[{figure: (value, status)}] of each block; a restart at each cut."""
    decoder = LogDecoder(SeriesDictionary(world, 0), world, 0)
    dictionary, found, log = decoder.json.dictionary, [], messages_of(*rows)
    speeds = Speeds(dictionary)
    for begin, end in zip((0, *cuts), (*cuts, len(log)), strict=True):
        got = with_figures(decoder.decode(Messages.of(log[begin:end])), dictionary, speeds).readings
        kept, speeds = speeds.snapshot(), Speeds(dictionary)
        speeds.restore(kept)
        for series, value, status in zip(got.series.tolist(), got.value.tolist(), got.status.tolist(), strict=True):
            name = dictionary.paths()[series].removeprefix("m/vib")
            if name == FIGURES[0]:
                found.append({})
            if name in FIGURES:
                found[-1][name] = value, status
    return found


def test_lines_follow_the_measured_speed_and_not_the_configured_one():
    """An envelope's line is that of the ring only where the speed is right: at a wrong one there is next to nothing."""
    [at_speed] = told(plant(rpm=RPM * 1.3), tacho(0, RPM), block(1, struck()))
    [nominal] = told(plant(rpm=RPM * 1.3), block(1, struck()))
    assert (at_speed[".speed"], at_speed[".speed_from"]) == ((RPM, Status.GOOD), (2.0, Status.GOOD))
    assert (nominal[".speed"][0], nominal[".speed_from"][0]) == (pytest.approx(RPM * 1.3), 4.0)
    assert at_speed[".bpfo"][0] > 10.0 * nominal[".bpfo"][0]
    assert at_speed[".speed_change"] == (0.0, Status.GOOD)


@pytest.mark.parametrize(
    ("rows", "rpm", "source"),
    [
        ([tacho(0, 1_000.0), block(1, struck(), rpm=1_500)], 1_500.0, 1.0),
        ([tacho(0, 1_000.0), tacho(1, 1_010.0), block(1, struck())], 1_010.0, 2.0),
        ([tacho(0, 1_000.0), tacho(-1, 1_234.0), block(1, struck())], 1_000.0, 2.0),  # behind its series
        ([tacho(0, 1_000.0), tacho(1, -5.0), block(1, struck())], 1_000.0, 2.0),  # bad: out of its range
        ([tacho(0, 1_000.0), block(4, struck())], math.nan, math.nan),  # older than three intervals
        ([tacho(5, 1_000.0), block(1, struck())], math.nan, math.nan),  # of afterwards
        ([block(1, struck()), tacho(1, 1_000.0)], math.nan, math.nan),  # the log says it later
    ],
)
def test_which_speed_counts(rows, rpm, source):
    [one] = told(plant(), *rows)
    assert one[".speed"][0] == pytest.approx(rpm, nan_ok=True)
    assert one[".speed_from"][0] == pytest.approx(source, nan_ok=True)
    is_known = not math.isnan(rpm)
    assert {one[name][1] for name in (".speed", ".bpfo")} == {Status.GOOD if is_known else Status.BAD}


def test_units_and_a_gear_between():
    series = [{**one, "unit": "Hz"} if one["tag"] == "tacho" else one for one in SERIES]
    config = plant(speed_factor=2.0).config
    template = config.template[0].model_copy(
        update={"series": tuple(type(config.template[0].series[0])(**one) for one in series)}
    )
    world = PlantModel(config.model_copy(update={"template": (template,)}))
    [one] = told(world, tacho(0, 12.5), block(1, struck()))
    assert one[".speed"][0] == pytest.approx(RPM)


def test_a_changing_speed_is_told_and_its_lines_are_read_at_even_angles():
    """A run-up by 40 % spreads the line over many bins; at even angles it is that of the steady shaft."""
    [steady] = told(plant(), block(1, struck(), rpm=RPM))
    [up] = told(plant(), block(1, struck(1_200.0, 1_800.0), rpm=[1_200, 1_800]))
    [blind] = told(plant(), block(1, struck(1_200.0, 1_800.0), rpm=RPM))
    assert up[".speed"][0] == RPM
    assert up[".speed_change"] == (pytest.approx(0.4), Status.GOOD)
    assert up[".bpfo"][0] == pytest.approx(steady[".bpfo"][0], rel=0.1)
    assert blind[".bpfo"][0] < 0.5 * up[".bpfo"][0]
    assert (steady[".bpfo"][1], up[".bpfo"][1], up[".speed"][1]) == (Status.GOOD, Status.UNCERTAIN, Status.GOOD)
    [by_tacho] = told(plant(), tacho(1, 1_200.0), tacho(2, 1_800.0), block(1, struck(1_200.0, 1_800.0)))
    assert by_tacho[".bpfo"] == up[".bpfo"]


def test_any_cut_and_restart_gives_the_same_rows():
    rows = [block(0, struck()), *(one for at in range(1, 9) for one in (tacho(at, RPM + at), block(at, struck())))]
    whole = told(plant(), *rows)
    assert len(whole) == 9
    for cuts in ((1,), (2, 5), (3, 4, 9, 16), tuple(range(1, 17))):
        assert repr(told(plant(), *rows, cuts=cuts)) == repr(whole)


def test_a_long_block_begins_at_the_speed_that_stood_then():
    """Ten seconds of a slow machine with ten readings a second, and the block comes a minute after its end."""
    slow = block(1, struck()) | {"rate_hz": RATE / 10}
    [one] = told(plant(), *(tacho(1 + at / 10, 1_000.0 + at) for at in range(101)), *map(late, range(60)), slow)
    assert one[".speed"][0] == 1_050.0
    assert one[".speed_change"][0] == pytest.approx(100.0 / 1_050.0)


def late(second):
    """Afterwards it stands."""
    return tacho(12 + second, 0.0)


def test_a_tachometer_is_remembered_for_a_while_only():
    world = plant()
    decoder = LogDecoder(SeriesDictionary(world, 0), world, 0)
    speeds = Speeds(decoder.json.dictionary)
    decoded = decoder.decode(Messages.of(messages_of(*(tacho(at / 10, RPM) for at in range(3 * KEPT)))))
    speeds.take(decoded.readings, 0, len(decoded.readings))
    [(path, kept)] = speeds.snapshot()
    assert (path, len(kept)) == (("m", "tacho"), KEPT)


@pytest.mark.parametrize("wrong", [-1, "fast", [1], [1, 2, 3], [1, "x"], True, 1e12])
def test_a_speed_that_is_none_makes_the_block_a_dead_letter(wrong):
    world = plant()
    decoder = LogDecoder(SeriesDictionary(world, 0), world, 0)
    decoded = decoder.decode(Messages.of(messages_of(block(1, [1.0, 2.0], rpm=wrong))))
    assert (len(decoded.blocks), len(decoded.dead)) == (0, 1)


@pytest.mark.parametrize(("begin", "end"), [(1.0, 1.0), (1.0, 3.0), (3.0, 1.0), (0.0, 2.0), (2.0, 0.0)])
def test_even_angles_are_those_of_a_shaft_that_turns_evenly(begin, end):
    at = np.linspace(0.0, 1.0, 20_001)
    angle = (begin * at + (end - begin) * at * at / 2.0) / ((begin + end) / 2.0)
    even = at_even_angles(np.sin(12.0 * angle), begin, end)
    assert even == pytest.approx(np.sin(12.0 * at), abs=1e-3)
    assert Shaft(begin, end, 1).change == pytest.approx(abs(end - begin) / ((begin + end) / 2.0))


def test_health_tells_who_told_the_speed_that_its_lines_rest_on():
    by_tag = {spec.tag: spec for spec in specs(plant(), "m")}
    assert by_tag["vib.bpfo"].paths == (("m", "vib.bpfo"), ("m", "vib.speed_from"))
    assert by_tag["tacho"].paths == (("m", "tacho"),)
    spec, second = by_tag["vib.bpfo"], NS_PER_S
    rows = [(at * second, 0, 1.0 + at / 100, 0) for at in range(0, 60, 5)]
    rows += [(at * second, 1, 2.0 if at < 40 else 4.0, 0) for at in range(0, 60, 5)]

    def make():
        return spec.make(0, Every(20 * second))

    made = run(make, inputs_of(rows), (), 60 * second)
    assert [one.about["speed"] for one in made] == ["tachometer", "tachometer", "nominal"]
    assert [one.parts["samples"] for one in made] == [4.0, 4.0, 4.0]
    for cut in range(5, 60, 5):
        assert repr(run(make, inputs_of(rows), [cut * second], 60 * second, again=[cut * second])) == repr(made)


def test_an_engine_keeps_what_its_tachometers_said_over_a_restart(tmp_path):
    def engine():
        return ShardEngine(plant(), 0, Journal(tmp_path / "journal"), SlotFiles(tmp_path / "slots"))

    first, log = engine(), messages_of(tacho(0, RPM), block(1, struck()))
    first.restore(None)
    first.step(log[:1])
    state = first.snapshot()
    second = engine()
    second.restore(state)
    latest = second.step(log[1:]).latest
    values = dict(
        zip((second.dictionary.paths()[one] for one in latest.series.tolist()), latest.value.tolist(), strict=True)
    )
    assert values["m/vib.speed"] == RPM


CONFIG = """
schema = 1
enterprise = { id = "acme" }
site = { id = "szh1" }
[[bearing]]
name = "small"
balls = 9
ball_diameter = 7.94
pitch_diameter = 38.5
[[asset]]
path = "m"
template = "t"
[[template]]
name = "t"
series = [
  { tag = "vib", kind = "waveform", unit = "m/s2" }, { tag = "tacho", unit = "{rev}/min" }, { tag = "k", unit = "Cel" },
]
[[template.vibration]]
tag = "vib"
envelope_hz = [2000.0, 4000.0]
bearing = "small"
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('speed_tag = "tachos"', "tachos"),
        ('speed_tag = "k"', "Cel"),
        ('speed_tag = "vib"', "waveform"),
        ("", "speed_tag"),
    ],
)
def test_a_tachometer_that_is_none_is_refused(tmp_path, line, said):
    file = tmp_path / "plant.toml"
    file.write_text(CONFIG + 'speed_tag = "tacho"\n', encoding="utf-8")
    load_plant(file)
    file.write_text(CONFIG + line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_plant(file)
