"""`andon models`: versions of detectors under control, what they did, and which of them judge which series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.i18n import translate
from service.commands.rules import FromOption, ToOption, span_of, stamp_of
from service.terminal import (
    CONFIG,
    DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    ReasonOption,
    group,
    open_data,
    open_records,
    password_of,
    plant_of,
    print_json,
    print_table,
    reason_of,
    say,
    terminal_name,
)

if TYPE_CHECKING:
    from pathlib import Path

    from andon.datafolder import DataFolder
    from andon.models import ModelDrift
    from andon.plant import PlantModel
    from andon.records import Actor, Records
    from andon.records.model_rows import ModelAssignment
    from service.model_compare import Comparison, Tally

SeriesArgument = Annotated[str, typer.Argument(help="cli.models.series_argument")]
ModelArgument = Annotated[str, typer.Argument(help="cli.models.model_argument")]
ModelOption = Annotated[str, typer.Option("--model", help="cli.models.model_option")]
UserOption = Annotated[str, typer.Option("--user", help="cli.models.user")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="cli.user.password_stdin")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    models = group("cli.models.help")
    for name, command in (
        ("list", list_models), ("show", show), ("compare", compare), ("register", register_model),
        ("challenge", challenge), ("evaluate", evaluate), ("promote", promote), ("rollback", rollback),
        ("retire", retire),
    ):  # fmt: skip
        models.command(name, help=f"cli.models.{name}.help", epilog=f"cli.models.{name}.example")(command)
    app.add_typer(models, name="models")


def list_models(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Which model judges which series, and every version."""
    from andon.records.model_store import in_force
    from service.models import champion_key, drifts_of, judged_paths

    plant = plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        rows, versions = records.model_assignments()
    drifts = [_drift(one, plant) for one in drifts_of(plant, folder)]
    now = in_force(rows)
    series = [
        {"series": "/".join(path), "champion": champion_key(plant, *path, one.champion if one else None),
         "challenger": one.challenger if one else None, "since": stamp_of(one.since_ns, plant) if one else None,
         "by": one.actor_name if one else None, "reason": one.reason if one else None}
        for path, one in ((path, now.get(path)) for path in sorted({*judged_paths(plant), *now}))
    ]  # fmt: skip
    told = [
        {"model": one.key, "detector": one.detector, "parameters": dict(one.parameters), "status": one.status,
         "evaluations": one.evaluations, "registered": stamp_of(one.at_ns, plant), "by": one.actor_name}
        for one in versions
    ]  # fmt: skip
    if as_json:
        print_json({"series": series, "versions": told, "drifts": drifts})
        return
    _print_rows(("series", "champion", "challenger", "since", "by", "reason"), series)
    if told:
        typer.echo()
        _print_rows(("model", "detector", "parameters", "status", "evaluations", "registered", "by"), told)
    _print_drifts(drifts)


def show(
    model: ModelArgument, config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False
) -> None:  # fmt: skip
    """Everything that is kept of a version."""
    from service.models import drifts_of

    plant = plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        version, evaluations = records.model_version(model), records.model_evaluations(model)
        rows = [one for one in records.model_assignments()[0] if model in (one.champion, one.challenger)]
    drifts = [_drift(one, plant) for one in drifts_of(plant, folder, model)]
    if as_json:
        print_json({"version": asdict(version), "evaluations": [asdict(one) for one in evaluations],
                    "assignments": [asdict(one) for one in rows], "drifts": drifts})  # fmt: skip
        return
    shown = {name: _told(name, value) for name, value in asdict(version).items() if value not in (None, "")}
    for name in shown:
        if name.endswith("_ns"):
            shown[name] = stamp_of(getattr(version, name), plant)
    print_table(["cli.models.column.field", "cli.models.column.value"], shown.items())
    for one in evaluations:
        say("cli.models.evaluation", series=f"{one.asset}/{one.tag}", at=stamp_of(one.at_ns, plant), by=one.actor_name,
            hash=one.hash)  # fmt: skip
    for row in rows:
        _say_assignment(plant, row)
    _print_drifts(drifts)


