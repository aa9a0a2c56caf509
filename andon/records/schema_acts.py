"""The tables of what people and the ERP do about alarms: alarm points, incidents, notices, labels, holds, CAPA.

The conventions are those of `andon.records.schema`, which holds the tables of the alarms themselves.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from andon.records.schema import metadata

# One row for each series and rule that people have ever set aside. What the design of a rule silences is a matter of
# the alarm (alarm.suppressed_by). mode: "" (in service), shelved, out_of_service. until_ns: end of shelving, real time.
alarm_point = Table(
    "alarm_point", metadata,
    Column("site", String, primary_key=True),
    Column("asset", String, primary_key=True),
    Column("tag", String, primary_key=True),
    Column("rule_id", String, primary_key=True),
    Column("mode", String, nullable=False),
    Column("until_ns", BigInteger),
    Column("since_ns", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("actor_name", String, nullable=False),
    Column("second_name", String),  # who confirmed shelving it
    Column("revision", Integer, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Index(None, "site", "mode"),
)  # fmt: skip

# One upset of one part of the plant: the alarms that belong together, and the first of them.
incident = Table(
    "incident", metadata,
    Column("key", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("first_alarm", String, ForeignKey("alarm.key"), nullable=False),
    Column("priority", String, nullable=False),
    Column("alarms", Integer, nullable=False),
    Column("begun_ns", BigInteger, nullable=False),
    Column("told_ns", BigInteger, nullable=False),  # of the alarm that opened it, plant time
    Column("last_ns", BigInteger, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger),
    Column("episode", Integer, nullable=False),  # how often somebody had to begin to answer for it
    Column("waiting_ns", BigInteger, nullable=False),  # since when it waits for an acknowledgement, real time
    Column("change_seq", BigInteger, nullable=False),
    Index(None, "site", "change_seq"),
    Index(None, "site", "closed_ns"),
    Index(None, "site", "last_ns"),
)  # fmt: skip

# What people are told: an outbox of its own, one row for each receiver, step and kind of message.
notice = Table(
    "notice", metadata,
    Column("key", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("subject_kind", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("step", Integer, nullable=False),
    Column("route", String, nullable=False),
    Column("receiver", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("language", String, nullable=False),
    Column("state", String, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_until_ns", BigInteger, nullable=False),
    Column("lease_owner", String),
    Column("fence", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("proof", Text),
    Column("last_error", Text),
    Column("created_ns", BigInteger, nullable=False),
    Column("sent_ns", BigInteger),
    Column("change_seq", BigInteger, nullable=False),
    Index(None, "site", "state", "due_ns"),
    Index(None, "site", "receiver", "sent_ns"),
    Index(None, "site", "subject"),
    Index(None, "site", "change_seq"),
)  # fmt: skip

# Whether an alarm was right, as people or the ERP say. Append-only; the last one counts.
alarm_label = Table(
    "alarm_label", metadata,
    Column("alarm_key", String, ForeignKey("alarm.key"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("source", String, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("actor_name", String, nullable=False),
    Column("comment", Text, nullable=False),
)  # fmt: skip

# A lot that the ERP was asked to block because of an alarm.
lot_hold = Table(
    "lot_hold", metadata,
    Column("key", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("alarm_key", String, ForeignKey("alarm.key"), nullable=False),
    Column("lot", String, nullable=False),
    Column("product", String, nullable=False),
    Column("asset", String, nullable=False),
    Column("state", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Index(None, "site", "alarm_key"),
    Index(None, "site", "change_seq"),
)  # fmt: skip

# A corrective or preventive action that Andon proposes; a person decides. content: canonical JSON.
capa_proposal = Table(
    "capa_proposal", metadata,
    Column("key", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("alarm_key", String, ForeignKey("alarm.key"), nullable=False),
    Column("trigger", String, nullable=False),
    Column("content", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("proposed_ns", BigInteger, nullable=False),
    Column("decided_ns", BigInteger),
    Column("actor_id", String),
    Column("actor_name", String),
    Column("reason", Text, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Index(None, "site", "state"),
    Index(None, "site", "change_seq"),
)  # fmt: skip

# Webhooks that came in and were taken: who sends one again is not heard twice.
inbound_seen = Table(
    "inbound_seen", metadata,
    Column("site", String, primary_key=True),
    Column("endpoint", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Index(None, "site", "seen_ns"),
)  # fmt: skip

# The values last told to the ERP of a report that may be corrected (OEE of a shift): the next tells the difference.
report_told = Table(
    "report_told", metadata,
    Column("site", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("told_ns", BigInteger, nullable=False),
    Column("final", Boolean, nullable=False),
)  # fmt: skip

TABLES = metadata  # those above, and those of `andon.records.schema` and `schema_models`: all there are
