"""The ticker process: appends the passing of time to every shard's log.

python -m service.ticker --config plant.toml --data data
"""

from __future__ import annotations

from collections.abc import Sequence

from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.process import exit_status_of
from service.options import parser, plant_clock, stop_on_signals
from sources.spool import Spool
from sources.ticks import run_ticker

QUICKEST_S = 0.25  # at a fast plant clock ticks come closer, but not so close that they are most of the log


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.ticker").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs("ticker")
    plant = load_plant(options.config)
    data = DataFolder(options.data)
    data.open(plant.config.site.id, plant.config.transport.shards)
    held = Exclusive(data.process_lock("ticker"))  # two of them would tick twice
    clock = plant_clock(options)
    spools = [Spool(data.spool(shard), shard, clock) for shard in range(plant.config.transport.shards)]
    run_ticker(spools, clock, stop, every_s=max(QUICKEST_S, 1.0 / (options.speed or 1.0)))
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
