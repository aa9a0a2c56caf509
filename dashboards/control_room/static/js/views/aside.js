// What people have set aside: which series and rule, how, why, by whom, and when it comes back by itself.

import { h } from "../dom.js";
import { duration, t } from "../i18n.js";
import { assetLink, empty, link, time, waiting } from "../parts.js";
import { resource, state } from "../store.js";
import { actsOf } from "./acts.js";
import { alarmTabs } from "./alarm_tabs.js";

export function asideList() {
  const one = resource("/api/v1/alarm-points?limit=1000", 3000);
  const points = one.data?.points ?? [];
  const silenced = [...state.alarms.values()].filter((alarm) => alarm.suppressed_by && alarm.state === "suppressed");
  return h("div.aside-view", null,
    h("header.view-head", null, h("h1", null, t("tab.aside"))), alarmTabs(),
    !one.data ? waiting(one) : points.length ? h("div.table-wrap", null, h("table", null,
      h("thead", null, h("tr", null, ["alarm", "how", "until", "by", "reason", "since", "action"].map((name) => h("th", { key: name, scope: "col" }, name === "action" ? h("span.visually-hidden", null, t("column.action")) : t(`aside.${name}`))))),
      h("tbody", null, points.map(row)))) : empty(t("aside.none")),
    h("h2.second-head", null, t("aside.by_design")),
    silenced.length ? h("ul.plain", null, silenced.map((alarm) => h("li", { key: alarm.key }, link(`alarm/${alarm.key}`, { class: "rule" }, alarm.rule_name), " · ", assetLink(alarm.asset), " · ", t(`suppressed_by.${alarm.suppressed_by}`)))) : empty(t("aside.none_by_design")),
    h("p.hint", null, t("aside.hint")));
}

function row(point) {
  const cell = (name, ...children) => h("td", { key: name, class: `c-${name}`, "data-label": name === "action" ? "" : t(`aside.${name}`) }, ...children);
  const alarm = { ...point, key: point.alarm, aside: point, state: point.mode, rule_name: point.rule_name };
  const back = actsOf(alarm).filter(([name]) => name === "unshelve" || name === "restore");
  const left = point.until_ms === null ? null : (point.until_ms - point.since_ms) / 1000;
  return h("tr", { key: `${point.asset}/${point.tag}/${point.rule_id}`, "data-mode": point.mode },
    cell("alarm", point.alarm ? link(`alarm/${point.alarm}`, { class: "rule" }, point.rule_name) : h("b.rule", null, point.rule_name), h("span.where", null, assetLink(point.asset), ` ${t(`tag.${point.tag}`)}`)),
    cell("how", h("b", null, t(`alarm_state.${point.mode}`))),
    cell("until", point.until_ms === null ? t("aside.until_restored") : [time(point.until_ms, { seconds: false }), h("span.sub", null, t("aside.for", { time: duration(left) }))]),
    cell("by", point.by), cell("reason", point.reason), cell("since", time(point.since_ms, { seconds: false })),
    cell("action", point.alarm ? back.map(([name, run]) => h("button", { key: name, onclick: run }, t(`act.${name}`))) : null));
}
