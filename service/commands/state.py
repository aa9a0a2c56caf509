"""`andon state`: where each shard stands, and more shards for a plant that has grown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.clock import SystemClock
from andon.datafolder import DataFolder, write_durably
from andon.errors import DataFolderError
from andon.packed import unpack
from andon.plant import PlantModel
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
    plant_of,
    print_json,
    print_table,
    reason_of,
    say,
    system_administrator,
)

if TYPE_CHECKING:
    from flows.workers import Layout

COLUMNS = ("shard", "worker", "offset", "snapshot")
DEFAULT_PINS = "pins.csv"


def register(app: typer.Typer) -> None:
    """Add the group."""
    states = group("cli.state.help")
    states.command("show", help="cli.state.show.help", epilog="cli.state.show.example")(show)
    states.command("rescale", help="cli.state.rescale.help", epilog="cli.state.rescale.example")(rescale)
    app.add_typer(states, name="state")


def show(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Workers and, for each shard, the offset and the age of the newest snapshot that counts."""
    from flows.workers import CLUSTER, read_layout

    plant = plant_of(config)
    folder = open_data(data, plant)
    layout = read_layout(folder)
    if layout is None:
        raise DataFolderError("cli.state.none", path=str(folder.path))
    if layout.workers == CLUSTER:
        raise DataFolderError("layout.of_a_cluster", path=str(folder.path))
    rows = _rows(folder, layout)
    if as_json:
        about = {"generation": layout.generation, "workers": layout.workers, "shards": layout.shards}
        print_json({**about, "log": layout.log, "rows": rows})
        return
    say("cli.state.layout", generation=layout.generation, workers=layout.workers, shards=layout.shards, log=layout.log)
    print_table([f"cli.state.column.{name}" for name in COLUMNS], [list(row.values()) for row in rows])


def _rows(folder: DataFolder, layout: Layout) -> list[dict[str, Any]]:
    """offset: of the last message worked off, for Kafka of the next one; snapshot_age_s since the newest snapshot."""
    from flows.workers import resume_points
    from sources.batch import shard_key

    points = resume_points(folder, layout)
    now = datetime.fromtimestamp(SystemClock().now_ns() / NS_PER_S, UTC)
    rows = []
    for shard in range(layout.shards):
        key = shard_key(shard)
        source = points.get((f"plant.{layout.log}", key))
        state = unpack(source.state) if source and source.state else 0
        taken = [one.taken for (_, own), one in points.items() if own == key]
        age_s = round(max(0.0, (now - max(taken)).total_seconds())) if taken else None
        offset = state[0] if isinstance(state, tuple) else state
        rows.append({"shard": shard, "worker": shard % layout.workers, "offset": offset, "snapshot_age_s": age_s})
    return rows


def rescale(
    shards: Annotated[int | None, typer.Option("--shards", min=1, max=64, help="cli.state.shards")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="cli.state.dry_run")] = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Grow the number of shards. Assets stay where their state is, by name in the pins file; only new ones spread."""
    from andon.config.pins import pins_text

    plant = plant_of(config)
    folder = open_data(data, plant)
    old, new = _shards_now(folder, plant), shards or plant.config.transport.shards
    if new < old:
        raise DataFolderError("layout.fewer_shards", path=str(folder.path), found=old, wanted=new)
    file = plant.config.transport.pins or DEFAULT_PINS
    path = config.resolve().parent / file
    pins = _pins(plant, old)
    if new == old:
        say("cli.state.same", shards=old)
    elif dry_run:
        say("cli.state.would", path=path, count=len(pins), old=old, new=new)
    else:
        text = pins_text(pins)
        if plant.config.transport.pins is None and path.exists() and path.read_text(encoding="utf-8") != text:
            raise DataFolderError("cli.exists", path=str(path))
        actor, why = system_administrator(by), reason_of(reason)
        # In this order: what a fault leaves in between changes nothing, and the command may be given again.
        with folder.lock(), open_records(folder, plant) as records:
            was, will = {"shards": old}, {"shards": new, "pins": pins}
            records.note(actor, "state.rescale", "data_folder", plant.config.site.id, old=was, new=will, reason=why)
            write_durably(path, text.encode())
            folder.renew(new)
        say("cli.state.grown", path=path, count=len(pins), old=old, new=new)
    say("cli.state.write", shards=new, pins=file)
    if plant.config.transport.kind == "kafka":
        say("cli.state.topic", shards=new, pins=file)


def _shards_now(folder: DataFolder, plant: PlantModel) -> int:
    """How many shards the folder was made for."""
    return folder.read_instance().shards or plant.config.transport.shards


def _pins(plant: PlantModel, shards: int) -> dict[str, int]:
    """Where each asset's state is, also when plant.toml says the new number already."""
    transport = plant.config.transport.model_copy(update={"shards": shards})
    before = PlantModel(plant.config.model_copy(update={"transport": transport}), plant.pins)
    return {asset: before.shard_of(asset) for asset in before.assets}
