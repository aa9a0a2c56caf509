"""`andon qualify`: what passes, what fails, what is not there; its report; and that a broken kernel is seen."""

from __future__ import annotations

import html
import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from andon import units
from andon.i18n import LANGUAGES
from operators import spc_chart
from service.evidence import report as evidence_report
from service.evidence.report import CHINESE, families
from service.qualify import alarm
from service.qualify import vectors as vectors_module
from service.qualify.binding import Binding
from service.qualify.bindings import AREAS, bindings
from service.qualify.compare import differences, identical, plain
from service.qualify.report import code_sha256, document
from service.qualify.run import ALL, Verdict, last_line, run
from service.qualify.vectors import QualifyError, Vector, own, parse
from service.qualify.words import Words, view
from tests.command_line import Terminal, andon
from tests.tree import ROOT
from tests.vector_files import FILE, needs_file

__all__ = ["andon"]  # a fixture
NUMBER = {"id": "n", "area": "units", "fn": "ucum", "inputs": {"value": 1, "frm": "bar", "to": "kPa"}, "expected": 100}


def vector(**given):
    return Vector(**{"id": "v", "area": "a", "fn": "f", "inputs": {}, "expected": 1, "tol": {}, **given})


def of(binding, **given):
    return run([vector(**given)], {("a", "f"): binding})[0]


def file_of(*told):
    return json.dumps({"schema": 1, "vectors": list(told)})


@pytest.mark.parametrize("area", sorted(AREAS))
def test_vectors_of_this_release(area):
    results = run([one for one in own().vectors if one.area == area], bindings())
    assert results
    assert [(one.vector.id, one.about) for one in results if one.verdict != Verdict.PASSED] == []


@needs_file
@pytest.mark.parametrize("area", sorted(AREAS))
def test_vectors_of_the_domain(area):
    told = parse(FILE.read_bytes(), FILE.name).vectors
    results = run([one for one in told if one.area == area], bindings())
    assert results
    assert [(one.vector.id, one.about) for one in results if one.verdict != Verdict.PASSED] == []


def test_every_shipped_vector_has_a_source_and_a_function():
    shipped = own().vectors
    assert all(one.source and one.kind in vectors_module.KINDS for one in shipped)
    assert {(one.area, one.fn) for one in shipped} <= bindings().keys()
    assert all((one.call is None) != (one.batches is None) for one in bindings().values())


def test_what_is_not_bound_is_not_implemented_and_never_passed():
    (found,) = run([vector(fn="unheard of")], bindings())
    assert found.verdict == Verdict.NOT_IMPLEMENTED
    assert last_line([found]) == "0 passed, 0 failed, 1 not implemented"


def test_an_error_of_the_code_is_a_failure_and_the_rest_is_still_run():
    calls = Binding("x", call=lambda given: given["here"])
    results = run([vector(), vector(inputs={"here": 1})], {("a", "f"): calls})
    assert [one.verdict for one in results] == [Verdict.FAILED, Verdict.PASSED]
    assert results[0].detail == "raised"
    assert "KeyError" in results[0].about


def test_an_answer_that_depends_on_the_batches_fails_though_it_is_near_enough():
    def shaky(given, rows):
        return 1.0 if rows == ALL else 1.0 + 1e-15

    assert of(Binding("x", batches=lambda given, rows: 1.0)).verdict == Verdict.PASSED
    found = of(Binding("x", batches=shaky), tol={"abs": 0.1})
    assert (found.verdict, found.detail) == (Verdict.FAILED, "batches")


WRONG = {
    "value": (1.2, 1.0, {"abs": 0.1}),
    "not-a-number": (math.nan, 1.0, {"abs": 9.0}),
    "infinite": (math.inf, 1.0, {"rel": 1e9}),
    "none-for-a-number": (None, 0.0, {"abs": 1.0}),
    "number-for-none": (0.0, None, {"abs": 1.0}),
    "true-for-one": (True, 1, {}),
    "one-for-true": (1, True, {}),
    "longer": ([1, 2], [1], {}),
    "key-missing": ({"a": 1}, {"b": 1}, {}),
    "key-wrong": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, {}),
    "text": ("Pass", "pass", {}),
    "nothing-compared": ({"a": 1}, {}, {}),
    "nothing-compared-deep": ({"a": {"b": 1}}, {"a": {}}, {}),
    "near-infinity": (1.0, math.inf, {"rel": 1e-9}),
    "both-infinite": (math.inf, math.inf, {}),
    "exact-wins": (1.05, 1.0, {"exact": True, "abs": 0.1}),
    "list-for-object": ([1], {"0": 1}, {}),
}
RIGHT = {
    "within": (1.05, 1.0, {"abs": 0.1}),
    "relative": (1000.5, 1000.0, {"rel": 1e-3}),
    "whole-and-float": (3.0, 3, {"exact": True}),
    "more-keys": ({"a": 1, "b": 2}, {"a": 1}, {}),
    "none": (None, None, {"abs": 1.0}),
    "numpy": (plain({"a": np.arange(3), "b": np.float32(0.5)}), {"a": [0, 1, 2], "b": 0.5}, {}),
}


