"""Every query of every dashboard, run on the real InfluxDB, gives what its panel needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from andon.i18n import LANGUAGES
from dashboards.grafana.catalogue import everything, generated
from dashboards.grafana.settings import Settings
from tests.grafana_bucket import answer, grafana_bucket, scope_of
from tests.grafana_flux import Frame, RefusedError, Scope
from tests.grafana_world import MACHINES, ROOMS

__all__ = ["grafana_bucket"]  # a fixture

pytestmark = pytest.mark.real

NUMBERS = {"double", "long", "unsignedLong"}
SCORED = ("Anomaly score", "异常评分")  # only machines are scored


@dataclass(frozen=True)
class Question:
    """A query and who asks it."""

    name: str
    kind: str  # of the panel; or variable, annotation
    query: str
    panel: dict[str, Any]


def questions(language: str) -> Iterator[Question]:
    """Of all dashboards of a language."""
    for name, dashboard in generated(language, Settings()).items():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                text = variable["query"]["query"]
                yield Question(f"{language}/{name}/${variable['name']}", "variable", text, variable)
        for annotation in dashboard["annotations"]["list"]:
            if "target" in annotation:
                yield Question(f"{language}/{name}/annotation", "annotation", annotation["target"]["query"], annotation)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                where = f"{language}/{name}/{panel['title']}/{target['refId']}"
                yield Question(where, panel["type"], target["query"], panel)


ALL = [one for language in LANGUAGES for one in questions(language)]


def test_there_is_something_to_ask():
    kinds = {one.kind for one in ALL}
    assert kinds == {"variable", "annotation", *CHECKS, "stat", "gauge"}
    assert len(ALL) > 150


def scoped(question: Question, scope: Scope) -> Scope:
    """The machine dashboard stands on one asset and one of its signals."""
    if "/machine/" not in question.name or question.name.endswith("$asset"):
        return scope
    scored = any(title in question.name for title in SCORED)
    of_a_machine = scored or question.panel.get("type") == "stat"
    values = {"asset": MACHINES[0] if of_a_machine else ROOMS[0], "series": "vibration" if scored else "air"}
    return replace(scope, values={**scope.values, **values}, all_values={"site": ".*", "area": ".*"})


@pytest.mark.parametrize("question", ALL, ids=[one.name for one in ALL])
def test_every_query_gives_what_its_panel_needs(influxd, grafana_bucket, question):
    frames = answer(influxd, scoped(question, scope_of(grafana_bucket)), question.query)
    assert frames, "no rows"
    CHECKS.get(question.kind, check_numbers)(question, frames)


ENGLISH = [one for one in ALL if one.name.startswith("en/")]  # the queries of both languages are the same


@pytest.mark.parametrize("question", ENGLISH, ids=[one.name for one in ENGLISH])
def test_of_another_place_there_is_nothing_and_no_error(influxd, grafana_bucket, question):
    """A plant that has just begun: no panel may show an error for want of data."""
    scope = scope_of(grafana_bucket)
    nowhere = {"site": ("x", "y"), "area": "none", "asset": ("none/such", "a.b"), "series": "none"}
    elsewhere = replace(scope, values={**scope.values, **nowhere}, all_values={})
    frames = answer(influxd, elsewhere, question.query)
    assert all(frame.rows for frame in frames)


def check_series(question: Question, frames: list[Frame]) -> None:
    """Time series: a time, a value of the right kind, in the order of time."""
    for frame in frames:
        assert frame.series, frame.types
        wanted = {"string"} if question.kind == "state-timeline" else NUMBERS
        assert frame.types["_value"] in wanted
        times = [row["_time"] for row in frame.rows]
        assert times == sorted(times), "Grafana draws in the order it gets"
        assert any(row["_value"] for row in frame.rows)


def check_table(question: Question, frames: list[Frame]) -> None:
    """One table, with the columns that the panel names and no other: more would show untitled."""
    (frame,) = frames
    assert not frame.series
    named = {one["matcher"]["options"] for one in question.panel["fieldConfig"]["overrides"]}
    assert set(frame.types) == named, set(frame.types) ^ named


def check_bars(question: Question, frames: list[Frame]) -> None:
    """One table: a column of names and the numbers."""
    (frame,) = frames
    named = {one["matcher"]["options"] for one in question.panel["fieldConfig"]["overrides"]}
    assert set(frame.types) == named | {question.panel["options"]["xField"]}
    assert {frame.types[name] for name in named} <= NUMBERS


def check_numbers(question: Question, frames: list[Frame]) -> None:
    """Stat and gauge: one row, no null."""
    (frame,) = frames
    (row,) = frame.rows
    assert not frame.series
    wanted = {"string"} if question.panel["options"]["reduceOptions"]["fields"] else NUMBERS
    assert set(frame.types.values()) <= wanted, frame.types
    assert all(row[name] for name in frame.types)


def check_annotation(question: Question, frames: list[Frame]) -> None:
    """What Grafana's standard annotations look for by name."""
    (frame,) = frames
    assert set(frame.types) == {"time", "timeEnd", "title", "text", "tags"}
    assert all(row["time"] <= row["timeEnd"] for row in frame.rows)


