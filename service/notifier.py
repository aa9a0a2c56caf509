"""The notifier process: tells people of incidents, calls the next when nobody answers, and lets time pass for alarms.

    python -m service.notifier --config plant.toml --data data

What is due follows from stored times, so a killed notifier goes on where it was. Messages go out one by one: one that
hangs holds the others up by `notify.timeout_s` at most.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Gauge

from andon.conditions import ConditionChange
from andon.config.load import load_plant
from andon.config.people import Notify
from andon.datafolder import DataFolder
from andon.errors import AndonError, RecordsError
from andon.heartbeat import Heartbeat
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.process import exit_status_of, stop_on_signals
from andon.records import Records, open_site_records
from andon.records.actors import SYSTEM_NOTIFIER
from andon.records.notice_rows import Claimed
from andon.records.policy import Policy
from andon.roster import Roster
from service.ack_links import Links, link_key
from service.notify_words import Wording
from service.options import parser
from sinks.notify.text import Item, render
from sinks.notify.way import NOBODY_RULE, RULE, AppriseWay, NotifyError, Way, address_url

EVERY_S = 1.0
ASSET = "andon/notifier"
LEASE_MARGIN_S = 10.0  # to note what became of it; who was killed holds a message up for so long
log = structlog.get_logger()

MESSAGES = Counter("andon_notify_messages", "Messages to people, by what became of them.", ["outcome"])
NOTICES = Gauge("andon_notify_notices", "Notices by state.", ["state"], multiprocess_mode="mostrecent")


@dataclass
class Notifier:
    """Tells people. records' clock is the machine's; everything it remembers is in the records."""

    records: Records
    plant: PlantModel
    way: Way
    links: Links
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    def __post_init__(self) -> None:
        self.roster, self.policy = Roster.of(self.plant.config), Policy.of(self.plant.config)
        self.told: Notify = self.plant.config.notify
        self.wording = Wording(self.plant)
        self._unmanned: set[str] | None = None  # routes with the alarm that they have nobody to call; None: not looked

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Until `stop` is set. A database that cannot be written is tried again at the next look."""
        while not stop.is_set():
            beat()
            try:
                self.look()
                while not stop.is_set() and self.send_one():
                    beat()
            except RecordsError as error:
                log.warning("notify.records", error=error.code)
            stop.wait(EVERY_S)

    def look(self) -> None:
        """What time does to alarms, then what is due."""
        self.records.pass_time(SYSTEM_NOTIFIER)
        self.records.announce_held(self.policy, SYSTEM_NOTIFIER)
        if self.records.plan_notices(self.roster, self.told, SYSTEM_NOTIFIER):
            for state, count in self.records.notice_counts().items():
                NOTICES.labels(state).set(count)
        if self.roster.rotas:
            self._watch_duty()

    def send_one(self) -> bool:
        """Send the next message that is due; False when there is none."""
        lease_s = self.told.timeout_s + LEASE_MARGIN_S
        claimed = self.records.claim_notices(self.owner, lease_s, self.told, SYSTEM_NOTIFIER, roster=self.roster)
        if claimed is None:
            return False
        items, counts = self._items(claimed)
        try:
            proof = self._deliver(claimed, items) if items else '{"status":"NOTHING TO TELL"}'
        except AndonError as error:
            self._failed(claimed, str(error.params.get("detail") or error.code))
            return True
        self.records.finish_notices(claimed, SYSTEM_NOTIFIER, proof=proof, told=self.told, counts=counts)
        MESSAGES.labels("sent").inc()
        log.info("notify.sent", person=claimed.receiver, channel=claimed.channel, incidents=len(items))
        if items:
            self._over(RULE, {claimed.receiver})
        return True

    def _items(self, claimed: Claimed) -> tuple[list[Item], Mapping[str, int]]:
        """What there is to tell, an incident once however many notices are about it, and how many alarms each has."""
        items: dict[str, Item] = {}
        counts: dict[str, int] = {}
        now_ns = self.records.clock.now_ns()
        for notice in claimed.notices:
            found = self.records.incident(notice.subject)
            if found is None:
                continue
            incident, alarms = found
            link = None if notice.kind == "ended" else self.links.make(claimed.receiver, incident.key, now_ns)
            items[incident.key] = self.wording.item(notice, incident, alarms, link)
            counts[incident.key] = incident.alarms
        return list(items.values()), counts

    def _deliver(self, claimed: Claimed, items: Sequence[Item]) -> str:
        person = self.roster.people.get(claimed.receiver)
        address = next((one for one in person.address if one.name == claimed.channel), None) if person else None
        if address is None:
            raise NotifyError("people.no_address", f"{claimed.receiver} {claimed.channel}")
        title, body = render(items, claimed.language, self.wording.site, digest=claimed.digest)
        return self.way.send(address_url(claimed.receiver, address), title, body)

    def _failed(self, claimed: Claimed, detail: str) -> None:
        MESSAGES.labels("failed").inc()
        names = [one.name for one in person.address] if (person := self.roster.people.get(claimed.receiver)) else []
        place = names.index(claimed.channel) + 1 if claimed.channel in names else len(names)
        following = names[place] if place < len(names) else None
        last = not names or claimed.attempt >= self.told.attempts
        told = self.told if names else self.told.model_copy(update={"attempts": 1})
        self.records.finish_notices(claimed, SYSTEM_NOTIFIER, error=detail, told=told, next_channel=following)
        log.warning("notify.failed", person=claimed.receiver, channel=claimed.channel, error=detail, last=last)
        if last and following is None:
            self._unreached(claimed.receiver, detail)

    def _unreached(self, person: str, detail: str) -> None:
        """Somebody could not be told by any address: an alarm of that person, until a message reaches them again."""
        self._over(RULE, set(self._open(RULE)) - set(self.roster.people))  # who has left is never told again
        if person not in self._open(RULE):
            self._apply(_change(self.records.clock.now_ns(), None, RULE, person, f"{person}: {detail}"))

    def _watch_duty(self) -> None:
        """A route has nobody to call for an alarm that waits: an alarm of that route, until somebody is on duty."""
        found = self.records.unmanned_routes(self.roster, but=ASSET)
        if self._unmanned == set(found):
            return
        already = self._open(NOBODY_RULE)
        for route, asset in found.items():
            if route not in already:
                self._apply(_change(self.records.clock.now_ns(), None, NOBODY_RULE, route, f"{route}, {asset}"))
        self._over(NOBODY_RULE, set(already) - set(found))
        self._unmanned = set(found)

    def _open(self, rule: str) -> dict[str, int]:
        """Tag and start of this rule's alarms that last, whichever notifier raised them."""
        open_ones = self.records.alarms(open_only=True, asset=ASSET)
        return {one.tag: one.start_ns for one in open_ones if one.rule_id == rule and one.cleared_ns is None}

    def _over(self, rule: str, tags: set[str]) -> None:
        for tag, start_ns in self._open(rule).items() if tags else ():
            if tag in tags:
                self._apply(_change(start_ns, max(self.records.clock.now_ns(), start_ns), rule, tag, ""))

    def _apply(self, change: ConditionChange) -> None:
        self.records.apply_conditions([change], SYSTEM_NOTIFIER)


def _change(start_ns: int, cleared_ns: int | None, rule: str, tag: str, error: str) -> ConditionChange:
    """tag: the person or the route that the alarm is about."""
    out_s = 0.0 if cleared_ns is None else (cleared_ns - start_ns) / 1e9
    return ConditionChange(
        kind="raised" if cleared_ns is None else "cleared", asset=ASSET, tag=tag, rule_id=rule, rule_version="1",
        raises="none", priority="high", condition=rule.removeprefix("andon-"), limit=None, unit="1", start_ns=start_ns,
        confirmed_ns=start_ns, cleared_ns=cleared_ns, peak=float("nan"), out_s=out_s, offset=-1,
        evidence={"error": error} if error else {},
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.notifier").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs("notifier")
    plant = load_plant(options.config)
    data = DataFolder(options.data)
    data.open(plant.config.site.id)
    beat = Heartbeat(data, "notifier")
    told = plant.config.notify
    links = Links(link_key(data), told.public_url, told.link_h)
    with open_site_records(plant.config, data, stop, beat=beat) as records:
        Notifier(records, plant, AppriseWay(told.timeout_s), links).run(stop, beat)
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
