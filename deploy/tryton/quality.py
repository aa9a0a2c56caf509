"""Inspections and alerts that carry Andon's key; a machine may be what is inspected."""

from __future__ import annotations

from trytond.modules.andon.external import ExternalMixin
from trytond.pool import PoolMeta


class Inspection(ExternalMixin, metaclass=PoolMeta):
    """Of a machine too, when no production or shipment is known."""

    __name__ = "quality.inspection"

    @classmethod
    def _get_origins(cls):
        return [*super()._get_origins(), "production.work.center"]

    def get_alert(self):
        # The alert has the inspection's key from its first moment: of two that process the same inspection at the
        # same time, the second is refused.
        alert = super().get_alert()
        alert.external_key = self.external_key
        alert.external_kind = self.external_kind
        return alert


class Alert(ExternalMixin, metaclass=PoolMeta):
    """What people work on; made by the inspection that fails."""

    __name__ = "quality.alert"
