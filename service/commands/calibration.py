"""`andon calibration`: how instruments stand, and what a failed calibration puts in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from andon.readings import NS_PER_S
from service.terminal import (
    CONFIG,
    DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    group,
    open_data,
    open_records,
    plant_of,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from service.calibrations import Calibrations, Impact, Standing


def register(app: typer.Typer) -> None:
    """Add the group."""
    calibrations = group("cli.calibration.help")
    calibrations.command("list", help="cli.calibration.list.help", epilog="cli.calibration.list.example")(show)
    calibrations.command("impact", help="cli.calibration.impact.help", epilog="cli.calibration.impact.example")(impact)
    app.add_typer(calibrations, name="calibration")


def show(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """As of now."""
    from andon.clock import SystemClock
    from andon.i18n import translate

    with _opened(config, data) as calibrations:
        found = calibrations.standings(SystemClock().now_ns())
    if as_json:
        print_json([_standing(one) for one in found])
        return
    names = ("series", "certificate", "due", "state", "uncertainty", "permitted")
    rows = [
        [translate(f"cli.calibration.state.{one['state']}") if name == "state" else one[name] for name in names]
        for one in map(_standing, found)
    ]
    print_table([f"cli.calibration.head.{name}" for name in names], rows)


def impact(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Exit status 0 whether or not something is in doubt."""
    from andon.i18n import translate

    with _opened(config, data) as calibrations:
        found = [_impact(one) for one in calibrations.impacts()]
    if as_json:
        print_json(found)
        return
    if not found:
        say("cli.calibration.none")
    for one in found:
        begin = one["since"] or translate("cli.calibration.ever")
        say(
            "cli.calibration.doubt", series=one["series"], certificate=one["certificate"], since=begin,
            until=one["until"] or translate("cli.calibration.still"), windows=len(one["figures"]),
            lots=len(one["lots"]), alarms="-" if one["alarms"] is None else len(one["alarms"]),
        )  # fmt: skip
        for figure in one["figures"]:
            under = f"{figure['kind']} {figure['asset']}/{figure['tag']}"
            say("cli.calibration.figure", kind=under, start=figure["start"], end=figure["end"])
        for lot in one["lots"]:
            end = lot["end"] or "-"
            say("cli.calibration.lot", lot=lot["lot"], product=lot["product"], start=lot["start"], end=end)
        for alarm in one["alarms"] or ():
            say("cli.calibration.alarm", key=alarm["key"], rule=alarm["rule"], start=alarm["start"])


@contextmanager
def _opened(config: Any, data: Any) -> Iterator[Calibrations]:
    """Calibrations, with the alarms where there are records."""
    from service.calibrations import Calibrations, alarms_of
    from sinks.history_reader import HistoryReader

    plant = plant_of(config)
    folder = open_data(data, plant)
    files = folder.history_dbs(plant.config.transport.shards)
    with ExitStack() as stack:
        reader = stack.enter_context(closing(HistoryReader([path for path in files if path.exists()])))
        there = plant.config.records is not None or folder.records_db.exists()
        records = stack.enter_context(open_records(folder, plant)) if there else None
        yield Calibrations(plant, reader, None if records is None else alarms_of(records))


def _standing(one: Standing) -> dict[str, Any]:
    held = one.calibration
    return {
        "series": f"{one.asset}/{one.tag}", "state": str(one.state), "certificate": held.certificate if held else None,
        "due": _stamp(held.due_ns) if held else None, "uncertainty": held.expanded if held else None,
        "permitted": held.mpe if held else None,
    }  # fmt: skip


def _impact(one: Impact) -> dict[str, Any]:
    from operators.lots import OPEN_END
    from service.calibrations import since, until

    begin, end = since(one.doubt), until(one.doubt)
    figures = [
        {
            "kind": figure.kind, "asset": figure.asset, "tag": figure.tag, "start": _stamp(figure.start_ns),
            "end": _stamp(figure.end_ns), "revision": figure.revision,
        }
        for figure in one.figures
    ]  # fmt: skip
    alarms = None if one.alarms is None else [
        {"key": alarm.key, "rule": alarm.rule_id, "start": _stamp(alarm.start_ns)} for alarm in one.alarms
    ]  # fmt: skip
    lots = [
        {
            "lot": lot.lot, "product": lot.product, "start": _stamp(lot.from_ns),
            "end": None if lot.to_ns == OPEN_END else _stamp(lot.to_ns),
        }
        for lot in one.lots
    ]  # fmt: skip
    return {
        "series": f"{one.asset}/{one.tag}", "certificate": one.doubt.certificate,
        "last_good": one.doubt.last_good or None, "since": None if begin is None else _stamp(begin),
        "until": None if end is None else _stamp(end), "figures": figures, "lots": lots, "alarms": alarms,
    }  # fmt: skip


def _stamp(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
