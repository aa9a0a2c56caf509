// OEE as a picture: the waterfall of an asset's time from the calendar to good items, its stops, and their Pareto.

import { h } from "../dom.js";
import { count, duration, number, percent, t } from "../i18n.js";
import { panel, time, timeline, waiting } from "../parts.js";
import { changed, resource, state } from "../store.js";
import { asKnown, nothing } from "./known.js";
import { measuredWith } from "./measured.js";

const BY = ["all", "shift", "product", "order"];
const SUBTOTALS = { calendar: "total", busy: "total", good: "total" };
const KPIS = ["OEE", "availability", "effectiveness", "quality_ratio", "NEE", "TEEP", "OOE", "setup_rate", "technical_efficiency", "scrap_ratio", "rework_ratio"];

export function oeePicture(asset, now, hours) {
  const by = state.filter.oeeBy ?? "all";
  const one = resource(`/api/v1/figures/oee?asset=${encodeURIComponent(asset.path)}&hours=${hours}&by=${by}${asKnown(asset.path)}`, 5000);
  const extra = h("div.choice.small", { role: "group", "aria-label": t("picture.by") }, BY.map((name) => h("button", {
    key: name, "aria-pressed": String(name === by), onclick: () => { state.filter.oeeBy = name; changed(); },
  }, t(`picture.by_${name}`))));
  return panel(t("picture.oee"), { key: "oee-picture", class: "picture", extra }, one.data ? body(asset, now, one.data) : waiting(one));
}

function body(asset, now, data) {
  if (!data.total) return nothing(asset.path, "oee.none");
  const groups = data.by === "all" ? [data.total] : data.groups;
  const wanted = Math.min(state.filter[`oeeGroup/${asset.path}/${data.by}`] ?? groups.length - 1, groups.length - 1);
  const group = groups[wanted];
  return [
    data.by === "all" ? null : h("div.groups", { key: "groups", role: "group", "aria-label": t("picture.by") }, groups.map((one, i) => h("button.group", {
      key: i, "aria-pressed": String(i === wanted), onclick: () => { state.filter[`oeeGroup/${asset.path}/${data.by}`] = i; changed(); },
    }, h("b", null, groupName(one)), h("span", null, `OEE ${percent(one.kpis.OEE)}`)))),
    h("p.path", { key: "span" }, time(group.start_ms, { seconds: false }), " – ", group.final ? time(group.end_ms, { seconds: false }) : t("now"), ` · ${t("picture.windows", { n: count(group.windows) })}`,
      group.revision > 1 ? ` · ${t("picture.revised")}` : ""),
    kpis(group),
    group.causes.length ? h("p.flood", { key: "cause", role: "status" }, `E > 1: ${group.causes.map((cause) => t(`picture.cause.${cause}`)).join("; ")}`) : null,
    h("h3", { key: "w-title" }, t("picture.waterfall")), waterfall(group),
    states(asset, now, data, group),
    h("h3", { key: "p-title" }, t("picture.pareto")), pareto(data),
    measuredWith(asset, group, [asset.oee?.state, asset.oee?.total, asset.oee?.good].filter(Boolean)),
  ];
}

const groupName = (group) => Object.values(group.about).filter(Boolean).join(" · ") || t("picture.unnamed");

function kpis(group) {
  const shown = KPIS.filter((name) => group.kpis[name] !== null && group.kpis[name] !== undefined);
  return h("dl.kpi-strip", { key: "kpis" }, shown.map((name) => h(`div${name === "OEE" ? ".main" : ""}`, { key: name }, h("dt", null, t(`picture.kpi.${name}`)), h("dd", { "data-value": String(group.kpis[name]) }, percent(group.kpis[name])))),
    ["mtbf_s", "mttr_s"].map((name) => h("div", { key: name }, h("dt", null, t(`picture.kpi.${name}`)), h("dd", null, group[name] === null ? "–" : duration(group[name])))));
}

