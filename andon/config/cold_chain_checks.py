"""Checks of [[product]] and of what a cold chain names beside its temperature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from andon.config.cold_chain import ColdChain
from andon.config.models import Series
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.products import Product
from andon.config.validate import Draft

GSP_REFRESH_S = 60.0  # the newest value is never older: GSP, appendix 3, article 5
TAGS = {"product_probe": "number", "door": "boolean", "defrost": "boolean", "humidity": "number"}


def check_cold_chain(draft: Draft) -> Iterator[Problem]:
    """Faults of every product and cold chain that is valid by itself."""
    for loc, product in draft.lists["product"]:
        yield from _product(draft, loc, product)
    products = draft.named("product", "name")
    for loc, template in draft.lists["template"]:
        if template.cold_chain is not None:
            at = (*loc, "cold_chain")
            yield from _tags(draft, at, template.cold_chain, {one.tag: one for one in template.series})
            yield from _named(draft, at, template.cold_chain, products)
            yield from _gsp(draft, at, template.cold_chain, {one.tag: one for one in template.series})


def _product(draft: Draft, loc: Loc, product: Product) -> Iterator[Problem]:
    if product.storage is None and (product.low is None or product.high is None):
        place = draft.document.place((*loc, "low" if product.low is None else "high"))
        yield Problem("config.product_limits", place, product=product.name)
        return
    condition = product.condition
    steps = ("allowed_low", "low", "high", "allowed_high", "spike_high")
    for one, other in pairwise(steps):
        low, high = getattr(condition, one), getattr(condition, other)
        if low > high or (one == "low" and low == high):
            given = other if getattr(product, one) is None else one
            yield Problem("config.order", draft.document.place((*loc, given)), found=shown((low, high)))
            return
    if (condition.mkt_high is None) != (condition.mkt_h is None):
        key = "mkt_h" if condition.mkt_h is None else "mkt_high"
        yield Problem("config.missing", draft.document.place((*loc, key)))


def _tags(draft: Draft, loc: Loc, cold: ColdChain, series: dict[str, Series]) -> Iterator[Problem]:
    named: list[tuple[Loc, str | None, str]] = [((key,), getattr(cold, key), kind) for key, kind in TAGS.items()]
    named += [(("probes", index), tag, "number") for index, tag in enumerate(cold.probes)]
    for key, tag, kind in named:
        place = draft.document.place((*loc, *key))
        if tag is None:
            continue
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind != kind:
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=kind)


def _named(draft: Draft, loc: Loc, cold: ColdChain, products: set[str]) -> Iterator[Problem]:
    tags = [cold.temperature, *cold.probes]
    if len(set(tags)) < len(tags):
        yield Problem("config.repeated", draft.document.place((*loc, "probes")), found=shown(tags))
    if cold.product is not None and cold.product not in products:
        place = draft.document.place((*loc, "product"))
        yield unknown_name(place, cold.product, Words("config.word.product"), products)
    if not cold.humidity_low < cold.humidity_high:
        found = shown((cold.humidity_low, cold.humidity_high))
        yield Problem("config.order", draft.document.place((*loc, "humidity_low")), found=found)


def _gsp(draft: Draft, loc: Loc, cold: ColdChain, series: dict[str, Series]) -> Iterator[Problem]:
    """Every temperature as often as GSP asks out of range; as many sensors in a vehicle as its volume asks for."""
    if cold.gsp is None:
        return
    tags = [cold.temperature, *cold.probes]
    for tag in tags:
        if tag in series and series[tag].every_s > GSP_REFRESH_S:
            place = draft.document.place((*loc, "gsp"))
            yield Problem("config.gsp_interval", place, tag=tag, found=series[tag].every_s, most=GSP_REFRESH_S)
    needed = 2 + max(0, math.ceil(((cold.volume_m3 or 0.0) - 20.0) / 20.0))
    if cold.gsp == "transport" and len(tags) < needed:
        yield Problem("config.gsp_sensors", draft.document.place((*loc, "gsp")), found=len(tags), needed=needed)
