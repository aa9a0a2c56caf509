"""What becomes of an alarm's order when late data merges it, and of alarms that end while their point is set aside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from andon.conditions import ConditionChange
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Records, alarm_key, schema
from tests.records_world import QUALITY, cleared, fresh, raised

HOUR_NS = 3600 * NS_PER_S

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def template(databases, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    fresh(folder).close()
    return folder


@pytest.fixture
def records(database, template, tmp_path):
    database.copy(template, tmp_path)
    with fresh(tmp_path) as mine:
        yield mine


def tell(records: Records, *changes: ConditionChange) -> None:
    records.apply_conditions(changes, SYSTEM_FLOW)


def key(change: ConditionChange) -> str:
    return alarm_key("szh1", change.asset, change.tag, change.rule_id, change.start_ns)


def orders(records: Records) -> dict[str, dict]:
    """The body of each order by its key."""
    with records.reading() as connection:
        rows = connection.execute(select(schema.outbox.c.order_key, schema.outbox.c.body))
        return {row.order_key: json.loads(row.body)["data"] for row in rows}


def merged(first: ConditionChange, second: ConditionChange) -> tuple[ConditionChange, ConditionChange]:
    """Late rows between them: the first goes on to the end of the second, which is void."""
    return (
        replace(cleared(first), kind="revised", cleared_ns=cleared(second).cleared_ns, offset=7000),
        replace(cleared(second), kind="revised", voided=True, merged_into_ns=first.start_ns, offset=7000),
    )


# ---- merged into an alarm that the ERP never heard of


@pytest.mark.parametrize("turned", [False, True])
def test_what_the_erp_heard_of_is_ordered_under_the_alarm_it_became_a_part_of(records, turned):
    silent, told = raised(0, suppressed_by="schedule"), raised(5000)
    tell(records, silent, cleared(silent, suppressed_by="schedule"), told, cleared(told, offset=6000))
    assert orders(records).keys() == {key(told)}
    both = merged(silent, told)
    tell(records, *(both[::-1] if turned else both))
    found = orders(records)
    assert found[key(told)]["merged_into"] == key(silent)
    assert found[key(silent)]["cleared"] == "2026-01-01T01:38:20.000000Z"  # 5,000 + 600 + 300 s after the start
    assert "voided" not in found[key(silent)]


def test_so_it_is_where_the_first_was_out_of_service(records):
    before, first, second = raised(-2000), raised(0), raised(5000)
    tell(records, before, cleared(before))
    records.take_out_of_service(key(before), QUALITY, "probe away")
    tell(records, first, cleared(first))
    records.restore_service(key(before), QUALITY, "probe back")
    tell(records, second, cleared(second, offset=6000))
    assert key(first) not in orders(records)
    tell(records, *merged(first, second))
    assert orders(records)[key(second)]["merged_into"] == key(first)
    assert "voided" not in orders(records)[key(first)]


def test_silent_ones_that_become_one_stay_silent(records):
    first, second = raised(0, suppressed_by="schedule"), raised(5000, suppressed_by="schedule")
    for one in (first, second):
        tell(records, one, cleared(one, suppressed_by="schedule"))
    tell(records, *merged(first, second))
    assert orders(records) == {}
