// One asset: a cold room or truck with its figures and excursions, a machine or utility with its values and trends.

import { h } from "../dom.js";
import { duration, number, quantity, t } from "../i18n.js";
import {
  alarmState, bullet, empty, erp, lastedText, limitText, limitsOf, link, mark, oeeBlock, panel, peakText, stateBadge, time, timeline, value, waiting,
} from "../parts.js";
import { hoursShown, resource, state } from "../store.js";
import { knownChoice } from "../pictures/known.js";
import { acknowledgeButton } from "./acknowledge.js";
import { trendPanel } from "./line.js";
import { scoreBar } from "./overview.js";
import { pictures } from "./pictures.js";
import { hoursChoice } from "./ranges.js";
import { lotReport, shiftReport } from "./reports.js";
import { windowsPanel } from "./windows.js";

export function asset(path) {
  const one = state.plant.byPath.get(path);
  if (!one) return empty(t("unknown_asset", { path }));
  const hours = hoursShown();
  const answer = resource(`/api/v1/asset?path=${encodeURIComponent(path)}&hours=${hours}`, 3000);
  if (!answer.data) return waiting(answer);
  const now = answer.data;
  const numbers = one.series.filter((series) => series.kind === "number");
  const first = one.cold_chain ? one.series.find((series) => series.tag === one.cold_chain.tag) : numbers.find((series) => series.detect) ?? numbers[0];
  const rest = numbers.filter((series) => series !== first);
  return h("div.asset-view", null,
    h("header.view-head", null, h("h1", null, one.name, h("span.path", null, path)), now.state ? stateBadge(now.state) : null,
      one.oee ? link(`line/${one.line}`, { class: "more" }, t("to_line")) : null, hoursChoice(hours)),
    tools(one),
    h("div.asset-top", null,
      panel(t("values"), { class: "now" }, h("div.values", null, one.series.map((series) => row(one, series, now.values[series.tag])))),
      one.cold_chain ? coldPanel(one, now, hours) : one.oee ? panel(t("oee.now"), null, oeeBlock(now.oee?.total, t("oee.range", { hours }))) : null,
      alarmPanel(path, now)),
    pictures(one, now, hours),
    first ? trendPanel(one, first, { wide: true, height: 300 }) : null,
    one.series.map((series) => windowsPanel(one, series)),
    now.timelines.length ? panel(t("states"), null, now.timelines.map((line) => h("div", { key: line.tag }, h("h3", null, t(`tag.${line.tag}`)), timeline(line, now.from_ms, now.to_ms, one.series.find((s) => s.tag === line.tag))))) : null,
    h("div.grid.two", null, rest.map((series) => trendPanel(one, series, { height: 180 }))));
}

function row(one, series, reading) {
  return h("div.value-row", { key: series.tag }, h("span.label", null, t(`tag.${series.tag}`)), value(series, reading),
    series.kind !== "number" ? null : series.detect && reading ? scoreBar(series, reading) : bullet(reading, limitsOf(one, series), series));
}

function coldPanel(one, now, hours) {
  const parts = now.cold_chain?.total?.parts;
  if (!parts) return panel(t("cold.title", { hours }), null, empty(t("cold.none")));
  const item = (name, text, bad) => h(`div${bad ? ".bad" : ""}`, { key: name }, h("dt", null, t(`cold.${name}`)), h("dd", null, text));
  const { start_ms: from, end_ms: to } = now.cold_chain.total;
  const range = h("span.path", null, time(from, { seconds: false }), " – ", to > now.as_of_ms ? t("now") : time(to, { seconds: false }));
  return panel(t("cold.title", { hours }), { class: "cold-panel", extra: range }, h("dl.figures.big", null,
    item("min", quantity(parts.minimum, "Cel")), item("mean", quantity(parts.mean, "Cel")), item("max", quantity(parts.maximum, "Cel"), parts.maximum > one.cold_chain.high),
    item("mkt", quantity(parts.mkt, "Cel"), parts.mkt > one.cold_chain.high),
    item("above", `${duration(parts.above_s)} · ${number(parts.above_c_min, 0)} °C·min`, parts.above_s > 0),
    item("below", `${duration(parts.below_s)} · ${number(parts.below_c_min, 0)} °C·min`, parts.below_s > 0),
    item("covered", `${number((100 * parts.covered_s) / (parts.covered_s + parts.gap_s), 1)} %`),
    item("label", `${number(one.cold_chain.low, 0)} – ${quantity(one.cold_chain.high, "Cel", 0)}`)));
}

/** The clock of the figures, and reports for print. */
function tools(one) {
  const has = one.pictures;
  const drawn = has.oee || has.cold || has.journey || has.cycles || has.charts.length || has.health.length || has.modes.length;
  if (!drawn) return null;
  return h("div.asset-tools", { key: "tools" }, knownChoice(one.path),
    has.oee || has.charts.length ? shiftReport(one.path) : null, has.oee || has.cold || has.cycles ? lotReport(one.path) : null);
}

const ALARMS = 3;

function alarmPanel(path, now) {
  return panel(t("asset_alarms"), { class: "asset-alarms" }, now.alarm_list.length ? h("ul.excursions", null, now.alarm_list.slice(0, ALARMS).map((alarm) => h(`li${alarm.active ? "" : ".over"}`, { key: alarm.key },
    mark(alarm),
    h("div", null, link(`alarm/${alarm.key}`, { class: "rule" }, alarm.rule_name),
      h("p", null, time(alarm.start_ms), " – ", alarm.active ? t("still_active") : time(alarm.cleared_ms)),
      h("p.facts", null, t("fact.limit"), " ", h("b", null, limitText(alarm)), " · ", t("fact.duration"), " ", h("b", null, lastedText(alarm)), " · ", t("fact.peak"), " ", h("b", null, peakText(alarm))),
      h("p", null, alarmState(alarm), " ", erp(alarm.erp))),
    acknowledgeButton(alarm)))) : empty(t("no_alarms")),
  now.alarm_list.length > ALARMS ? link("alarms", { class: "more", onclick: () => Object.assign(state.filter, { asset: path, show: "all" }) }, t("more_alarms")) : null);
}
