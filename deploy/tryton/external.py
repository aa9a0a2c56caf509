"""What each record has that an outside system opens."""

from __future__ import annotations

from trytond.i18n import gettext
from trytond.model import ModelStorage, Unique, fields
from trytond.model.exceptions import ValidationError

VERDICTS = [
    (None, ""),
    ("true", "Right"),
    ("false", "False alarm"),
    ("known", "Known cause"),
]


class ExternalMixin(ModelStorage):
    """external_key is UNIQUE: whoever loses a race for it, or repeats an order, is refused and finds the record."""

    __slots__ = ()
    # Read-only in the views alone: a field that is read-only itself is refused from REST too.
    external_key = fields.Char("External Key", help="The key of the outside system; at most one record has it.")
    external_kind = fields.Char("External Kind", help="What the outside system calls this kind of record.")
    external_revision = fields.Integer(
        "External Revision", help="The revision of the outside system that this record holds."
    )
    external_verdict = fields.Selection(
        VERDICTS, "Verdict", sort=False, help="Whether the alarm was right; the outside system learns from it."
    )

    @classmethod
    def __setup__(cls):
        cls.external_key.search_unaccented = False
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            *cls._sql_constraints,
            ("external_key_unique", Unique(table, table.external_key), "andon.msg_external_key_unique"),
        ]

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        """Refuse to go back to an older revision: what was held up on the way may arrive last."""
        super().check_modification(mode, records, values=values, external=external)
        revision = (values or {}).get("external_revision") if mode == "write" else None
        for record in records if revision is not None else ():
            if (record.external_revision or 0) > revision:
                told = {"record": record.rec_name, "held": record.external_revision, "revision": revision}
                raise ValidationError(gettext("andon.msg_external_revision_old", **told))

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        for name in ("external_key", "external_kind", "external_revision", "external_verdict"):
            default.setdefault(name)
        return super().copy(records, default=default)
