from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.series import SeriesDictionary


def plant(assets=("a/1", "a/2", "b"), shards=1, pins=None):
    pins = pins or {}
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"}, "transport": {"shards": shards},
        "template": [{"name": "t", "series": [{"tag": "x", "unit": "Cel"}, {"tag": "y"}]}],
        "asset": [{"path": path, "template": "t", "shard": pins.get(path)} for path in assets],
    }))  # fmt: skip


def test_ids_are_dense_and_given_at_first_sight():
    ids = SeriesDictionary(plant(), 0)
    assert ids.id_of("b", "y") == 0
    assert ids.id_of("a/1", "x") == 1
    assert ids.id_of("b", "y") == 0
    assert ids.id_of("b", "z") == -1
    assert ids.id_of("a", "1/x") == -1
    assert [spec.path for spec in ids.specs] == ["b/y", "a/1/x"] == ids.paths()
    assert (len(ids), ids.path(1), ids.path(-1), ids.spec(1).unit) == (2, "a/1/x", "", "Cel")
    with pytest.raises(IndexError):
        ids.spec(-1)


def test_only_the_series_of_its_shard():
    ids = SeriesDictionary(plant(shards=2, pins={"a/1": 0, "a/2": 1, "b": 1}), 1)
    assert ids.id_of("a/1", "x") == -1
    assert ids.id_of("a/2", "x") == 0
    assert {spec.asset for spec in ids.declared} == {"a/2", "b"}


@given(st.lists(st.integers(-1, 5), max_size=40), st.integers(0, 40))
def test_columns_give_the_ids_that_rows_give_however_cut(places, cut):
    whole, parts, rows = (SeriesDictionary(plant(), 0) for _ in range(3))
    want = [rows.id_of(rows.declared[p].asset, rows.declared[p].tag) if p >= 0 else -1 for p in places]
    columns = np.array(places, np.int64)
    assert whole.ids_at(columns).tolist() == want
    assert [*parts.ids_at(columns[:cut]), *parts.ids_at(columns[cut:])] == want
    assert whole.snapshot() == parts.snapshot() == rows.snapshot()


def test_a_restored_dictionary_keeps_ids_whatever_the_configuration_says_now():
    old = SeriesDictionary(plant(), 0)
    for asset, tag in (("a/2", "y"), ("b", "x"), ("a/1", "x")):
        old.id_of(asset, tag)
    new = SeriesDictionary(plant(("b", "c", "a/1")), 0)
    new.restore(old.snapshot())
    assert new.snapshot() == ("a/2/y", "b/x", "a/1/x")
    assert [new.configured(i) for i in range(3)] == [False, True, True]
    assert new.id_of("a/2", "y") == -1
    assert (new.id_of("b", "x"), new.id_of("a/1", "x"), new.id_of("c", "x")) == (1, 2, 3)
    back = SeriesDictionary(plant(), 0)  # configured again: its old number
    back.restore(new.snapshot())
    assert back.id_of("a/2", "y") == 0
    assert not back.configured(3)


def test_no_series_at_all():
    ids = SeriesDictionary(plant(shards=2, pins={"a/1": 0, "a/2": 0, "b": 0}), 1)
    assert ids.ids_at(np.array([-1, -1])).tolist() == [-1, -1]
    ids.restore(("a/1/x",))
    assert ids.snapshot() == ("a/1/x",)
