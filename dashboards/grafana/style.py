"""Colours, thresholds and texts of values, after ISA-101: calm grey, and a saturated colour only for what is abnormal.

Nothing is told by colour alone: a state, a priority and a verdict are always words too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from andon.i18n import translate
from andon.plant import PACKML_STATES
from dashboards.grafana import Json

GREY, LIGHT, PALE, DARK = "#8a949e", "#a7b0b8", "#c3c9cf", "#5f6b76"
RED, ORANGE, YELLOW, BLUE, VIOLET = "#d44a3a", "#e0752d", "#e5a50a", "#3274d9", "#8f3bb8"
CALM = (DARK, LIGHT, GREY, PALE)  # one after the other for values that belong together

PRIORITIES = {"critical": ("1 ▲", RED), "high": ("2 ◆", ORANGE), "medium": ("3 ●", YELLOW), "low": ("4 ○", BLUE)}
_RUNNING = {"Execute", "sterilising", "heating", "vacuum", "drying", "exhaust"}
_DOWN = {"Aborting", "Aborted", "Stopping", "Stopped", "Clearing"}
_INTERNAL, _EXTERNAL = {"Holding", "Held", "Unholding"}, {"Suspending", "Suspended", "Unsuspending"}
_BATCH = ("idle", "vacuum", "heating", "sterilising", "exhaust", "drying")  # phases of the demo's steriliser


def thresholds(base: str, *steps: tuple[float, str]) -> Json:
    """`base` below the first step."""
    above = [{"color": color, "value": value} for value, color in steps]
    return {"mode": "absolute", "steps": [{"color": base, "value": None}, *above]}


def fixed(color: str) -> Json:
    """One colour for a field."""
    return {"mode": "fixed", "fixedColor": color}


def mapped(texts: Mapping[str, tuple[str, str]]) -> Sequence[Json]:
    """Value -> (text, colour)."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def state_texts(language: str) -> Sequence[Json]:
    """PackML states, phases of sterilisers and booleans, as the control room names them."""

    def color(state: str) -> str:
        if state in _DOWN:
            return RED
        if state in _INTERNAL:
            return ORANGE
        if state in _EXTERNAL:
            return YELLOW
        if state == "Undefined":
            return VIOLET
        return GREY if state in _RUNNING else PALE

    texts = {state: (translate(f"page.state.{state}", language), color(state)) for state in (*PACKML_STATES, *_BATCH)}
    switches = {
        name: (translate(f"grafana.state.{name}", language), shade) for name, shade in (("off", PALE), ("on", DARK))
    }
    return mapped(texts | switches)


def priority_texts(language: str) -> Sequence[Json]:
    """Number, sign and word of each priority."""
    return mapped({name: (priority_text(name, language), color) for name, (_, color) in PRIORITIES.items()})


def priority_text(priority: str, language: str) -> str:
    """Number, sign and word."""
    return f"{PRIORITIES[priority][0]} {translate(f'page.priority.{priority}', language)}"


def alarm_state_texts(language: str) -> Sequence[Json]:
    """ISA-18.2's states; colour where somebody has to do something."""
    colors = {"unacknowledged": RED, "latched_unacknowledged": RED, "returned_unacknowledged": YELLOW,
              "acknowledged": ORANGE, "latched_acknowledged": ORANGE}  # fmt: skip
    names = (*colors, "normal", "shelved", "suppressed", "out_of_service")
    return mapped({name: (translate(f"page.alarm_state.{name}", language), colors.get(name, GREY)) for name in names})


def flag_texts(language: str, *bad: tuple[str, str]) -> Sequence[Json]:
    """`ok` in grey, and (flag, colour) for the rest; the words are grafana.flag.<flag>."""
    return mapped({flag: (translate(f"grafana.flag.{flag}", language), color) for flag, color in (("ok", GREY), *bad)})
