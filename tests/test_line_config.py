"""[[line]] in plant.toml: what is refused, how it resolves, and its figure as the flow gives it, in any cut."""

from __future__ import annotations

import orjson
import pytest

from andon.config.load import load_plant
from andon.plant import PACKML_STATES
from operators import oee_kernel as at
from operators.line_machine import line_setup, line_version, specs
from tests.engine_world import START_NS, S, body, plant, run, tick
from tests.test_config import BASE, problems, write

HEAD = '[[asset]]\npath = "filling/line1"\ntemplate = "line"\n[[template]]\nname = "line"\nseries = []\n'
FILLER = "filling/line1/filler1"
SECOND = '[[asset]]\npath = "filling/line1/capper1"\ntemplate = "filler"\n'
LINE = '[[line]]\nasset = "filling/line1"\n'
BOTH = f'cells = ["{FILLER}", "filling/line1/capper1"]\n'
CASES = {
    # id: (what is added, path of the fault, code, words of the sentence)
    "an asset that is none": (
        f'[[line]]\nasset = "filling/lime1"\ncells = ["{FILLER}"]\nbottleneck = "{FILLER}"',
        "line[0].asset", "unknown_name", "'filling/line1'",
    ),
    "an asset with an OEE": (
        f'[[line]]\nasset = "{FILLER}"\ncells = ["filling/line1/capper1"]\nbottleneck = "filling/line1/capper1"',
        "line[0].asset", "line_oee", "a line's asset has none",
    ),
    "a cell without an OEE": (
        LINE + 'cells = ["cold/room1"]\nbottleneck = "cold/room1"', "line[0].cells[0]", "unknown_name_of", FILLER,
    ),
    "a cell twice": (
        LINE + f'cells = ["{FILLER}", "{FILLER}"]\nbottleneck = "{FILLER}"', "line[0].cells", "repeated", "filler1",
    ),
    "no cell": (LINE + f'cells = []\nbottleneck = "{FILLER}"', "line[0].cells", "not_allowed", "1 or more entries"),
    "a bottleneck elsewhere": (
        LINE + f'cells = ["{FILLER}"]\nbottleneck = "filling/line1/capper1"', "line[0].bottleneck", "unknown_name",
        "one of its cells",
    ),
    "no bottleneck": (LINE + BOTH, "line[0]", "line_bottleneck", "parallel"),
    "more cells than it has": (
        LINE + BOTH + f'bottleneck = "{FILLER}"\nleast_running = 3', "line[0].least_running", "not_allowed", "<= 2",
    ),
    "a bottleneck of cells in parallel": (
        LINE + BOTH + f'parallel = true\nleast_running = 1\nbottleneck = "{FILLER}"', "line[0].parallel",
        "line_parallel", "no `bottleneck`",
    ),
    "a line twice": (
        2 * (LINE + f'cells = ["{FILLER}"]\nbottleneck = "{FILLER}"\n'), "line[1].asset", "twice", "filling/line1",
    ),
}  # fmt: skip


def added(*more):
    return "\n".join((BASE, SECOND, HEAD, *more))


