"""Rounds of kills over fresh sites, each checked; progress that survives an interruption; the result as plain data."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.compare import Verdict, compare
from tests.chaos.lanes import Habits, Lane, Tally
from tests.chaos.processes import Setting
from tests.chaos.protections import KILLS
from tests.chaos.reference import run_reference
from tests.chaos.site import Site

ROUND = 100  # kills over one data folder, then everything is compared and the next round begins with another seed
SPEED = 600.0  # plant seconds a second
VERSIONED = ("bytewax", "confluent-kafka", "influxdb-client", "numba", "numpy", "pyarrow", "sqlalchemy")
Say = Callable[[str], None]


@dataclass
class Outcome:
    """A whole run so far. rounds: finished and checked ones; the counters are sums over them."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    weather: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    startup: int = 0
    commits: int = 0
    rounds: int = 0
    seconds: float = 0.0
    plant_s: int = 0
    starts_s: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def killed(self) -> int:
        """All kills."""
        return sum(self.kills.values())

    @property
    def ok(self) -> bool:
        """Whether the checker is content."""
        return self.verdict.ok


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    folder: Path
    kills: int
    seed: int
    off: tuple[str, ...] = ()
    speed: float = SPEED
    round_kills: int = ROUND
    limit_s: float = float("inf")
    site: Callable[[Path, int, float, Setting], Site] = Site

    def habits(self, site: Site) -> dict[str, Habits]:
        """How the parts are killed; with a protection off, only where that protects, and always aimed."""
        habits = site.habits()
        for name in self.off:
            parts, aims = KILLS[name]
            habits = {
                part: replace(one, aims={aim: look for aim, look in one.aims.items() if aim in aims}, aimed=1.0)
                if part in parts else replace(one, pause_s=(1e9, 1e9))
                for part, one in habits.items()
            }  # fmt: skip
        return habits


class TimeIsUpError(Exception):
    """The time limit was reached; the progress is on disk."""


def run(plan: Plan, say: Say = print) -> Outcome:
    """Make all kills, going on where an earlier call over the same folder stopped. TimeIsUpError at the limit."""
    began = time.monotonic()
    progress = Progress(plan)
    outcome = progress.outcome
    while outcome.killed < plan.kills:
        wanted = min(plan.round_kills, plan.kills - outcome.killed)
        _round(plan, progress, wanted, began + plan.limit_s, say)
        if not outcome.ok:
            break
    return outcome


class Progress:
    """`progress.json` in the plan's folder: finished rounds, and the kills of the one that runs."""

    def __init__(self, plan: Plan) -> None:
        self.path = plan.folder / "progress.json"
        plan.folder.mkdir(parents=True, exist_ok=True)
        self.outcome, self.open = Outcome(plan.seed), Tally(0)
        if not self.path.exists():
            return
        kept = json.loads(self.path.read_text())
        if (kept["outcome"]["seed"], tuple(kept["off"])) != (plan.seed, plan.off):
            raise ValueError(f"{plan.folder} holds the run of seed {kept['outcome']['seed']}, off {kept['off']}")
        self.outcome = _outcome(kept["outcome"])
        self.open = Tally(0, Counter(kept["open"]["kills"]), Counter(kept["open"]["aims"]), kept["open"]["startup"],
                          kept["open"]["commits"], kept["open"]["starts_s"])  # fmt: skip

    def keep(self, plan: Plan, tally: Tally) -> None:
        """Write down where the run stands."""
        now = {name: getattr(tally, name) for name in ("kills", "aims", "startup", "commits", "starts_s")}
        kept = {**vars(self.outcome), "verdict": vars(self.outcome.verdict)}  # asdict cannot copy a Counter
        content = {"off": plan.off, "outcome": kept, "open": now}
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        draft.replace(self.path)


def _outcome(kept: dict[str, Any]) -> Outcome:
    verdict = kept.pop("verdict")
    counters = {name: Counter(verdict[name]) for name in ("compared", "missing", "extra", "changed")}
    plain = {**kept, **{name: Counter(kept[name]) for name in ("kills", "aims", "weather", "ended")}}
    return Outcome(**plain, verdict=Verdict(**counters, faults=verdict["faults"]))


