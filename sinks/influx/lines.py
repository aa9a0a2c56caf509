"""Points as line protocol, one at a time: figures, states, ledger, alarms, the pipeline. Windows: window_lines.py.

The same output gives the same bytes, so writing again after a crash changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from andon.figures import KINDS
from andon.outputs import Figure
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S
from andon.records import AlarmRecord, TransitionRecord
from andon.records.parking import PARKED_RULE
from sinks.influx.schema import ABOUT, LEDGER_FIELDS, NOTHING, VOID, tags_of

Value = float | str | None
MOST_TRANSITIONS = 200
UNKNOWN = "unknown"
BY_PEOPLE = ("acknowledged", "comment")
OWN_ASSETS = "andon/"
# A line ends at a line feed, whatever InfluxDB would allow inside quotes; a backslash before a comma would escape it.
_NOT_IN_NAMES = dict.fromkeys((*range(32), 127), " ") | {ord("\\"): "/"}
_NOT_IN_TEXTS = dict.fromkeys((*range(32), 127), " ")
_KEY_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


def tag_value(text: str) -> str:
    """What of a name can be a tag: control characters become blanks, a backslash a slash, nothing a dash.

    >>> tag_value("a b"), tag_value("")
    ('a b', '-')
    """
    return text.translate(_NOT_IN_NAMES) or NOTHING


def escaped(name: str) -> str:
    r"""A tag's key or value as it stands in a line.

    >>> print(escaped("Zone 1, left"))
    Zone\ 1\,\ left
    """
    return tag_value(name).translate(_KEY_ESCAPES)


def text_value(text: str) -> str:
    """What of a text can be a field: control characters become blanks."""
    return text.translate(_NOT_IN_TEXTS)


def head(measurement: str, tags: Mapping[str, str]) -> bytes:
    """Measurement and tags, all of the schema, in the order of their keys. KeyError when one is missing."""
    parts = [f"{key}={escaped(tags[key])}" for key in tags_of(measurement)]
    return ",".join([measurement, *parts]).encode(errors="replace")


def line(begin: bytes, fields: Iterable[tuple[str, Value]], time_ns: int) -> bytes:
    """A whole line with its end; None, NaN and infinite values are left out. Nothing where no field is left."""
    parts = [part for name, value in fields if (part := _field(name, value))]
    if not parts:
        return b""
    return b"%s %s %d\n" % (begin, ",".join(parts).encode(errors="replace"), time_ns)


def _field(name: str, value: Value) -> str:
    if isinstance(value, str):
        return f'{escaped(name)}="{text_value(value).translate(_TEXT_ESCAPES)}"'
    if value is None or not math.isfinite(value):
        return ""
    return f"{escaped(name)}={float(value)!r}"


def place(site: str, asset: str, series: str | None = None) -> dict[str, str]:
    """The tags that say where: site, area (first part of the path), asset, and the series where one is given."""
    tags = {"site": site, "area": asset.partition("/")[0], "asset": asset}
    return tags if series is None else tags | {"series": series}


def figure_line(site: str, figure: Figure, ratios: Mapping[str, float | None]) -> bytes:
    """A figure: its parts, `ratios` of an OEE, how far it is, and its texts. A part that is not known is left out.

    A field that a later version leaves out stays in InfluxDB. So from the second revision on every text is written, an
    empty one too, and `void` says whether there still is such a figure: its parts are then those of the one before.
    """
    tags = place(site, figure.asset, figure.tag)
    told = {
        "final": float(figure.final),
        "revision": float(figure.revision),
        "seconds": (figure.end_ns - figure.start_ns) / NS_PER_S,
    }
    gone = VOID in figure.about
    if gone or figure.revision > 1:
        told[VOID] = float(gone)
    names = KINDS[figure.kind].about if figure.revision > 1 and not gone and figure.kind in KINDS else ()
    texts = {ABOUT + name: "" for name in names}
    texts |= {ABOUT + name: text for name, text in figure.about.items() if name != VOID}
    fields = [*figure.parts.items(), *ratios.items(), *told.items(), *texts.items()]
    return line(head(figure.kind, tags), fields, figure.start_ns)


def span_line(
    site: str, asset: str, series: str, unit: str, window: str, bounds_ns: tuple[int, int], revision: int, count: int,
    statistics: Mapping[str, float],
) -> bytes:  # fmt: skip
    """A declared window: a point of `window` whose size is the window's id; what is not known is left out."""
    tags = place(site, asset, series) | {"size": window, "unit": unit}
    start_ns, end_ns = bounds_ns
    fields = {"count": float(count), **statistics, "revision": float(revision)}
    fields["seconds"] = (end_ns - start_ns) / NS_PER_S
    return line(head("window", tags), fields.items(), start_ns)


def state_text(spec: SeriesSpec | None, value: float) -> str:
    """What people call a state: its own or PackML name, on or off for a boolean; else "unknown"."""
    if spec is None or not math.isfinite(value):
        return UNKNOWN
    if spec.kind == "boolean":
        return "on" if value else "off"
    return spec.states[int(value)] if 0 <= value < len(spec.states) else UNKNOWN


def state_line(site: str, asset: str, series: str, name: str, value: float, time_ns: int) -> bytes:
    """A change of a state or boolean series; `value` is left out where it is NaN."""
    return line(head("state", place(site, asset, series)), [("value", value), ("name", name)], time_ns)


@dataclass(frozen=True, slots=True)
class LedgerHour:
    """Rows of a series in an hour of its time, all that came so far. Path ("", ""): no series could be read."""

    asset: str
    tag: str
    hour_ns: int
    counts: tuple[int, ...]  # in the order of LEDGER_FIELDS


def ledger_line(site: str, hour: LedgerHour) -> bytes:
    """The totals of an hour; a later one of the same hour replaces it."""
    fields = zip(LEDGER_FIELDS, hour.counts, strict=True)
    return line(head("ledger", place(site, hour.asset, hour.tag)), fields, hour.hour_ns)


def alarm_lines(
    alarm: AlarmRecord,
    transitions: Iterable[TransitionRecord],
    plant_ns: Callable[[int], int] = lambda machine_ns: machine_ns,
) -> bytes:
    """All transitions of an alarm, each as a point; peak and ERP number are the newest in all of them.

    The time is the transition's plus its number in ns, so two in the same instant stay two. plant_ns: the plant's time
    at a time of the machine, for what people and Andon's own parts did.
    """
    tags = place(alarm.site, alarm.asset, alarm.tag) | {"rule": alarm.rule_id, "priority": alarm.priority}
    begin = head("alarm", tags)
    own = alarm.asset.startswith(OWN_ASSETS) or alarm.rule_id == PARKED_RULE
    lines = []
    for one in list(transitions)[-MOST_TRANSITIONS:]:
        fields: list[tuple[str, Value]] = [
            ("key", alarm.key), ("state", one.state), ("transition", one.kind), ("level", alarm.limit),
            ("peak", alarm.peak), ("open", float(one.state != "normal")), ("erp_number", alarm.erp_number or ""),
        ]  # fmt: skip
        by_machine = own or one.kind in BY_PEOPLE
        lines.append(line(begin, fields, (plant_ns(one.at_ns) if by_machine else one.at_ns) + one.seq))
    return b"".join(lines)


def pipeline_line(site: str, part: str, fields: Mapping[str, float | None], time_ns: int) -> bytes:
    """How a part of Andon stands; what does not apply to it is left out."""
    return line(head("pipeline", {"site": site, "part": part}), fields.items(), time_ns)
