"""The checker: content with a faultless run, and sees each thing that can be wrong."""

from __future__ import annotations

import copy

import pytest

from andon.readings import NS_PER_S
from simulators.checker import LedgerRow, check
from simulators.truth import truth

START_NS = 1_767_225_600_000_000_000
END_NS = START_NS + 5400 * NS_PER_S


@pytest.fixture(scope="module")
def told():
    return truth(1, START_NS, END_NS)


class Run:
    """What a faultless Andon would have recorded; tests spoil it."""

    def __init__(self, told):
        self.truth = told
        self.records = [
            {
                "key": f"K{number:019d}", "asset": fault.asset, "tag": fault.tag, "rule_id": fault.rule_id,
                "raises": fault.kind, "start_ns": (fault.earliest_ns + fault.latest_ns) // 2,
            }
            for number, fault in enumerate(told.required)
        ]  # fmt: skip
        self.erp = [{"key": record["key"], "kind": record["raises"]} for record in self.records]
        self.ledger = []
        for (asset, tag), sent in told.series.items():
            late = min(3, sent.accepted)
            received = sent.accepted + sent.bad + sent.duplicate
            self.ledger.append(LedgerRow(asset, tag, received, sent.accepted - late, late, sent.duplicate, sent.bad, 0))
        dead = told.dead_letters
        self.ledger.append(LedgerRow("", "", dead, 0, 0, 0, 0, dead))
        self.dead_letters = dict(told.malformed)

    def check(self):
        return check(self.truth, self.records, self.erp, self.ledger, self.dead_letters, windows=42)

    def change(self, at, **fields):
        self.ledger[at] = self.ledger[at]._replace(**fields)


@pytest.fixture
def run(told):
    return Run(copy.deepcopy(told))


def test_a_faultless_run(run):
    report = run.check()
    assert report.ok, [finding.text("en") for finding in report.findings]
    kinds = [record["raises"] for record in run.records]
    assert report.final_line == (
        f"readings {run.truth.readings}, windows 42, alarms {len(kinds)}, "
        f"quality events {kinds.count('quality_event')}, maintenance orders {kinds.count('maintenance_order')}, "
        f"dead letters {run.truth.dead_letters}, lost 0, doubled 0"
    )
    assert report.found == run.truth.required
    assert len(report.optional) == len(run.truth.faults) - len(run.truth.required) > 0


def test_a_run_without_faults_and_without_records():
    quiet = Run(truth(1, START_NS, END_NS, faults=False))
    report = quiet.check()
    assert report.ok
    assert ", alarms 0, quality events 0, maintenance orders 0," in report.final_line


@pytest.mark.parametrize("at", range(8))
def test_each_missing_record_is_seen(run, at):
    gone = run.records.pop(at)
    del run.erp[at]
    report = run.check()
    assert [(finding.what, finding.asset, finding.subject) for finding in report.findings] == [
        ("missing", gone["asset"], gone["rule_id"])
    ]
    assert (report.lost, report.doubled, report.ok) == (1, 0, False)


def test_a_fault_that_was_not_due_may_have_its_record(run):
    fault = next(fault for fault in run.truth.faults if fault not in run.truth.required)
    run.records.append({
        "key": "late", "asset": fault.asset, "tag": fault.tag, "rule_id": fault.rule_id, "raises": fault.kind,
        "start_ns": fault.latest_ns,
    })  # fmt: skip
    run.erp.append({"key": "late", "kind": fault.kind})
    assert run.check().ok


def test_one_fault_two_records(run):
    run.records.append(run.records[0] | {"key": "second", "start_ns": run.records[0]["start_ns"] + 1})
    run.erp.append({"key": "second", "kind": run.records[0]["raises"]})
    report = run.check()
    assert [(finding.what, finding.count) for finding in report.findings] == [("doubled", 1)]
    assert (report.lost, report.doubled) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"asset": "cold/room2"}, {"tag": "other"}, {"rule_id": "other"}, {"start_ns": START_NS},
        {"start_ns": END_NS}, {"raises": "quality_event"},
    ],
)  # fmt: skip
def test_a_record_of_another_asset_kind_or_time_is_extra_and_the_right_one_missing(run, change):
    at = next(at for at, record in enumerate(run.records) if record["raises"] == "maintenance_order")
    run.records[at] |= change
    run.erp[at]["kind"] = run.records[at]["raises"]
    report = run.check()
    assert sorted(finding.what for finding in report.findings) == ["extra", "missing"]
    assert (report.lost, report.doubled) == (1, 1)


@pytest.mark.parametrize(("edge", "ok"), [("earliest_ns", True), ("latest_ns", True)])
def test_the_window_includes_its_ends(run, edge, ok):
    run.records[0]["start_ns"] = getattr(run.truth.required[0], edge)
    assert run.check().ok is ok
    run.records[0]["start_ns"] += -1 if edge == "earliest_ns" else 1
    assert run.check().ok is not ok


def test_alarms_that_raise_nothing_do_not_count(run):
    run.records.append(run.records[0] | {"key": "note", "raises": "none", "start_ns": 5})
    assert run.check().ok
    assert f"alarms {len(run.records) - 1}," in run.check().final_line