def check_variable(question: Question, frames: list[Frame]) -> None:
    """The first column of strings becomes the list."""
    assert all("string" in frame.types.values() and not frame.series for frame in frames)


CHECKS = {
    "timeseries": check_series, "state-timeline": check_series, "table": check_table, "barchart": check_bars,
    "annotation": check_annotation, "variable": check_variable,
}  # fmt: skip


def test_a_broken_query_is_seen(influxd, grafana_bucket):
    with pytest.raises(RefusedError):
        answer(influxd, scope_of(grafana_bucket), "from(bucket: v.defaultBucket) |> rang(start: v.timeRangeStart)")


# Ranges of every length

BY_RANGE = [
    (1, ("10s", "10s", "bucket")), (24, ("60s", "60s", "bucket")), (7 * 24, ("3600s", "3600s", "andon_long")),
    (200 * 24, ("3600s", "86400s", "andon_long")),
]  # fmt: skip


@pytest.mark.parametrize(("hours", "chosen"), BY_RANGE, ids=["hour", "day", "week", "half a year"])
def test_the_range_chooses_the_windows(influxd, grafana_bucket, hours, chosen):
    machine = everything(Settings())["en", "machine"]
    values = []
    for name in ("size", "every", "bucket"):
        (variable,) = (one for one in machine["templating"]["list"] if one["name"] == name)
        (frame,) = answer(influxd, scope_of(grafana_bucket, hours), variable["query"]["query"])
        values.append(frame.rows[0]["_value"])
    assert values == [grafana_bucket if value == "bucket" else value for value in chosen]


@pytest.mark.parametrize(("every", "points"), [("3600s", 6), ("86400s", 1)], ids=["hours", "days"])
def test_long_ranges_are_drawn_from_the_long_bucket(influxd, grafana_bucket, every, points):
    machine = everything(Settings())["en", "machine"]
    (panel,) = (one for one in machine["panels"] if one["title"] == "$series of $asset")
    scope = scope_of(grafana_bucket)
    values = {**scope.values, "size": "3600s", "every": every, "bucket": f"{grafana_bucket}-long", "asset": ROOMS[0]}
    one = replace(scope, values=values, all_values={"site": ".*", "area": ".*"})
    found = [answer(influxd, one, target["query"]) for target in panel["targets"]]
    assert [len(frame.rows) for frames in found for frame in frames] == [points] * 3
    lowest, mean, highest = (float(frames[0].rows[0]["_value"]) for frames in found)
    assert lowest < mean < highest
    assert [frames[0].rows[0]["_field"] for frames in found] == ["min [Cel]", "mean [Cel]", "max [Cel]"]
