// What belongs together: each upset of a part of the plant with its first cause, and the alarms that followed it.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { alarmState, assetLink, empty, lastedText, link, mark, time } from "../parts.js";
import { incidents, tokens } from "../standing.js";
import { acknowledgeButton } from "./acknowledge.js";
import { moreButton } from "./acts.js";
import { alarmTabs } from "./alarm_tabs.js";

const shownAll = new Set();
const FEW = 6;

export function incidentList() {
  const all = incidents();
  return h("div.incidents-view", null,
    h("header.view-head", null, h("h1", null, t("tab.incidents"))), alarmTabs(),
    all.length ? h("ol.incidents", null, all.map(incident)) : empty(t("incident.none")),
    h("p.hint", null, t("incident.hint")));
}

function incident({ key, first, alarms, open }) {
  const worst = alarms.reduce((a, b) => (b.priority_number < a.priority_number ? b : a), first);
  const waiting = alarms.filter((alarm) => alarm.unacknowledged).length;
  const rest = alarms.filter((alarm) => alarm !== first);
  const shown = shownAll.has(key) ? rest : rest.slice(0, FEW);
  return h(`li.panel.incident.edge-p${worst.priority_number}${open ? "" : ".over"}`, { key, "data-incident": key },
    h("p.incident-count", null, t(alarms.length === 1 ? open ? "incident.one_open" : "incident.one_over" : open ? "incident.open" : "incident.over", { n: alarms.length }), waiting ? h("b", null, ` · ${t("waiting", { n: waiting })}`) : null),
    h("div.first-cause", null, rest.length ? h("span.cause-label", null, t("incident.first")) : null, line(first)),
    rest.length ? h("span.cause-label", null, t("incident.then")) : null,
    rest.length ? h("ol.followers", null, shown.map((alarm) => h("li", { key: alarm.key }, line(alarm)))) : null,
    rest.length > shown.length ? h("button", { key: "all", onclick: () => shownAll.add(key) }, t("incident.more", { n: rest.length - shown.length })) : null);
}

function line(alarm) {
  return h(`div.incident-line${alarm.active ? "" : ".over"}`, null, mark(alarm),
    h("div.alarm-text", null, h("span", null, link(`alarm/${alarm.key}`, { class: "rule" }, alarm.rule_name), h("span.where", null, assetLink(alarm.asset), " · ", time(alarm.begun_ms ?? alarm.start_ms), " · ", lastedText(alarm))),
      h("span.how", null, alarmState(alarm)), tokens(alarm)),
    h("div.row-acts", null, acknowledgeButton(alarm), moreButton(alarm)));
}