@pytest.mark.parametrize(("more", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_refusals_say_where_and_what(tmp_path, more, path, code, words):
    found = [(str(one.place.path), one.code, one.text("en")) for one in problems(write(tmp_path, added(more)))]
    mine = [text for where, what, text in found if (where, what) == (path, f"config.{code}")]
    assert mine, found
    assert words in mine[0]


def test_a_rule_on_a_line_that_is_refused_is_not_refused_too(tmp_path):
    rule = '[[rule]]\nid = "slow"\non = "filling/line1/line"\nfigure = "oee.availability"\nbelow = 0.5\n'
    found = problems(write(tmp_path, added(LINE, f'bottleneck = "{FILLER}"\ncells = 7', rule)))
    assert [str(one.place.path) for one in found] == ["line[0].cells"]


def test_cells_in_other_shards_are_refused(tmp_path):
    text = added(LINE + BOTH + f'bottleneck = "{FILLER}"').replace("[site]", "[transport]\nshards = 64\n[site]", 1)
    (found,) = [one for one in problems(write(tmp_path, text)) if one.code == "config.line_shard"]
    assert str(found.place.path) == "line[0].cells"
    assert "pin them" in found.text("en")


def test_by_bottleneck_it_takes_one_cell_and_by_running_cells_all(tmp_path):
    model = load_plant(write(tmp_path, added(LINE + BOTH + f'bottleneck = "{FILLER}"')))
    setup = line_setup(model, "filling/line1")
    assert (setup.rule, setup.bottleneck, setup.names, setup.least) == ("bottleneck", "filler1", ("filler1",), 1)
    assert {asset for asset, _ in setup.paths} == {FILLER}
    assert setup.line.cycles, "those of the bottleneck"
    many = load_plant(write(tmp_path, added(LINE + BOTH + f'bottleneck = "{FILLER}"\nleast_running = 2')))
    setup = line_setup(many, "filling/line1")
    assert (setup.rule, setup.names) == ("2 of 2", ("filler1", "capper1"))
    assert [(asset.rpartition("/")[2], tag) for asset, tag in setup.paths] == [
        ("filler1", "state"), ("capper1", "state"), ("filler1", "total"), ("filler1", "good")
    ]  # fmt: skip
    side = load_plant(write(tmp_path, added(LINE + BOTH + "parallel = true\nleast_running = 1\nmicro_stop_s = 7")))
    setup = line_setup(side, "filling/line1")
    assert (setup.bottleneck, setup.line.cycles, setup.line.micro_ns) == ("", (), 7 * S)
    assert sum(setup.roles == at.TOTAL) == 2
    assert len({line_version(one, "filling/line1") for one in (model, many, side)}) == 3
    assert specs(model, FILLER) == []
    (spec,) = specs(model, "filling/line1")
    assert (spec.kind, spec.asset, spec.tag, spec.events) == ("oee", "filling/line1", "line", True)


CELLS = ("line1/a", "line1/b", "line1/c")
SECONDS = 400


def model(**line):
    series = [{"tag": "state", "kind": "state", "states": "packml", "every_s": 5.0}]
    series += [{"tag": tag, "kind": "counter"} for tag in ("total", "good")]
    given = {"asset": "line1", "cells": list(CELLS), "bottleneck": "line1/b", "least_running": 2, **line}
    return plant(
        template=[
            {"name": "cell", "series": series, "oee": {"state": "state", "total": "total", "good": "good"}},
            {"name": "line", "series": []},
        ],
        asset=[{"path": "line1", "template": "line"}, *({"path": path, "template": "cell"} for path in CELLS)],
        cycle=[{"asset": "line1/b", "seconds": 2.0}], line=[given],
        rule=[
            {"id": "low", "on": "line1/line", "figure": "oee.availability", "below": 0.4, "raises": "quality_event"}
        ],
        route=[{"raises": "quality_event"}],
    )  # fmt: skip


def state_of(cell, second):
    """b and c stand from 120 to 240, so that one of three is left."""
    stands = cell != "line1/a" and 120 <= second < 240
    return PACKML_STATES.index("Held" if stands else "Execute")


def log(*, late=False):
    """A second each: states each five, counters each second, a tick. late: what c says of 100 to 200 comes at 330."""
    order = {
        "ts": START_NS // 10**6,
        "asset": "line1",
        "event": "order.started",
        "data": {"order": "7"},
    }
    rows, held = [(START_NS, orjson.dumps(order))], []
    for second in range(SECONDS):
        now = START_NS + second * S
        for cell in CELLS:
            sent = [body(now, cell, tag, second // 2) for tag in ("total", "good")]
            sent += [body(now, cell, "state", state_of(cell, second))] if second % 5 == 0 else []
            if late and cell == "line1/c" and 100 <= second < 200:
                held += sent
            else:
                rows += [(now, one) for one in sent]
        rows += [(now, one) for one in held] if second == 330 else []
        rows.append((now, tick(now)))
    return rows


def finals(seen):
    return {row[2]: row for row in seen.figures if row[:2] == ("line1", "oee") and row[4]}


def test_the_flow_gives_the_figure_of_a_line_in_any_cut_and_over_restarts():
    whole = run(log(), 50, model=model())
    found = {(start - START_NS) // S: eval(parts) for _, _, start, _, _, parts in finals(whole).values()}
    assert [found[begin]["apt_s"] for begin in (0, 60, 120, 180, 240)] == [60.0, 60.0, 0.0, 0.0, 60.0]
    assert found[120]["internal_stop_s"] == 60.0
    assert found[60]["aoet_s"] == 60.0, "its orders are told to the line itself"
    assert found[60]["pq"] == 30.0, "of the bottleneck alone"
    assert found[60]["pri_pq_s"] == 60.0, "with its cycle"
    assert run(log(), 7, model=model(), restart=True).figures == whole.figures
    assert {(one["rule_id"], one["asset"]) for one in whole.conditions} == {("low", "line1")}


def test_late_rows_of_a_cell_correct_the_line():
    on_time, late = run(log(), 50, model=model()), run(log(late=True), 50, model=model())
    told, again = finals(on_time), finals(late)
    assert {key: row[5] for key, row in again.items()} == {key: row[5] for key, row in told.items()}
    assert max(row[3] for row in again.values()) > 1
