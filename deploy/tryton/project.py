"""Tasks that carry Andon's key and the machine they are about."""

from __future__ import annotations

from trytond.model import fields
from trytond.modules.andon.external import ExternalMixin
from trytond.pool import PoolMeta
from trytond.pyson import Eval


class Work(ExternalMixin, metaclass=PoolMeta):
    """A task of the project Maintenance."""

    __name__ = "project.work"

    work_center = fields.Many2One(
        "production.work.center", "Work Center", ondelete="RESTRICT", domain=[("company", "=", Eval("company", -1))]
    )
