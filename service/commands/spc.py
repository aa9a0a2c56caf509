"""`andon spc`: limits of a control chart from its past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.terminal import (
    CONFIG,
    DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    group,
    open_data,
    plant_of,
    print_json,
)

if TYPE_CHECKING:
    from andon.plant import PlantModel
    from operators.spc_limits import Study

AssetArgument = Annotated[str, typer.Argument(help="cli.spc.limits.asset")]
ChartArgument = Annotated[str, typer.Argument(help="cli.spc.limits.chart")]
FromOption = Annotated[str, typer.Option("--from", help="cli.spc.limits.from")]
ToOption = Annotated[str, typer.Option("--to", help="cli.spc.limits.to")]
VersionOption = Annotated[str, typer.Option("--version", help="cli.spc.limits.version")]
BeyondOption = Annotated[bool, typer.Option("--exclude-beyond", help="cli.spc.limits.beyond")]
DAY_S = 86_400


def register(app: typer.Typer) -> None:
    """Add the group."""
    charts = group("cli.spc.help", bare=True)
    charts.callback(help="cli.spc.help")(_alone)
    charts.command("limits", help="cli.spc.limits.help", epilog="cli.spc.limits.example")(limits)
    app.add_typer(charts, name="spc")


def _alone() -> None:
    """A group of one command stays a group."""


def limits(
    asset: AssetArgument, chart: ChartArgument, begin: FromOption = "", end: ToOption = "", version: VersionOption = "",
    beyond: BeyondOption = False, config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Exit status 1 where a product's stretch gives no limits or was not in control."""
    from andon.errors import ConfigError
    from service.spc_limits import Stretch, block, chart_of, found, stamp

    plant = plant_of(config)
    declared = chart_of(plant, asset, chart)
    begin_ns, end_ns = _span(begin, end, plant)
    if begin_ns >= end_ns:
        raise ConfigError("cli.spc.limits.span", begin=stamp(begin_ns), end=stamp(end_ns))
    stretch = Stretch(asset, chart, begin_ns, end_ns)
    told = found(plant, open_data(data, plant), stretch, beyond=beyond)
    name = version or stamp(end_ns)[:10]
    if as_json:
        print_json([_json(one, stretch.asset, stretch.chart, name, stamp(end_ns)) for one in told])
    else:
        typer.echo("\n\n".join(block(stretch, one, name, declared.phase_one) for one in told))
    if not all(one.stable for one in told):
        raise typer.Exit(1)


def _span(begin: str, end: str, plant: PlantModel) -> tuple[int, int]:
    from andon.clock import SystemClock
    from andon.readings import NS_PER_S

    end_ns = _time_of("--to", end, plant) if end else SystemClock().now_ns()
    return _time_of("--from", begin, plant) if begin else end_ns - DAY_S * NS_PER_S, end_ns


def _time_of(option: str, text: str, plant: PlantModel) -> int:
    """A time of the site, unless it names its zone."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from andon.errors import ConfigError
    from andon.readings import NS_PER_S

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("cli.spc.limits.time", option=option, found=text) from None
    zoned = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(plant.config.site.timezone))
    return round(zoned.timestamp()) * NS_PER_S


def _json(one: Study, asset: str, chart: str, version: str, valid_from: str) -> dict[str, Any]:
    from service.spc_limits import stamp

    known = one.known
    return {
        "asset": asset, "chart": chart, "product": one.product, "version": version, "valid_from": valid_from,
        "centre": known.centre if known else None, "sigma": known.sigma if known else None,
        "phi": known.phi if known else None, "autocorrelated": known.autocorrelated if known else None,
        "n": one.n, "subgroups": one.subgroups, "marked": [stamp(at) for at in one.marked],
        "beyond": [stamp(at) for at in one.beyond], "stable": one.stable,
        "signals": [{"start": stamp(signal.start_ns), "rules": list(signal.rules)} for signal in one.signals],
    }  # fmt: skip
