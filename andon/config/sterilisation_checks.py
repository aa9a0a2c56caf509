"""Checks of [template.sterilisation]: series of the right kind and unit, programs that can be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from andon.config.models import Series
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.sterilisation import KPA, ROLES, USUAL, Sterilisation, SterilisationProgram
from andon.config.validate import Draft

UNITS: Mapping[str, tuple[str, ...]] = {
    "reference": ("Cel",), "probes": ("Cel",), "pressure": tuple(KPA), "humidity": ("%",),
    "concentration": ("mg/L", "mg/l"), "own_f0": ("min",),
}  # fmt: skip
NEEDS = {"disinfection": "phase", "eo": "phase", "leak_test": "pressure"}


def check_sterilisation(draft: Draft) -> Iterator[Problem]:
    """Faults of every template's sterilisation that is valid by itself."""
    for loc, template in draft.lists["template"]:
        if template.sterilisation is not None:
            series = {one.tag: one for one in template.series}
            at: Loc = (*loc, "sterilisation")
            yield from _series(draft, at, template.sterilisation, series)
            yield from _phases(draft, at, template.sterilisation, series)
            yield from _programs(draft, at, template.sterilisation)


def _series(draft: Draft, loc: Loc, declared: Sterilisation, series: Mapping[str, Series]) -> Iterator[Problem]:
    named: dict[str, str] = {}
    for key, tag in declared.tags().items():
        name, _, number = key.rstrip("]").partition("[")
        place = draft.document.place((*loc, name, int(number)) if number else (*loc, name))
        kind = "state" if name == "phase" else "number"
        if tag in named:
            yield Problem("config.twice", place, found=shown(tag), first=named[tag])
        named.setdefault(tag, str(place))
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind != kind:
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=kind)
        elif name in UNITS and series[tag].unit not in UNITS[name]:
            allowed = ", ".join(UNITS[name])
            yield Problem("config.sterilisation_unit", place, tag=tag, found=shown(series[tag].unit), allowed=allowed)


def _phases(draft: Draft, loc: Loc, declared: Sterilisation, series: Mapping[str, Series]) -> Iterator[Problem]:
    states = series[declared.phase].states if declared.phase and declared.phase in series else None
    if not isinstance(states, tuple):
        return
    for state in declared.phases:
        if state not in states:
            place = draft.document.place((*loc, "phases", state))
            yield unknown_name(place, state, Words("config.word.phase_state"), states)
    unsaid = [state for state in states if state not in declared.phases and state.lower() not in USUAL]
    if unsaid:
        place = draft.document.place((*loc, "phases"))
        yield Problem("config.sterilisation_phase", place, found=", ".join(unsaid), allowed=", ".join(ROLES))


def _programs(draft: Draft, loc: Loc, declared: Sterilisation) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for number, program in enumerate(declared.program):
        at: Loc = (*loc, "program", number)
        place = draft.document.place((*at, "name"))
        if program.name in first:
            yield Problem("config.twice", place, found=shown(program.name), first=first[program.name])
        first.setdefault(program.name, str(place))
        needed = NEEDS.get(program.kind)
        if needed and getattr(declared, needed) is None:
            yield Problem(
                "config.sterilisation_needs", draft.document.place((*at, "kind")), found=program.kind, needed=needed
            )
        if program.bi_exposed and program.kind not in {"steam", "eo"}:
            place = draft.document.place((*at, "bi_exposed"))
            yield Problem("config.sterilisation_bi", place, found=shown(program.bi_exposed), kind=program.kind)
        yield from _ranges(draft, at, declared, program)


def _ranges(draft: Draft, loc: Loc, declared: Sterilisation, program: SterilisationProgram) -> Iterator[Problem]:
    """A range is low, high; what it is of has a series."""
    for name in ("temperature", "humidity", "concentration", "pressure"):
        asked = getattr(program, f"{name}_range")
        if asked is None:
            continue
        place = draft.document.place((*loc, f"{name}_range"))
        if not asked[0] < asked[1]:
            yield Problem("config.order", place, found=shown(asked))
        by_rise = name == "concentration" and declared.pressure is not None
        if name != "temperature" and getattr(declared, name) is None and not by_rise:
            yield Problem("config.sterilisation_needs", place, found=f"{name}_range", needed=name)
