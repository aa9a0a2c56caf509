"""A slow, obvious twin of an alarm point's life: a handful of yes-or-no facts about each alarm, and no table.

What is in it is written from the words of the standard and of docs/alarm-lifecycle.md, not from the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class NaiveAlarm:
    """One occurrence."""

    latching: bool = False
    true_now: bool = True
    open: bool = True  # somebody or something still has to do with it
    seen: bool = False  # acknowledged since it last came up
    held: bool = False  # latched: the condition has ended, nobody has reset it
    hushed: bool = False  # by design
    announced: int = 0
    ordered: bool = False

    def shown(self, point: NaivePoint) -> str:
        """The state's name."""
        if not self.open:
            return "normal"
        if self.hushed and not self.point_came_first(point):
            return "suppressed"
        if self.point_came_first(point):
            return point.aside
        if self.true_now:
            return "acknowledged" if self.seen else "unacknowledged"
        if self.held:
            return "latched_acknowledged" if self.seen else "latched_unacknowledged"
        return "returned_unacknowledged"

    came_first: bool = False  # set aside with its point, before the design hushed it if it did

    def point_came_first(self, point: NaivePoint) -> bool:
        return bool(point.aside) and self.came_first


@dataclass
class NaivePoint:
    """A series with a rule, and its alarms."""

    aside: str = ""
    alarms: list[NaiveAlarm] = field(default_factory=list)

    def up(self, alarm: NaiveAlarm) -> None:
        """It comes up: people hear of it unless something sets it aside; the ERP hears of a shelved one too."""
        alarm.seen = alarm.held = False
        alarm.open = True
        alarm.came_first = bool(self.aside)
        if alarm.shown(self) == "unacknowledged":
            alarm.announced += 1
        self.order(alarm)

    def order(self, alarm: NaiveAlarm) -> None:
        if alarm.true_now and not alarm.hushed and self.aside != "out_of_service":
            alarm.ordered = True

    # what the log says: never refused

    def raised(self, *, latching: bool, hushed: bool) -> NaiveAlarm:
        alarm = NaiveAlarm(latching=latching, hushed=hushed)
        self.alarms.append(alarm)
        self.up(alarm)
        return alarm

    def reopened(self, alarm: NaiveAlarm) -> None:
        aside = alarm.shown(self) in ("shelved", "out_of_service")
        alarm.true_now = True
        if aside:
            self.order(alarm)
        else:
            self.up(alarm)

    def cleared(self, alarm: NaiveAlarm) -> None:
        was, silent = alarm.shown(self), alarm.hushed
        alarm.true_now = alarm.hushed = False
        alarm.held = alarm.latching and not silent and was != "out_of_service"
        alarm.open = alarm.held or was == "unacknowledged"

    def hush(self, alarm: NaiveAlarm) -> None:
        alarm.came_first = bool(self.aside) and alarm.shown(self) == self.aside
        alarm.hushed = True

    def unhush(self, alarm: NaiveAlarm) -> None:
        alarm.hushed = False
        self.up(alarm)

    # what people and the time do: True when it was possible

    def acknowledge(self, alarm: NaiveAlarm) -> bool:
        if not alarm.shown(self).endswith("unacknowledged"):
            return False
        alarm.seen = True
        alarm.open = alarm.true_now or alarm.held
        return True

    def reset(self, alarm: NaiveAlarm) -> bool:
        if not alarm.shown(self).startswith("latched"):
            return False
        alarm.held = False
        alarm.open = not alarm.seen
        return True

    def announce_again(self, alarm: NaiveAlarm) -> bool:
        if alarm.shown(self) != "acknowledged":
            return False
        self.up(alarm)
        return True

    def set_aside(self, alarm: NaiveAlarm, how: str) -> bool:
        if self.aside or alarm.hushed or (how == "shelved" and alarm.open and not alarm.true_now):
            return False
        self.aside = how
        for one in self.alarms:
            one.came_first = one.true_now and not one.hushed  # what is over waits for an answer as before
        return True

    def let_in(self, how: str) -> bool:
        if self.aside != how:
            return False
        shown = [(one, one.shown(self)) for one in self.alarms]
        self.aside = ""
        for one, was in shown:
            one.came_first = False
            if was == how:
                one.seen = False
                if one.true_now:
                    self.up(one)
        return True