def compare(
    series: SeriesArgument, model: ModelOption = "", begin: FromOption = "", end: ToOption = "",
    config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Champion and challenger on a series: what both tell, what only one tells, and against what people said."""
    from service.model_compare import compare as compared
    from service.models import champion_key, judged_series

    plant, path = plant_of(config), _path(series)
    judged_series(plant, *path)
    span = span_of(begin, end, plant)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records, _history(plant, folder) as history:
        if model:
            records.model_version(model)
        last = next((one for one in reversed(records.model_assignments()[0]) if (one.asset, one.tag) == path), None)
        champion = champion_key(plant, *path, last.champion if last else None)
        told = compared(records, history, path, span, champion, model or (last.challenger if last else None))
    if as_json:
        print_json(asdict(told))
    else:
        _print_comparison(told, plant)


def register_model(
    name: Annotated[str, typer.Argument(help="cli.models.name")],
    user: UserOption,
    detector: Annotated[str, typer.Option("--detector", help="cli.models.detector_option")] = "ensemble",
    days: Annotated[float, typer.Option("--false-alarm-days", help="cli.models.days_option")] = 7.0,
    series: Annotated[str, typer.Option("--series", help="cli.models.trained_option")] = "",
    begin: FromOption = "", end: ToOption = "", reason: ReasonOption = "", password_stdin: StdinOption = False,
    config: ConfigOption = CONFIG, data: DataOption = DATA,
) -> None:  # fmt: skip
    """Keep a new version of a model, as a candidate."""
    from service.model_replay import training_data
    from service.models import frozen, parameters_of

    plant = plant_of(config)
    hashed, parameters = frozen(detector), parameters_of(days)
    trained = (
        training_data(plant, open_data(data, plant), _path(series), span_of(begin, end, plant)) if series else None
    )
    with _person(plant, data, user, reason, password_stdin=password_stdin) as (records, actor, why):
        one = records.register_model(name, detector, parameters, hashed, actor, why, trained=trained)
    say("cli.models.registered", model=one.key, fingerprint=one.fingerprint)


def challenge(
    series: SeriesArgument, user: UserOption, model: ModelOption = "", reason: ReasonOption = "",
    password_stdin: StdinOption = False, config: ConfigOption = CONFIG, data: DataOption = DATA,
) -> None:  # fmt: skip
    """Let a version score a series in shadow; without --model the trial ends."""
    _act("challenge_model", series, user, reason, password_stdin, config, data, model=model)


def promote(
    series: SeriesArgument, user: UserOption, model: ModelOption = "", reason: ReasonOption = "",
    password_stdin: StdinOption = False, config: ConfigOption = CONFIG, data: DataOption = DATA,
) -> None:  # fmt: skip
    """Make the challenger, or the version that is named, the champion of a series."""
    _act("promote_model", series, user, reason, password_stdin, config, data, model=model)


def rollback(
    series: SeriesArgument, user: UserOption, reason: ReasonOption = "", password_stdin: StdinOption = False,
    config: ConfigOption = CONFIG, data: DataOption = DATA,
) -> None:  # fmt: skip
    """Go back to the champion before this one."""
    _act("roll_back_model", series, user, reason, password_stdin, config, data)


def evaluate(
    model: ModelArgument, series: SeriesArgument, user: UserOption, begin: FromOption = "", end: ToOption = "",
    reason: ReasonOption = "", password_stdin: StdinOption = False, config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:  # fmt: skip
    """Measure a version on a series and keep what came out."""
    from service.model_evaluation import evaluate as measured

    plant, path = plant_of(config), _path(series)
    span = span_of(begin, end, plant)
    folder = open_data(data, plant)
    with _history(plant, folder) as history, _person(
        plant, data, user, reason, password_stdin=password_stdin
    ) as (records, actor, why):  # fmt: skip
        one = measured(plant, folder, records, history, model, path, span, actor, why)
    scores = one.content["scores"]
    say(f"cli.models.scores.{_verdict(scores['bit_for_bit'])}", rows=scores["rows"], windows=scores["windows"],
        same=scores["same"])  # fmt: skip
    say("cli.models.evaluated", model=model, series=series, hash=one.hash)


def retire(
    model: ModelArgument, user: UserOption, reason: ReasonOption = "", password_stdin: StdinOption = False,
    config: ConfigOption = CONFIG, data: DataOption = DATA,
) -> None:  # fmt: skip
    """Nobody shall use a version any more."""
    with _person(plant_of(config), data, user, reason, password_stdin=password_stdin) as (records, actor, why):
        records.retire_model(model, actor, why)
    say("cli.models.retired_now", model=model)


def _act(
    method: str, series: str, user: str, reason: str, password_stdin: bool, config: Path, data: Path, **given: str
) -> None:
    """An act on a series, and the file that flows read."""
    from service.models import judged_series, published

    plant, path = plant_of(config), _path(series)
    judged_series(plant, *path)
    with _person(plant, data, user, reason, password_stdin=password_stdin) as (records, actor, why):
        row = getattr(records, method)(*path, actor=actor, reason=why, **given)
        done = published(records, open_data(data, plant))
    _say_assignment(plant, row)
    if not done:
        say("cli.models.not_published")


@contextmanager
def _person(
    plant: PlantModel, data: Path, user: str, reason: str, *, password_stdin: bool
) -> Iterator[tuple[Records, Actor, str]]:
    """A user of the site, logged in for the act, and the reason. The records ask for the right."""
    from andon.records import require

    folder = open_data(data, plant)
    why = reason_of(reason)
    password = password_of("cli.ask.password", from_stdin=password_stdin)
    with open_records(folder, plant) as records:
        token, session = records.login(user, password, terminal_name())
        try:
            yield records, require(session, "view"), why
        finally:
            records.logout(token)


@contextmanager
def _history(plant: PlantModel, folder: DataFolder) -> Iterator[Any]:
    from sinks.history_reader import HistoryReader

    history = HistoryReader(folder.history_dbs(plant.config.transport.shards))
    try:
        yield history
    finally:
        history.close()


def _drift(one: ModelDrift, plant: PlantModel) -> dict[str, object]:
    """A drift as both commands show it."""
    return {"time": stamp_of(one.time_ns, plant), "series": f"{one.asset}/{one.tag}", "model": one.model,
            "signal": one.signal, "before": one.before, "after": one.after}  # fmt: skip


def _print_drifts(drifts: Sequence[Mapping[str, object]]) -> None:
    """A table of them, after an empty line; nothing where there are none."""
    if drifts:
        typer.echo()
        _print_rows(("time", "series", "model", "signal", "before", "after"), drifts)


def _path(series: str) -> tuple[str, str]:
    """Asset and tag of asset/tag."""
    asset, _, tag = series.rpartition("/")
    return asset, tag


def _say_assignment(plant: PlantModel, one: ModelAssignment) -> None:
    from service.models import champion_key

    say(f"cli.models.kind.{one.kind}", series=f"{one.asset}/{one.tag}", since=stamp_of(one.since_ns, plant),
        champion=champion_key(plant, one.asset, one.tag, one.champion), challenger=one.challenger or "-",
        by=one.actor_name, reason=one.reason)  # fmt: skip


def _print_comparison(told: Comparison, plant: PlantModel) -> None:
    say("cli.models.compared", series=f"{told.asset}/{told.tag}", begin=stamp_of(told.from_ns, plant),
        end=stamp_of(told.until_ns, plant), days=f"{told.asset_days:.3g}")  # fmt: skip
    columns = ("model", "alarms", "true_ones", "found", "recall", "false_alarms", "false_per_day", "known",
               "not_judged", "delay_s")  # fmt: skip
    sides = [one for one in (told.champion, told.challenger) if one is not None]
    print_table([f"cli.models.column.{name}" for name in columns],
                [[_figure(one, name) for name in columns] for one in sides])  # fmt: skip
    if told.challenger is not None:
        say("cli.models.agreement", both=told.both, champion=told.only_champion, challenger=told.only_challenger)


def _print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """A table of columns that the catalogue names; what is not there stays empty."""
    shown = [["-" if one[name] is None else _told(name, one[name]) for name in columns] for one in rows]
    print_table([f"cli.models.column.{name}" for name in columns], shown)


def _figure(one: Tally, name: str) -> object:
    value = getattr(one, name)
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else value


def _told(name: str, value: object) -> object:
    if name == "status":
        return translate(f"cli.models.status.{value}")
    if name == "signal":
        return translate(f"models.signal.{value}")
    if name in {"before", "after"}:
        return f"{value:.4g}"
    return ", ".join(f"{key} = {one}" for key, one in value.items()) if isinstance(value, dict) else value


def _verdict(bit_for_bit: bool | None) -> str:
    return {True: "same", False: "other", None: "none"}[bit_for_bit]
