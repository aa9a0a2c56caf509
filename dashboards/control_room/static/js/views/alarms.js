// The alarm list: what is open, or all of it; filtered; acknowledged from here.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { alarmState, assetLink, empty, erp, lastedText, limitText, link, mark, peakText, time } from "../parts.js";
import { alarmsByUrgency, changed, resource, state } from "../store.js";
import { tokens } from "../standing.js";
import { acknowledgeButton } from "./acknowledge.js";
import { moreButton } from "./acts.js";
import { alarmTabs } from "./alarm_tabs.js";

const choose = (name, text) => { state.filter[name] = text; changed(); };

export function alarmList() {
  const all = state.filter.show === "all";
  const one = all ? resource("/api/v1/alarms?show=all&limit=1000", 5000) : null;
  const rows = (all ? one.data?.alarms ?? [] : alarmsByUrgency()).filter(fits);
  return h("div.alarms-view", null,
    h("header.view-head", null, h("h1", null, t("nav.alarms")), filters()), alarmTabs(),
    rows.length ? h("div.table-wrap", null, h("table.alarms", null,
      h("thead", null, h("tr", null, ["priority", "alarm", "since", "duration", "limit", "peak", "state", "erp", "action"].map((name) => h("th", { key: name, scope: "col", class: `c-${name}` }, name === "action" ? h("span.visually-hidden", null, t("column.action")) : t(`column.${name}`))))),
      h("tbody", null, rows.map(row)))) : empty(all && !one.data ? t("loading") : t("no_alarms_filter")),
    h("p.hint", null, t("alarms_hint")));
}

function fits(alarm) {
  const { priority, asset, text, waiting } = state.filter;
  if (priority && alarm.priority !== priority) return false;
  if (asset && alarm.asset !== asset) return false;
  if (waiting && !alarm.unacknowledged) return false;
  const words = `${alarm.rule_name} ${alarm.asset_name} ${alarm.asset}/${alarm.tag} ${alarm.erp?.number ?? ""} ${alarm.assigned?.name ?? ""} ${alarm.going?.name ?? ""}`.toLowerCase();
  return !text || words.includes(text.toLowerCase());
}

function filters() {
  const { filter } = state;
  const select = (name, label, options) => h("label", { key: name }, h("span.visually-hidden", null, label), h("select", { onchange: (event) => choose(name, event.target.value), "aria-label": label }, options.map(([text, shown]) => h("option", { key: text, value: text, selected: (filter[name] ?? "") === text }, shown))));
  return h("div.filters", null,
    h("div.choice", { role: "group", "aria-label": t("filter.show") }, ["open", "all"].map((name) => h("button", { key: name, "aria-pressed": String((filter.show ?? "open") === name), onclick: () => choose("show", name) }, t(`filter.${name}`)))),
    h("label.check", null, h("input", { type: "checkbox", checked: Boolean(filter.waiting), onchange: (event) => choose("waiting", event.target.checked) }), t("filter.waiting")),
    select("priority", t("column.priority"), [["", t("filter.every_priority")], ...["critical", "high", "medium", "low"].map((name) => [name, t(`priority.${name}`)])]),
    select("asset", t("column.asset"), [["", t("filter.every_asset")], ...state.plant.assets.map((asset) => [asset.path, asset.name])]),
    h("label", null, h("span.visually-hidden", null, t("filter.text")), h("input", { type: "search", placeholder: t("filter.text"), value: filter.text ?? "", oninput: (event) => choose("text", event.target.value) })));
}

const known = (alarm) => state.plant.byPath.get(alarm.asset)?.series.some((series) => series.tag === alarm.tag);

function row(alarm) {
  const cell = (name, ...children) => h(`td.c-${name}`, { key: name, "data-label": t(`column.${name}`) }, ...children);
  return h(`tr.edge-p${alarm.priority_number}${alarm.active ? "" : ".over"}${alarm.unacknowledged ? ".unack" : ""}`, { key: alarm.key, "data-key": alarm.key },
    cell("priority", mark(alarm), h("span.priority-name", null, t(`priority.${alarm.priority}`))),
    cell("alarm", link(`alarm/${alarm.key}`, { class: "rule" }, alarm.rule_name), h("span.where", null, assetLink(alarm.asset), known(alarm) ? h("span.tag", null, ` ${t(`tag.${alarm.tag}`)}`) : null, alarm.found_late ? h("span.late", null, t("found_late")) : null)),
    cell("since", time(alarm.begun_ms ?? alarm.start_ms)),
    cell("duration", lastedText(alarm), h("span.activity", null, alarm.active ? t("active") : t("over"))),
    cell("limit", limitText(alarm)), cell("peak", peakText(alarm)),
    cell("state", alarmState(alarm), tokens(alarm)), cell("erp", erp(alarm.erp)), cell("action", h("div.row-acts", null, acknowledgeButton(alarm), moreButton(alarm))));
}
