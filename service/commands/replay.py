"""`andon replay`: recorded data through the engine, in a sandbox or into the running plant."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from andon.errors import ConfigError, SourceError
from andon.i18n import translate
from andon.readings import NS_PER_S
from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    JsonOption,
    ReasonOption,
    plant_of,
    print_json,
    print_table,
    say,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.replay import Outcome
    from sources.replay import Recording

TICK_END = b'"event": "tick"}'  # as sources.ticks.tick_body writes it
PLAIN_EVERY = 20_000  # messages between two lines where no bar is shown


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay", help="cli.replay.help", epilog="cli.replay.example")(replay)


def replay(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="cli.replay.file")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="cli.replay.dataset")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="cli.replay.timezone")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.0, help="cli.replay.speed")] = 0.0,
    anomaly: Annotated[float, typer.Option("--anomaly", min=0.1, help="cli.replay.anomaly")] = 8.0,
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="cli.replay.keep")] = None,
    live: Annotated[bool, typer.Option("--live", help="cli.replay.live")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="cli.replay.yes")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Without --live nothing of the plant is touched: own site id, folder, records; nothing is sent to an ERP."""
    recording = _open(file, dataset, timezone)
    if live:
        _into_the_plant(recording, config, data, yes=yes, by=by, reason=reason)
        return
    from service.replay import replay as run
    from sources.replay import replay_plant

    folder = keep or Path(tempfile.mkdtemp(prefix="andon-replay-"))
    if keep and (keep / "instance.json").exists():
        raise ConfigError("cli.replay.exists", path=keep)
    try:
        with _shown(quiet=as_json) as shown:
            outcome = run(replay_plant(recording, anomaly=anomaly), recording, folder, speed=speed, shown=shown)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    _print(outcome, ZoneInfo(timezone or "UTC"), as_json=as_json)


def _open(file: Path | None, dataset: str | None, timezone: str | None) -> Recording:
    from sources.replay import open_csv, open_dataset

    if (file is None) == (dataset is None):
        raise SourceError("cli.replay.one_of")
    if timezone:
        try:
            ZoneInfo(timezone)
        except (OSError, ValueError, KeyError):
            raise SourceError("cli.replay.unknown_zone", found=timezone) from None
    return open_csv(file, timezone) if file else open_dataset(dataset or "")


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """How far it has come: a moving line on a terminal, a plain one now and then elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda count, time_ns: bar.update(task, description=_line(count, time_ns))
        return
    told = 0

    def plain(count: int, time_ns: int) -> None:
        nonlocal told
        if not quiet and count - told >= PLAIN_EVERY:
            told = count
            typer.echo(_line(count, time_ns), err=True)

    yield plain


def _line(count: int, time_ns: int) -> str:
    at = datetime.fromtimestamp(time_ns / NS_PER_S, ZoneInfo("UTC"))
    return translate("cli.replay.progress", count=count, at=at.isoformat(sep=" ", timespec="minutes"))


def _print(outcome: Outcome, zone: ZoneInfo, *, as_json: bool) -> None:
    def stamp(time_ns: int | None) -> str:
        return "" if time_ns is None else datetime.fromtimestamp(time_ns / NS_PER_S, zone).isoformat(timespec="seconds")

    rows = [
        (one.asset, one.tag, one.rule_id, stamp(one.start_ns), stamp(one.cleared_ns), round(one.peak or 0.0, 2))
        for one in outcome.alarms
    ]
    if as_json:
        names = ("asset", "tag", "rule", "start", "cleared", "peak")
        print_json(
            {
                "rows": outcome.rows, "windows": outcome.windows, "dead_letters": outcome.dead_letters,
                "days": outcome.days, "alarms": [dict(zip(names, row, strict=True)) for row in rows],
            }
        )  # fmt: skip
        return
    print_table([f"cli.replay.table.{name}" for name in ("asset", "tag", "rule", "start", "cleared", "peak")], rows)
    typer.echo(outcome.final_line)


def _into_the_plant(recording: Recording, config: Path, data: Path, *, yes: bool, by: str, reason: str) -> None:
    """Append the recording to the logs of the running plant; who and why is audited first."""
    from andon.clock import SystemClock
    from service.shard_logs import shard_logs
    from service.terminal import open_data, open_records, reason_of, system_administrator
    from sources.replay import batches, messages

    plant = plant_of(config)
    folder = open_data(data, plant)
    unknown = [asset for asset in recording.assets or (recording.name,) if asset not in plant.assets]
    if unknown:
        raise SourceError("cli.replay.unknown_asset", found=", ".join(unknown), allowed=", ".join(sorted(plant.assets)))
    actor, why = system_administrator(by), reason_of(reason)
    if not yes and not typer.confirm(translate("cli.replay.confirm", site=plant.config.site.id)):
        raise typer.Exit(1)
    with open_records(folder, plant) as records:
        records.note(actor, "replay.live", "recording", recording.name, reason=why, right="settings.edit")
    logs, count = shard_logs(plant, folder, SystemClock()), 0
    for batch in batches(messages(recording, recording.name)):
        bodies: dict[int, list[bytes]] = {}
        for message in batch:
            if message.body.endswith(TICK_END):
                continue  # the live ticker's business
            # A row without an asset is for the first shard's dead letters: nothing is dropped in silence.
            bodies.setdefault(plant.shard_of(_asset_of(message.body)), []).append(message.body)
        for shard, some in bodies.items():
            logs[shard].append(some)
            count += len(some)
    say("cli.replay.sent", count=count)


def _asset_of(body: bytes) -> str:
    import orjson

    try:
        return str(orjson.loads(body.split(b"\n", 1)[0])["asset"])
    except (ValueError, KeyError, TypeError):
        return ""
