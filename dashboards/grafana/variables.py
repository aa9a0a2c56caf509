"""Variables of the dashboards: data source, site, area, asset, and the hidden ones that choose the windows."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import DATASOURCE_UID, Json
from dashboards.grafana.flux import SCOPE
from dashboards.grafana.model import DATASOURCE, Words
from dashboards.grafana.settings import Settings, Step, duration, size_tag

SHOWN, HIDDEN = 0, 2
ON_RANGE_CHANGE = 2
# The page's own variables: unlike v.timeRangeStart, every version fills them in for variables too. ms since the epoch.
FROM, TO = "${__from}", "${__to}"
MONTH_MS = 30 * 86_400_000


def datasource() -> Json:
    """Which InfluxDB: one imported by hand has another uid."""
    return {
        "type": "datasource", "name": "datasource", "label": "InfluxDB", "query": "influxdb", "regex": "",
        "hide": SHOWN, "multi": False, "includeAll": False, "refresh": 1, "options": [], "skipUrlSync": False,
        "current": {"selected": True, "text": "Andon InfluxDB", "value": DATASOURCE_UID},
    }  # fmt: skip


def query(name: str, label: str, flux: str, *, many: bool, hide: int = SHOWN) -> Json:
    """Values from InfluxDB; `many`: several or all of them."""
    every = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "type": "query", "name": name, "label": label, "datasource": DATASOURCE,
        "query": {"query": flux, "refId": f"variable-{name}"}, "definition": flux, "refresh": ON_RANGE_CHANGE,
        "regex": "", "sort": 1, "multi": many, "includeAll": many, "allValue": ".*" if many else None,
        "hide": hide, "options": [],
        "skipUrlSync": hide == HIDDEN, "current": every if many else {},
    }  # fmt: skip


def tag_values(tag: str, measurements: Sequence[str], *where: str) -> str:
    """Values of a tag in the 30 days up to the end of the range, from the index."""
    kinds = " or ".join(f'r._measurement == "{name}"' for name in measurements)
    predicate = " and ".join((f"({kinds})", *where))
    return (
        'import "influxdata/influxdb/schema"\n'
        "schema.tagValues(\n"
        "  bucket: v.defaultBucket,\n"
        f'  tag: "{tag}",\n'
        f"  predicate: (r) => {predicate},\n"
        f"  start: time(v: ({FROM} - {MONTH_MS}) * 1000000),\n"
        f"  stop: time(v: {TO} * 1000000),\n"
        ")"
    )


def place(words: Words, *measurements: str, one_asset: bool = False) -> Sequence[Json]:
    """site, area, asset; each knows only what its predecessors leave."""
    site, area, _ = SCOPE
    return (
        query("site", words.shared("variable.site"), tag_values("site", measurements), many=True),
        query("area", words.shared("variable.area"), tag_values("area", measurements, site), many=True),
        query(
            "asset", words.shared("variable.asset"), tag_values("asset", measurements, site, area), many=not one_asset
        ),
    )


def by_range(name: str, settings: Settings, value: str) -> Json:
    """A hidden variable that follows the length of the range; `value` is size, every or bucket."""
    branches = [f"if span <= {round(step.span_s * 1000)} then {_of(step, value)} else" for step in settings.steps()
                if step.span_s is not None]  # fmt: skip
    last = _of(settings.steps()[-1], value)
    flux = f'import "array"\nspan = {TO} - {FROM}\narray.from(rows: [{{_value: {" ".join(branches)} {last}}}])'
    return query(name, name, flux, many=False, hide=HIDDEN)


def _of(step: Step, value: str) -> str:
    if value == "bucket":
        return f'"{step.bucket}"' if step.bucket else "v.defaultBucket"
    return f'"{size_tag(step.size_s) if value == "size" else duration(step.every_s)}"'


def windows(settings: Settings) -> Sequence[Json]:
    """Which windows a range is drawn with: `size` is their tag, `every` one point each, `bucket` where they are."""
    return tuple(by_range(name, settings, name) for name in ("size", "every", "bucket"))


def textbox(name: str, label: str, value: str) -> Json:
    """A value that the viewer may type over."""
    return {
        "type": "textbox", "name": name, "label": label, "query": value, "hide": SHOWN, "skipUrlSync": False,
        "current": {"selected": True, "text": value, "value": value},
        "options": [{"selected": True, "text": value, "value": value}],
    }  # fmt: skip


def choice(name: str, label: str, values: Sequence[tuple[str, str]]) -> Json:
    """One of (text, value); the first is chosen."""
    listed = ",".join(f"{text} : {value}" for text, value in values)
    options = [{"selected": index == 0, "text": text, "value": value} for index, (text, value) in enumerate(values)]
    return {
        "type": "custom", "name": name, "label": label, "query": listed, "hide": SHOWN, "multi": False,
        "includeAll": False, "allValue": None, "skipUrlSync": False, "options": options, "current": options[0],
    }  # fmt: skip
