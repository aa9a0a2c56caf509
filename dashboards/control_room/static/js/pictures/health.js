// Machine health: a value on its zones with its trend on to the limit, a bearing's amplitudes, hours and inspections.

import { h } from "../dom.js";
import { count, number, quantity, t, unit } from "../i18n.js";
import { panel, time, waiting } from "../parts.js";
import { exact, extent, level, levelName, line, pathOf, plot, tagName } from "../plot.js";
import { changed, resource, state } from "../store.js";
import { asKnown, nothing } from "./known.js";
import { measuredWith } from "./measured.js";

const DAY_MS = 86400000, HOUR_MS = 3600000;
const SPANS = [7, 30, 90];
const ZONES = ["A", "B", "C", "D"];
const AHEAD = 2; // times the time shown that the trend is drawn ahead

export function healthPicture(asset, one) {
  const days = state.filter.healthDays ?? 30;
  const path = encodeURIComponent(asset.path);
  const figures = resource(`/api/v1/figures?kind=health&asset=${path}&tag=${one.tag}&hours=${days * 24}&points=600${asKnown(asset.path)}`, 20000);
  const extra = h("div.choice.small", { role: "group", "aria-label": t("range") }, SPANS.map((n) => h("button", {
    key: n, "aria-pressed": String(n === days), onclick: () => { state.filter.healthDays = n; changed(); },
  }, t("unit.d", { n }))));
  const title = `${t("picture.health")}: ${tagName(one.tag)}`;
  if (!figures.data) return panel(title, { key: `health-${one.tag}`, class: "picture", extra }, waiting(figures));
  const rows = figures.data.figures;
  return panel(title, { key: `health-${one.tag}`, class: "picture", extra }, rows.length ? [
    strip(one, rows), zones(one, rows, figures.data), one.source ? h("p.hint", { key: "source" }, t("picture.zones_of", { zones: one.zones, source: one.source })) : null,
    bearing(asset, one, days, rows[0].start_ms), measuredWith(asset, { start_ms: rows[0].start_ms, end_ms: rows.at(-1).end_ms }, inputs(asset, one.tag)),
  ] : nothing(asset.path, "picture.no_health"));
}

/** The calibrated series behind a value: its own, or that of the waveform it was computed from. */
const inputs = (asset, tag) => [[tag, tag.split(".")[0]].find((one) => asset.pictures.calibrated.includes(one)) ?? tag];

/** Zone, time to the limit with its interval, and slope of the newest window. */
function strip(one, rows) {
  const parts = rows.at(-1).parts;
  const zone = parts.zone === null || parts.zone === undefined ? null : ZONES[parts.zone - 1];
  const item = (name, text, value = null) => h("div", { key: name, "data-health": name, "data-value": value === null || value === undefined ? "" : String(value) }, h("dt", null, t(`picture.health_${name}`)), h("dd", null, text));
  const interval = (low, high, digits) => (low === null && high === null ? "" : h("span.path", null, ` ${low === null ? "–" : number(low, digits)} … ${high === null ? "∞" : number(high, digits)}`));
  return h("dl.kpi-strip", { key: "strip" },
    h("div.main", { key: "value", "data-health": "value", "data-value": String(parts.value) }, h("dt", null, tagName(one.tag)), h("dd", null, quantity(parts.value, one.unit, 2))),
    zone ? item("zone", h("span", null, h(`b.zone-mark.z-${zone}`, null, zone), ` ${t(`picture.zone_${zone}`)}`), parts.zone) : null,
    item("limit", quantity(parts.limit, one.unit, 2), parts.limit),
    item("days", parts.days_to_limit === null ? t("picture.no_trend") : h("span", null, t("picture.days", { n: number(parts.days_to_limit, 0) }), interval(parts.days_low, parts.days_high, 0)), parts.days_to_limit),
    item("slope", parts.slope_per_d === null ? "–" : h("span", null, `${number(parts.slope_per_d, 3)} ${unit(one.unit)}/d`, interval(parts.slope_low, parts.slope_high, 3)), parts.slope_per_d));
}

