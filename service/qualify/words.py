"""The texts of a qualification report in one language, or in both beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from andon.i18n import LANGUAGES, catalogue, translate
from service.qualify.report import Json, shown, tolerance

HEAD = ("id", "what", "expected", "got", "tolerance", "verdict")


class Words:
    """languages: those of the report, in order; their texts stand beside each other."""

    def __init__(self, languages: Sequence[str] = LANGUAGES) -> None:
        self.languages = tuple(languages)

    def say(self, code: str, **params: object) -> str:
        """A text of the report."""
        told = dict.fromkeys(translate(f"qualify.{code}", language, **params) for language in self.languages)
        return " · ".join(told)

    def named(self, code: str, otherwise: str) -> str:
        """The name of an area or function; what it is called in the file where there is none."""
        texts = [catalogue(language).get(f"qualify.{code}") for language in self.languages]
        return " · ".join(dict.fromkeys(text for text in texts if text)) or otherwise


def view(told: Json, words: Words) -> Json:
    """Everything that a printed report says, in order, as texts: facts, summary, a table for each area."""
    summary = told["summary"]
    return {
        "title": words.say("title"), "lang": words.languages[0][:2], "ok": _verdict(summary) == "all_passed",
        "subtitle": f"Andon {told['versions']['andon']} · {told['host']['name']} · {told['begun']}",
        "verdict": words.say(_verdict(summary), **summary),
        "facts": _facts(told, words), "areas": _areas(told, words),
        "head": [words.say(f"head.{name}") for name in HEAD],
        "parts": [_part(told, one["area"], words) for one in told["areas"]],
        "footer": f"{told['vectors']['file']} SHA-256 {told['vectors']['sha256']}",
    }  # fmt: skip


def _verdict(summary: Json) -> str:
    """What the whole says: where no vector passed, nothing was shown, though none failed either."""
    if summary["failed"]:
        return "some_failed"
    return "all_passed" if summary["passed"] else "none_passed"


def _facts(told: Json, words: Words) -> list[list[str]]:
    host, versions = told["host"], told["versions"]
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "andon")
    rows = [
        ("begun", told["begun"]), ("took", f"{told['took_s']} s"), ("host", f"{host['name']} ({host['machine']})"),
        ("system", host["system"]), ("python", host["python"]), ("andon", versions["andon"]),
        ("code", told["code_sha256"]), ("libraries", libraries),
        ("vectors", f"{told['vectors']['file']} ({told['vectors']['count']})"), ("sha256", told["vectors"]["sha256"]),
        ("how", words.say("how_told")),
    ]  # fmt: skip
    return [[words.say(f"fact.{name}"), str(value)] for name, value in rows]


def _areas(told: Json, words: Words) -> Json:
    names = ("passed", "failed", "not_implemented")
    return {
        "head": [words.say("head.area"), *(words.say(f"verdict.{name}") for name in names)],
        "rows": [
            [words.named(f"area.{one['area']}", one["area"]), *(str(one[name]) for name in names)]
            for one in told["areas"]
        ],
    }  # fmt: skip


def _part(told: Json, area: str, words: Words) -> Json:
    rows = [_row(one, words) for one in told["results"] if one["area"] == area]
    return {"title": words.named(f"area.{area}", area), "rows": rows}


def _row(one: Json, words: Words) -> Json:
    kind = words.named(f"kind.{one['kind']}", one["kind"])
    what = [
        words.named(f"fn.{one['fn']}", one["fn"]),
        f"{kind}: {one['source']}" if one["source"] else kind,
        one["note"],
    ]
    verdict = words.say(f"verdict.{one['verdict']}")
    why = words.say(f"detail.{one['detail']}", about=one["about"]) if one["detail"] else ""
    return {
        "id": one["id"], "fn": one["fn"], "where": one["where"], "what": [line for line in what if line],
        "inputs": shown(one["inputs"]), "expected": shown(one["expected"]),
        "got": "" if one["verdict"] == "not_implemented" else shown(_compared_first(one["got"], one["expected"])),
        "tolerance": tolerance(one["tol"]), "verdict": verdict, "code": one["verdict"], "why": why,
    }  # fmt: skip


def _compared_first(got: Any, expected: Any) -> Any:
    """An answer with what was compared in front, in the order of the vector: the end of a long one is not in print."""
    if isinstance(got, dict) and isinstance(expected, dict):
        front = {key: _compared_first(got[key], one) for key, one in expected.items() if key in got}
        return front | {key: one for key, one in got.items() if key not in expected}
    if isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        return [_compared_first(mine, one) for mine, one in zip(got, expected, strict=True)]
    return got


def texts_of(shown_view: Any) -> str:
    """All texts of a view: what fonts have to have."""
    if isinstance(shown_view, dict):
        return "".join(texts_of(one) for one in shown_view.values())
    if isinstance(shown_view, list):
        return "".join(texts_of(one) for one in shown_view)
    return str(shown_view)
