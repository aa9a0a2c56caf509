"""The sender process: drains the outbox into the ERP.

python -m service.sender --config plant.toml --data data
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from andon.config.load import load_plant
from andon.config.models import Erp
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.heartbeat import Heartbeat
from andon.logs import set_up_logs
from andon.process import exit_status_of
from andon.records import open_site_records
from andon.secrets import read_secret
from service.options import parser, stop_on_signals
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender


def connector(erp: Erp, base: Path) -> WebhookConnector:
    """The driver that [erp] asks for; a relative secret_file is beside plant.toml. ConfigError without a secret."""
    file = str(base / erp.secret_file) if erp.secret_file else None
    secret = read_secret("ANDON_ERP_SECRET", file, "erp.secret_file")
    if secret is None:
        raise ConfigError("secret.missing", where="erp.secret_file", variable="ANDON_ERP_SECRET")
    return WebhookConnector(erp.url, secret.reveal(), timeout_s=erp.timeout_s)


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
    with (
        open_site_records(plant, data, stop, beat=beat) as records,
        connector(plant.erp, options.config.parent) as erp,
    ):
        Sender(records, erp).run(stop, beat=beat)
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