def test_a_record_that_never_reached_the_erp(run):
    del run.erp[2]
    report = run.check()
    assert [(finding.what, finding.subject) for finding in report.findings] == [("erp_missing", run.records[2]["key"])]
    assert (report.lost, report.doubled) == (1, 0)


def test_a_record_three_times_in_the_erp(run):
    run.erp += [run.erp[1], run.erp[1]]
    report = run.check()
    assert [(finding.what, finding.count) for finding in report.findings] == [("erp_doubled", 2)]
    assert (report.lost, report.doubled) == (0, 2)


def test_an_erp_entry_without_a_record(run):
    run.erp.append({"key": "stranger", "kind": "quality_event"})
    report = run.check()
    assert [finding.what for finding in report.findings] == ["erp_extra"]
    assert report.doubled == 1


def test_the_wrong_kind_in_the_erp(run):
    run.erp[0]["kind"] = "something"
    report = run.check()
    assert [finding.what for finding in report.findings] == ["erp_kind"]
    assert not report.ok


def test_a_lost_reading(run):
    row = run.ledger[0]
    run.change(0, received=row.received - 2, counted=row.counted - 2)
    report = run.check()
    assert [(finding.what, finding.count) for finding in report.findings] == [("readings_lost", 2)]
    assert (report.lost, report.doubled) == (2, 0)


def test_a_reading_counted_twice(run):
    row = run.ledger[3]
    run.change(3, received=row.received + 1, late=row.late + 1)
    report = run.check()
    assert [(finding.what, finding.subject) for finding in report.findings] == [("readings_doubled", row.tag)]
    assert (report.lost, report.doubled) == (0, 1)


def test_a_repeat_taken_for_a_new_reading(run):
    at = next(at for at, row in enumerate(run.ledger) if row.duplicate)
    row = run.ledger[at]
    run.change(at, counted=row.counted + 1, duplicate=row.duplicate - 1)
    report = run.check()
    assert (report.lost, report.doubled) == (0, 1)


def test_a_reading_taken_for_a_repeat(run):
    row = run.ledger[0]
    run.change(0, counted=row.counted - 1, duplicate=row.duplicate + 1)
    assert (run.check().lost, run.check().doubled) == (1, 0)


def test_a_lost_repeat(run):
    at = next(at for at, row in enumerate(run.ledger) if row.duplicate)
    row = run.ledger[at]
    run.change(at, received=row.received - 1, duplicate=row.duplicate - 1)
    assert (run.check().lost, run.check().doubled) == (1, 0)


def test_a_bad_reading_taken_for_a_good_one(run):
    at = next(at for at, row in enumerate(run.ledger) if row.bad)
    row = run.ledger[at]
    run.change(at, counted=row.counted + 1, bad=row.bad - 1)
    report = run.check()
    assert [finding.what for finding in report.findings] == ["misjudged"]
    assert not report.ok


def test_a_series_that_nobody_sends(run):
    run.ledger.append(LedgerRow("cold/room1", "ghost", 5, 5, 0, 0, 0, 0))
    assert run.check().doubled == 5


def test_a_series_missing_altogether(run):
    gone = run.ledger.pop(0)
    assert run.check().lost == gone.received


def test_a_ledger_that_does_not_balance(run):
    run.change(0, received=run.ledger[0].received + 1)
    report = run.check()
    assert [finding.what for finding in report.findings] == ["unbalanced"]
    assert not report.ok


def test_hours_of_a_series_are_added_up(run):
    row = run.ledger.pop(0)
    half = row.counted // 2
    run.ledger.append(row._replace(received=row.received - half, counted=row.counted - half))
    run.ledger.append(LedgerRow(row.asset, row.tag, half, half, 0, 0, 0, 0))
    assert run.check().ok


def test_dead_letters_by_reason(run):
    reasons = list(run.dead_letters)
    run.dead_letters[reasons[0]] -= 1
    run.dead_letters[reasons[1]] += 2
    run.dead_letters["poison"] = 3
    report = run.check()
    assert {(finding.what, finding.subject, finding.count) for finding in report.findings} == {
        ("dead_lost", reasons[0], 1), ("dead_doubled", reasons[1], 2), ("dead_doubled", "poison", 3),
    }  # fmt: skip
    assert (report.lost, report.doubled) == (1, 5)


def test_every_finding_has_a_sentence_in_both_languages(run):
    run.records[0]["start_ns"] = 0
    run.records.append(run.records[1] | {"key": "more"})
    run.erp += [run.erp[2], {"key": "stranger", "kind": "x"}]
    run.erp[3]["kind"] = "x"
    run.change(0, received=0, counted=0)
    run.change(1, received=9**9, counted=9**9)
    run.dead_letters = {"poison": 1}
    at = next(at for at, row in enumerate(run.ledger) if at > 1 and row.bad)
    run.change(at, bad=run.ledger[at].bad - 1, counted=run.ledger[at].counted + 1)
    findings = run.check().findings
    assert len({finding.what for finding in findings}) == 13
    for finding in findings:
        assert finding.subject in finding.text("en")
        assert finding.text("en") != finding.text("zh-CN")
        assert "simulators.check" not in finding.text("zh-CN")