function zones(one, rows, data) {
  const last = rows.at(-1).parts, now = rows.at(-1).end_ms;
  const ahead = last.days_to_limit === null ? 0 : Math.min(AHEAD * ((now - rows[0].start_ms) / DAY_MS), Math.max(last.days_high ?? last.days_to_limit * 1.5, last.days_to_limit) * 1.1);
  const x = [Math.max(data.from_ms, rows[0].start_ms), now + ahead * DAY_MS];
  const middle = (row) => (row.start_ms + row.end_ms) / 2;
  const [, high] = extent([...rows.map((row) => row.parts.maximum ?? row.parts.value), last.limit, ...one.bounds], 0.12);
  const y = [0, high];
  const edges = [0, ...one.bounds, high];
  const cone = cones(last, now, x[1]);
  return plot({
    key: "zones", x, y, height: 16, unit: unit(one.unit), spare: "names", label: t("picture.health_label", { zones: one.zones ?? "–" }),
    draw: (sx, sy) => [
      one.bounds.length ? ZONES.map((zone, i) => h(`rect.zone.z-${zone}`, { key: zone, "data-zone": zone, "data-from": String(edges[i]), x: 0, width: 1000, y: sy(edges[i + 1]), height: Math.max(0, sy(edges[i]) - sy(edges[i + 1])) })) : null,
      one.bounds.map((bound) => level(`b${bound}`, "zone-edge", sy(bound))),
      cone ? line("cone", "cone", `${pathOf(cone.low.map((p) => p[0]), cone.low.map((p) => p[1]), sx, sy)}L${pathOf([...cone.high].reverse().map((p) => p[0]), [...cone.high].reverse().map((p) => p[1]), sx, sy).slice(1)}Z`) : null,
      cone ? line("trend", "trend-line", pathOf(cone.trend.map((p) => p[0]), cone.trend.map((p) => p[1]), sx, sy)) : null,
      h("line.version-line", { key: "now", x1: sx(now), x2: sx(now), y1: 0, y2: 1000, "vector-effect": "non-scaling-stroke" }),
      last.limit === null || last.limit === undefined ? null : level("limit", "limit-line", sy(last.limit)),
      line("value", "curve.c0", pathOf(rows.map(middle), rows.map((row) => row.parts.value), sx, sy, { gap: gapOf(rows) }), { "data-tag": one.tag }),
    ],
    over: (px, py) => [
      one.bounds.length ? ZONES.map((zone, i) => h("b.zone-name", { key: zone, style: { top: `${(py(edges[i]) + py(edges[i + 1])) / 2}%` } }, zone)) : null,
      one.bounds.map((bound) => levelName(`b${bound}`, py(bound), exact(bound), "outside")),
      last.days_to_limit !== null && now + last.days_to_limit * DAY_MS < x[1] ? h("span.reach", { key: "reach", style: { left: `${px(now + last.days_to_limit * DAY_MS)}%`, top: `${py(last.limit)}%` } }, h("i.dot.signal"), t("picture.days", { n: number(last.days_to_limit, 0) })) : null,
    ],
  });
}

const gapOf = (rows) => 3.1 * Math.max(...rows.slice(0, 50).map((row) => row.end_ms - row.start_ms));

/** The trend from now on to the limit, and the lines of its interval: they meet the limit at days_low and days_high. */
function cones(last, now, end) {
  if (last.days_to_limit === null || last.limit === null) return null;
  const from = last.limit - last.slope_per_d * last.days_to_limit;
  const until = (days) => { // up to the limit or the end of the picture
    const stop = days === null ? end : Math.min(end, now + days * DAY_MS);
    return [[now, from], [stop, days === null ? from : from + (last.limit - from) * ((stop - now) / (days * DAY_MS))]];
  };
  const low = until(last.days_low ?? last.days_to_limit), high = until(last.days_high);
  if (low.at(-1)[0] < high.at(-1)[0]) low.push([high.at(-1)[0], last.limit]);
  return { trend: until(last.days_to_limit), low, high };
}