/** Seconds as h:mm:ss. */
export function clock(s) {
  const all = Math.abs(s);
  const two = (n) => String(n).padStart(2, "0");
  return `${s < 0 ? "−" : ""}${Math.floor(all / 3600)}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
}

/**
 * Steps from calendar to good as rows {name, from, to, shown}: whole seconds that add up on the page too, as each is
 * the difference of rounded sums. A step that is not known ends the chain: what follows has no place.
 */
export function steps(told) {
  const rows = [];
  let at = told.calendar, known = at !== null;
  rows.push({ name: "calendar", from: 0, to: at, seconds: at });
  for (const [name, change] of Object.entries(told)) {
    if (name === "calendar" || name === "good") continue;
    if (name === "breakdown") rows.push({ name: "busy", from: 0, to: known ? at : null, seconds: known ? at : null });
    if (change === null) known = false;
    const next = known ? at + change : null;
    rows.push({ name, from: known ? at : null, to: next, seconds: change });
    if (known) at = next;
  }
  rows.push({ name: "good", from: 0, to: told.good, seconds: told.good });
  const round = (one) => (one === null ? null : Math.round(one));
  return rows.map((one) => ({ ...one, shown: one.seconds === null ? null : one.to === null ? round(one.seconds) : SUBTOTALS[one.name] ? round(one.to) : round(one.to) - round(one.from) }));
}

function waterfall(group) {
  const rows = steps(group.steps).filter((one) => one.seconds !== 0 || SUBTOTALS[one.name]);
  const whole = Math.max(group.steps.calendar, ...rows.map((one) => one.from ?? 0), ...rows.map((one) => one.to ?? 0)) || 1;
  const busy = rows.find((one) => one.name === "busy")?.to;
  return h("ol.waterfall", { key: "waterfall" }, rows.map((one) => {
    const low = one.to === null ? 0 : Math.min(one.from, one.to), high = one.to === null ? 0 : Math.max(one.from, one.to);
    const kind = SUBTOTALS[one.name] ?? (one.seconds > 0 ? "gain" : "loss");
    return h(`li.${kind}`, { key: one.name, "data-step": one.name, "data-seconds": one.seconds === null ? "" : String(one.seconds), title: t(`picture.loss_how.${one.name}`) },
      h("span.step-name", null, t(`picture.loss.${one.name}`)),
      h("span.step-track", { "aria-hidden": "true" }, one.to === null ? null : h(`i.step-${one.name}`, { style: { left: `${(low / whole) * 100}%`, width: `${((high - low) / whole) * 100}%` } })),
      h("span.step-time", null, one.shown === null ? t("picture.not_known") : `${kind === "gain" ? "+" : ""}${clock(one.shown)}`),
      h("span.step-share", null, one.seconds === null || !busy ? "" : percent(Math.abs(one.seconds) / busy)));
  }));
}

/** The states as the unit said them, and below them the stops with their reasons. */
function states(asset, now, data, group) {
  const from = group.start_ms, to = Math.min(group.end_ms, now.as_of_ms);
  const lines = now.timelines.filter((one) => one.tag === asset.oee?.state && one.kind === "state");
  const stops = data.stops.filter((one) => one.end_ms > from && one.start_ms < to);
  const x = (ms) => Math.min(100, Math.max(0, ((ms - from) / (to - from)) * 100));
  const name = (one) => one.reason || t("picture.no_reason");
  return h("div", { key: "states" }, h("h3", null, t("picture.states")),
    lines.map((one) => h("div", { key: one.tag }, timeline(one, from, to, asset.series.find((s) => s.tag === one.tag)))),
    !stops.length ? null : h("div.stops-lane", { role: "img", "aria-label": t("picture.stops", { n: count(stops.length) }) }, stops.map((one) => {
      const text = `${name(one)} · ${t(`picture.category.${one.category}`)} · ${duration(one.length_s)}`;
      return h(`i.stop.c-${one.category}`, { key: one.start_ms, title: text, style: { left: `${x(one.start_ms)}%`, width: `${Math.max(0.3, x(one.end_ms) - x(one.start_ms))}%` } },
        x(one.end_ms) - x(one.start_ms) > 8 ? h("span", null, name(one)) : null);
    })));
}

/** Stops by reason: a bar for the time, a mark at the cumulative share. */
function pareto(data) {
  if (!data.pareto.length) return h("p.empty", { key: "pareto" }, t("picture.no_stops"));
  const most = data.pareto[0].length_s || 1;
  return h("ol.pareto", { key: "pareto" }, data.pareto.slice(0, 12).map((one) => {
    const own = one.reason.match(/^\((\w*)\)$/);
    return h("li", { key: one.reason, "data-seconds": String(one.length_s) },
      h("span.step-name", null, own ? `${t("picture.no_reason")} (${t(`picture.category.${own[1]}`)})` : one.reason),
      h("span.step-track", { "aria-hidden": "true" }, h("i.bar", { style: { width: `${(one.length_s / most) * 100}%` } }), h("i.cumulative", { style: { left: `${one.share * 100}%` } })),
      h("span.step-time", null, `${clock(Math.round(one.length_s))} · ${t("picture.times", { n: number(one.n, 0) })}`),
      h("span.step-share", { title: t("picture.cumulative") }, `Σ ${percent(one.share, 0)}`));
  }));
}
