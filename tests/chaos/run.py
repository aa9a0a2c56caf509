"""The chaos run from the command line.

    .venv/bin/python -m tests.chaos.run --kills 1000 --seed 1 --folder build/chaos

Interrupted, or ended by --limit-s (exit status 75), the same command goes on where it stood. At the end each
protection is switched off once, and the checker must see it. The result is docs/results/chaos-<shape>.json with
--write, else result.json in the folder. Exit status 1: something was lost, doubled or changed, or a control was not
seen.

--shape outages kills nothing: the broker is away 100 times for 1 to 120 s while InfluxDB hangs for ten minutes.
--shape erp puts 2,000 orders into a Tryton that is killed 20 times, while answers are lost and eight senders race.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.chaos.erp import run_erp
from tests.chaos.lanes import Tally
from tests.chaos.outages import broker_and_influx, lengths, run_outages
from tests.chaos.plant_site import with_servers
from tests.chaos.processes import Setting
from tests.chaos.protections import ALL, PLANT
from tests.chaos.servers import Servers
from tests.chaos.site import Site
from tests.chaos.suite import ROUND, SPEED, Plan, TimeIsUpError, found, result, run, run_of

ROOT = Path(__file__).parent.parent.parent
CONTROL_KILLS = 12
ERP_CONTROL = {"count": 40, "kills": 2}
OUTAGES, OUTAGES_SPEED, INFLUX_HUNG_S = 100, 60.0, 600.0


def controls(plan: Plan, names: Sequence[str]) -> dict[str, int]:
    """What the checker found with each protection off."""
    seen: dict[str, int] = {}
    for at, name in enumerate(names, 1):
        folder = plan.folder / f"without-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        # A seed of its own: a topic and a bucket go by it.
        asked = replace(plan, folder=folder, kills=CONTROL_KILLS, seed=100_000 * at + plan.seed, off=(name,))
        outcome = run(asked, lambda _: None)
        seen[name] = len(outcome.verdict.faults)
        print(f"without {name}: {seen[name]} faults, first: {(outcome.verdict.faults or ['none'])[0]:.160}", flush=True)
        shutil.rmtree(folder)
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    """One run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("embedded", "plant", "outages", "erp"), default="embedded")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=ROUND, help="kills over one data folder")
    parser.add_argument("--speed", type=float, default=SPEED, help="plant seconds in a second, at most")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "chaos")
    parser.add_argument("--limit-s", type=float, default=float("inf"))
    parser.add_argument("--off", action="append", default=[], choices=(*ALL, *PLANT), help="switch a protection off")
    parser.add_argument("--no-controls", action="store_true", help="leave the controls out")
    parser.add_argument("--only-controls", action="store_true", help="nothing but the controls")
    parser.add_argument("--write", action="store_true", help="write docs/results/")
    given = parser.parse_args(arguments)
    folder = given.folder / f"{given.shape}-{given.seed}"
    if given.shape == "erp":
        return make_erp(given, folder)
    servers = Servers(folder / "servers") if given.shape != "embedded" else None
    try:
        if servers is not None and given.shape == "outages":
            return make_outages(given, folder, servers)
        return make(given, folder, servers)
    finally:
        if servers is not None:
            servers.stop()


def make(given: argparse.Namespace, folder: Path, servers: Servers | None) -> int:
    """The run that is asked for."""
    site = Site if servers is None else with_servers(servers)
    plan = Plan(folder, given.kills, given.seed, tuple(given.off), given.speed, given.round, given.limit_s, site)
    names = ALL if servers is None else (*ALL, *PLANT)
    if given.only_controls:
        return 0 if all(controls(plan, given.off or names).values()) else 1
    try:
        outcome = run(plan, lambda line: print(line, flush=True))
    except TimeIsUpError:
        print("time is up; the same command goes on", flush=True)
        return 75
    seen = {} if given.no_controls or given.off else controls(plan, names)
    tell(given, folder, f"chaos-{given.shape}", result(outcome, given.shape, seen, ROOT))
    return 0 if outcome.ok and all(seen.values()) else 1


def make_outages(given: argparse.Namespace, folder: Path, servers: Servers) -> int:
    """Broker away again and again, InfluxDB hung all the while."""
    began, away_s, tally = time.monotonic(), lengths(OUTAGES, given.seed), Tally(1)
    shutil.rmtree(folder / "site", ignore_errors=True)
    site = with_servers(servers)(folder / "site", given.seed, OUTAGES_SPEED, Setting(folder / "site" / "logs"))
    verdict = run_outages(
        site, lambda: broker_and_influx(servers.to_kafka, servers.to_influx, away_s, INFLUX_HUNG_S), tally
    )
    told = {
        **run_of("outages", "plant", given.seed, time.monotonic() - began, ROOT),
        "broker_away": {"times": len(away_s), "seconds": round(sum(away_s)), "longest_s": round(max(away_s), 1)},
        "influx_hung_s": INFLUX_HUNG_S,
        "ended_by_themselves": dict(sorted(tally.ended.items())),
        **found(verdict),
    }
    tell(given, folder, "outages", told)
    return 0 if verdict.ok else 1


def make_erp(given: argparse.Namespace, folder: Path) -> int:
    """A real ERP that is killed; then the control without its UNIQUE keys, which must show doubles."""
    shutil.rmtree(folder, ignore_errors=True)
    outcome = run_erp(folder / "keyed", seed=given.seed, say=lambda line: print(line, flush=True))
    control = None if given.no_controls else run_erp(folder / "control", **ERP_CONTROL, seed=given.seed, keyed=False)
    told = {
        **run_of("erp", "erp", given.seed, outcome.seconds, ROOT),
        "kills": outcome.kills, "answers_lost": outcome.lost, "calls": outcome.calls, "attempts": outcome.attempts,
        "compared": outcome.compared, "doubled": outcome.doubled, "faults": outcome.faults[:100],
        "controls": {} if control is None else {"unique_key": control.doubled},
    }  # fmt: skip
    tell(given, folder, "erp", told)
    return 0 if not outcome.faults and (control is None or control.doubled) else 1


def tell(given: argparse.Namespace, folder: Path, name: str, told: dict[str, object]) -> None:
    """Print the result and write it."""
    path = ROOT / "docs" / "results" / f"{name}.json" if given.write else folder / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    raise SystemExit(main())
