"""OEE of lines, areas, site and enterprise: additive parts up, ratios last, as known then, and what is refused."""

from __future__ import annotations

from contextlib import closing

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from andon.figures import KINDS
from andon.outputs import Figure
from service.cli import build_app
from service.oee_levels import ADDITIVE, RollupError, oee_levels, read_document, rolled_up
from tests.engine_world import START_NS, S
from tests.page_fixture import Served, page_plant
from tests.test_line_config import model

HOUR_NS = 3600 * S


def figure(asset, begin_h, made, run_s=3600.0, *, known_h=0, final=True, **more):
    """A window of an hour that makes an item a second at best."""
    parts = dict.fromkeys(ADDITIVE, 0.0) | {
        "calendar_s": 3600.0, "pbt_s": 3600.0, "apt_s": run_s, "pq": made, "gq": made, "pri_pq_s": made,
        "pri_gq_s": made, **more,
    }  # fmt: skip
    start_ns = START_NS + begin_h * HOUR_NS
    tag = "line" if asset == "line1" else "state"
    return Figure(asset, tag, "oee", start_ns, start_ns + HOUR_NS, 1, final, parts, {}, START_NS + known_h * HOUR_NS)


class Kept:
    """A history of given figures."""

    def __init__(self, *figures):
        self.kept = figures

    def figures(self, kind, start_ns, end_ns, asset, limit, as_of_ns=None):
        mine = [one for one in self.kept if one.asset == asset and one.start_ns < end_ns and one.end_ns > start_ns]
        return [one for one in mine if as_of_ns is None or (one.final and one.known_ns <= as_of_ns)][:limit]


def levels_of(history, begin_h=0, end_h=2, **more):
    told = oee_levels(model(), history, START_NS + begin_h * HOUR_NS, START_NS + end_h * HOUR_NS, **more)
    return told, {one["path"]: one for one in told["levels"]}


