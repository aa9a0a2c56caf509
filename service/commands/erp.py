"""`andon erp`: ask the ERP, compare with it, see what it gets, and let parked orders go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.clock import SystemClock
from andon.errors import ConfigError
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
    group,
    open_data,
    open_records,
    password_of,
    plant_of,
    print_json,
    print_table,
    reason_of,
    say,
    system_administrator,
    terminal_name,
)

if TYPE_CHECKING:
    from andon.plant import PlantModel
    from andon.records import OutboxRecord
    from sinks.erp.port import ErpConnector
    from sinks.erp.reconcile import Difference

NS_PER_DAY = 86_400 * NS_PER_S
RIGHT = "outbox.release"


def register(app: typer.Typer) -> None:
    """Add the group."""
    erp = group("cli.erp.help")
    for name, command in (
        ("ping", ping), ("reconcile", reconcile), ("preview", preview), ("parked", parked), ("release", release),
    ):  # fmt: skip
        erp.command(name, help=f"cli.erp.{name}.help", epilog=f"cli.erp.{name}.example")(command)
    app.add_typer(erp, name="erp")


def ping(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Exit status 0: the ERP answers and knows us; else why not is printed. Changes nothing there."""
    plant = plant_of(config)
    with connected(plant, config) as erp:
        began = time.perf_counter()
        erp.ping()
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        features = sorted(erp.features)
    kind = plant.config.erp.kind if plant.config.erp else ""
    if as_json:
        print_json({"ok": True, "kind": kind, "milliseconds": took_ms, "features": features})
    else:
        say("cli.erp.answers", kind=kind, milliseconds=took_ms, features=", ".join(features))


def reconcile(
    days: Annotated[int, typer.Option("--days", min=0, help="cli.erp.days")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="cli.erp.dry_run")] = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: both sides say the same; 1: they do not, or the ERP could not be asked."""
    from service.reconcile import reconcile as compare

    plant, clock = plant_of(config), SystemClock()
    folder = open_data(data, plant)
    actor = None if dry_run else system_administrator(by)
    why = reason.strip() or translate("cli.erp.reconcile.reason", plant.config.site.language)
    since_ns = clock.now_ns() - days * NS_PER_DAY if days else 0
    with connected(plant, config) as erp, open_records(folder, plant) as records:
        told = compare(records, erp, clock, since_ns=since_ns, actor=actor, reason=why)
    if as_json:
        print_json(
            {"ok": not told.found, "orders": told.orders, "records": told.records, "parked": told.parked,
             "differences": [_difference(one) for one in told.found]}
        )  # fmt: skip
    else:
        if told.found:
            rows = [(translate(f"cli.erp.kind.{one.kind}"), one.key, _asset(one), _numbers(one), _text(one))
                    for one in told.found]  # fmt: skip
            headers = ("what", "key", "asset", "number", "finding")
            print_table([f"cli.erp.column.{name}" for name in headers], rows)
        for key in told.parked:
            say("cli.erp.parked_now", key=key)
        say("cli.erp.compared", orders=told.orders, records=told.records, found=len(told.found))
    raise typer.Exit(1 if told.found else 0)


def preview(
    alarm: Annotated[str, typer.Argument(help="cli.erp.alarm")],
    kind: Annotated[str | None, typer.Option("--kind", help="cli.erp.kind")] = None,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Field by field what the ERP gets for an alarm; nothing is sent."""
    from andon.records.events import ERP_KINDS, alarm_event

    plant = plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        order = records.order_event(alarm)
        if order is None or (kind is not None and kind != order[0]):
            row = records.alarm(alarm)
            kind = kind or row.raises
            if kind not in ERP_KINDS:
                raise ConfigError("cli.erp.no_kind", key=alarm, raises=row.raises, allowed=", ".join(ERP_KINDS))
            order = (kind, alarm_event(row, kind))
    with connected(plant, config) as erp:
        fields = dict(erp.preview(order[0], alarm, order[1].encode()))
    if as_json:
        print_json({"kind": order[0], "key": alarm, "fields": fields})
    else:
        print_table(["cli.erp.column.field", "cli.erp.column.value"], sorted(flat(fields)))


def parked(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """The orders that wait for a person, the newest decision first."""
    plant = plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        orders = records.orders(state="parked", limit=10**9)
    if as_json:
        print_json({"parked": [asdict(one) for one in orders]})
        return
    if orders:
        rows = [(one.order_key, one.kind, one.asset, one.revision, one.attempts, one.last_error) for one in orders]
        headers = ("key", "kind", "asset", "revision", "attempts", "error")
        print_table([f"cli.erp.column.{name}" for name in headers], rows)
    say("cli.erp.parked_count", count=len(orders))


def release(
    orders: Annotated[list[str], typer.Argument(help="cli.erp.orders")],
    user: Annotated[str, typer.Option("--user", help="cli.dead.user")],
    reason: ReasonOption = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="cli.user.password_stdin")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Send parked orders again, as a user of the site with the right to it."""
    from andon.records import require

    plant = plant_of(config)
    folder = open_data(data, plant)
    why = reason_of(reason)
    password = password_of("cli.ask.password", from_stdin=password_stdin)
    with open_records(folder, plant) as records:
        token, session = records.login(user, password, terminal_name())
        try:
            actor = require(session, RIGHT)
            for key in orders:
                records.release_order(key, actor, why)
                say("cli.erp.released", key=key)
        finally:
            records.logout(token)


@contextmanager
def connected(plant: PlantModel, config: Path) -> Iterator[ErpConnector]:
    """A driver for the plant's ERP. ConfigError without [erp]."""
    from sinks.erp.connectors import connector

    if plant.config.erp is None:
        raise ConfigError("erp.none")
    erp = connector(plant.config.erp, config.parent)
    try:
        yield erp
    finally:
        erp.close()


def flat(value: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Nested fields as dotted names and their values.

    >>> list(flat({"a": {"b": 1}, "c": ["x", None]}))
    [('a.b', '1'), ('c.0', 'x'), ('c.1', '')]
    """
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        yield above, "" if value is None else str(value)
        return
    for name, one in pairs:
        yield from flat(one, f"{above}.{name}" if above else str(name))


def _difference(one: Difference) -> dict[str, object]:
    return {
        "kind": one.kind, "why": one.why, "key": one.key, "text": _text(one),
        "order": None if one.order is None else asdict(one.order), "records": [asdict(row) for row in one.records],
    }  # fmt: skip


def _text(one: Difference) -> str:
    order: OutboxRecord | None = one.order
    return translate(
        f"cli.erp.why.{one.why}", state=order.state if order else "", revision=order.delivered_revision if order else 0,
        held=one.records[0].revision if one.records else 0, count=len(one.records),
        kind=one.records[0].kind if one.records else "",
    )  # fmt: skip


def _asset(one: Difference) -> str:
    return one.order.asset if one.order else ""


def _numbers(one: Difference) -> str:
    return ", ".join(row.number for row in one.records) or (one.order and one.order.external_number) or ""
