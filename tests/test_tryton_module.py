"""The GPL module stays outside; and what can be said of the connector without a server."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from xml.etree import ElementTree as ET

import pytest

from sinks.erp.http import Answer
from sinks.erp.port import ExternalRecord, RefusedError
from sinks.erp.tryton import TrytonConnector
from sinks.erp.tryton_rest import coded, explained, moment
from tests.tree import PACKAGES, ROOT, python_files, shown
from tests.tryton_world import MACHINES, order, report

MODULE = ROOT / "deploy" / "tryton"
FOREIGN = re.compile(r"^\s*(from|import)\s+(trytond|proteus|naiad)\b", re.MULTILINE)


def test_nothing_of_ours_imports_tryton_and_no_lock_file_asks_for_it():
    files = python_files(*PACKAGES, "tests", "benchmarks", "scripts")
    assert [shown(path) for path in files if FOREIGN.search(path.read_text())] == []
    assert FOREIGN.search((MODULE / "prepare.py").read_text()), "the guard sees nothing"
    for lock in ROOT.glob("requirements*.lock"):
        assert not re.search(r"^(trytond|proteus|tryton)", lock.read_text(), re.MULTILINE), lock.name


def test_the_module_says_that_it_is_gpl_and_has_the_licence_beside_it():
    project = tomllib.loads((MODULE / "pyproject.toml").read_text())["project"]
    assert project["license"] == "GPL-3.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3" in (MODULE / "LICENSE").read_text()


def test_what_the_module_registers_is_there():
    """A name that is written wrongly would show only when Tryton loads it."""
    settings = (MODULE / "tryton.cfg").read_text()
    for name, model in re.findall(r"^ {4}(\w+)\.([A-Z]\w+)$", settings, re.MULTILINE):
        classes = {one.name for one in ast.parse((MODULE / f"{name}.py").read_text()).body
                   if isinstance(one, ast.ClassDef)}  # fmt: skip
        assert model in classes
    for name in re.findall(r"^ {4}(\w+\.xml)$", settings, re.MULTILINE):
        views = ET.parse(MODULE / name).findall(".//record[@model='ir.ui.view']/field[@name='name']")
        for view in views:
            ET.parse(MODULE / "view" / f"{view.text}.xml")


def test_every_package_of_the_server_is_pinned_by_hash():
    text = (ROOT / "scripts" / "servers" / "tryton" / "requirements.txt").read_text()
    pins = re.findall(r"^(\S+)==(\S+) \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S", text, re.MULTILINE))
    assert dict(pins)["trytond"].startswith("8.2.")


ERRORS = {
    "refusal": (400, b'{"status": 400, "message": "No.", "description": "Why."}', "No. Why."),
    "bare": (400, b'{"status": 400, "message": "No.", "description": ""}', "No."),
    "page": (500, b"<!doctype html>\n<title>500</title>\n<p>&#39;nope&#39;</p>\n", "500 'nope'"),
    "key": (401, b"<p>a bad password</p>", "Tryton does not know this key, or it is not yet validated"),
    "nothing": (502, b"", ""),
}  # fmt: skip


@pytest.mark.parametrize(("status", "content", "told"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_are_told_in_tryton_s_words(status, content, told):
    assert explained(Answer(status, content)) == told


def test_domains_and_times_are_as_tryton_reads_them():
    assert coded([["name", "=", "Zürich"]]) == "W1sibmFtZSIsIj0iLCJaXHUwMGZjcmljaCJdXQ=="
    assert moment(1_767_225_600_999_999_999) == {
        "__class__": "datetime", "year": 2026, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0,
        "microsecond": 0,
    }  # fmt: skip
    assert moment(-5)["year"] == 1970


@pytest.fixture
def erp():
    one = TrytonConnector("http://127.0.0.1:9/erp", "key", terms=MACHINES)
    yield one
    one.close()


def test_a_preview_needs_no_server(erp):
    shown_fields = erp.preview(**order("maintenance_order", asset="line/m1"))
    assert (shown_fields["model"], shown_fields["parent"]) == ("project.work", "Maintenance")
    assert (shown_fields["work_center"], shown_fields["external_revision"]) == ("FILLER-2", 1)
    assert shown_fields["name"] == "line/m1 air above 8 Cel"
    held = erp.preview(**report("lot_hold", {"lot": "L-7", "why_en": "Too warm"}))
    assert (held["model"], held["lot"], "Too warm" in held["reason"]) == ("stock.lot.hold", "L-7", True)
    assert json.dumps({**shown_fields, **held})


@pytest.mark.parametrize("named", ["", "quality.alert", "quality.alert,", "quality.alert,x", "res.user,1", "7"])
def test_an_id_that_is_none_of_tryton_s_is_refused_before_it_is_sent(erp, named):
    with pytest.raises(RefusedError, match=r"looks like quality\.alert,17"):
        erp.get_state(ExternalRecord(named, "1"))
