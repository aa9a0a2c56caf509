"""Loads after their cycle: indicators, release and rejection, what blocks, any split into steps, late events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.sterilisation import SterilisationProgram
from andon.figures import KINDS
from andon.readings import NS_PER_S
from operators.machines import Every
from operators.sterilisation_machine import specs
from tests.machine_runs import run
from tests.naive_sterilisation_release import naive
from tests.sterilisation_world import ASSET, PROGRAM, Event, columns, cycle, made, plant

WITH_BI = PROGRAM.model_copy(update={"bi_exposed": 2})
ALONE = PROGRAM.model_copy(update={"f0_min": None})
CYCLE, BI = specs(plant((WITH_BI,)), ASSET)
PARAMETRIC = specs(plant((ALONE,), release=True), ASSET)[-1]
TIGHT = specs(plant((PROGRAM.model_copy(update={"hold_s": 300.0}),), release=True), ASSET)[-1]
DAY_S = 86_400


def at(second, event, **data):
    return Event(second * NS_PER_S, event, data)


START = at(5, "load.started", load="L1", cycle="C1", lot="A")


def negative(second, name, **more):
    return at(second, "bi.result", load="L1", indicator=name, result="negative", **more)


CONTROL = at(DAY_S, "bi.result", load="L1", indicator="K", kind="control", result="positive")
READ = (START, CONTROL, negative(DAY_S, "1"), negative(DAY_S + 1, "2"))


def release(spec, events, log=None):
    return made(spec, log or cycle(), events, until_s=3 * DAY_S)


def last(spec, events, log=None):
    return release(spec, events, log)[-1]


def test_the_kinds_that_loads_are_followed_for():
    assert [one.kind for one in specs(plant((WITH_BI,)), ASSET)] == ["steam_cycle", "load_release"]
    assert [one.kind for one in specs(plant(), ASSET)] == ["steam_cycle"]
    assert plant((WITH_BI,)).template_of(ASSET).sterilisation.carrying("load_release") == ("drain",)
    assert plant().template_of(ASSET).sterilisation.carrying("load_release") == ()


def test_a_cycle_whose_program_wants_indicators_cannot_pass_by_itself():
    main = made(CYCLE, cycle(), [START])[0]
    assert (main.parts["verdict"], main.about["undecided"]) == (None, "bi")
    assert made(CYCLE, cycle(hot=115.0), [START])[0].parts["verdict"] == 0.0


def test_indicators_without_growth_and_a_control_that_grew_prove_the_load():
    first, second = release(BI, READ)
    assert (first.parts["verdict"], first.about["undecided"], first.parts["bi_missing"]) == (None, "bi", 1.0)
    assert second.parts == {
        "verdict": 1.0, "cycle_verdict": 1.0, "bi_verdict": 1.0, "bi_read": 2.0, "bi_positive": 0.0, "bi_missing": 0.0,
        "bi_controls": 1.0, "released": None, "unproven": None, "failed_now": 0.0, "unproven_now": 0.0,
        "waited_s": DAY_S + 1 - 210.0,
    }  # fmt: skip
    assert second.about == {"load": "L1", "cycle": "C1", "lot": "A", "program": "porous-121", "program_version": "3"}
    assert {part.name for part in KINDS["load_release"].parts} == set(second.parts)
    assert set(second.about) <= set(KINDS["load_release"].about)


BY_CYCLE = (at(DAY_S, "bi.result", cycle="C1", result="no_growth"),)
NAMELESS = (at(DAY_S, "bi.result", result="negative"),)
DEAD = negative(DAY_S, "K", kind="control")
GROWN = at(DAY_S, "bi.result", load="L1", result=True)
CASES = {
    # events after READ's cycle: (verdict, bi_verdict, undecided, failed)
    "growth-fails": ((negative(DAY_S, "1"), GROWN, CONTROL), (0.0, 0.0, "", "bi")),
    "no-control": ((negative(DAY_S, "1"), negative(DAY_S, "2")), (None, None, "bi_control", "")),
    "dead-control": (
        (negative(DAY_S, "1"), negative(DAY_S, "2"), DEAD), (None, None, "bi_control", ""),
    ),
    "too-few": ((negative(DAY_S, "1"), CONTROL), (None, None, "bi", "")),
    "one-read-twice": ((negative(DAY_S, "1"), negative(DAY_S, "1", reader="B"), CONTROL), (None, None, "bi", "")),
    "unreadable": (
        (negative(DAY_S, "1"), negative(DAY_S, "2"), at(DAY_S, "bi.result", load="L1", result="lost"), CONTROL),
        (None, None, "bi", ""),
    ),
    "by-cycle": (
        (*BY_CYCLE, *BY_CYCLE, CONTROL),
        (1.0, 1.0, "", ""),
    ),
    "the-only-one-that-waits": (
        (*NAMELESS, *NAMELESS, CONTROL), (1.0, 1.0, "", ""),
    ),
    "of-another-load": ((at(DAY_S, "bi.result", load="L9", result="negative"),), (None, None, "cycle", "")),
    "growth-in-another-load": ((at(DAY_S, "bi.result", load="L9", result="positive"),), (0.0, 0.0, "cycle", "bi")),
}  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES.keys())
def test_what_indicators_decide(events, expected):
    one = last(BI, (START, *events))
    assert (
        one.parts["verdict"],
        one.parts["bi_verdict"],
        one.about.get("undecided", ""),
        one.about.get("failed", ""),
    ) == (expected)


def test_a_load_that_is_released_on_proof():
    one = last(BI, (*READ, at(2 * DAY_S, "load.released", load="L1", by="Q. A.")))
    assert (one.parts["released"], one.parts["unproven"], one.about["by"]) == (1.0, 0.0, "Q. A.")
    assert "by" not in last(BI, (*READ, at(2 * DAY_S, "load.released", load="L1", by=None))).about, "nobody is no name"


@pytest.mark.parametrize("spec", [BI, TIGHT], ids=["undecided", "failed"])
def test_a_load_that_is_released_without_proof_is_told(spec):
    one = last(spec, (START, at(DAY_S, "load.released", load="L1")))
    assert (one.parts["released"], one.parts["unproven"]) == (1.0, 1.0)
    rejected = last(spec, (START, at(DAY_S, "load.rejected", load="L1")))
    assert (rejected.parts["released"], rejected.parts["unproven"]) == (0.0, 0.0)
    said = last(spec, (START, at(DAY_S, "load.released", load="L1", decision="rejected")))
    assert said.parts["released"] == 0.0
    held = last(spec, (START, at(DAY_S, "load.released", load="L1", decision="hold")))
    assert (held.parts["released"], held.parts["unproven"]) == (None, None)


def test_growth_that_is_read_after_the_release_makes_it_unproven():
    told = (
        *READ,
        at(2 * DAY_S, "load.released", load="L1"),
        at(2 * DAY_S + 9, "bi.result", load="L1", result="growth"),
    )
    *_, before, after = release(BI, told)
    assert (before.parts["verdict"], before.parts["unproven"]) == (1.0, 0.0)
    assert (after.parts["verdict"], after.parts["unproven"]) == (0.0, 1.0)


def test_without_indicators_the_cycle_alone_decides():
    one = last(PARAMETRIC, (START, at(DAY_S, "load.released", load="L1")))
    assert (one.parts["verdict"], one.parts["bi_verdict"], one.parts["unproven"]) == (1.0, None, 0.0)


def test_what_is_told_while_the_cycle_runs_is_kept_for_it():
    early, late = release(
        PARAMETRIC, (START, at(100, "load.released", load="L1"), at(DAY_S, "bi.result", load="L1", result=False))
    )
    assert (early.parts["verdict"], early.parts["unproven"], early.about["undecided"]) == (None, 1.0, "cycle")
    assert (late.parts["verdict"], late.parts["released"], late.parts["unproven"]) == (1.0, 1.0, 0.0)


def test_a_release_while_the_next_cycle_runs_is_no_load_of_that():
    steam = specs(plant((ALONE,), release=True), ASSET)[0]
    main = made(steam, cycle(), (at(5, "load.started", load="L2"), at(100, "load.released", load="L1")))[0]
    assert main.about["load"] == "L2"
    assert main.parts["verdict"] == 1.0


def test_two_loads_at_one_instant_have_a_figure_each():
    found = release(BI, (*READ, at(2 * DAY_S, "load.released", load="L1"), at(2 * DAY_S, "load.released", load="L2")))
    ends = [(one.about["load"], one.start_ns - 2 * DAY_S * NS_PER_S) for one in found[-2:]]
    assert ends == [("L1", 0), ("L2", 1)]


WORDS = st.sampled_from(["positive", "negative", "no_growth", True, False, "?", None])
SOME = st.fixed_dictionaries(
    {}, optional={
        "load": st.sampled_from(["L1", "L2"]), "cycle": st.sampled_from(["C1", "C2"]), "result": WORDS,
        "kind": st.sampled_from(["exposed", "control"]), "indicator": st.sampled_from(["1", "2", "3"]),
        "decision": st.sampled_from(["released", "rejected", "hold"]), "by": st.just("Q"),
    },
)  # fmt: skip
HEARD = st.builds(
    lambda second, event, data: Event(second * NS_PER_S, event, data),
    st.integers(0, 600), st.sampled_from(["bi.result", "bi.result", "load.released", "load.rejected"]), SOME,
)  # fmt: skip


def two_cycles():
    log = cycle()
    for tag, rows in cycle(start=230).items():
        log[tag] = [row for row in log[tag] if row[0] < 220] + [row for row in rows if row[0] >= 220]
    return log


@settings(max_examples=40, deadline=None)
@given(
    st.lists(HEARD, max_size=12), st.lists(st.integers(1, 620), max_size=6), st.sampled_from([BI, PARAMETRIC, TIGHT])
)
def test_any_split_and_restart_is_one_step(heard, cuts, spec):
    loads = (at(5, "load.started", load="L1", cycle="C1"), at(225, "load.started", load="L2", cycle="C2"))
    inputs = columns(spec, two_cycles(), [*loads, *heard])
    cuts_ns = [cut * NS_PER_S for cut in cuts]
    whole = run(lambda: spec.make(0, Every(NS_PER_S)), inputs, (), 700 * NS_PER_S)
    split = run(lambda: spec.make(0, Every(NS_PER_S)), inputs, cuts_ns, 700 * NS_PER_S, again=cuts_ns[::2])
    assert repr(split) == repr(whole)
    assert len({one.start_ns for one in whole}) == len(whole)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(HEARD, max_size=12),
    st.sampled_from([(BI, 1.0, 2, True), (PARAMETRIC, 1.0, 0, False), (TIGHT, 0.0, 0, False)]),
)
def test_a_load_stands_as_the_slow_twin_says(heard, case):
    spec, *asked = case
    named = [
        Event(DAY_S * NS_PER_S + one.time_ns, one.event, {**one.data, "load": "L1", "cycle": "C1"}) for one in heard
    ]
    named = sorted(named, key=lambda one: one.time_ns)
    found = release(spec, (START, *named))
    parts = ("verdict", "bi_verdict", "released", "unproven")
    wanted = naive(named, *asked)
    assert [tuple(one.parts[name] for name in parts) for one in found] == wanted
    failed = [asked[0] == 0.0, *(one[0] == 0.0 for one in wanted)]
    unproven = [False, *(one[3] == 1.0 for one in wanted)]
    turned = [(one.parts["failed_now"], one.parts["unproven_now"]) for one in found]
    assert turned == [
        tuple(float(now and not before) for before, now in pairs)
        for pairs in zip(pairwise(failed), pairwise(unproven), strict=True)
    ]


def test_a_late_result_counts_from_its_own_time():
    """Events come in order of time, however late: the machine makes the figures that follow anew."""
    told = [*READ, at(2 * DAY_S, "load.released", load="L1")]
    assert last(BI, told).parts["unproven"] == 0.0
    late = release(BI, [*told, at(DAY_S + 5, "bi.result", load="L1", indicator="2", result="positive")])
    assert [one.parts["verdict"] for one in late] == [None, 1.0, 0.0, 0.0]
    assert late[-1].parts["unproven"] == 1.0


def test_of_loads_of_one_name_the_newest_is_meant_whatever_its_kind_and_the_split():
    wash = SterilisationProgram(name="wash", kind="disinfection", temperature=80.0, hold_s=10.0, a0_s=1.0)
    spec = specs(plant((ALONE, wash), release=True), ASSET)[-1]
    first, second = at(5, "load.started", load="L1", program="wash"), at(225, "load.started", load="L1")
    inputs = columns(spec, two_cycles(), [first, second, at(600, "load.released", load="L1")])
    for cuts in ((), (300 * NS_PER_S,)):
        (one,) = run(lambda: spec.make(0, Every(NS_PER_S)), inputs, cuts, 700 * NS_PER_S)
        assert (one.about["program"], one.parts["waited_s"]) == ("porous-121", 170.0)


def test_a_load_that_is_let_go_when_the_next_cycle_begins_does_not_hide_that():
    one = last(PARAMETRIC, (START, at(10, "load.released", load="L0"), at(DAY_S, "load.released", load="L1")))
    assert (one.about["load"], one.parts["verdict"]) == ("L1", 1.0)


def test_the_most_indicators_that_a_program_may_want_leave_room_for_their_control():
    most = next(one.le for one in SterilisationProgram.model_fields["bi_exposed"].metadata if hasattr(one, "le"))
    spec = specs(plant((PROGRAM.model_copy(update={"bi_exposed": most}),)), ASSET)[-1]
    read = [negative(DAY_S + place, str(place)) for place in range(most)]
    control = at(2 * DAY_S, "bi.result", load="L1", indicator="K", kind="control", result="positive")
    assert last(spec, (START, *read, control)).parts["verdict"] == 1.0


def test_an_indicator_may_be_the_number_nought():
    again = (negative(DAY_S, 0), negative(DAY_S + 1, 0))
    assert [one.parts["bi_read"] for one in release(BI, (START, *again))] == [1.0, 1.0]


def test_a_restart_keeps_no_more_loads_than_told_and_refuses_another_layout():
    machine = BI.make(0, Every(NS_PER_S))
    many = [at(DAY_S + place, "load.released", load=f"X{place}") for place in range(300)]
    machine.step(columns(BI, cycle(), [START, *many]), 2 * DAY_S * NS_PER_S)
    kept = machine.snapshot()
    assert len(kept[-1]) == 200
    with pytest.raises(ValueError, match="layout 1 expected, got 0"):
        machine.restore((0, *kept[1:]))
