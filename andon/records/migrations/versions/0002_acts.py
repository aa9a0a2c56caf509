"""What people and the ERP do about alarms; orders that no alarm raised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from andon.records.dialect import append_only_ddl

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables of acts, and what alarms and orders keep of them."""
    _new_tables()
    _alarm_columns()
    _outbox()
    for statement in append_only_ddl(op.get_bind().dialect.name, "alarm_label"):
        op.execute(statement)


def _alarm_columns() -> None:
    texts = ("merged_into", "incident", "assigned_to", "assigned_name", "going_name", "label")
    times = ("begun_ns", "arrives_ns", "arrived_ns", "realarm_ns")
    for name in texts:
        op.add_column("alarm", sa.Column(name, sa.String(), nullable=True))
    for name in times:
        op.add_column("alarm", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in ("suppressed_by", "quiet"):
        op.add_column("alarm", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("alarm", sa.Column("latching", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(op.f("ix_alarm_site_incident"), "alarm", ["site", "incident"])
    op.create_index(op.f("ix_transition_site_recorded_ns"), "transition", ["site", "recorded_ns"])
    point = ["site", "asset", "tag", "rule_id", "start_ns"]
    op.create_index(op.f("ix_alarm_site_asset_tag_rule_id_start_ns"), "alarm", point)


def _outbox() -> None:
    """An order's key is no longer always an alarm's.

    SQLite can change a constraint only by making the table anew, and refuses to drop one that another names: so the
    attempts let go of their orders first, and take hold of them again.
    """
    with op.batch_alter_table("delivery") as batch:
        batch.drop_constraint("fk_delivery_order_key", type_="foreignkey")
    with op.batch_alter_table("outbox") as batch:
        batch.drop_constraint("fk_outbox_order_key", type_="foreignkey")
        batch.add_column(sa.Column("alarm_key", sa.String(), nullable=True))
        batch.add_column(sa.Column("parked_by", sa.String(), nullable=True))
        batch.add_column(sa.Column("erp_status", sa.String(), nullable=True))
        batch.add_column(sa.Column("erp_closed", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("erp_asked_ns", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("erp_changed_ns", sa.BigInteger(), nullable=True))
        batch.create_foreign_key("fk_outbox_alarm_key", "alarm", ["alarm_key"], ["key"])
    op.execute("UPDATE outbox SET alarm_key = order_key")
    with op.batch_alter_table("delivery") as batch:
        batch.create_foreign_key("fk_delivery_order_key", "outbox", ["order_key"], ["order_key"])
    if op.get_bind().dialect.name == "sqlite":  # its triggers went with the table
        for statement in append_only_ddl("sqlite", "delivery"):
            op.execute(statement)


def _new_tables() -> None:
    op.create_table(
        "alarm_point",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=True),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("second_name", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "asset", "tag", "rule_id", name=op.f("pk_alarm_point")),
    )
    op.create_index(op.f("ix_alarm_point_site_mode"), "alarm_point", ["site", "mode"], unique=False)
    op.create_table(
        "inbound_seen",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("seen_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "endpoint", "id", name=op.f("pk_inbound_seen")),
    )
    op.create_index(op.f("ix_inbound_seen_site_seen_ns"), "inbound_seen", ["site", "seen_ns"], unique=False)
    op.create_table(
        "notice",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until_ns", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("sent_ns", sa.BigInteger(), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notice")),
    )
    op.create_index(op.f("ix_notice_site_change_seq"), "notice", ["site", "change_seq"], unique=False)
    op.create_index(op.f("ix_notice_site_state_due_ns"), "notice", ["site", "state", "due_ns"], unique=False)
    op.create_index(op.f("ix_notice_site_receiver_sent_ns"), "notice", ["site", "receiver", "sent_ns"], unique=False)
    op.create_index(op.f("ix_notice_site_subject"), "notice", ["site", "subject"], unique=False)
    op.create_table(
        "report_told",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("told_ns", sa.BigInteger(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("site", "kind", "subject", name=op.f("pk_report_told")),
    )
    op.create_table(
        "alarm_label",
        sa.Column("alarm_key", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alarm_key"], ["alarm.key"], name=op.f("fk_alarm_label_alarm_key")),
        sa.PrimaryKeyConstraint("alarm_key", "seq", name=op.f("pk_alarm_label")),
    )
    op.create_table(
        "capa_proposal",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("alarm_key", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), nullable=True),
        sa.Column("actor_id", sa.String(), nullable=True),
        sa.Column("actor_name", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alarm_key"], ["alarm.key"], name=op.f("fk_capa_proposal_alarm_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_capa_proposal")),
    )
    op.create_index(op.f("ix_capa_proposal_site_change_seq"), "capa_proposal", ["site", "change_seq"], unique=False)
    op.create_index(op.f("ix_capa_proposal_site_state"), "capa_proposal", ["site", "state"], unique=False)
    op.create_table(
        "incident",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("first_alarm", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("begun_ns", sa.BigInteger(), nullable=False),
        sa.Column("told_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=True),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("waiting_ns", sa.BigInteger(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["first_alarm"], ["alarm.key"], name=op.f("fk_incident_first_alarm")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_incident")),
    )
    op.create_index(op.f("ix_incident_site_change_seq"), "incident", ["site", "change_seq"], unique=False)
    op.create_index(op.f("ix_incident_site_closed_ns"), "incident", ["site", "closed_ns"], unique=False)
    op.create_index(op.f("ix_incident_site_last_ns"), "incident", ["site", "last_ns"], unique=False)
    op.create_table(
        "lot_hold",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("alarm_key", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alarm_key"], ["alarm.key"], name=op.f("fk_lot_hold_alarm_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lot_hold")),
    )
    op.create_index(op.f("ix_lot_hold_site_alarm_key"), "lot_hold", ["site", "alarm_key"], unique=False)
    op.create_index(op.f("ix_lot_hold_site_change_seq"), "lot_hold", ["site", "change_seq"], unique=False)
