"""The connector that [erp] asks for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from andon.clock import Clock
from andon.config.erp import Erp, Tryton
from andon.errors import ConfigError
from andon.secrets import read_secret
from sinks.erp.erpnext import ErpnextConnector
from sinks.erp.http import check_url
from sinks.erp.mapping import Terms
from sinks.erp.odoo import OdooConnector
from sinks.erp.port import ErpConnector
from sinks.erp.sap import SapConnector
from sinks.erp.tryton import TrytonConnector
from sinks.erp.webhook import WebhookConnector


def connector(erp: Erp, base: Path, *, clock: Clock | None = None) -> ErpConnector:
    """A driver that has not connected yet; whoever makes it closes it (`contextlib.closing`).

    base: folder of a relative secret_file. Raises ConfigError without a secret, DeliveryError for one of another form.
    """
    file = str(base / erp.secret_file) if erp.secret_file else None
    found = read_secret("ANDON_ERP_SECRET", file, "erp.secret_file")
    if found is None:
        raise ConfigError("secret.missing", where="erp.secret_file", variable="ANDON_ERP_SECRET")
    secret = found.reveal()
    if erp.kind == "erpnext":
        return ErpnextConnector(erp, secret, clock=clock)
    if erp.kind == "odoo":
        return OdooConnector(erp, secret, clock=clock)
    if erp.kind == "sap":
        return SapConnector(erp, secret, clock=clock)
    if erp.kind == "tryton" and erp.tryton is not None:
        return _tryton(erp, erp.tryton, secret, clock)
    return WebhookConnector(erp.url, secret, timeout_s=erp.timeout_s, clock=clock)


def _tryton(erp: Erp, names: Tryton, secret: str, clock: Clock | None) -> TrytonConnector:
    codes = {str(priority): code for priority, code in erp.priorities.items()}
    return TrytonConnector(
        f"{check_url(erp.url)}/{quote(names.database, safe='')}", secret, company=names.company, control=names.control,
        project=names.project, maps=erp.map, models=erp.models,
        terms=Terms(ZoneInfo(erp.timezone), dict(erp.equipment), codes), timeout_s=erp.timeout_s, clock=clock,
    )  # fmt: skip