def test_a_site_has_the_figure_of_its_line_over_the_windows_in_the_range():
    history = Kept(
        figure("line1", 0, 1800.0), figure("line1", 1, 900.0), figure("line1", 2, 3600.0), figure("line1/b", 0, 3000.0)
    )  # fmt: skip
    told, found = levels_of(history)
    assert found.keys() == {"line1", ""}
    assert (found[""]["level"], found["line1"]["level"]) == ("site", "area"), "the line's path is its area's here"
    assert (found[""]["parts"]["pq"], found[""]["windows"], found[""]["final"]) == (2700.0, 2, True)
    assert found[""]["ratios"]["OEE"] == pytest.approx(2700 / 7200)
    assert (told["enterprise"], told["site"], told["as_of_ms"]) == ("e", "s1", None)
    half, _ = levels_of(history, 0, 2)
    assert half == told
    whole = oee_levels(model(), history, START_NS + HOUR_NS // 2, START_NS + 2 * HOUR_NS)
    assert next(one for one in whole["levels"] if not one["path"])["windows"] == 1, "one over the bound stays out"


def test_of_a_shift_time_without_a_window_is_unknown():
    history = Kept(figure("line1", 0, 1800.0), figure("line1/b", 0, 3000.0))
    _, windows = levels_of(history, 0, 4)
    _, whole = levels_of(history, 0, 4, whole_ns=START_NS + 3 * HOUR_NS)
    assert (windows[""]["parts"]["calendar_s"], windows[""]["parts"]["unknown_s"]) == (3600.0, 0.0)
    assert (whole[""]["parts"]["calendar_s"], whole[""]["parts"]["unknown_s"]) == (3 * 3600.0, 2 * 3600.0)
    assert (whole[""]["windows"], whole[""]["parts"].keys()) == (1, windows[""]["parts"].keys())
    assert whole[""]["ratios"]["TEEP"] == pytest.approx(windows[""]["ratios"]["TEEP"] / 3)
    assert levels_of(Kept(), 0, 4, whole_ns=START_NS)[1] == {}


def test_levels_are_as_they_were_known_then():
    history = Kept(figure("line1", 0, 1800.0, known_h=1), figure("line1", 1, 900.0, known_h=5, final=True))
    _, then = levels_of(history, as_of_ns=START_NS + 2 * HOUR_NS)
    _, now = levels_of(history)
    assert (then[""]["parts"]["pq"], now[""]["parts"]["pq"]) == (1800.0, 2700.0)
    told, nothing = levels_of(history, as_of_ns=START_NS)
    assert (nothing, told["as_of_ms"]) == ({}, START_NS // 10**6)


def written(folder, site, pbt_s, ideal_s, **more):
    """The document of a site: all of its planned time produced."""
    figures = [figure("line1", 0, ideal_s, calendar_s=pbt_s, pbt_s=pbt_s, apt_s=pbt_s, **more)] if pbt_s else []
    told, _ = levels_of(Kept(*figures))
    path = folder / f"{site}.json"
    path.write_bytes(orjson.dumps({**told, "site": site}))
    return path


def test_an_enterprise_is_the_quotient_of_sums_and_not_the_mean_of_ratios(tmp_path):
    files = [
        written(tmp_path, "a", 100.0, 80.0),
        written(tmp_path, "b", 300.0, 135.0),
        written(tmp_path, "c", 0.0, 0.0),
    ]
    found = rolled_up([read_document(one) for one in files])
    assert [one["ratios"]["OEE"] for one in found["sites"]] == pytest.approx([0.8, 0.45])
    assert found["ratios"]["OEE"] == pytest.approx(0.5375)
    assert (found["without"], found["parts"]["pbt_s"], found["final"]) == (["c"], 400.0, True)
    names = {part.name for part in KINDS["oee"].parts if part.additive}
    assert found["parts"].keys() == names
    result = CliRunner().invoke(build_app(), ["oee", "rollup", *map(str, files)])
    assert result.exit_code == 0
    assert "0.5375" in result.output
    assert "0.6250" not in result.output
    told = CliRunner().invoke(build_app(), ["oee", "rollup", *map(str, files), "--json"])
    assert orjson.loads(told.output) == orjson.loads(orjson.dumps(found))


def test_what_one_site_does_not_know_the_enterprise_does_not(tmp_path):
    files = [written(tmp_path, "a", 100.0, 80.0, sq=None), written(tmp_path, "b", 300.0, 135.0)]
    found = rolled_up([read_document(one) for one in files])
    assert (found["unknown"], found["parts"]["sq"], found["parts"]["pq"]) == (["sq"], None, 215.0)


DOCUMENT = {
    "document": "andon-oee-levels", "version": 1, "enterprise": "e", "site": "s", "timezone": "UTC", "from_ms": 0,
    "to_ms": 1, "as_of_ms": None, "levels": [],
}  # fmt: skip
WRONG = {
    # id: (content, code)
    "no JSON": (b"{", "oee.no_json"),
    "something else": (b"[1]", "oee.no_document"),
    "another version": (b'{"document": "andon-oee-levels", "version": 2}', "oee.no_document"),
    "no levels": (b'{"document": "andon-oee-levels", "version": 1}', "oee.no_document"),
    "a part that is no number": (
        orjson.dumps({
            "document": "andon-oee-levels", "version": 1, "enterprise": "e", "site": "s", "timezone": "UTC",
            "from_ms": 0, "to_ms": 1, "as_of_ms": None, "levels": [{"path": "", "final": True, "parts": {"pq": "7"}}],
        }),
        "oee.no_document",
    ),
    **{
        f"{key} {value!r}": (orjson.dumps({**DOCUMENT, key: value}), "oee.no_document")
        for key, value in (("site", ["s"]), ("enterprise", ""), ("enterprise", 5))
    },
}  # fmt: skip


@pytest.mark.parametrize(("content", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_is_no_document_is_refused_by_name(tmp_path, content, code):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(RollupError) as refused:
        read_document(path)
    assert refused.value.code == code
    assert str(path) in str(refused.value)
    result = CliRunner().invoke(build_app(), ["oee", "rollup", str(path)])
    assert result.exit_code != 0


def test_a_missing_file_a_site_twice_and_two_enterprises_are_refused(tmp_path):
    with pytest.raises(RollupError, match=r"none\.json"):
        read_document(tmp_path / "none.json")
    one = read_document(written(tmp_path, "a", 100.0, 80.0))
    with pytest.raises(RollupError, match="'a'"):
        rolled_up([one, one])
    with pytest.raises(RollupError, match="e, f"):
        rolled_up([one, {**one, "site": "b", "enterprise": "f"}])


def test_the_api_gives_the_document_now_and_then(tmp_path):
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    with closing(httpx.Client(base_url=served.address, timeout=20)) as client:
        assert client.get("/api/v1/figures/oee/levels").status_code == 401
        client.get("/", params={"token": plant.token("viewer")})
        told = client.get("/api/v1/figures/oee/levels").json()
        then = client.get("/api/v1/figures/oee/levels", params={"as_of": 1}).json()
    served.close()
    plant.close()
    found = {one["path"]: one for one in told["levels"]}
    lines = [one for one in found.values() if one["level"] == "line"]
    assert lines
    assert found[""]["parts"]["pq"] == pytest.approx(sum(one["parts"]["pq"] for one in lines))
    assert (told["as_of_ms"], then["as_of_ms"]) == (None, 1)
    assert all(one["final"] for one in then["levels"])
    path = tmp_path / "told.json"
    path.write_bytes(orjson.dumps(told))
    assert rolled_up([read_document(path)])["parts"] == found[""]["parts"]
