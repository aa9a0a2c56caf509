"""Alarms and drifts of models, and when they learned: what the champion told, what a challenger would have told.

Of a series and a model one a time: the same one again, from a replay, adds nothing. They go when windows do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from andon.models import LearningTurn, ModelAlarm, ModelDrift

SCHEMA = """
create table if not exists model_alarm (
    asset text, tag text, model text, time_ns integer, role text, score real, component text,
    primary key (asset, tag, model, time_ns)) without rowid"""
INSERT = "insert into model_alarm (asset, tag, model, time_ns, role, score, component) values (?,?,?,?,?,?,?) \
on conflict do nothing"
HAS = "select 1 from sqlite_master where type = 'table' and name = 'model_alarm'"
SELECT = """select asset, tag, model, role, time_ns, score, component from model_alarm
where time_ns > ?1 and time_ns <= ?2 and (?3 is null or asset = ?3) and (?4 is null or tag = ?4)"""
PRUNE = "delete from model_alarm where time_ns < ?"

TURN_SCHEMA = """
create table if not exists learning_turn (
    asset text, tag text, time_ns integer, learn integer, primary key (asset, tag, time_ns)) without rowid"""
INSERT_TURN = "insert into learning_turn values (?,?,?,?) on conflict do nothing"
HAS_TURN = "select 1 from sqlite_master where type = 'table' and name = 'learning_turn'"
SELECT_TURN = "select asset, tag, time_ns, learn from learning_turn where asset = ? and tag = ? order by time_ns"
PRUNE_TURN = "delete from learning_turn where time_ns < ?"

DRIFT_SCHEMA = """
create table if not exists model_drift (
    asset text, tag text, model text, signal text, time_ns integer, before real, after real,
    primary key (asset, tag, model, signal, time_ns)) without rowid"""
INSERT_DRIFT = "insert into model_drift values (?,?,?,?,?,?,?) on conflict do nothing"
HAS_DRIFT = "select 1 from sqlite_master where type = 'table' and name = 'model_drift'"
SELECT_DRIFT = """select asset, tag, model, signal, time_ns, before, after from model_drift
where time_ns > ?1 and time_ns <= ?2 and (?3 is null or model = ?3)"""
# Of each group SQLite takes the other columns from the row with the maximum.
SELECT_LAST_DRIFT = """select asset, tag, model, signal, max(time_ns), before, after from model_drift
group by asset, tag, signal"""
PRUNE_DRIFT = "delete from model_drift where time_ns < ?"


def rows(alarms: Iterable[ModelAlarm]) -> Iterator[tuple[Any, ...]]:
    """Rows for `INSERT`."""
    for one in alarms:
        yield one.asset, one.tag, one.model, one.time_ns, one.role, one.score, one.component


def told(row: tuple[Any, ...]) -> ModelAlarm:
    """A row of `SELECT`."""
    return ModelAlarm(*row)


def drift_rows(drifts: Iterable[ModelDrift]) -> Iterator[tuple[Any, ...]]:
    """Rows for `INSERT_DRIFT`."""
    for one in drifts:
        yield one.asset, one.tag, one.model, one.signal, one.time_ns, one.before, one.after


def told_drift(row: tuple[Any, ...]) -> ModelDrift:
    """A row of `SELECT_DRIFT`."""
    return ModelDrift(*row)


def turn_rows(turns: Iterable[LearningTurn]) -> Iterator[tuple[Any, ...]]:
    """Rows for `INSERT_TURN`."""
    for one in turns:
        yield one.asset, one.tag, one.time_ns, one.learn


def told_turn(row: tuple[Any, ...]) -> LearningTurn:
    """A row of `SELECT_TURN`."""
    return LearningTurn(*row)