@pytest.mark.parametrize(("got", "expected", "tol"), WRONG.values(), ids=WRONG.keys())
def test_the_comparison_can_fail(got, expected, tol):
    assert list(differences(got, expected, tol))


@pytest.mark.parametrize(("got", "expected", "tol"), RIGHT.values(), ids=RIGHT.keys())
def test_the_comparison_can_pass(got, expected, tol):
    assert list(differences(got, expected, tol)) == []


def test_a_difference_is_named_by_its_path():
    assert list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 1}, {})) == [".a[1].b", ".c"]
    assert identical(plain([math.nan]), [math.nan])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", "qualify.no_json"), ('{"schema": 9, "vectors": []}', "qualify.form"), ("7", "qualify.form"),
        ('{"vectors": {}}', "qualify.form"), (file_of({**NUMBER, "inputs": 1}), "qualify.vector"),
        (file_of({key: NUMBER[key] for key in ("id", "area", "fn", "inputs")}), "qualify.vector"),
        (file_of(NUMBER, NUMBER), "qualify.twice"), (file_of({**NUMBER, "tol": {"abs": -1}}), "qualify.vector"),
        (file_of({**NUMBER, "tol": {"rel": "1"}}), "qualify.vector"), ("[null]", "qualify.vector"),
        (file_of({**NUMBER, "expected": {}}), "qualify.vector"),
        (file_of({**NUMBER, "expected": {"a": [{}]}}), "qualify.vector"),
        (file_of({**NUMBER, "expected": math.nan}), "qualify.vector"),
        (file_of({**NUMBER, "expected": math.inf}), "qualify.vector"),
    ],
)  # fmt: skip
def test_files_that_are_refused(data, code):
    with pytest.raises(QualifyError) as refused:
        parse(data.encode(), "mine.json")
    assert refused.value.code == code
    assert "mine.json" in refused.value.text()


def test_a_list_alone_is_a_file_of_vectors_too():
    assert parse(json.dumps([NUMBER]).encode(), "x").vectors[0].tol == {"exact": True}


def told(verdict="passed"):
    file = parse(file_of(NUMBER, {**NUMBER, "id": "m", "fn": "<b>"}).encode(), "x.json")
    results = run(
        file.vectors, {("units", "ucum"): Binding("here", call=lambda _: 100.0 if verdict == "passed" else math.nan)}
    )
    return document(results, file, "c0de", datetime(2026, 11, 23, tzinfo=UTC), 0.5)


def test_the_document_is_json_and_says_everything():
    found = json.loads(json.dumps(told("failed"), allow_nan=False))
    assert found["summary"] == {"passed": 0, "failed": 1, "not_implemented": 1}
    assert found["results"][0]["got"] == "nan"
    assert {"andon", "numpy", "numba"} <= found["versions"].keys()
    assert found["host"]["name"]
    assert len(found["vectors"]["sha256"]) == 64
    assert found["begun"] == "2026-11-23T00:00:00+00:00"


def test_what_was_compared_is_in_print_however_long_the_answer_is():
    answer = {f"other{place}": place for place in range(99)} | {"deep": {"x": 1, "wanted": 7.25}, "last": 0.625}
    given = {**NUMBER, "expected": {"last": 0.625, "deep": {"wanted": 7.25}}}
    file = parse(file_of(given).encode(), "x.json")
    results = run(file.vectors, {("units", "ucum"): Binding("here", call=lambda _: answer)})
    shown_ = view(document(results, file, "c0de", datetime(2026, 11, 23, tzinfo=UTC), 0.5), Words(("en",)))
    assert shown_["parts"][0]["rows"][0]["got"].startswith(
        '{"last": 0.625, "deep": {"wanted": 7.25, "x": 1}, "other0": 0'
    )


@pytest.mark.parametrize("given", [[], [{**NUMBER, "fn": "unheard of"}]])
def test_a_report_in_which_nothing_passed_is_not_green(given):
    file = parse(file_of(*given).encode(), "x.json")
    found = document(run(file.vectors, bindings()), file, "c0de", datetime(2026, 11, 23, tzinfo=UTC), 0.5)
    told_ = view(found, Words(("en",)))
    assert not told_["ok"]
    assert "Nothing was shown" in told_["verdict"]


