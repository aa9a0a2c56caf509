"""The ticker process: appends the passing of time to every shard's log.

python -m service.ticker --config plant.toml --data data
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from andon.clock import Clock, SteadyClock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.kafka import client_settings
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.process import exit_status_of, stop_on_signals
from service.options import parser, plant_clock
from sources.kafka.producer import TickLog, tick_client
from sources.spool import Spool
from sources.ticks import Log, run_ticker

QUICKEST_S = 0.25  # at a fast plant clock ticks come closer, but not so close that they are most of the log


def logs_of(plant: PlantModel, data: DataFolder, clock: Clock) -> Sequence[Log]:
    """The logs of all shards, to append to. ConfigError without the section that the kind of transport needs."""
    transport, site = plant.config.transport, plant.config.site.id
    if transport.kind == "spool":
        return [Spool(data.spool(shard), shard, clock) for shard in range(transport.shards)]
    if transport.kafka is None:
        raise ConfigError("kafka.none")
    client = tick_client(client_settings(transport.kafka, Path(), f"andon-{site}-ticker"))
    return [TickLog(client, transport.kafka.topic, shard, clock) for shard in range(transport.shards)]


def newest_ns(plant: PlantModel, data: DataFolder) -> int:
    """The newest receive time in the spools, ns; 0 where there is none.

    Ticks begin there when the machine's clock is behind: time in a log goes on, also while the clock says 2000.
    """
    if plant.config.transport.kind != "spool":
        return 0
    spools = [Spool(data.spool(shard), shard, SystemClock()) for shard in range(plant.config.transport.shards)]
    try:
        return max(spool.newest_ns() for spool in spools)
    finally:
        for spool in spools:
            spool.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.ticker").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs("ticker")
    plant = load_plant(options.config)
    data = DataFolder(options.data)
    data.open(plant.config.site.id, plant.config.transport.shards)
    held = Exclusive(data.process_lock("ticker"))  # two of them would tick twice
    clock = SteadyClock(plant_clock(options), newest_ns(plant, data), speed=options.speed or 1.0)
    every_s = max(QUICKEST_S, 1.0 / (options.speed or 1.0))
    run_ticker(logs_of(plant, data, clock), clock, stop, every_s, clock.elapsed_ns)
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
