"""A hold on a lot: while one is in force, no move brings the lot into production or to a customer."""

from __future__ import annotations

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.andon.external import ExternalMixin
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction

BLOCKED = {"customer", "production"}


class LotHold(Workflow, ExternalMixin, ModelSQL, ModelView):
    """One hold; a lot is free when none of its holds is in force."""

    __name__ = "stock.lot.hold"
    _rec_name = "external_key"

    company = fields.Many2One("company.company", "Company", required=True)
    lot = fields.Many2One("stock.lot", "Lot", required=True, ondelete="RESTRICT")
    title = fields.Char("Title")
    reason = fields.Text("Reason")
    state = fields.Selection(
        [("held", "Held"), ("released", "Released")], "State", required=True, readonly=True, sort=False
    )

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._transitions |= {("held", "released"), ("released", "held")}
        cls._buttons.update(
            {
                "hold": {"invisible": Eval("state") != "released", "depends": ["state"]},
                "release": {"invisible": Eval("state") != "held", "depends": ["state"]},
            }
        )

    @staticmethod
    def default_state():
        return "held"

    @staticmethod
    def default_company():
        return Transaction().context.get("company")

    @classmethod
    @ModelView.button
    @Workflow.transition("held")
    def hold(cls, holds):
        pass

    @classmethod
    @ModelView.button
    @Workflow.transition("released")
    def release(cls, holds):
        pass


class Move(metaclass=PoolMeta):
    """Refused while it would bring a held lot into production or to a customer."""

    __name__ = "stock.move"

    @classmethod
    @ModelView.button
    @Workflow.transition("done")
    def do(cls, moves):
        hold = Pool().get("stock.lot.hold")
        lots = {move.lot.id for move in moves if move.lot and move.to_location.type in BLOCKED}
        if found := hold.search([("lot", "in", list(lots)), ("state", "=", "held")], limit=1):
            raise AccessError(gettext("andon.msg_lot_held", lot=found[0].lot.rec_name))
        super().do(moves)
