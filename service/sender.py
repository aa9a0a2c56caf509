"""The sender process: drains the outbox into the ERP.

python -m service.sender --config plant.toml --data data
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing

from andon.config.erp import Erp
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.heartbeat import Heartbeat
from andon.logs import set_up_logs
from andon.process import exit_status_of, stop_on_signals
from andon.records import open_site_records
from service.erp_link import write_link
from service.options import parser
from sinks.erp.connectors import connector
from sinks.outbox import Sender

CONNECTIONS = 8  # to the ERP, each with an order of another asset
LEAST_LEASE_S = 60.0


def lease_s(erp: Erp) -> float:
    """How long a claimed order stays a sender's, s: longer than the three calls to the ERP of an attempt may take."""
    return max(LEAST_LEASE_S, 4 * erp.timeout_s)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.sender").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs("sender")
    plant = load_plant(options.config).config
    data = DataFolder(options.data)
    data.open(plant.site.id)
    if plant.erp is None:
        raise ConfigError("erp.none")
    beat = Heartbeat(data, "sender")
    with open_site_records(plant, data, stop, beat=beat) as records, ExitStack() as opened:
        made = (connector(plant.erp, options.config.parent) for _ in range(CONNECTIONS))
        first, *beside = [opened.enter_context(closing(driver)) for driver in made]
        sender = Sender(
            records, first, beside=beside, lease_s=lease_s(plant.erp), told=lambda breaker: write_link(data, breaker)
        )
        sender.run(stop, beat=beat)
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
