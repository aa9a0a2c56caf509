// How well the alarms serve those who answer them: rates against their guide values, floods, chatter, the worst sources.

import { h } from "../dom.js";
import { count, has, number, percent, t } from "../i18n.js";
import { assetLink, empty, markOf, panel, time, waiting } from "../parts.js";
import { changed, resource, state } from "../store.js";
import { alarmTabs } from "./alarm_tabs.js";

const SPANS = [8, 24, 168, 720];
const GUIDE = { critical: null, high: 0.05, medium: 0.15, low: 0.8 };

export function alarmFigures() {
  const { kpiHours: hours = 24, kpiOperators: operators = 1, kpiArea: area = "" } = state.filter;
  const one = resource(`/api/v1/alarm-kpis?hours=${hours}&operators=${operators}${area ? `&area=${encodeURIComponent(area)}` : ""}`, 15000);
  return h("div.figures-view", null,
    h("header.view-head", null, h("h1", null, t("tab.figures")), choices(hours, operators, area)), alarmTabs(),
    one.data ? body(one.data) : waiting(one),
    h("p.hint", null, t("kpi.hint")));
}

const set = (name, value) => { state.filter[name] = value; changed(); };

function choices(hours, operators, area) {
  const areas = [...new Set(state.plant.assets.flatMap((asset) => asset.path.split("/").slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join("/"))))].sort();
  return h("div.filters", null,
    h("div.choice", { role: "group", "aria-label": t("range") }, SPANS.map((span) => h("button", { key: span, "aria-pressed": String(hours === span), onclick: () => set("kpiHours", span) }, t(`kpi.span_${span}`)))),
    h("label", null, h("span.visually-hidden", null, t("kpi.area")), h("select", { "aria-label": t("kpi.area"), onchange: (event) => set("kpiArea", event.target.value) }, [["", t("kpi.site")], ...areas.map((path) => [path, path])].map(([value, shown]) => h("option", { key: value, value, selected: value === area }, shown)))),
    h("label.check", null, t("kpi.operators"), h("input.short", { type: "number", min: 1, max: 1000, value: String(operators), onchange: (event) => set("kpiOperators", Math.min(1000, Math.max(1, Math.round(Number(event.target.value) || 1)))) })));
}

/** A figure with its guide value; one beyond it is said and marked, not only coloured. */
function figure(name, shown, good, note = null) {
  return h(`div.kpi${good ? "" : ".beyond"}`, { key: name },
    h("dt", null, t(`kpi.${name}`)),
    h("dd", null, h("b", null, shown), h("span.verdict", null, `${good ? "✓" : "▲"} ${t(good ? "kpi.within" : "kpi.beyond")}`)),
    h("dd.guide", null, note ?? t(`kpi.${name}_guide`)));
}

function body(data) {
  const chatter = data.chattering.length;
  return h("div", null,
    h("dl.kpis", null,
      figure("rate", number(data.rates.per_10min, 2), data.rates.per_10min <= 1),
      figure("most", count(data.most_in_10min), data.most_in_10min <= 10),
      figure("floods", count(data.floods.length), data.flood_share < 0.01, t("kpi.floods_guide", { share: percent(data.flood_share) })),
      figure("chatter", count(chatter), chatter === 0),
      figure("stale", count(data.stale), data.stale < 5),
      figure("top", percent(data.top_share, 0), data.top_share <= 0.05 || data.raised < 20, t(data.raised < 20 ? "kpi.too_few" : "kpi.top_guide"))),
    data.cut ? h("p.flood", { role: "status" }, t("kpi.cut")) : null,
    h("p.kpi-sums", null, t("kpi.sums", { announced: count(data.announced), raised: count(data.raised), day: number(data.rates.per_day, 1), hour: number(data.rates.per_hour, 1) })),
    h("div.grid.two", null,
      panel(t("kpi.sources"), null, data.top.length ? h("table.numbers.sources", null,
        h("thead", null, h("tr", null, h("th", { scope: "col" }, t("kpi.source")), h("th", { scope: "col" }, t("kpi.count")), h("th", { scope: "col" }, t("kpi.share")))),
        h("tbody", null, data.top.map(source))) : empty(t("kpi.nothing"))),
      h("div.stack", null,
        panel(t("kpi.priorities"), null, h("div.bars", null, Object.keys(GUIDE).map((name) => bar(name, data.priorities[name] ?? 0)))),
        panel(t("kpi.slots"), null, slots(data.slots)),
        data.floods.length ? panel(t("kpi.flood_times"), null, h("ul.plain", null, data.floods.slice(-10).reverse().map((one) => h("li", { key: one.from_ms }, time(one.from_ms), " – ", time(one.to_ms))))) : null)));
}

function source(one) {
  const rule = state.plant.byRule.get(one.rule_id);
  return h("tr", { key: one.source },
    h("th", { scope: "row" }, h("b.rule", null, rule?.name ?? (has(`own_rule.${one.rule_id}`) ? t(`own_rule.${one.rule_id}`) : one.rule_id)), h("span.where", null, assetLink(one.asset), has(`tag.${one.tag}`) ? ` ${t(`tag.${one.tag}`)}` : null), one.chatters ? h("span.token", null, t("kpi.chatters")) : null),
    h("td", { "data-label": t("kpi.count") }, count(one.count)), h("td", { "data-label": t("kpi.share") }, percent(one.share, 0)));
}

function bar(name, share) {
  const guide = GUIDE[name];
  return h("div.bar-row", { key: name }, h("span.bar-name", null, markOf(name), ` ${t(`priority.${name}`)}`),
    h("span.scale", { role: "img", "aria-label": `${t(`priority.${name}`)} ${percent(share, 0)}` }, h("i.fill", { style: { width: `${Math.min(100, share * 100)}%` } }), guide === null ? null : h("i.limit", { style: { left: `${guide * 100}%` } })),
    h("span.num", null, percent(share, 0), guide === null ? null : h("span.sub", null, t("kpi.guide", { share: percent(guide, 0) }))));
}

function slots(told) {
  const all = Object.values(told).reduce((sum, n) => sum + n, 0);
  return h("div.bars", null, Object.entries(told).map(([name, n]) => h("div.bar-row", { key: name }, h("span.bar-name", null, t(`kpi.slot_${name}`)),
    h("span.scale", { role: "img", "aria-label": `${t(`kpi.slot_${name}`)} ${count(n)}` }, h("i.fill", { style: { width: `${all ? (n / all) * 100 : 0}%` } })), h("span.num", null, count(n)))));
}
