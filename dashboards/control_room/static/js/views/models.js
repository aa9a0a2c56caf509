// Models under control: which one judges which series since when, how two compare, and what puts one into force or back.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { duration, has, number, percent, quantity, t } from "../i18n.js";
import { assetLink, empty, panel, time, waiting } from "../parts.js";
import { can, changed, invalidate, post, resource, state } from "../store.js";

const FIGURES = ["alarms", "true_ones", "found", "recall", "false_alarms", "false_per_day", "known", "not_judged", "delay_s"];

export function models() {
  const one = resource("/api/v1/models", 4000);
  return h("div.models-view", null,
    h("header.view-head", null, h("h1", null, t("nav.models"))),
    !one.data ? waiting(one) : one.data.series.length ? h("div.table-wrap", null, h("table.models", null,
      head(["series", "champion", "challenger", "since", "by", "reason", "labels", "action"]),
      h("tbody", null, one.data.series.map(row)))) : empty(t("models.none")),
    one.data ? details(one.data) : null,
    h("h2.second-head", null, t("models.drifts")),
    one.data?.drifts.length ? h("div.table-wrap", null, h("table.model-drifts", null,
      head(["time", "series", "model", "signal", "before", "after"]),
      h("tbody", null, one.data.drifts.map(drift)))) : one.data ? empty(t("models.no_drifts")) : null,
    h("h2.second-head", null, t("models.versions")),
    one.data?.versions.length ? h("div.table-wrap", null, h("table.model-versions", null,
      head(["model", "detector", "parameters", "status", "evaluations", "registered", "by", "reason"]),
      h("tbody", null, one.data.versions.map(version)))) : one.data ? empty(t("models.no_versions")) : null,
    h("p.hint", null, t("models.hint")));
}

const head = (names) => h("thead", null, h("tr", null, names.map((name) => h("th", { key: name, scope: "col" },
  name === "action" ? h("span.visually-hidden", null, t("column.action")) : t(`models.${name}`)))));
const cell = (name, ...children) => h("td", { key: name, class: `c-${name}`, "data-label": name === "action" ? "" : t(`models.${name}`) }, ...children);
const pathOf = (one) => `${one.asset}/${one.tag}`;
const seriesName = (one) => `${state.plant.byPath.get(one.asset)?.name ?? one.asset} – ${t(`tag.${one.tag}`)}`;
const modelName = (key) => (key?.startsWith("plant:") ? t("models.by_plant", { detector: key.slice(6) }) : key ?? "–");

function row(one) {
  const last = one.history[0];
  const shown = state.filter.modelSeries === pathOf(one);
  return h("tr", { key: pathOf(one), "data-series": pathOf(one) },
    cell("series", assetLink(one.asset), h("span.sub", null, t(`tag.${one.tag}`))),
    cell("champion", h("b", null, modelName(one.champion))),
    cell("challenger", modelName(one.challenger)),
    cell("since", last ? time(last.since_ms, { seconds: false }) : "–"), cell("by", last?.by ?? "–"), cell("reason", last?.reason ?? "–"),
    cell("labels", t("models.labels_of", one.labels)),
    cell("action", h("div.row-acts", null,
      h("button", { key: "compare", "data-act": "compare", "aria-expanded": String(shown), onclick: () => { state.filter.modelSeries = shown ? "" : pathOf(one); changed(); } }, t("models.compare")),
      one.challenger && can("model.approve") ? h("button", { key: "promote", "data-act": "promote", onclick: () => promote(one) }, t("models.promote")) : null,
      one.before && can("model.manage") ? h("button", { key: "rollback", "data-act": "rollback", onclick: () => rollback(one) }, t("models.rollback")) : null)));
}

function promote(one) {
  const text = t(one.challenger_evaluated ? "models.promote_text" : "models.promote_unevaluated", { model: one.challenger, champion: modelName(one.champion), series: seriesName(one) });
  ask({ title: t("models.promote_title", { model: one.challenger }), text, label: t("reason"), required: true, go: t("models.promote"),
    run: (reason) => send("promote", { asset: one.asset, tag: one.tag, model: one.challenger, reason }) });
}

