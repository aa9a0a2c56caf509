// The plant at a glance: lines with OEE, storage with limits, machines, the most urgent alarms, health of the data.

import { h } from "../dom.js";
import { count, duration, number, percent, quantity, t } from "../i18n.js";
import {
  alarmState, bullet, empty, erp, lastedText, limitsOf, link, mark, markOf, oeeBars, oeeBlock, panel, sparkline, stateBadge, time, value,
} from "../parts.js";
import { alarmsByUrgency, assetNow, state } from "../store.js";
import { acknowledgeButton } from "./acknowledge.js";

export function overview() {
  const { plant, pulse } = state;
  const storage = plant.assets.filter((asset) => asset.cold_chain);
  const others = plant.assets.filter((asset) => !asset.cold_chain && !asset.oee);
  return h("div.overview", null,
    h("h1.visually-hidden", null, t("nav.overview")),
    h("div.overview-main", null,
      h("div.grid.lines", null, pulse.lines.map((line) => lineCard(line))),
      h("div.grid.storage", null, storage.map((asset) => storageCard(asset))),
      h("div.grid.machines", null, others.map((asset) => machineCard(asset)))),
    h("div.overview-side", null, alarmPanel(), healthPanel()));
}

function worst(now) {
  return now?.alarms.worst ? markOf(now.alarms.worst, now.alarms.unacknowledged > 0) : null;
}

const heading = (to, name, path, extra) => h("header.card-head", null, h("h2", null, link(to, null, name)), h("span.path", null, path), extra);

function lineCard(line) {
  const day = line.day;
  return h("section.card.line-card", { key: line.path },
    heading(`line/${line.path}`, line.assets.map((path) => state.plant.byPath.get(path).name).join(", "), line.path, worst(assetNow(line.assets[0]))),
    h("div.line-states", null, line.assets.map((path) => h("div", { key: path }, stateBadge(assetNow(path)?.state)))),
    oeeBlock(line.hour, t("oee.hour")),
    line.hour ? h("p.window-time", null, time(line.hour.start_ms, { seconds: false }), " – ", time(line.hour.final ? line.hour.end_ms : state.pulse.as_of_ms, { seconds: false }), line.hour.final ? null : h("em", null, ` ${t("oee.running")}`)) : null,
    h("div.day", null,
      h("span.day-label", null, t("oee.day"), h("b", null, day ? percent(day.OEE) : "–")),
      oeeBars(line.trend.slice(-48))),
    day ? h("p.made", null, t("oee.made", { made: count(day.parts.pq), good: count(day.parts.gq) })) : null);
}

function storageCard(asset) {
  const now = assetNow(asset.path);
  const series = asset.series.find((one) => one.tag === asset.cold_chain.tag);
  const parts = now?.cold?.parts;
  const limits = { low: asset.cold_chain.low, high: asset.cold_chain.high };
  const reading = now?.values[series.tag];
  const excursion = [...state.alarms.values()].filter((alarm) => alarm.asset === asset.path && alarm.tag === series.tag).sort((a, b) => Number(b.active) - Number(a.active) || b.start_ms - a.start_ms)[0];
  const out = reading && reading.v !== null && (reading.v > limits.high || reading.v < limits.low);
  const priority = out ? excursion?.active ? excursion.priority_number : "none" : null;
  return h(`section.card.storage-card${out ? `.abnormal.edge-p${priority}` : ""}`, { key: asset.path },
    heading(`asset/${asset.path}`, asset.name, asset.path, worst(now)),
    h("div.reading", null, value(series, reading), bullet(reading, limits, series)),
    sparkline([asset.path, series.tag], { ...limits, height: 44 }),
    excursion ? h("a.excursion", { href: `#/alarm/${excursion.key}` }, mark(excursion),
      h("span", null, h("b", null, t(excursion.active ? "excursion.now" : "excursion.over")), " ", t("excursion.text", { limit: `${excursion.peak >= limits.high ? "> " : "< "}${quantity(excursion.limit, excursion.unit)}`, peak: quantity(excursion.peak, excursion.unit), minutes: lastedText(excursion) }))) : null,
    out && !excursion?.active ? h("p.pending", null, pending(series)) : null,
    parts ? h("dl.figures", null, figure("min", parts.minimum), figure("mean", parts.mean), figure("max", parts.maximum), figure("mkt", parts.mkt)) : null);
}