/** Amplitudes at the bearing's frequencies, each with the same scale. */
function bearing(asset, one, days, since) {
  if (!one.bearing.length) return null;
  const answers = one.bearing.map((tag) => resource(`/api/v1/history?asset=${encodeURIComponent(asset.path)}&tag=${tag}&hours=${Math.min(days * 24, Math.ceil((state.pulse.as_of_ms - since) / HOUR_MS) + 1)}&points=300`, 30000));
  if (answers.some((answer) => !answer.data?.mean)) return null;
  const most = extent([0, ...answers.flatMap((answer) => answer.data.maximum)], 0.1)[1];
  return h("div", { key: "bearing" }, h("h3", null, t("picture.bearing")), h("div.multiples", null, answers.map(({ data }, i) => h("div", { key: one.bearing[i] }, h("p.path", null, t(`picture.line_of.${one.bearing[i].split(".").at(-1)}`)), plot({
    key: "plot", x: [Math.max(data.from_ms, since), data.to_ms], y: [0, most], height: 6, fine: 2, unit: unit(data.unit), label: tagName(one.bearing[i]),
    draw: (sx, sy) => line("line", "curve.c0", pathOf(data.start_ms.map((ms) => ms + data.size_s * 500), data.mean, sx, sy), { "data-tag": one.bearing[i] }),
  })))));
}

/** Failure modes: what is due and why, running hours against their limit, the next inspection. */
export function maintenancePicture(asset) {
  const path = encodeURIComponent(asset.path);
  const modes = resource(`/api/v1/figures?kind=maintenance&asset=${path}&hours=48&limit=500${asKnown(asset.path)}`, 20000);
  const title = t("picture.maintenance");
  if (!modes.data) return panel(title, { key: "maintenance", class: "picture" }, waiting(modes));
  const newest = [...new Map(modes.data.figures.map((one) => [one.tag, one])).values()];
  if (!newest.length) return panel(title, { key: "maintenance", class: "picture" }, nothing(asset.path, "picture.no_health"));
  newest.sort((a, b) => (b.parts.due ?? 0) - (a.parts.due ?? 0) || (a.parts.inspection_in_d ?? Infinity) - (b.parts.inspection_in_d ?? Infinity));
  return panel(title, { key: "maintenance", class: "picture" }, newest.map((one) => mode(asset.pictures.modes.find((m) => m.id === one.tag), one)),
    measuredWith(asset, { start_ms: newest[0].start_ms, end_ms: newest[0].end_ms }, asset.pictures.modes.flatMap((one) => (one.tag ? inputs(asset, one.tag) : []))));
}

function mode(declared, figure) {
  const parts = figure.parts;
  const known = (v) => v !== null && v !== undefined;
  const share = declared?.hours && known(parts.age_h) ? parts.age_h / declared.hours : null;
  const item = (name, text) => h("div", { key: name }, h("dt", null, t(`picture.mode_${name}`)), h("dd", null, text));
  return h("div.mode", { key: figure.tag, "data-mode": figure.tag, "data-due": String(parts.due), "data-inspection": String(parts.inspection_in_d) },
    h("h3", null, figure.tag, " ", parts.due === 1 ? h("span.due", null, "▲ ", t("picture.due_now")) : h("span.path", null, parts.due === 0 ? t("picture.not_due") : t("picture.not_known"))),
    figure.about.triggers ? h("p", null, figure.about.triggers.split("+").map((one) => h("span.token", { key: one }, t(`picture.trigger.${one}`)))) : null,
    share === null ? null : h("div.hours", { key: "hours" }, h("span.path", null, t("picture.hours_of", { used: number(parts.age_h, 0), limit: count(declared.hours) })), h("span.scale", { role: "img", "aria-label": t("picture.hours_of", { used: number(parts.age_h, 0), limit: count(declared.hours) }) }, h("i.band", { style: { left: 0, width: `${Math.min(100, share * 100)}%` } }), h("i.needle", { style: { left: `${Math.min(100, share * 100)}%` } }))),
    h("dl.kpi-strip", null, known(parts.age_d) ? item("age", t("picture.days", { n: number(parts.age_d, 1) })) : null,
      known(parts.inspection_in_d) ? item("inspection", parts.inspection_due === 1 ? h("span.due", null, "▲ ", t("picture.due_now")) : h("span", null, t("picture.days", { n: number(parts.inspection_in_d, 1) }), h("span.path", null, " ", time(figure.end_ms + parts.inspection_in_d * DAY_MS, { date: "always", seconds: false })))) : null,
      known(parts.mtbf_h) ? item("mtbf", `${number(parts.mtbf_h, 0)} h`) : null, known(parts.b10_h) ? item("b10", `${number(parts.b10_h, 0)} h`) : null,
      known(parts.failures) ? item("failures", count(parts.failures)) : null));
}