function rollback(one) {
  ask({ title: t("models.rollback_title", { model: modelName(one.before) }), text: t("models.rollback_text", { champion: modelName(one.champion), before: modelName(one.before), series: seriesName(one) }),
    label: t("reason"), required: true, go: t("models.rollback"), run: (reason) => send("rollback", { asset: one.asset, tag: one.tag, reason }) });
}

async function send(act, body) {
  await post(`/api/v1/models/${act}`, body);
  invalidate();
}

function details(data) {
  const one = data.series.find((series) => pathOf(series) === state.filter.modelSeries);
  if (!one) return null;
  const answer = resource(`/api/v1/models/comparison?asset=${encodeURIComponent(one.asset)}&tag=${encodeURIComponent(one.tag)}`, 30000);
  return h("div.model-details", { key: "details" },
    panel(t("models.comparison", { series: seriesName(one) }), { class: "model-comparison" }, answer.data ? compared(answer.data) : waiting(answer)),
    panel(t("models.history"), { class: "model-history" }, one.history.length ? h("ol.plain", null, one.history.map((entry) => h("li", { key: entry.seq },
      time(entry.since_ms, { date: "always" }), " · ", h("b", null, t(`models.kind_${entry.kind}`)), ` · ${modelName(entry.champion)}`,
      entry.challenger ? ` · ${t("models.beside", { model: entry.challenger })}` : "", ` · ${entry.by}`, h("q", null, entry.reason)))) : empty(t("models.no_history"))));
}

function compared(told) {
  const sides = [told.champion, told.challenger].filter(Boolean);
  return h("div", null,
    h("p", null, time(told.from_ms, { date: "always", seconds: false }), " – ", time(told.until_ms, { date: "always", seconds: false }), ` · ${t("models.days", { n: number(told.asset_days, 2) })}`),
    h("div.table-wrap", null, h("table.model-figures", null,
      h("thead", null, h("tr", null, h("th", { key: "what", scope: "col" }, t("models.figure")), sides.map((side) => h("th", { key: side.model, scope: "col" }, modelName(side.model))))),
      h("tbody", null, FIGURES.map((name) => h("tr", { key: name }, h("th", { scope: "row" }, t(`models.figure_${name}`)), sides.map((side) => h("td", { key: side.model, "data-label": modelName(side.model) }, shown(name, side[name])))))))),
    told.challenger ? h("p", null, t("models.agreement", { both: told.both, champion: told.only_champion, challenger: told.only_challenger })) : empty(t("models.no_challenger")));
}

function shown(name, value) {
  if (value === null || value === undefined) return "–";
  if (name === "delay_s") return duration(value);
  if (name === "recall") return `${number(100 * value, 0)}\u202f%`;
  return number(value, name === "false_per_day" ? 2 : 0);
}

function drift(one) {
  const level = (value) => (one.signal === "alarm_rate" ? percent(value) : quantity(value, one.unit));
  return h("tr", { key: `${pathOf(one)} ${one.signal}`, "data-drift": `${pathOf(one)} ${one.signal}` },
    cell("time", time(one.time_ms, { date: "always", seconds: false })), cell("series", assetLink(one.asset), h("span.sub", null, t(`tag.${one.tag}`))),
    cell("model", modelName(one.model)), cell("signal", t(`models.signal_${one.signal}`)), cell("before", level(one.before)), cell("after", level(one.after)));
}

function version(one) {
  const parameters = Object.entries(one.parameters).map(([name, value]) => (has(`models.parameter_${name}`) ? t(`models.parameter_${name}`, { n: value }) : `${name} = ${value}`));
  return h("tr", { key: one.model, "data-model": one.model },
    cell("model", h("b", null, one.model)), cell("detector", one.detector, h("span.sub", { title: t("models.fingerprint") }, h("code", null, one.fingerprint))),
    cell("parameters", parameters.join(", ")), cell("status", t(`models.status_${one.status}`)), cell("evaluations", String(one.evaluations)),
    cell("registered", time(one.at_ms, { seconds: false })), cell("by", one.by), cell("reason", one.reason));
}
