"""[erp]: one set of keys for each kind, and every fault named with what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.config.load import load_plant
from andon.config.problems import Problem
from andon.errors import ConfigError
from tests.test_config import BASE, write


def with_erp(text: str) -> str:
    """BASE with another [erp]."""
    before, _, _ = BASE.partition("[erp]")
    return f'{before}[erp]\nurl = "https://erp.example.com"\n{text}\n'


def problems(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_plant(path)
    return [one for one in caught.value.problems if isinstance(one, Problem)]


GOOD = {
    "webhook": "",
    "tryton": 'kind = "tryton"\n[erp.tryton]\ndatabase = "erp"',
    "erpnext": 'kind = "erpnext"',
    "erpnext-names": 'kind = "erpnext"\n[erp.erpnext]\nkey_field = "andon_key"',
    "odoo": 'kind = "odoo"\n[erp.odoo]\ndatabase = "erp"',
    "sap-basic": 'kind = "sap"\n[erp.sap]\nuser = "ANDON"\nclient = "100"',
    "sap-oauth": 'kind = "sap"\n[erp.sap]\ntoken_url = "https://login.example.com/oauth/token"\nclient_id = "andon"',
    "map-of-a-kind-of-ones-own": 'kind = "odoo"\n[erp.models]\nscrap = "x.scrap"\n[erp.map.scrap]\nname = "{lot:x}"',
    "formats": (
        'kind = "sap"\n[erp.sap]\nuser = "A"\n[erp.map.quality_event]\nA = "{start:odata_date}"\nB = "{peak:.2f}"\n'
        'C = "{cleared:%H:%M}"\nD = "{key:>30}"\nE = "{equipment:05d}"\nF = "{revision:03d}"'
    ),
    "map": (
        'kind = "odoo"\ntimezone = "Asia/Shanghai"\n[erp.map.quality_event]\ntitle = "{asset}: {why_en}"\nteam_id = 3\n'
        'urgent = true\n[erp.map.oee_shift]\nname = "{whatever}"\n[erp.equipment]\n"cold/room1" = 12\n'
        '[erp.priorities]\nhigh = "3"\n[erp.models]\nquality_event = "mgmtsystem.nonconformity"'
    ),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_each_kind_loads(tmp_path, text):
    erp = load_plant(write(tmp_path, with_erp(text))).config.erp
    assert erp is not None
    if "Asia/Shanghai" in text:
        assert erp.map["quality_event"] == {"title": "{asset}: {why_en}", "team_id": 3, "urgent": True}
        assert erp.equipment == {"cold/room1": 12}


SAP = 'kind = "sap"\n[erp.sap]\n'
BAD = {
    # id:               (text, path, code, words)
    "unknown-kind":      ('kind = "oracle"', "erp.kind", "not_allowed", "tryton"),
    "other-section":     ('kind = "odoo"\n[erp.sap]\nuser = "x"', "erp.sap", "erp_other", "odoo"),
    "no-section":        ('kind = "tryton"', "erp.kind", "erp_section", "[erp.tryton]"),
    "no-database":       ('kind = "tryton"\n[erp.tryton]', "erp.tryton.database", "missing", ""),
    "typo-of-a-key": (
        'kind = "odoo"\n[erp.odoo]\nkey_feild = "x"', "erp.odoo.key_feild", "unknown_key", "key_field",
    ),
    "webhook-map":       ('[erp.map.quality_event]\na = "b"', "erp.map", "erp_webhook", ""),
    "webhook-zone":      ('timezone = "UTC"', "erp.timezone", "erp_webhook", ""),
    "zone":              ('kind = "odoo"\ntimezone = "Asia/Peking"', "erp.timezone", "unknown_name", "Asia/"),
    "typo-of-a-name": (
        'kind = "odoo"\n[erp.map.quality_event]\ntitle = "{asset}: {why_em}"', "erp.map.quality_event.title",
        "unknown_name", "why_en",
    ),
    "sap-place-of-a-report": (
        SAP + 'user = "A"\n[erp.models]\noee_shift = "API_X/A_Shift"', "erp.models.oee_shift", "unknown_name_of",
        "quality_event",
    ),
    "no-template": (
        'kind = "odoo"\n[erp.map.oee_shift]\ntitle = "{a.b}"', "erp.map.oee_shift.title", "erp_template", "{asset}",
    ),
    "typo-of-a-kind": (
        'kind = "odoo"\n[erp.map.quality_evnt]\ntitle = "x"', "erp.map.quality_evnt", "unknown_name", "quality_event",
    ),
    "format-of-a-number": (
        'kind = "odoo"\n[erp.map.quality_event]\ntitle = "{limit:.2q}"', "erp.map.quality_event.title", "erp_format",
        "{limit:.2q}",
    ),
    "format-of-a-text": (
        'kind = "odoo"\n[erp.map.maintenance_order]\ntitle = "{key:d}"', "erp.map.maintenance_order.title",
        "erp_format", "{key:d}",
    ),
    "list-in-a-map": (
        'kind = "odoo"\n[erp.map.quality_event]\ntitle = ["x"]', "erp.map.quality_event.title", "not_allowed", "",
    ),
    "equipment": (
        'kind = "odoo"\n[erp.equipment]\n"cold/rom1" = 1', "erp.equipment.cold/rom1", "unknown_name", "cold/room1",
    ),
    "priority":          ('kind = "odoo"\n[erp.priorities]\nurgent = "1"', "erp.priorities.urgent", "", ""),
    "sap-no-login":      (SAP, "erp.sap", "erp_login", "client_id"),
    "sap-both-logins":   (SAP + 'user = "a"\ntoken_url = "https://a"\nclient_id = "b"', "erp.sap", "erp_login", ""),
    "sap-half-oauth":    (SAP + 'client_id = "b"', "erp.sap", "erp_login", ""),
    "sap-client":        (SAP + 'user = "a"\nclient = "1"', "erp.sap.client", "not_allowed", ""),
    "token-url-plain": (
        SAP + 'token_url = "http://login.example.com"\nclient_id = "b"', "erp.sap.token_url", "url_plain", "",
    ),
    "token-url-secret":  (SAP + 'token_url = "https://u:hunter2@a"\nclient_id = "b"', "erp.sap.token_url", "url", ""),
}  # fmt: skip


@pytest.mark.parametrize(("text", "path", "code", "words"), BAD.values(), ids=BAD.keys())
def test_each_fault_is_the_only_one(tmp_path, text, path, code, words):
    (only,) = problems(write(tmp_path, with_erp(text)))
    assert only.place.path == path
    if code:
        assert only.code == f"config.{code}"
    for language in ("en", "zh-CN"):
        assert words in only.text(language)
        assert "hunter2" not in only.text(language)