def _round(plan: Plan, progress: Progress, wanted: int, deadline: float, say: Say) -> None:
    """One site: kill, drain, compare, count. Its folder goes when all is well, and stays when it is not."""
    outcome, tally = progress.outcome, progress.open
    tally.wanted = wanted
    folder = plan.folder / f"round-{outcome.rounds}"
    setting = Setting(folder / "logs", plan.off)
    site = plan.site(folder, plan.seed * 1000 + outcome.rounds, plan.speed, setting)
    began, halt = time.monotonic(), threading.Event()
    tally.told = lambda: progress.keep(plan, tally)
    lanes = [
        Lane(name, site.processes, habits, tally, halt, f"{plan.seed}|{outcome.rounds}|{sum(tally.kills.values())}")
        for name, habits in plan.habits(site).items()
    ]
    weather = site.weather(f"{plan.seed}|{outcome.rounds}", halt)
    try:
        for lane in lanes:
            lane.start()
        if weather is not None:
            weather.start()
        _watch(lanes, tally, halt, outcome, deadline, say)
        halt.set()
        if weather is not None:
            weather.join()
            outcome.weather.update(weather.seen)
        wrong = site.rest(say, tally)
        wrong += tally.findings
        _check(plan, site, tally, outcome, wrong)
    finally:
        halt.set()
        for lane in lanes:
            if lane.ident is not None:
                lane.join(60.0)  # what it starts after `close` would outlive the round and hold its locks
        site.close()
        outcome.seconds += time.monotonic() - began
        progress.keep(plan, tally)
    progress.open = Tally(0)
    progress.keep(plan, progress.open)
    say(_line(outcome, time.monotonic() - began))
    if outcome.ok:
        shutil.rmtree(folder)


def _watch(lanes: list[Lane], tally: Tally, halt: threading.Event, outcome: Outcome, deadline: float, say: Say) -> None:
    """Until the kills are made, or a part does not come up any more; a line now and then."""
    told = time.monotonic()
    while any(lane.is_alive() for lane in lanes):
        if time.monotonic() > deadline:
            halt.set()
            raise TimeIsUpError
        if time.monotonic() - told > 30.0:
            told = time.monotonic()
            say(f"  {outcome.killed + sum(tally.kills.values())} kills, {dict(tally.kills)}")
        time.sleep(0.1)


def _check(plan: Plan, site: Site, tally: Tally, outcome: Outcome, wrong: list[str]) -> None:
    sent_s = site.sent_s()
    logs = {shard: site.log(shard) for shard in site.shards}
    reference = run_reference(site.plant, logs, site.folder / "undisturbed")
    verdict = compare(site.plant, site.story, sent_s, site.data, reference, site.erp_db)
    site.check_more(verdict, reference)
    verdict.faults += wrong
    outcome.verdict.add(verdict)
    outcome.kills.update(tally.kills)
    outcome.aims.update(tally.aims)
    outcome.ended.update(tally.ended)
    outcome.startup += tally.startup
    outcome.commits += tally.commits
    outcome.starts_s += tally.starts_s
    outcome.plant_s += max(sent_s.values())
    outcome.rounds += 1


def _line(outcome: Outcome, seconds: float) -> str:
    verdict = outcome.verdict
    return (
        f"round {outcome.rounds}: {outcome.killed} kills, {verdict.compared['windows']} windows, "
        f"{verdict.compared['alarms']} alarms, {verdict.compared['ERP records']} ERP records, "
        f"missing {sum(verdict.missing.values())}, extra {sum(verdict.extra.values())}, "
        f"changed {sum(verdict.changed.values())}, {len(verdict.faults)} faults, {seconds:.0f} s"
    )


def result(outcome: Outcome, shape: str, controls: dict[str, int], root: Path) -> dict[str, object]:
    """What is written under docs/results. controls: protection that was off -> what the checker found."""
    starts = sorted(outcome.starts_s)
    return {
        **run_of("chaos", shape, outcome.seed, outcome.seconds, root),
        "kills": {"all": outcome.killed, **dict(sorted(outcome.kills.items()))},
        "aimed": dict(sorted(outcome.aims.items())),
        "weather": dict(sorted(outcome.weather.items())),
        "ended_by_themselves": dict(sorted(outcome.ended.items())),
        "kills_inside_a_start": outcome.startup,
        "commits_between_kills": outcome.commits,
        "rounds": outcome.rounds,
        "plant_hours": round(outcome.plant_s / 3600, 1),
        "start_to_progress_s": {"p50": _share(starts, 0.5), "p99": _share(starts, 0.99)},
        **found(outcome.verdict),
        "controls": controls,
    }


def run_of(suite: str, shape: str, seed: int, seconds: float, root: Path) -> dict[str, object]:
    """What every result begins with."""
    return {
        "schema": 1,
        "suite": suite,
        "shape": shape,
        "seed": seed,
        "commit": _git(root, "rev-parse", "HEAD"),
        "clean": not _git(root, "status", "--porcelain", "--untracked-files=no"),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: importlib.metadata.version(name) for name in VERSIONED},
        },
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
    }


def found(verdict: Verdict) -> dict[str, object]:
    """What every result says the checker found."""
    return {
        "compared": dict(sorted(verdict.compared.items())),
        "lost": sum(verdict.missing.values()),
        "doubled": sum(verdict.extra.values()),
        "changed": sum(verdict.changed.values()),
        "faults": verdict.faults[:100],
    }


def _share(ordered: list[float], share: float) -> float:
    return round(ordered[int(share * (len(ordered) - 1))], 2) if ordered else 0.0


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
