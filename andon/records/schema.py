"""The tables of the operational database. Every one carries the site; times are ns since the epoch, UTC.

JSON is kept as canonical text, so that the same content is the same bytes on every database. No text has a longest
length: SQLite would not look, and PostgreSQL would refuse a flow's alarm for it.
`migrations/` creates exactly these tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)  # fmt: skip

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

# One row a site: the lock every writer takes first, and the heads of the two sequences.
site_head = Table(
    "site_head", metadata,
    Column("site", String, primary_key=True),
    Column("audit_count", BigInteger, nullable=False),
    Column("audit_hash", String, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
)  # fmt: skip

alarm = Table(
    "alarm", metadata,
    Column("key", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("asset", String, nullable=False),
    Column("tag", String, nullable=False),
    Column("rule_id", String, nullable=False),
    Column("rule_version", String, nullable=False),
    Column("condition", String, nullable=False),
    Column("limit", Float),
    Column("unit", String, nullable=False),
    Column("priority", String, nullable=False),
    Column("raises", String, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("confirmed_ns", BigInteger, nullable=False),
    Column("cleared_ns", BigInteger),
    Column("peak", Float),
    Column("out_s", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("found_late", Boolean, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("recorded_ns", BigInteger, nullable=False),
    Column("ack_by", String),
    Column("ack_comment", Text),
    Column("ack_ns", BigInteger),
    Column("content_hash", String, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Column("begun_ns", BigInteger),  # where late data moved the start to; start_ns stays the identity
    Column("merged_into", String),  # key of the alarm that late data made this one a part of
    Column("latching", Boolean, nullable=False, server_default=false()),
    Column("suppressed_by", String, nullable=False, server_default=""),  # by design: schedule, state, mode, change
    Column("incident", String),
    Column("quiet", String, nullable=False, server_default=""),  # why nobody is told: incident, dependency, chatter
    Column("assigned_to", String),
    Column("assigned_name", String),
    Column("going_name", String),  # who is on the way
    Column("arrives_ns", BigInteger),
    Column("arrived_ns", BigInteger),
    Column("realarm_ns", BigInteger),
    Column("label", String),
    Index(None, "site", "change_seq"),
    Index(None, "site", "start_ns"),
    Index(None, "site", "state"),
    Index(None, "site", "incident"),
    Index(None, "site", "asset", "tag", "rule_id", "start_ns"),
)  # fmt: skip

# What happened to an alarm, in order. Append-only.
transition = Table(
    "transition", metadata,
    Column("alarm_key", String, ForeignKey("alarm.key"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("recorded_ns", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("actor_name", String, nullable=False),
    Column("comment", Text, nullable=False),
    Index(None, "site", "recorded_ns"),
)  # fmt: skip

# Digest of each condition change taken in (with its offset): what makes the replay of a log a no-op.
change_seen = Table(
    "change_seen", metadata,
    Column("digest", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("alarm_key", String, nullable=False),
)  # fmt: skip

outbox = Table(
    "outbox", metadata,
    Column("order_key", String, primary_key=True),
    Column("alarm_key", String, ForeignKey("alarm.key")),  # none: a report, which no alarm raised
    Column("site", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("asset", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("delivered_revision", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("next_at_ns", BigInteger, nullable=False),
    Column("lease_until_ns", BigInteger, nullable=False),
    Column("lease_owner", String),
    Column("fence", BigInteger, nullable=False),
    Column("external_id", String),
    Column("external_number", String),
    Column("last_error", Text),
    Column("parked_alarm", String),
    Column("parked_by", String),  # refusal: the sender, of what the ERP refused; word: a person, or reconcile
    Column("created_ns", BigInteger, nullable=False),
    Column("delivered_ns", BigInteger),
    Column("change_seq", BigInteger, nullable=False),
    Column("erp_status", String),  # how the ERP itself calls the state of its record
    Column("erp_closed", Boolean, nullable=False, server_default=false()),
    Column("erp_asked_ns", BigInteger),
    Column("erp_changed_ns", BigInteger),
    CheckConstraint("state IN ('pending', 'leased', 'delivered', 'parked')", name="state"),
    Index(None, "site", "state", "position"),
    Index(None, "site", "asset", "state", "position"),
    Index(None, "site", "change_seq"),
)  # fmt: skip

# Each finished attempt. Append-only.
delivery = Table(
    "delivery", metadata,
    Column("order_key", String, ForeignKey("outbox.order_key"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("outcome", String, nullable=False),
    Column("status", Integer),
    Column("error", Text),
)  # fmt: skip

# The audit trail. Append-only; each row's hash covers the one before it.
audit = Table(
    "audit", metadata,
    Column("site", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("zone", String, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("actor_name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("terminal", String, nullable=False),
    Column("action", String, nullable=False),
    Column("object_type", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("object_version", String, nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("reason", Text, nullable=False),
    Column("prev_hash", String, nullable=False),
    Column("hash", String, nullable=False),
)  # fmt: skip

users = Table(
    "users", metadata,
    Column("site", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("first_failure_ns", BigInteger, nullable=False),
    Column("locked_until_ns", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
)  # fmt: skip

# Only the SHA-256 of a token is kept; who reads the file cannot log in with it.
sessions = Table(
    "sessions", metadata,
    Column("token_hash", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("terminal", String, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    Index(None, "site", "user_id"),
)  # fmt: skip

login_token = Table(
    "login_token", metadata,
    Column("token_hash", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("redeemed_ns", BigInteger),
)  # fmt: skip

instance_state = Table(
    "instance_state", metadata,
    Column("site", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("revision", Integer, nullable=False),
)  # fmt: skip

rule_version = Table(
    "rule_version", metadata,
    Column("site", String, primary_key=True),
    Column("rule_id", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("ordinal", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("first_seen_ns", BigInteger, nullable=False),
)  # fmt: skip

APPEND_ONLY = (
    "audit", "transition", "delivery", "alarm_label", "model_version", "model_status", "model_evaluation",
    "model_assignment",
)  # fmt: skip
