"""The dead-man process: raises an alarm when a part of Andon itself shows no sign of life.

    python -m service.deadman --config plant.toml --data data

It shares nothing with the parts it watches but the folder of their signs and the records, so it still speaks when
the flow cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from andon import heartbeat
from andon.clock import Clock, SystemClock
from andon.conditions import ConditionChange
from andon.config.load import load_plant
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.errors import AndonError, RecordsError
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.process import exit_status_of, stop_on_signals
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, AlarmRecord, Records, open_site_records
from flows.workers import read_layout
from service.log_watch import LogWatch, watch_logs
from service.options import parser
from service.parts import read_parts
from service.stores_watch import StoresWatch, levels
from service.supervisor import senders

SILENT_S = 20.0  # longer than a restart takes, shorter than anybody should be left without alarms
STARTING_S = 60.0  # a cold start compiles; nobody is called for it
EVERY_S = 1.0
STORES_EVERY = 10  # looks
RULE = "andon-silent"
ASSETS = "andon/"
MOST_ALARMS = 100_000
log = structlog.get_logger()


@dataclass
class DeadMan:
    """Which parts are silent, and the changes that says. Pure: ages and time are arguments.

    silent_since: start of the open alarm of each silent part, ns.
    """

    expected: Sequence[str]
    silent_since: dict[str, int] = field(default_factory=dict)

    def take_over(self, alarms: Sequence[AlarmRecord]) -> None:
        """Go on with the alarms that an earlier dead-man left open."""
        for alarm in alarms:
            if alarm.rule_id == RULE and alarm.cleared_ns is None:
                self.silent_since[alarm.asset.removeprefix(ASSETS)] = alarm.start_ns

    def look(
        self, ages_s: Mapping[str, float | None], now_ns: int, stopped: Collection[str] = ()
    ) -> list[ConditionChange]:
        """Ages of the parts' last signs of life, s (None: never seen) -> raised and cleared.

        stopped: parts that nobody expects to live just now; their alarms stay as they are.
        """
        gone = [part for part in self.silent_since if part not in self.expected]  # another plant.toml since
        changes = [_change(part, self.silent_since.pop(part), now_ns, now_ns) for part in gone]
        for part in self.expected:
            if part in stopped:
                continue
            age_s = ages_s.get(part)
            silent = age_s is None or age_s > SILENT_S
            since_ns = self.silent_since.get(part)
            if silent and since_ns is None:
                start_ns = now_ns - round((age_s or SILENT_S) * NS_PER_S)
                self.silent_since[part] = start_ns
                changes.append(_change(part, start_ns, now_ns, None))
            elif not silent and since_ns is not None:
                del self.silent_since[part]
                changes.append(_change(part, since_ns, now_ns, now_ns))
        return changes


def _change(part: str, start_ns: int, now_ns: int, cleared_ns: int | None) -> ConditionChange:
    if cleared_ns is not None:
        cleared_ns = max(cleared_ns, start_ns)  # the clock may have been set back meanwhile
    out_s = max(0, now_ns - start_ns) / NS_PER_S
    return ConditionChange(
        kind="raised" if cleared_ns is None else "cleared", asset=f"{ASSETS}{part}", tag="alive", rule_id=RULE,
        rule_version="1", raises="none", priority="critical", condition="stale", limit=SILENT_S, unit="s",
        start_ns=start_ns, confirmed_ns=start_ns + round(SILENT_S * NS_PER_S), cleared_ns=cleared_ns, peak=out_s,
        out_s=out_s, offset=0,
    )  # fmt: skip


def expected_parts(plant: Plant, workers: int) -> list[str]:
    """Parts that give signs of life: flow-0 ... and the senders that are configured."""
    return [*(f"flow-{worker}" for worker in range(workers)), *senders(plant)]


def watch(data: DataFolder, records: Records, man: DeadMan, clock: Clock) -> None:
    """One look; a database that cannot be written is tried again at the next one."""
    folder = heartbeat.folder(data)
    ages = {part: heartbeat.age_s(folder / part) for part in man.expected}
    before = dict(man.silent_since)
    stopped = [name for name, part in read_parts(data).items() if not part.wanted]
    changes = man.look(ages, clock.now_ns(), stopped)
    if not changes:
        return
    for change in changes:
        log.error("deadman.changed", part=change.asset, kind=change.kind)
    try:
        records.apply_conditions(changes, SYSTEM_SUPERVISOR)
    except RecordsError:
        man.silent_since = before
        log.exception("deadman.not_recorded")


def watch_stores(data: DataFolder, plant: Plant, records: Records, stores: StoresWatch, clock: Clock) -> None:
    """One look at disk and dead letters; a database that cannot be written is tried again at the next one."""
    before = dict(stores.since)
    try:
        changes = stores.look(*levels(data, plant), clock.now_ns())
        if changes:
            records.apply_conditions(changes, SYSTEM_SUPERVISOR)
    except (AndonError, OSError):
        stores.since = before
        log.exception("deadman.stores_not_looked_at")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM. Parts get `STARTING_S` before they count as silent; alarms left open are taken over."""
    options = parser("service.deadman").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs("dead-man")
    plant = load_plant(options.config).config
    data = DataFolder(options.data)
    data.open(plant.site.id)
    held = Exclusive(data.process_lock("dead-man"))  # two of them would raise two alarms
    layout = read_layout(data)  # the supervisor made it before it started anybody
    man = DeadMan(expected_parts(plant, layout.workers if layout else 0))
    clock = SystemClock()
    stores, logs = StoresWatch(), LogWatch(plant.transport.shards)
    stop.wait(STARTING_S)
    parts = read_parts(data)  # a site that is put together by hand may do without some
    man.expected = [*man.expected, *(name for name in ("notifier", "follow-up") if name in parts)]
    with open_site_records(plant, data, stop, clock=clock) as records:
        left_open = records.alarms(open_only=True, limit=MOST_ALARMS)
        man.take_over(left_open)
        stores.take_over(left_open)
        logs.take_over(left_open)
        looks = 0
        while not stop.is_set():
            watch(data, records, man, clock)
            if looks % STORES_EVERY == 0:
                watch_stores(data, plant, records, stores, clock)
                if plant.transport.kind == "kafka":
                    watch_logs(data, plant, records, logs, clock)
            looks += 1
            stop.wait(EVERY_S)
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
