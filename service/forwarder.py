"""The forwarder process: hands the spool of an edge on to the site's Kafka topic, each message exactly once.

python -m service.forwarder --config plant.toml --data data --from edge-data
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.heartbeat import Heartbeat
from andon.kafka import client_settings
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.process import exit_status_of, stop_on_signals
from service.options import parser, plant_clock
from sources.kafka.forward import Forwarder
from sources.kafka.held import Memory
from sources.spool import Spool

NAME = "forwarder"
KEEP_D = 30.0
FULL_SHARE = 0.8  # of the disk; beyond it the spool keeps only what is not forwarded


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM. --data has the sign of life and the logs, --from the spool and how far it is forwarded."""
    arguments = parser("service.forwarder")
    arguments.add_argument("--from", dest="edge", type=Path, required=True, help="data folder with the spool")
    arguments.add_argument("--keep-days", type=float, default=KEEP_D, help="how long what is forwarded stays, d")
    options = arguments.parse_args(argv)
    stop = stop_on_signals()
    set_up_logs(NAME)
    plant = load_plant(options.config).config
    site, kafka = plant.site.id, plant.transport.kafka
    if kafka is None:
        raise ConfigError("kafka.none")
    data, edge = DataFolder(options.data), DataFolder(options.edge)
    data.open(site)
    edge.open(site, plant.transport.shards)
    held = Exclusive(edge.process_lock(NAME))
    clock, shards = plant_clock(options), range(plant.transport.shards)
    for shard in shards:  # made where nothing has been sent yet
        Spool(edge.spool(shard), shard, clock).close()
    disk = shutil.disk_usage
    forwarder = Forwarder(
        client_settings(kafka, Path(), f"andon-{site}-forwarder"), kafka.topic, site,
        {shard: edge.spool(shard) for shard in shards}, Memory(edge.path / "state" / "forward.json"), clock,
        max_bytes=plant.sources.max_message_bytes, keep_s=options.keep_days * 86_400,
        must_free=lambda: (usage := disk(edge.path)).used > FULL_SHARE * usage.total,
    )  # fmt: skip
    forwarder.run(stop, Heartbeat(data, NAME))
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
