"""Ratios, targets, table and plot of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

Numbers = Mapping[str, float | None]

# ratio: (cost above, cost below), CPU-s per million readings
RATIOS = {
    "flow_vs_consume": ("plain_flow", "raw_consume"),
    "gather_flow_vs_consume": ("gather_flow", "raw_consume"),
    "gather_flow_vs_librdkafka": ("gather_flow", "raw_librdkafka"),
    "vanilla_bytewax_vs_flow": ("bytewax_windows", "gather_flow"),
    "quix_vs_flow": ("quix", "gather_flow"),
    "pathway_vs_flow": ("pathway", "gather_flow"),
    "flink_vs_flow": ("flink", "gather_flow"),
    "orjson_vs_binary_flow": ("orjson_per_message", "binary_flow"),
    "flow_vs_orjson": ("memory_flow", "orjson_per_message"),
    "bad_vs_clean_input": ("memory_flow_bad", "memory_flow"),
    "river_trees_vs_default": ("river_half_space_trees", "default_detector"),
    "river_ew_vs_ewma": ("river_ew_mean_and_variance", "ewma_detector"),
}
# part of gather_flow's cost: (cost with it, cost without); what is left of the whole is fetching
SHARES = {
    "decode": ("memory_decode", None),
    "compute": ("memory_engine", "memory_decode"),
    "bytewax": ("memory_flow_scored", "memory_engine"),
}
PARTS_RATIOS = ("orjson_vs_decode", "fstring_vs_line_protocol", "series_100k_vs_1k")
# figure: (contender, readings a second): CPU-s a second, or us a reading where the rate is a million
COSTS = {
    "detector_us_per_reading": ("detector", 1e6),
    "default_detector_us_per_reading": ("default_detector", 1e6),
    "detector_core_share_5k": ("default_detector_5k", 5e4),
}
FIGURES = (
    "snapshot_pause_ms_10k", "state_bytes_per_series", "latency_p99_over_linger_plus_poll", "figures_core_share",
    "figures_bytes_per_asset",
)  # fmt: skip
TARGETS = {
    "gather_flow_vs_consume": ("<=", 0.9),
    "gather_flow_vs_librdkafka": ("<=", 1.9),
    "flow_vs_consume": ("<=", 1.7),
    "vanilla_bytewax_vs_flow": (">=", 150.0),
    "quix_vs_flow": (">=", 25.0),
    "pathway_vs_flow": (">=", 40.0),
    "flink_vs_flow": (">=", 15.0),
    "orjson_vs_binary_flow": (">=", 12.0),
    "orjson_vs_decode": (">=", 12.0),
    "fstring_vs_line_protocol": (">=", 8.0),
    "series_100k_vs_1k": ("<=", 1.6),
    "flow_vs_orjson": ("<=", 1.0),
    "bad_vs_clean_input": ("<=", 1.25),
    "snapshot_pause_ms_10k": ("<=", 10.0),
    "latency_p99_over_linger_plus_poll": ("<=", 3.0),
    "figures_core_share": ("<=", 0.08),
    "detector_us_per_reading": ("<=", 1.2),
    "default_detector_us_per_reading": ("<=", 1.0),
    "detector_core_share_5k": ("<=", 0.05),
    "river_trees_vs_default": (">=", 20.0),
}


class Verdict(NamedTuple):
    """A figure beside its target; met is None where there is no figure."""

    name: str
    value: float | None
    sign: str
    target: float
    met: bool | None


def ratios(cost: Numbers, parts: Numbers) -> dict[str, float | None]:
    """Every ratio by name; None where one of its sides was not measured. parts: ratios measured elsewhere."""
    binary = [value for name in ("sparkplug_flow", "arrow_flow") if (value := cost.get(name)) is not None]
    costs = {**cost, "binary_flow": min(binary, default=None)}
    found: dict[str, float | None] = {}
    for name, (above, below) in RATIOS.items():
        one, other = costs.get(above), costs.get(below)
        found[name] = None if one is None or not other else one / other
    return found | {name: parts.get(name) for name in PARTS_RATIOS}


def shares(cost: Numbers) -> dict[str, float]:
    """What part of `gather_flow` is fetching, decoding, computing and Bytewax, 0..1; empty where one is not known.

    Differences of runs that have more and more parts in memory, so a small one may be lost in their noise.
    """
    whole, found = cost.get("gather_flow"), {}
    for name, (above, below) in SHARES.items():
        one, other = cost.get(above), cost.get(below, 0.0) if below else 0.0
        if not whole or one is None or other is None:
            return {}
        found[name] = max(0.0, one - other) / whole
    return {"fetch": max(0.0, 1.0 - sum(found.values())), **found}


def costs(cost: Numbers) -> dict[str, float | None]:
    """What some contenders take at a stated rate (COSTS); None where one was not measured."""
    found = {name: (cost.get(one), rate) for name, (one, rate) in COSTS.items()}
    return {name: None if one is None else float(f"{one * rate / 1e6:.4g}") for name, (one, rate) in found.items()}


def verdicts(numbers: Numbers) -> list[Verdict]:
    """Each target, in their order."""
    told = []
    for name, (sign, target) in TARGETS.items():
        value = numbers.get(name)
        met = None if value is None else (value <= target if sign == "<=" else value >= target)
        told.append(Verdict(name, value, sign, target, met))
    return told


def as_text(verdict: Verdict) -> str:
    """One line of the run's end."""
    said = {True: "met", False: "MISSED", None: "not measured"}[verdict.met]
    value = "-" if verdict.value is None else f"{verdict.value:.3g}"
    return f"{verdict.name:36s} {value:>9s}   target {verdict.sign} {verdict.target:g}: {said}"


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown: contenders, then targets, then figures."""
    lines = ["| contender | CPU-s per million | readings/s per core | memory, MB | what it does |", "|---" * 5 + "|"]
    for name, one in result["contenders"].items():
        cost = one["cpu_s_per_million"]
        lines.append(f"| `{name}` | {cost:.3g} | {_count(1e6 / cost)} | {one['rss_mb']:.0f} | {one['scope']} |")
    lines += [f"| `{name}` | - | - | - | absent: {why} |" for name, why in result["absent"].items()]
    lines += ["", "| ratio or figure | value | target |", "|---|---|---|"]
    numbers = {**result["ratios"], **result["figures"]}
    for name, value in numbers.items():
        sign, target = TARGETS.get(name, ("", 0.0))
        lines.append(
            f"| `{name}` | {'-' if value is None else f'{value:.3g}'} | {f'{sign} {target:g}' if sign else ''} |"
        )
    return "\n".join(lines) + "\n"


def _count(number: float) -> str:
    """Three digits, with thousands."""
    digits = len(str(int(number)))
    return f"{round(number, 3 - digits):,.0f}"


COLOURS = {"ours": "#1a7f5a", "limit": "#8a8f98", "peer": "#b4552d", "part": "#7fb8a3", "detector": "#5a6fb0"}
PLOTTED = ("limit", "ours", "peer")


def plot(result: Mapping[str, Any], path: Path) -> None:
    """Bars on a logarithmic scale, cheapest first."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    shown = [(name, one) for name, one in result["contenders"].items() if one["kind"] in PLOTTED]
    shown.sort(key=lambda item: -item[1]["cpu_s_per_million"])
    cost = [one["cpu_s_per_million"] for _, one in shown]
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(shown) + 1.4))
    axes.barh([name for name, _ in shown], cost, color=[COLOURS[one["kind"]] for _, one in shown])
    axes.set_xscale("log")
    axes.set_xlim(min(cost) / 2, max(cost) * 3)
    for at, value in enumerate(cost):
        axes.text(value * 1.08, at, f"{value:.3g}", va="center", fontsize=8)
    axes.set_xlabel("CPU seconds per million readings, logarithmic; less is better")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [Rectangle((0, 0), 1, 1, color=COLOURS[kind]) for kind in PLOTTED]
    axes.legend(handles, ["limit", "Andon", "peer"], frameon=False, loc="lower right")
    figure.tight_layout()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "andon"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
