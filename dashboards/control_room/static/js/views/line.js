// A line: OEE of the running window and of the hours chosen, where the time went, states, counters, trends.

import { chart } from "../chart.js";
import { h } from "../dom.js";
import { count, currentLanguage, t } from "../i18n.js";
import {
  alarmState, erp, lastedText, limitsOf, link, lossBar, mark, oeeBars, oeeBlock, panel, stateBadge, time, timeline, value, waiting,
} from "../parts.js";
import { hoursShown, resource, state } from "../store.js";
import { hoursChoice, spansOf } from "./ranges.js";
import { shiftReport } from "./reports.js";

export function line(path) {
  const hours = hoursShown();
  const one = resource(`/api/v1/line?path=${encodeURIComponent(path)}&hours=${hours}`, 4000);
  if (!one.data) return waiting(one);
  const data = one.data;
  const assets = data.assets.map((now) => ({ now, asset: state.plant.byPath.get(now.path) }));
  return h("div.line-view", null,
    h("header.view-head", null, h("h1", null, assets.map(({ asset }) => asset.name).join(", "), h("span.path", null, path)), data.line ? shiftReport(path) : null, hoursChoice(hours)),
    data.line ? h("div.grid.two", null,
      panel(t("oee.now"), null, oeeBlock(data.line.hour, t("oee.hour")), data.line.hour ? lossBar(data.line.hour.parts) : null),
      panel(t("oee.range", { hours }), null, oeeBlock(total(assets), span(total(assets))),
        total(assets) ? lossBar(total(assets).parts) : null)) : null,
    assets.map(({ now, asset }) => machine(asset, now)));
}

const span = (oee) => (oee ? h("span", null, time(oee.start_ms, { seconds: false }), " – ", oee.final ? time(oee.end_ms, { seconds: false }) : t("now")) : "");
const total = (assets) => assets.find((one) => one.now.oee?.total)?.now.oee.total ?? null;

function machine(asset, now) {
  const counters = asset.series.filter((one) => one.kind === "counter");
  const states = now.timelines.filter((one) => one.kind === "state");
  const alarms = [...state.alarms.values()].filter((alarm) => alarm.asset === asset.path);
  return h("div.machine", { key: asset.path },
    panel(h("span", null, link(`asset/${asset.path}`, null, asset.name), " ", stateBadge(now.state)), null,
      states.map((one) => timeline(one, now.from_ms, now.to_ms, asset.series.find((s) => s.tag === one.tag))),
      now.oee ? h("div.bars-by-window", null, h("h3", null, t("oee.by_window")), oeeBars(now.oee.windows, { tall: true })) : null,
      h("div.counters", null, counters.map((series) => h("div.counter", { key: series.tag }, h("span.label", null, t(`tag.${series.tag}`)), value(series, now.values[series.tag]))),
        now.oee?.total ? h("div.counter", null, h("span.label", null, t("made_in_range")), h("span.value", null, h("span.v", null, `${count(now.oee.total.parts.gq)} / ${count(now.oee.total.parts.pq)}`))) : null)),
    alarms.length ? panel(t("nav.alarms"), null, h("ul.alarm-lines", null, alarms.map((alarm) => h("li", { key: alarm.key }, mark(alarm), link(`alarm/${alarm.key}`, null, alarm.rule_name), time(alarm.start_ms), lastedText(alarm), alarmState(alarm), erp(alarm.erp))))) : null,
    h("div.grid.two", null, asset.series.filter((one) => one.kind === "number").map((series) => trendPanel(asset, series))));
}

/** A panel with the trend of one series over the hours chosen, and of its anomaly score where it has one. */
export function trendPanel(asset, series, props = {}) {
  const hours = hoursShown();
  const one = resource(`/api/v1/history?asset=${encodeURIComponent(asset.path)}&tag=${series.tag}&hours=${hours}&points=600`, 5000);
  const { low, high, guards } = limitsOf(asset, series);
  const limits = [{ value: low, name: "low" }, { value: high, name: "high" }].map(({ value: limit, name }) => ({ value: limit, text: [t(`limit.${name}`), limit, guards[name]].filter((part) => part !== null).join(" ") }));
  const spans = spansOf(asset.path, series.tag);
  const rule = series.rules.map((id) => state.plant.byRule.get(id)).find((r) => r?.anomaly !== null && r?.anomaly !== undefined);
  const scored = one.data?.score?.some((v) => v !== null);
  const data = { trend: one.data, unit: series.unit, limits, spans, column: "mean", height: props.height ?? 220, lang: currentLanguage() };
  return panel(t(`tag.${series.tag}`), { key: series.tag, class: props.wide ? "wide" : "" },
    one.data?.mean ? one.data.mean.length ? chart("trend", data) : h("p.empty", null, t("no_data")) : waiting(one),
    scored ? h("div.score-chart", { key: "score" }, h("h3", null, t("score_over_time")),
      chart("score", { ...data, column: "score", scoreText: t("score"), unit: "1", height: 150, limits: rule ? [{ value: rule.anomaly, text: `${t("limit.score")} ${rule.anomaly}` }] : [] })) : null);
}
