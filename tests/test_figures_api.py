"""Figures over real HTTP: of a kind, of an asset, with their parts, and what the parts are called."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from andon.figures import KINDS
from tests.page_fixture import Served, page_plant


@pytest.fixture
def viewer(tmp_path):
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    with closing(httpx.Client(base_url=served.address, timeout=20)) as client:
        client.get("/", params={"token": plant.token("viewer")})
        yield plant, client
    served.close()
    plant.close()


def test_every_kind_is_named_in_both_languages(viewer):
    _, client = viewer
    for language in ("en", "zh-CN"):
        client.cookies.set("andon_language", language)
        told = {one["kind"]: one for one in client.get("/api/v1/figure-kinds").json()["kinds"]}
        assert list(told) == list(KINDS)
        for name, kind in KINDS.items():
            assert [part["part"] for part in told[name]["parts"]] == [part.name for part in kind.parts]


def test_figures_of_a_kind_and_an_asset(viewer):
    plant, client = viewer
    now_ns = plant.room.now_ns()
    for kind in ("oee", "cold_chain"):
        there = plant.room.history.figures(kind, now_ns - 86_400 * 10**9, now_ns + 1)
        told = client.get("/api/v1/figures", params={"kind": kind}).json()["figures"]
        assert [(one["asset"], one["start_ms"]) for one in told] == [
            (one.asset, one.start_ns // 10**6) for one in there
        ]
        assert told
        asset = told[0]["asset"]
        of_one = client.get("/api/v1/figures", params={"kind": kind, "asset": asset}).json()["figures"]
        assert of_one == [one for one in told if one["asset"] == asset]
        assert len(client.get("/api/v1/figures", params={"kind": kind, "limit": 1}).json()["figures"]) == 1


@pytest.mark.parametrize(
    ("params", "status"),
    [({"kind": "nothing"}, 422), ({}, 422), ({"kind": "oee", "asset": "no/such"}, 404)],
)
def test_what_is_wrong_is_said(viewer, params, status):
    _, client = viewer
    assert client.get("/api/v1/figures", params=params).status_code == status


@pytest.mark.parametrize("path", ["figures?kind=oee", "figures/oee?asset=filling/line1/filler2"])
@pytest.mark.parametrize(
    ("wrong", "english", "chinese"),
    [
        ("as_of=yesterday", "'yesterday' is not a whole number", "'yesterday' 不是整数"),
        ("from=99999999999999999", "too large", "太大"),  # beyond what ns of 64 bits hold
        ("as_of=-1", "too small: at least 0", "至少 0"),
    ],
)
def test_a_moment_that_is_none_is_said_in_the_readers_language(viewer, path, wrong, english, chinese):
    _, client = viewer
    for language, words in (("en", english), ("zh-CN", chinese)):
        client.cookies.set("andon_language", language)
        answer = client.get(f"/api/v1/{path}&{wrong}")
        assert answer.status_code == 422
        assert words in answer.json()["error"]["message"]
