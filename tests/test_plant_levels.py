"""Which figures stand for a line, an area and the site, and which time element a state counts for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from service.web.plant_view import _element, levels_json, lines_json

FLAGS = {"fill/line1/washer": False, "fill/line1/filler": True, "fill/line2/press1": False, "fill/line2/press2": False}


def oee(bottleneck=True, **more):
    return SimpleNamespace(bottleneck=bottleneck, state="state", mapping="plain", states={}, **more)


def figure(asset, made, start_ns=0):
    names = ("calendar_s", "pbt_s", "apt_s", "internal_stop_s", "external_stop_s", "down_s", "idle_s", "transition_s")
    parts = dict.fromkeys((*names, "planned_down_s", "unknown_s"), 0.0) | {"calendar_s": 100.0, "pbt_s": 100.0}
    counts = {"pq": made, "gq": made, "pri_pq_s": made, "pri_gq_s": made, "apt_s": 100.0, "setup_s": 5.0}
    return SimpleNamespace(
        asset=asset, start_ns=start_ns, end_ns=start_ns + 1, final=True, revision=1, parts=parts | counts
    )


@pytest.fixture
def seen():
    plant = SimpleNamespace(
        assets=[*FLAGS, "cold/room1"], oee_of=lambda path: oee(FLAGS[path]) if path in FLAGS else None,
        with_oee=list(FLAGS), bottlenecks={path for path, flag in FLAGS.items() if flag}, line_cells={},
    )  # fmt: skip
    now = SimpleNamespace(now_ns=1, oee=[figure(path, 10.0 * (place + 1)) for place, path in enumerate(FLAGS)])
    return SimpleNamespace(plant=plant), now


def test_a_line_without_a_bottleneck_is_all_of_its_assets(seen):
    first, second = lines_json(*seen)
    assert (first["day"]["parts"]["pq"], second["day"]["parts"]["pq"]) == (20.0, 70.0)
    assert second["day"]["parts"]["setup_s"] == 10.0


def test_a_declared_line_has_its_own_figure_and_shows_its_cells(seen):
    room, now = seen
    room.plant.with_oee.append("fill/line2")
    room.plant.assets.append("fill/line2")
    room.plant.line_cells = {"fill/line2": ("fill/line2/press1", "fill/line2/press2")}
    now.oee.append(figure("fill/line2", 7.0))
    _, second = lines_json(room, now)
    assert (second["path"], second["day"]["parts"]["pq"]) == ("fill/line2", 7.0)
    assert second["assets"] == ["fill/line2/press1", "fill/line2/press2"]
    assert levels_json(room, now)["site"]["day"]["parts"]["pq"] == 27.0


def test_areas_and_the_site_add_up_their_lines(seen):
    found = levels_json(*seen)
    assert [(area["path"], area["day"]["parts"]["pq"]) for area in found["areas"]] == [("fill", 90.0)]
    assert (found["site"]["day"]["OEE"], found["site"]["day"]["parts"]["pbt_s"]) == (0.3, 300.0)


@pytest.mark.parametrize(
    ("code", "element"),
    [(0.0, "apt_s"), (1.0, "setup_s"), (2.0, "external_stop_s"), (9.0, "unknown_s"), (None, "unknown_s")],
)
def test_a_state_counts_as_the_mapping_of_the_oee_says(code, element):
    room = SimpleNamespace(plant=SimpleNamespace(oee_of=lambda _: oee()))
    spec = SimpleNamespace(asset="fill/line1/filler", tag="state", states=("running", "changeover", "starved"))
    assert _element(room, spec, code, "") == element


def test_another_state_of_the_asset_goes_by_its_packml_name():
    room = SimpleNamespace(plant=SimpleNamespace(oee_of=lambda _: None))
    spec = SimpleNamespace(asset="a", tag="state", states=("Execute",))
    assert _element(room, spec, 0.0, "Execute") == "apt_s"