/** What is said while a value is beyond its limit and the rule still waits. */
function pending(series) {
  const rule = series.rules.map((id) => state.plant.byRule.get(id)).find((one) => one && (one.above !== null || one.below !== null || one.outside));
  return rule?.delay_s ? t("excursion.pending", { delay: duration(rule.delay_s) }) : t("excursion.beyond");
}

const figure = (name, celsius) => h("div", { key: name }, h("dt", null, t(`cold.${name}`)), h("dd", null, quantity(celsius, "Cel")));

function machineCard(asset) {
  const now = assetNow(asset.path);
  const watched = (one) => (one.detect || one.rules.length ? 1 : 0); // those that can raise an alarm come first
  const shown = asset.series.filter((one) => one.kind === "number").sort((a, b) => watched(b) - watched(a)).slice(0, 4);
  return h("section.card.machine-card", { key: asset.path },
    heading(`asset/${asset.path}`, asset.name, asset.path, worst(now)),
    now?.state ? h("div.line-states", null, stateBadge(now.state)) : null,
    h("div.values", null, shown.map((series) => {
      const reading = now?.values[series.tag];
      const limits = limitsOf(asset, series);
      return h("div.value-row", { key: series.tag },
        h("span.label", null, t(`tag.${series.tag}`)),
        value(series, reading),
        series.detect && reading ? scoreBar(series, reading) : bullet(reading, limits, series) ?? sparkline([asset.path, series.tag], { height: 22 }));
    })));
}

/** The anomaly score against its alarm limit. */
export function scoreBar(series, reading) {
  const rule = series.rules.map((id) => state.plant.byRule.get(id)).find((one) => one?.anomaly !== null && one?.anomaly !== undefined);
  const limit = rule?.anomaly ?? 6;
  const top = Math.max(limit * 1.7, reading.score ?? 0);
  const out = reading.score !== null && reading.score >= limit;
  return h(`span.score${out ? ".out" : ""}`, { role: "img", "aria-label": t("score_label", { score: number(reading.score, 1), limit: number(limit, 1) }) },
    h("span.score-text", null, t("score"), " ", h("b", null, number(reading.score, 1))),
    h("span.scale", null, h("i.fill", { style: { width: `${Math.min(100, ((reading.score ?? 0) / top) * 100)}%` } }), rule ? h("i.limit", { style: { left: `${(limit / top) * 100}%` } }) : null));
}

function alarmPanel() {
  const alarms = alarmsByUrgency();
  const flood = state.pulse.alarms.flood;
  return panel(t("nav.alarms"), { class: "alarm-panel", extra: link("alarms", { class: "more" }, t("all", { n: alarms.length })) },
    flood ? h("p.flood", { role: "status" }, t("flood", { n: state.pulse.alarms.last_10_min })) : null,
    alarms.length ? h("ol.alarm-cards", null, alarms.slice(0, 7).map(alarmCard)) : empty(t("no_alarms")));
}

function alarmCard(alarm) {
  return h(`li.alarm-card.edge-p${alarm.priority_number}${alarm.active ? "" : ".over"}`, { key: alarm.key },
    mark(alarm),
    h("div.alarm-text", null,
      link(`alarm/${alarm.key}`, { class: "rule" }, alarm.rule_name),
      h("span.where", null, alarm.asset_name, " · ", time(alarm.start_ms, { seconds: false })),
      h("span.how", null, alarm.active ? t("active_for", { time: lastedText(alarm) }) : t("lasted_for", { time: lastedText(alarm) }), " · ", alarmState(alarm))),
    h("div.alarm-foot", null, alarm.erp ? erp(alarm.erp) : null, acknowledgeButton(alarm)));
}

function healthPanel() {
  const { pulse } = state;
  const row = (label, text, bad, to) => h(`div.health-row${bad ? ".bad" : ""}`, { key: label }, h("dt", null, to ? link(to, null, label) : label), h("dd", null, bad ? "⚠ " : "", text));
  return panel(t("health.title"), { class: "health" }, h("dl", null,
    row(t("health.lag"), duration(pulse.lag_s), pulse.behind),
    row(t("health.received"), count(pulse.ledger.received), false, "ledger"),
    row(t("health.difference"), count(pulse.ledger.difference), pulse.ledger.difference !== 0, "ledger"),
    row(t("health.dead"), count(pulse.dead_letters.total), false, "dead-letters"),
    row(t("health.erp"), t("health.erp_text", { done: count(pulse.erp.delivered), wait: count(pulse.erp.pending + pulse.erp.leased) }), false, "erp"),
    row(t("health.parked"), count(pulse.erp.parked), pulse.erp.parked > 0, "erp")));
}
