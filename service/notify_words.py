"""An incident in words: what the records say of it, with the names and sentences of a plant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alarms.rules import why
from andon.conditions import ConditionChange
from andon.i18n import catalogue, translate
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import AlarmRecord
from andon.records.incidents import TOLD, WAITING
from andon.records.notice_rows import IncidentRecord, NoticeRecord
from andon.why import with_names
from sinks.notify.text import Item


@dataclass(frozen=True)
class Wording:
    """Texts of a plant for messages."""

    plant: PlantModel

    @property
    def site(self) -> str:
        """What people call the site."""
        return self.plant.config.site.name or self.plant.config.site.id

    def item(
        self, notice: NoticeRecord, incident: IncidentRecord, alarms: Sequence[AlarmRecord], link: str | None
    ) -> Item:
        """The notice's incident as it is now, in the notice's language."""
        language = notice.language
        first = next((one for one in alarms if one.key == incident.first_alarm), alarms[0] if alarms else None)
        waiting = sum(one.state in WAITING and one.quiet in TOLD for one in alarms)
        return Item(
            notice.kind, str(notice.body["priority"]), incident.scope, incident.alarms, waiting,
            self.local(incident.begun_ns), self.why(first, language) if first else "",
            self.response(first, language) if first else "", link,
        )  # fmt: skip

    def local(self, time_ns: int) -> str:
        """A time as people of the site read it."""
        zone = ZoneInfo(self.plant.config.site.timezone)
        return datetime.fromtimestamp(time_ns // NS_PER_S, zone).strftime("%Y-%m-%d %H:%M:%S")

    def asset_name(self, path: str) -> str:
        """What people call an asset; its path where it has no name."""
        asset = self.plant.assets.get(path)
        return asset.name if asset and asset.name else path

    def why(self, alarm: AlarmRecord, language: str) -> str:
        """The plain sentence of an alarm: which limit, how far, how long."""
        name = self.asset_name(alarm.asset)
        own = f"page.own_why.{alarm.rule_id}"
        if own in catalogue(language):
            error = str(alarm.evidence.get("error") or "-")
            return translate(own, language, asset=name, error=error, seconds=round(alarm.out_s))
        words = catalogue(language)
        tag = words.get(f"page.tag.{alarm.tag}", alarm.tag)
        evidence = with_names(
            alarm.evidence, lambda at, what: (self.asset_name(at), words.get(f"page.tag.{what}", what))
        )
        return why(
            ConditionChange(
                "raised" if alarm.cleared_ns is None else "cleared", name, tag, alarm.rule_id, alarm.rule_version,
                alarm.raises, alarm.priority, alarm.condition, alarm.limit, alarm.unit, alarm.start_ns,
                alarm.confirmed_ns, alarm.cleared_ns, math.nan if alarm.peak is None else alarm.peak, alarm.out_s, -1,
                alarm.found_late, evidence,
            ),
            language,
        )  # fmt: skip

    def response(self, alarm: AlarmRecord, language: str) -> str:
        """What to do, as the rule says; empty where it says nothing."""
        rule = next((one for one in self.plant.config.rule if one.id == alarm.rule_id), None)
        if rule is None:
            return catalogue(language).get(f"page.own_response.{alarm.rule_id}", "")
        texts: dict[str, str] = {str(key): value for key, value in rule.response.items()}
        return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")
