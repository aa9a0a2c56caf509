"""What must hold between the parts of a plant's configuration. Pure: reads nothing, changes nothing.

Runs on whatever was valid by itself; a reference to a part that was refused is not reported a second time.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterator
from urllib.parse import urlsplit

from andon.config.calibration_checks import check_calibration
from andon.config.cold_chain_checks import check_cold_chain
from andon.config.erp_check import check_erp
from andon.config.group_checks import check_groups
from andon.config.health_checks import check_health
from andon.config.journey_checks import check_journey
from andon.config.kafka_check import check_kafka
from andon.config.learning_checks import check_learning
from andon.config.loopback import is_loopback
from andon.config.models import (
    Asset,
    ColdChain,
    Erp,
    Grafana,
    Influx,
    Oee,
    Retention,
    Series,
    Site,
    Template,
    Time,
    Transport,
    Web,
    Windows,
)
from andon.config.oee_checks import check_oee
from andon.config.people_checks import check_people
from andon.config.problems import Loc, Place, Problem, Words, shown, unknown_name
from andon.config.records_check import check_records
from andon.config.registry_check import check_registry
from andon.config.rule_checks import check_rules
from andon.config.spc_checks import check_spc
from andon.config.sterilisation_checks import check_sterilisation
from andon.config.validate import Draft
from andon.config.window_checks import check_declared, longest_s
from andon.readings import NS_PER_S
from andon.units import is_ucum

FIGURE_KINDS = {
    "state": "state", "total": "counter", "good": "counter", "scrap": "counter", "rework": "counter", "mode": "state",
    "reason": "state",
    "temperature": "number",
}  # fmt: skip


def check(draft: Draft) -> Iterator[Problem]:
    """Every fault between the sections."""
    yield from _unique(draft, "asset", "path")
    yield from _unique(draft, "template", "name")
    yield from _unique(draft, "rule", "id")
    yield from _site(draft)
    yield from _windows(draft)
    yield from _retention(draft)
    yield from _templates(draft)
    yield from _assets(draft)
    yield from _workers(draft)
    yield from _cycles(draft)
    yield from _unique(draft, "line", "asset")
    yield from check_oee(draft)
    yield from _unique(draft, "product", "name")
    yield from check_cold_chain(draft)
    yield from check_rules(draft)
    yield from _unique(draft, "window", "id")
    yield from _unique(draft, "shift", "name")
    yield from _unique(draft, "shift", "begins")
    yield from check_declared(draft)
    yield from check_sterilisation(draft)
    yield from _unique(draft, "bearing", "name")
    yield from _unique(draft, "zones", "name")
    yield from check_health(draft)
    yield from check_groups(draft)
    yield from check_learning(draft)
    yield from check_spc(draft)
    yield from check_calibration(draft)
    yield from _unique(draft, "place", "id")
    yield from _unique(draft, "journey_plan", "id")
    yield from check_journey(draft)
    yield from check_people(draft)
    yield from _urls(draft)
    yield from _web(draft)
    yield from check_records(draft)
    yield from check_erp(draft)
    yield from check_kafka(draft)
    yield from check_registry(draft)


def _unique(draft: Draft, section: str, key: str) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for place, name in draft.texts(section, key):
        if name in first:
            yield Problem("config.twice", place, found=shown(name), first=first[name])
        first.setdefault(name, place)


def _site(draft: Draft) -> Iterator[Problem]:
    site: Site | None = draft.tables.get("site")
    if site is None:
        return
    known = zoneinfo.available_timezones()
    if site.timezone not in known:
        yield unknown_name(
            draft.document.place(("site", "timezone")), site.timezone, Words("config.word.timezone"), known
        )


def _windows(draft: Draft) -> Iterator[Problem]:
    windows: Windows | None = draft.section("windows", Windows())
    if windows is None:
        return
    pane_ns = round(windows.pane_s * NS_PER_S)
    sizes: list[tuple[Loc, float]] = [(("windows", "sizes_s", n), size) for n, size in enumerate(windows.sizes_s)]
    sizes += [
        (("windows", "hopping_s", n, part), length) for n, pair in enumerate(windows.hopping_s)
        for part, length in enumerate(pair)
    ]  # fmt: skip
    for loc, size in [*sizes, (("windows", "figures_s"), windows.figures_s)]:
        size_ns = round(size * NS_PER_S)
        if pane_ns <= 0 or size_ns <= 0 or size_ns % pane_ns:
            yield Problem("config.not_multiple", draft.document.place(loc), found=size, pane=windows.pane_s)
    all_sizes = (*windows.sizes_s, *(size for size, _ in windows.hopping_s))
    if len(set(all_sizes)) < len(all_sizes):
        yield Problem("config.repeated", draft.document.place(("windows", "sizes_s")), found=shown(all_sizes))


def _retention(draft: Draft) -> Iterator[Problem]:
    """Late rows are corrected from the journal, so it must reach back as far as they may, and one window more."""
    retention: Retention | None = draft.section("retention", Retention())
    time: Time | None = draft.section("time", Time())
    windows: Windows | None = draft.section("windows", Windows())
    if retention is None or time is None or windows is None:
        return
    needed_h = time.correct_for_h + (max(windows.longest_s, longest_s(draft)) + time.future_s) / 3600 + 1
    if retention.journal_d * 24 < needed_h:
        yield Problem(
            "config.journal_short", draft.document.place(("retention", "journal_d")), found=retention.journal_d,
            needed=math.ceil(needed_h / 0.24) / 100, hours=time.correct_for_h,
        )  # fmt: skip


def _templates(draft: Draft) -> Iterator[Problem]:
    for loc, series in draft.series.items():
        yield from _series(draft, loc, series)
    for loc, template in draft.lists["template"]:
        yield from _figures(draft, loc, template, {one.tag: one for one in template.series})


def _series(draft: Draft, loc: Loc, series: list[tuple[int, Series]]) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for index, one in series:
        at: Loc = (*loc, "series", index)
        place = draft.document.place((*at, "tag"))
        if one.tag in first:
            yield Problem("config.twice", place, found=shown(one.tag), first=first[one.tag])
        first.setdefault(one.tag, place)
        if not is_ucum(one.unit):
            yield Problem("config.unit", draft.document.place((*at, "unit")), found=shown(one.unit))
        if one.range is not None and not one.range[0] < one.range[1]:
            yield Problem("config.order", draft.document.place((*at, "range")), found=shown(one.range))
        if (one.kind == "state") != bool(one.states):
            key = "states" if one.states else "kind"
            code = "config.states_missing" if one.kind == "state" else "config.states_extra"
            yield Problem(code, draft.document.place((*at, key)), tag=one.tag)
        if isinstance(one.states, tuple) and len(set(one.states)) < len(one.states):
            yield Problem("config.repeated", draft.document.place((*at, "states")), found=shown(one.states))
        if one.modulus is not None and one.kind != "counter":
            yield Problem("config.modulus", draft.document.place((*at, "modulus")), tag=one.tag)
        if one.detect and one.kind != "number":
            yield Problem("config.detect", draft.document.place((*at, "detect")), tag=one.tag, kind=one.kind)


def _figures(draft: Draft, loc: Loc, template: Template, series: dict[str, Series]) -> Iterator[Problem]:
    """OEE and cold chain name series that exist, of the right kind; loc is the template or an asset that differs."""
    for section, part in (("oee", template.oee), ("cold_chain", template.cold_chain)):
        if part is None:
            continue
        yield from _figure_tags(draft, (*loc, section), part, series)
        if isinstance(part, ColdChain) and not part.low < part.high:
            found = shown((part.low, part.high))
            yield Problem("config.order", draft.document.place((*loc, section, "low")), found=found)


def _figure_tags(draft: Draft, loc: Loc, part: Oee | ColdChain, series: dict[str, Series]) -> Iterator[Problem]:
    for key, kind in FIGURE_KINDS.items():
        tag = getattr(part, key, None)
        if tag is None:
            continue
        wanted = _wanted(part, key, kind)
        place = draft.document.place((*loc, key))
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind != wanted:
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=wanted)


def _wanted(part: Oee | ColdChain, key: str, kind: str) -> str:
    """The kind that a series must have; United Manufacturing Hub sends numbers, not names of states."""
    return "number" if key == "state" and getattr(part, "mapping", "") == "umh" else kind


def _assets(draft: Draft) -> Iterator[Problem]:
    templates = {template.name: template for _, template in draft.lists["template"]}
    known = draft.named("template", "name")
    transport: Transport | None = draft.section("transport", Transport())
    for loc, asset in draft.lists["asset"]:
        if asset.template not in known:
            place = draft.document.place((*loc, "template"))
            yield unknown_name(place, asset.template, Words("config.word.template"), known)
        if transport and asset.shard is not None and asset.shard >= transport.shards:
            place = draft.document.place((*loc, "shard"))
            yield Problem("config.shard", place, found=asset.shard, last=transport.shards - 1)
        if asset.series and asset.template in templates:
            yield from _own_kinds(draft, loc, asset, templates[asset.template])


def _workers(draft: Draft) -> Iterator[Problem]:
    transport: Transport | None = draft.section("transport", Transport())
    if transport and transport.workers is not None and transport.workers > transport.shards:
        place = draft.document.place(("transport", "workers"))
        yield Problem("config.workers", place, found=transport.workers, shards=transport.shards)


def _own_kinds(draft: Draft, loc: Loc, asset: Asset, template: Template) -> Iterator[Problem]:
    """A series of the asset alone must not change the kind that its template's OEE or cold chain relies on."""
    for part in (template.oee, template.cold_chain):
        for key, kind in FIGURE_KINDS.items():
            for index, one in enumerate(asset.series):
                if part is None or one.tag != getattr(part, key, None):
                    continue
                wanted = _wanted(part, key, kind)
                if one.kind != wanted:
                    place = draft.document.place((*loc, "series", index, "kind"))
                    yield Problem("config.wrong_kind", place, found=shown(one.tag), kind=one.kind, wanted=wanted)


