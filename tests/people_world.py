"""A small plant with people, and a notifier whose way out is a list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import update

from andon.clock import ManualClock
from andon.config.load import load_plant
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Records, alarm_key, schema
from andon.records.applying import change_path
from andon.records.policy import Policy
from andon.secrets import Secret
from service.ack_links import Links
from service.notifier import Notifier
from sinks.notify.way import NotifyError
from tests.records_world import START_NS, fresh, raised

KEY = Secret("A" * 43)
PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
name = "Suzhou"
timezone = "Europe/Berlin"
[notify]
public_url = "https://andon.example.com"
[[template]]
name = "room"
series = [{ tag = "air", unit = "Cel", every_s = 60 }]
[[asset]]
path = "cold/room1/unit"
template = "room"
name = "Cold room 1"
[[asset]]
path = "cold/room1"
template = "room"
[[asset]]
path = "filling/line1/filler"
template = "room"
[[rule]]
id = "high"
on = "*/air"
above = 8.0
response = { en = "Close the door.", zh-CN = "关门。" }
[[shift]]
name = "day"
begins = "06:00"
[[shift]]
name = "night"
begins = "22:00"
[[person]]
id = "li"
name = "Li Wei"
language = "zh-CN"
address = [{ name = "mail", url_file = "li.url" }, { name = "sms", url_file = "li2.url" }]
[[person]]
id = "ana"
name = "Ana"
quiet = ["22:00", "06:00"]
address = [{ name = "mail", url_file = "ana.url" }]
[[person]]
id = "boss"
name = "Boss"
address = [{ name = "mail", url_file = "boss.url" }]
[[team]]
name = "cold"
members = ["li", "ana"]
[[rota]]
name = "duty"
[[rota.duty]]
people = ["li", "ana", "boss"]
[[route]]
area = "cold/*"
to = ["cold"]
step = [{ after_s = 300, to = ["boss"] }]
[[route]]
area = "filling/*"
priority = ["critical", "high"]
to = ["duty"]
step = [{ after_s = 60, to = ["duty"] }, { after_s = 120, to = ["duty"] }]
[[dependency]]
asset = "cold/room1"
hides = ["cold/room1/*"]
"""


def small_plant(folder: Path, text: str = PLANT) -> PlantModel:
    """The plant above, with a secret file for each address."""
    for name in ("li", "li2", "ana", "boss"):
        (folder / f"{name}.url").write_text(f"json://secret-of-{name}@127.0.0.1:9/\n")
        (folder / f"{name}.url").chmod(0o600)
    (folder / "plant.toml").write_text(text, encoding="utf-8")
    return load_plant(folder / "plant.toml")


@dataclass
class Box:
    """The way out: keeps what is sent; addresses that hold a word of `broken` fail."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def send(self, url: Secret, title: str, body: str) -> str:
        who = url.reveal().partition("-of-")[2].partition("@")[0]
        if who in self.broken or "all" in self.broken:
            raise NotifyError("people.not_taken", f"no route to {url.reveal()}")
        self.sent.append((who, title, body))
        return '{"status":"SUCCESS"}'

    def to(self, who: str) -> list[str]:
        """Titles of what somebody got."""
        return [title for to, title, _ in self.sent if to == who]

    def people(self) -> list[str]:
        return [who for who, _, _ in self.sent]


class PeopleWorld:
    """Records, a clock moved by hand, and notifiers that may be killed."""

    def __init__(self, folder: Path, text: str = PLANT, start_ns: int = START_NS + 12 * 3600 * NS_PER_S) -> None:
        self.plant, self.box = small_plant(folder, text), Box()
        self.clock = ManualClock(start_ns)
        self.records: Records = fresh(folder, self.clock)
        self.policy, self.count = Policy.of(self.plant.config), 0
        self.records.policy = self.policy
        self.notifier = self.another()

    def another(self) -> Notifier:
        """A notifier that knows nothing of the one before."""
        told = self.plant.config.notify
        self.notifier = Notifier(self.records, self.plant, self.box, Links(KEY, told.public_url, told.link_h))
        return self.notifier

    def alarm(self, asset: str = "cold/room1/unit", **changes: Any) -> str:
        """Raise and announce an alarm now; its key."""
        self.count += 1
        at_ns = self.clock.now_ns() + self.count
        values = {"rule_id": "high", "priority": "high", "tag": f"t{self.count}", **changes}
        change = replace(raised(asset=asset, start_ns=at_ns, confirmed_ns=at_ns, offset=self.count), **values)
        self.records.apply_conditions([change], SYSTEM_FLOW)
        return alarm_key("szh1", *change_path(change))

    def alarms(self, told: list[tuple[str, str]]) -> None:
        """Raise many at once: asset and priority of each."""
        changes = []
        for asset, priority in told:
            self.count += 1
            at_ns, place = self.clock.now_ns() + self.count, {"tag": f"t{self.count}", "offset": self.count}
            change = raised(asset=asset, start_ns=at_ns, confirmed_ns=at_ns, priority=priority, **place)
            changes.append(replace(change, rule_id="high"))
        self.records.apply_conditions(changes, SYSTEM_FLOW)

    def set(self, key: str, **values: Any) -> None:
        """Bring an alarm into another state, as the records would."""
        table = schema.alarm
        with self.records.writing() as tx:
            tx.connection.execute(update(table).where(table.c.key == key).values(**values, change_seq=tx.next_change()))

    def normal(self, *keys: str) -> None:
        for key in keys:
            self.set(key, state="normal", cleared_ns=self.clock.now_ns())

    def run(self, seconds: float = 0.0, every_s: float = 1.0, most: int = 100) -> None:
        """Let the notifier look once and then every `every_s` for so long."""
        for number in range(int(seconds / every_s) + 1):
            if number:
                self.clock.advance(every_s)
            self.notifier.look()
            for _ in range(most):
                if not self.notifier.send_one():
                    break
