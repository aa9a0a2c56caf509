"""`andon dead-letters`: what could not become a reading; see it, and put it into the log again after the fix."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from andon.clock import SystemClock
from andon.errors import DataFolderError
from andon.readings import NS_PER_S, Reason
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
    from andon.datafolder import DataFolder
    from andon.plant import PlantModel
    from andon.records import Actor, Records
    from sinks.dead_letters import DeadLetter, DeadLetterStore

AT_ONCE = 1000  # letters of one append and one audit record
SHOWN = 100  # characters of the raw bytes in a list
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))}

OnlyOption = Annotated[str | None, typer.Option("--reason", "--only", help="cli.dead.only")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="cli.dead.limit")]


def register(app: typer.Typer) -> None:
    """Add the group; without a command of its own it lists."""
    letters = group("cli.dead.help", bare=True)
    letters.callback(invoke_without_command=True, help="cli.dead.help", epilog="cli.dead.example")(bare)
    letters.command("list", help="cli.dead.list.help", epilog="cli.dead.list.example")(list_letters)
    letters.command("show", help="cli.dead.show.help", epilog="cli.dead.show.example")(show)
    letters.command("redrive", help="cli.dead.redrive.help", epilog="cli.dead.redrive.example")(redrive)
    app.add_typer(letters, name="dead-letters")


def bare(
    ctx: typer.Context,
    only: OnlyOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """`andon dead-letters` alone is the list."""
    if ctx.invoked_subcommand is None:
        list_letters(only, limit, config, data, as_json=as_json)


def list_letters(
    only: OnlyOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """The newest first, with how many there are of each reason."""
    plant = plant_of(config)
    stores = _stores(open_data(data, plant), plant)
    letters = _newest(stores, limit, _known(only))
    counts: dict[str, int] = {}
    for store in stores:
        for reason, count in store.counts().items():
            counts[reason] = counts.get(reason, 0) + count
        store.close()
    if as_json:
        print_json({"counts": counts, "dead_letters": [_as_json(letter) for letter in letters]})
        return
    zone = ZoneInfo(plant.config.site.timezone)
    headers = ("shard", "offset", "line", "received", "reason", "series", "redriven", "raw")
    rows = [
        (one.shard, one.offset, one.line, _time(one, zone), one.reason, one.path, "+" if one.redriven else "",
         _printable(one.raw)[:SHOWN])
        for one in letters
    ]  # fmt: skip
    print_table([f"cli.dead.column.{header}" for header in headers], rows)
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    say("cli.dead.counts", shown=len(letters), counts=listed or "-")


def show(
    shard: Annotated[int, typer.Argument(metavar="SHARD", help="cli.dead.shard")],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", help="cli.dead.offset")],
    line: Annotated[int, typer.Argument(metavar="LINE", help="cli.dead.line")] = 0,
    only_bytes: Annotated[bool, typer.Option("--bytes", help="cli.dead.bytes")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """One dead letter with all its bytes; control characters escaped, so that they do nothing to the terminal."""
    plant = plant_of(config)
    found = None
    for store in _stores(open_data(data, plant), plant):
        if store.shard == shard:
            found = store.get(offset, line)
        store.close()
    if found is None:
        raise DataFolderError("cli.dead.none", shard=shard, offset=offset, line=line)
    if only_bytes:
        typer.get_binary_stream("stdout").write(found.raw)
    elif as_json:
        print_json(_as_json(found))
    else:
        received = _time(found, ZoneInfo(plant.config.site.timezone))
        say("cli.dead.one", reason=found.reason, series=found.path or "-", received=received, bytes=len(found.raw))
        typer.echo(_printable(found.raw))


def redrive(
    user: Annotated[str, typer.Option("--user", help="cli.dead.user")],
    only: Annotated[str | None, typer.Option("--only", help="cli.dead.only")] = None,
    limit: LimitOption = AT_ONCE,
    reason: ReasonOption = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="cli.user.password_stdin")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Append the raw bytes to the log of their shard again; those put in again already are left out.

    Done as a user of the site with the right to it, since it changes figures: an administrator of the machine has not.
    """
    from andon.records import require

    plant = plant_of(config)
    folder = open_data(data, plant)
    wanted, why = _known(only), reason_of(reason)
    password = password_of("cli.ask.password", from_stdin=password_stdin)
    with open_records(folder, plant) as records:
        token, session = records.login(user, password, terminal_name())
        try:
            actor = require(session, "dead_letters.redrive")
            count = _redrive(folder, plant, records, actor, why, wanted, limit)
        finally:
            records.logout(token)
    say("cli.dead.redriven", count=count)


def _redrive(
    folder: DataFolder, plant: PlantModel, records: Records, actor: Actor, why: str, only: str | None, limit: int
) -> int:
    """Audit record, append, mark, in this order.

    A fault in between leaves a record about nothing, or rows that the flow knows as duplicates; never a change that
    nobody knows of.
    """
    from service.shard_logs import shard_logs

    count, logs = 0, shard_logs(plant, folder, SystemClock())
    for store in _stores(folder, plant):
        # Asks for more than the limit, since letters that went in again already come with the others.
        letters = [one for one in store.list(limit=2**31, reason=only) if not one.redriven][: limit - count]
        letters.sort(key=lambda one: (one.offset, one.line))
        for begin in range(0, len(letters), AT_ONCE):
            part = letters[begin : begin + AT_ONCE]
            places = ", ".join(f"{one.offset}:{one.line}" for one in part)
            records.note(
                actor, "dead_letters.redriven", "dead_letters", f"shard {store.shard}",
                new={"count": len(part), "letters": places}, reason=why, right="dead_letters.redrive",
            )  # fmt: skip
            logs[store.shard].append([one.raw for one in part])
            for one in part:
                store.mark_redriven(one.offset, one.line)
        count += len(letters)
        store.close()
    return count


def _stores(folder: DataFolder, plant: PlantModel) -> list[DeadLetterStore]:
    from sinks.dead_letters import DeadLetterStore

    kept = plant.config.retention
    return [
        DeadLetterStore(folder.dead_letters_db(shard), shard, kept.dead_letters_mb, kept.dead_letters_d)
        for shard in range(plant.config.transport.shards)
    ]


def _known(reason: str | None) -> str | None:
    names = [one.name for one in Reason]
    if reason is not None and reason not in names:
        raise DataFolderError("cli.dead.unknown_reason", found=reason, allowed=", ".join(names))
    return reason


def _newest(stores: Iterable[DeadLetterStore], limit: int, reason: str | None) -> list[DeadLetter]:
    found = [letter for store in stores for letter in store.list(limit=limit, reason=reason)]
    return sorted(found, key=lambda one: (-one.received_ns, one.shard, -one.offset, -one.line))[:limit]


def _time(letter: DeadLetter, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(letter.received_ns / NS_PER_S, zone).isoformat(sep=" ", timespec="seconds")


def _printable(raw: bytes) -> str:
    return raw.decode("utf-8", errors="backslashreplace").translate(CONTROL)


def _as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "shard": letter.shard, "offset": letter.offset, "line": letter.line, "received_ns": letter.received_ns,
        "reason": letter.reason, "series": letter.path, "redriven": letter.redriven, "raw": _printable(letter.raw),
        "raw_base64": base64.b64encode(letter.raw).decode(),
    }  # fmt: skip