@pytest.mark.parametrize("languages", [("en",), ("zh-CN",), LANGUAGES])
def test_the_page_holds_every_vector_and_no_markup_of_theirs(languages):
    from service.qualify.html import page

    text = page(view(told("failed"), Words(languages)))
    assert text.count("<tr><td><code>") == 2
    assert "<b>" not in text
    assert html.escape("<b>") in text
    assert ("不通过" in text) == ("zh-CN" in languages)
    assert ("Failed" in text) == ("en" in languages)
    assert not re.search(r"<script|src=|https?://", text)


def test_the_pdf_in_both_languages(monkeypatch):
    from service.qualify.pdf import pdf

    monkeypatch.setattr(evidence_report, "CHINESE", (*CHINESE, "DejaVu Sans Mono"))  # boxes are not what is tested
    for languages in (("en",), LANGUAGES):
        data = pdf(view(told("failed"), Words(languages)), datetime(2026, 11, 23, tzinfo=UTC))
        assert data.startswith(b"%PDF")
        assert data == pdf(view(told("failed"), Words(languages)), datetime(2026, 11, 23, tzinfo=UTC))


def test_the_command_passes_and_writes_each_kind_of_report(andon: Terminal):
    Path("mine.json").write_text(file_of(NUMBER, {**NUMBER, "id": "m", "fn": "none"}))
    for ending in ("json", "html", "pdf"):
        out = andon("qualify", "--vectors", "mine.json", "--report", f"out.{ending}", "--language", "en")
        assert out.splitlines()[-1] == "1 passed, 0 failed, 1 not implemented"
        assert Path(f"out.{ending}").stat().st_size > 1000
    assert json.loads(Path("out.json").read_text())["summary"]["passed"] == 1
    assert json.loads(andon("qualify", "--vectors", "mine.json", "--json"))["summary"]["not_implemented"] == 1


def test_without_a_chinese_font_the_pdf_says_so_and_is_english(andon: Terminal):
    Path("mine.json").write_text(file_of(NUMBER))
    andon("qualify", "--vectors", "mine.json", "--report", "out.pdf")
    assert ("No Chinese font" in andon.out) == (not set(CHINESE) & families())
    assert Path("out.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failed_vector_is_told_and_is_the_exit_status(andon: Terminal, monkeypatch, language):
    monkeypatch.setenv("LANG", f"{language.replace('-', '_')}.UTF-8")
    Path("mine.json").write_text(file_of({**NUMBER, "expected": 101}))
    out = andon("qualify", "--vectors", "mine.json", status=1)
    assert re.search(r"\bn\b.*ucum.*101.*100", out)
    assert out.splitlines()[-1] == "0 passed, 1 failed, 0 not implemented"


def test_what_the_command_refuses(andon: Terminal):
    andon("qualify", "--vectors", "nowhere.json", status=1)
    andon("qualify", "--report", "out.docx", status=1)
    assert "out.docx" in andon.err
    andon("qualify", "--language", "fr", status=2)
    Path("none.json").write_text(file_of())
    andon("qualify", "--vectors", "none.json", status=1)  # nothing was shown by it


def test_a_broken_conversion_and_a_broken_engine_are_seen(andon: Terminal, monkeypatch):
    """The proof that qualification runs the code of the site: break it, and it fails."""
    andon("qualify", "--vectors", str(vector_file("units", "alarm")))
    whole = units._fraction
    units.conversion.cache_clear()
    monkeypatch.setattr(units, "_fraction", lambda slope: (whole(slope)[0] * (1 + 1e-6), whole(slope)[1]))
    andon("qualify", "--vectors", str(vector_file("units")), status=1)
    units.conversion.cache_clear()
    step = alarm.ConditionEngine.step
    monkeypatch.setattr(alarm.ConditionEngine, "step", lambda self, rows, scores: step(self, rows, scores)[1:])
    andon("qualify", "--vectors", str(vector_file("alarm")), status=1)
    assert "alarm-delay" in andon.out


def test_a_broken_kernel_of_the_flow_is_seen(andon: Terminal, monkeypatch):
    """The kernel that judges control charts, as the flow runs it: one rule that no longer fires is a failed vector."""
    andon("qualify", "--vectors", str(vector_file("spc", fn="nelson")))
    whole = spc_chart.judge_points

    def blind(*given):
        whole(*given)
        given[-2][:, 21:] = 0.0  # out: a column for each rule that a point completes

    monkeypatch.setattr(spc_chart, "judge_points", blind)
    andon("qualify", "--vectors", str(vector_file("spc", fn="nelson")), status=1)


def vector_file(*areas, fn=""):
    shipped = json.loads((ROOT / "service" / "qualify" / "vectors.json").read_text())
    path = Path("-".join(areas) + ".json")
    path.write_text(file_of(*(one for one in shipped["vectors"] if one["area"] in areas and one["fn"].startswith(fn))))
    return path


def test_the_hash_of_the_code_is_that_of_its_files():
    assert code_sha256() == code_sha256()
    assert len(code_sha256()) == 64
