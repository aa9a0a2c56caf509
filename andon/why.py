"""The plain sentence that says why an alarm was raised, for people in either language and for the ERP.

It is made of an alarm's own content, so that page, messages, evidence and the ERP's record say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from andon.i18n import catalogue, translate
from andon.similar import best, told_similar

#: How people write the UCUM codes that they would not recognise; the others stand as they are.
SYMBOLS = {"1": "", "Cel": "°C", "[degF]": "°F", "deg": "°", "Ohm": "Ω"}
UNKNOWN = "?"
PLACE = ("asset", "tag")
LONGEST_COMMENT = 80


def why_params(
    asset: str, tag: str, limit: object, unit: str, peak: object, out_s: object, evidence: Mapping[str, object]
) -> dict[str, str]:
    """What the sentences name, as text: quantities with 6 digits and their unit, minutes; "?" for what is not known.

    asset, tag, limit, peak, minutes; value: the last (stale) or the unmoving (stuck) value from the evidence;
    allowed_minutes: the time of a stale or stuck rule. Of the evidence of the kinds that are computed first: over (how
    far back they look), reference (what the value is compared with), target (the limit of a forecast), figure. Of a
    guarded limit: guard_band and specified, the limit that it was taken off. Of an anomaly: component (a code), what
    it expected of the value, and spread, how far values usually lie from that; similar_day, similar_label (a code),
    similar_comment and similar_at (of another series) of an earlier alarm that was like it.
    """
    return {
        "asset": asset,
        "tag": tag,
        "limit": quantity(limit, unit),
        "peak": quantity(peak, unit),
        "minutes": _minutes(out_s),
        "allowed_minutes": _minutes(limit),
        "value": quantity(evidence.get("value"), str(evidence.get("value_unit", "1"))),
        "over": quantity(evidence.get("over_s"), "s"),
        "guard_band": quantity(evidence.get("guard_band"), unit),
        "specified": quantity(evidence.get("specified"), unit),
        **{name: quantity(evidence.get(name), str(evidence.get("value_unit", "1"))) for name in ("expected", "spread")},
        **{name: str(evidence.get(name, UNKNOWN)) for name in ("reference", "target", "figure", "component")},
        **_similar_params(asset, tag, evidence),
    }


def why_sentence(condition: str, language: str | None, params: Mapping[str, str]) -> str:
    """One plain sentence: which limit, how far, how long; a second one of a guarded limit or of an anomaly's reason.

    A third one names an earlier alarm that was like it, and whether that was right.

    language: the terminal's where not given.
    """
    text = translate(f"alarms.why.{condition}", language, **params)
    if params.get("component", UNKNOWN) != UNKNOWN:
        component = translate(f"alarms.component.{params['component']}", language)
        known = "moved" if params["expected"] != UNKNOWN else "unusual"
        text = translate(f"alarms.why.{known}", language, **{**params, "text": text, "component": component})
        return _with_similar(text, language, params)
    if params.get("guard_band", UNKNOWN) == UNKNOWN:
        return text
    return translate("alarms.why.guarded", language, text=text, **params)


def has_sentence(condition: str, language: str) -> bool:
    """Whether there is a sentence for a condition."""
    return f"alarms.why.{condition}" in catalogue(language)


def quantity(value: object, unit: str) -> str:
    """A number with its unit as people write it.

    >>> quantity(8.5, "Cel"), quantity(0.25, "Cel/s"), quantity(3, "1"), quantity(None, "bar")
    ('8.5 °C', '0.25 °C/s', '3', '?')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN
    number = f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    whole, slash, per = unit.rpartition("/")
    symbol = f"{SYMBOLS.get(whole, whole)}/{per}" if slash and whole in SYMBOLS else SYMBOLS.get(unit, unit)
    return f"{number} {symbol}".rstrip()


def with_names(evidence: Mapping[str, object], name: Callable[[str, str], tuple[str, str]]) -> dict[str, object]:
    """Evidence whose similar alarms are at assets and tags as people call them. name: (asset, tag) -> their names."""
    told = [{**one, **dict(zip(PLACE, name(*_place(one)), strict=True))} for one in told_similar(evidence)]
    return {**evidence, **({"similar": told} if told else {})}


def _place(one: Mapping[str, object]) -> tuple[str, str]:
    return str(one.get("asset", UNKNOWN)), str(one.get("tag", UNKNOWN))


def _similar_params(asset: str, tag: str, evidence: Mapping[str, object]) -> dict[str, str]:
    """Of the similar alarms that the evidence tells, the one to name."""
    one = best(told_similar(evidence))
    if one is None:
        return {"similar_day": UNKNOWN}
    comment = str(one.get("comment", ""))
    return {
        "similar_day": str(one.get("day", UNKNOWN)), "similar_label": str(one.get("label", "none")),
        "similar_comment": comment if len(comment) <= LONGEST_COMMENT else f"{comment[: LONGEST_COMMENT - 1]}…",
        "similar_at": "" if _place(one) == (asset, tag) else " ".join(_place(one)),
    }  # fmt: skip


def _with_similar(text: str, language: str | None, params: Mapping[str, str]) -> str:
    if params.get("similar_day", UNKNOWN) == UNKNOWN:
        return text
    said = translate(f"alarms.similar.{params['similar_label']}", language)
    if params["similar_comment"]:
        said = translate("alarms.similar.said", language, label=said, comment=params["similar_comment"])
    code = "similar_at" if params["similar_at"] else "similar"
    told = {"text": text, "day": params["similar_day"], "at": params["similar_at"], "said": said}
    return translate(f"alarms.why.{code}", language, **told)


def _minutes(seconds: object) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return UNKNOWN
    return quantity(round(seconds / 60, 1), "1")