def _cycles(draft: Draft) -> Iterator[Problem]:
    known = draft.named("asset", "path")
    for loc, cycle in draft.lists["cycle"]:
        if cycle.asset not in known:
            place = draft.document.place((*loc, "asset"))
            yield unknown_name(place, cycle.asset, Words("config.word.asset"), known)


def _urls(draft: Draft) -> Iterator[Problem]:
    for section in ("erp", "influx", "grafana"):
        asked: Erp | Influx | Grafana | None = draft.tables.get(section)
        if asked is not None:
            yield from _url(draft, section, asked.url)


def _url(draft: Draft, section: str, address: str) -> Iterator[Problem]:
    place = draft.document.place((section, "url"))
    try:
        url = urlsplit(address)
        host, with_user = url.hostname or "", url.username is not None or url.password is not None
        usable = url.scheme in {"http", "https"} and bool(host) and url.port != 0
    except ValueError:
        host, with_user, usable = "", False, False
    if with_user:
        yield Problem("config.url_secret", place)  # the value is not shown: it holds a password
    elif not usable:
        yield Problem("config.url", place, found=shown(address))
    elif address.startswith("http:") and not is_loopback(host):
        yield Problem("config.url_plain", place, found=shown(address))


def _web(draft: Draft) -> Iterator[Problem]:
    web: Web | None = draft.tables.get("web")
    if web is None:
        return
    given = (web.tls_cert is not None) + (web.tls_key is not None)
    if given == 1:
        yield Problem("config.tls_half", draft.document.place(("web", "tls_cert" if web.tls_cert else "tls_key")))
    elif given == 0 and not is_loopback(web.host):
        yield Problem("config.web_open", draft.document.place(("web", "host")), found=shown(web.host))
