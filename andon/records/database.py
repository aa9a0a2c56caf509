"""`Records`: everything that can be done with the operational database, put together of its parts."""

from __future__ import annotations

from andon.records.acts import ActRecords
from andon.records.alarms import AlarmRecords
from andon.records.capa import CapaRecords
from andon.records.erp_answers import ErpAnswerRecords
from andon.records.facts import FactRecords
from andon.records.holds import HoldRecords
from andon.records.labels import LabelRecords
from andon.records.notices import NoticeRecords
from andon.records.outbox import OutboxRecords
from andon.records.passing import PassingRecords
from andon.records.points import PointRecords
from andon.records.similar import SimilarRecords
from andon.records.told import ToldRecords
from andon.records.users import UserRecords


class Records(
    AlarmRecords,
    ActRecords,
    PointRecords,
    LabelRecords,
    SimilarRecords,
    PassingRecords,
    OutboxRecords,
    ErpAnswerRecords,
    HoldRecords,
    CapaRecords,
    ToldRecords,
    UserRecords,
    FactRecords,
    NoticeRecords,
):
    """The operational database of a site. Threads and processes may share it; every process makes its own object.

    Guaranteed: a call that returned is on disk (SQLite: WAL, synchronous FULL; PostgreSQL: synchronous_commit on),
    with its audit record; one that raised has changed nothing, but for refusals, which are themselves audited. Not
    guaranteed after "records.away": a connection that is lost while a commit is under way leaves open whether it
    was done. What the flow and the sender write may be repeated. See the bases for the methods.
    """
