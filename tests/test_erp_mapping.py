"""From an event to an ERP's fields: types, times, lengths, and a wrong name that says what was meant."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.rules import Kind, why
from andon.config.erp_names import ALARM_NAMES
from andon.i18n import LANGUAGES
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER
from sinks.erp.mapping import CUT, Terms, cut, read_event, render, values_of
from sinks.erp.port import RefusedError
from sinks.erp.sentences import sentence
from tests.records_world import fresh, raised

SHANGHAI = Terms(ZoneInfo("Asia/Shanghai"), {"cold/room1": 17}, {"high": "2"})


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> str:
    """The event of an alarm as the records write it."""
    records = fresh(tmp_path_factory.mktemp("records"))
    records.apply_conditions([raised()], SYSTEM_FLOW)
    order = records.claim_order("test", 60.0, SYSTEM_SENDER)
    assert order is not None
    return order.body


@pytest.fixture
def event(body) -> dict[str, Any]:
    """The event, a copy for each test."""
    return json.loads(body)


CASES = {
    # id:                (template, rendered)
    "literal-text":      ("Open", "Open"),
    "literal-number":    (3, 3),
    "literal-truth":     (True, True),
    "braces":            ("{{x}}", "{x}"),
    "alone-keeps-type":  ("{revision}", 1),
    "alone-number":      ("{peak}", 9.5),
    "equipment":         ("{equipment}", 17),
    "priority":          ("{priority_code}", "2"),
    "sentence-parts":    ("{asset}/{tag} {rule}", "cold/room1/air cold-room-high"),
    "title":             ("{title}", "cold/room1 air above 8 Cel"),
    "number-in-text":    ("to {peak} {unit}", "to 9.5 Cel"),
    "number-format":     ("{peak:.2f}", "9.50"),
    "truth-in-text":     ("late: {found_late}", "late: no"),
    "time-local":        ("{start:%Y-%m-%d %H:%M}", "2026-01-01 08:00"),
    "time-iso":          ("{start}", "2026-01-01T08:00:00+08:00"),
    "time-odata-day":    ("{start:odata_date}", "/Date(1767225600000)/"),
    "time-odata-time":   ("{start:odata_time}", "PT08H00M00S"),
    "nothing-in-text":   ("until {cleared}.", "until ."),
}  # fmt: skip


@pytest.mark.parametrize(("template", "wanted"), CASES.values(), ids=CASES.keys())
def test_templates(event, template, wanted):
    assert render({"field": template}, event, SHANGHAI) == {"field": wanted}


@pytest.mark.parametrize("template", ["{cleared}", "{cleared:%H:%M}", "{merged_into}"])
def test_what_the_event_does_not_tell_leaves_the_field_out(event, template):
    assert render({"field": template, "other": "x"}, event, SHANGHAI) == {"other": "x"}
    assert render({"field": "{equipment}"}, event, Terms()) == {}


def test_sentences_in_both_languages(event):
    told = render({"en": "{why_en}", "zh": "{why_zh}"}, event)
    assert told["en"] == "cold/room1, air: above the limit of 8 °C for 10 min, highest value 9.5 °C."
    assert "cold/room1" in str(told["zh"])
    assert "超过上限" in str(told["zh"])
    event["data"]["why_en"] = "As the event says."
    assert render({"en": "{why_en}"}, event) == {"en": "As the event says."}
    event["data"] |= {"why_en": "", "condition": "of another version"}
    assert render({"en": "{why_en}"}, event) == {"en": "cold/room1 air of another version 8 Cel"}


TAKEN_BACK = {
    "voided": ({"voided": True}, "VOID: cold/room1 air above 8 Cel", "never was", "作废"),
    "merged": ({"voided": True, "merged_into": "earlier"}, "MERGED: cold/room1 air above 8 Cel", "earlier", "earlier"),
}


@pytest.mark.parametrize(("told", "title", "english", "chinese"), TAKEN_BACK.values(), ids=TAKEN_BACK.keys())
def test_what_late_data_took_back_says_so(event, told, title, english, chinese):
    event["data"] |= told
    rendered = render({"title": "{title}", "en": "{why_en}", "zh": "{why_zh}"}, event)
    assert rendered["title"] == title
    assert english in str(rendered["en"])
    assert chinese in str(rendered["zh"])


def test_every_name_of_the_event_may_be_used_and_is_known(event):
    assert set(values_of(event, Terms())) <= ALARM_NAMES


WRONG = {
    "typo":      ("{peek}", ["details", "'peek'", "did you mean 'peak'"]),
    "no-such":   ("{qqqqqq}", ["details", "'qqqqqq'", "asset", "why_en"]),
    "attribute": ("{asset.x}", ["details", "{asset.x}"]),
    "index":     ("{evidence[0]}", ["details", "{evidence[0]}"]),
    "positional": ("{}", ["details", "{}"]),
    "open":      ("{asset", ["details", "{asset"]),
    "format":    ("{asset:.2f}", ["details", ".2f"]),
}  # fmt: skip


@pytest.mark.parametrize(("template", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_template_names_the_field_and_what_there_is(event, template, said):
    with pytest.raises(RefusedError) as caught:
        render({"details": template}, event)
    for part in said:
        assert part in str(caught.value)


def test_orders_that_no_alarm_raised_name_their_own_data():
    event = {"type": "andon.oee_shift.opened", "subject": "k", "data": {"revision": 1, "oee": 0.71}}
    assert render({"value": "{oee}", "text": "OEE {oee:.1%}"}, event) == {"value": 0.71, "text": "OEE 71.0%"}
    with pytest.raises(RefusedError, match="'peak'"):
        render({"text": "{peak}"}, event)


def test_lengths_are_cut_with_a_mark(event):
    rendered = render({"short": "{why_en}", "free": "{why_en}"}, event, limits={"short": 20})
    assert rendered["short"] == "cold/room1, air: ab" + CUT
    assert len(str(rendered["free"])) > 40


def test_what_goes_into_html_is_escaped(event):
    event["data"]["why_en"] = "5 < 8 & <script>"
    rendered = render({"a": "<b>{why_en}</b>", "b": "{why_en}", "c": "{why_en}"}, event, html={"a", "b"})
    escaped = "5 &lt; 8 &amp; &lt;script&gt;"
    assert rendered == {"a": f"<b>{escaped}</b>", "b": escaped, "c": "5 < 8 & <script>"}


@given(st.text(), st.integers(1, 50))
def test_cut_keeps_what_fits(text, most):
    short = cut(text, most)
    assert len(short) <= most
    assert short == text if len(text) <= most else text.startswith(short.removesuffix(CUT))


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text("{}:!.[]%fasset ", max_size=20), st.integers())))
def test_any_map_renders_or_is_refused(fields):
    event = {
        "type": "andon.quality_event.opened",
        "subject": "k",
        "data": {"revision": 1, "asset": "a", "evidence": {}},
    }
    try:
        rendered = render(fields, event)
    except RefusedError:
        return
    assert rendered.keys() <= fields.keys()


BODIES = {
    "not-json": b"x", "list": b"[]", "null": b"null", "other-key": b'{"subject": "b", "type": "andon.a.b", "data": {}}',
    "other-kind": b'{"subject": "k", "type": "andon.other.opened", "data": {}}',
    "no-data": b'{"subject": "k", "type": "andon.quality_event.opened"}',
    "revision-text": b'{"subject": "k", "type": "andon.quality_event.opened", "data": {"revision": "x"}}',
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_of_another_order_is_refused(body):
    with pytest.raises(RefusedError):
        read_event("quality_event", "k", body)


@pytest.mark.parametrize("condition", [kind.name.lower() for kind in Kind])
def test_the_erp_reads_the_sentence_that_the_page_shows(tmp_path, condition):
    """Of every kind of rule, through the event as the ERP gets it."""
    evidence = {
        "value": 4.5, "value_unit": "Cel", "over_s": 600.0, "reference": "set", "target": "8 °C", "figure": "oee.oee",
    }  # fmt: skip
    change = raised(condition=condition, limit=8.5, evidence=evidence)
    with fresh(tmp_path) as records:
        records.apply_conditions([change], SYSTEM_FLOW)
        order = records.claim_order("test", 60.0, SYSTEM_SENDER)
    assert order is not None
    for language in LANGUAGES:
        told = sentence(json.loads(order.body)["data"], language)
        assert told == why(change, language)
        assert "?" not in told
