// A plot as nodes: axes, and whatever is drawn between them in a square of 1000 by 1000 that is stretched to the place.
// Every line, mark and number is in the document, so that readers, tests and both themes see the same.

import { h } from "./dom.js";
import { has, moment, number, t } from "./i18n.js";

const STEPS_S = [10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800, 1209600, 2419200];
const THIN = "non-scaling-stroke";

/** Round positions of about `n` ticks of [low, high]. */
export function ticks(low, high, n = 4) {
  const raw = (high - low) / n || 1;
  const base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * base).find((one) => one >= raw * 0.999);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) out.push(k * step || 0);
  return { at: out, digits: Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) };
}

/** Moments of a time axis that people would write on it, at most about `n`. */
export function moments(from, to, n = 6) {
  const step = (STEPS_S.find((one) => (to - from) / 1000 / one <= n) ?? 2419200) * 1000;
  const out = [];
  const edge = (to - from) * 0.03;
  for (let ms = Math.ceil(from / step) * step; ms <= to - edge; ms += step) if (ms >= from + edge) out.push(ms);
  return { at: out, days: step >= 86400000 };
}

/** [low, high] with a little room around all values that are known. */
export function extent(values, room = 0.07) {
  const known = values.filter((v) => v !== null && v !== undefined && Number.isFinite(v));
  if (!known.length) return [0, 1];
  let low = Math.min(...known), high = Math.max(...known);
  const pad = (high - low || Math.abs(high) || 1) * room;
  low -= pad; high += pad;
  return [low, high];
}

/** Path of points {at, v}; a null or a step longer than `gap` breaks it. steps: a value holds until the next one. */
export function pathOf(at, values, sx, sy, { gap = Infinity, steps = false } = {}) {
  let d = "", last = null, level = null;
  values.forEach((v, i) => {
    if (v === null || v === undefined) { last = null; return; }
    const x = sx(at[i]).toFixed(1), y = sy(v).toFixed(1);
    const broken = last === null || at[i] - last > gap;
    d += broken ? `M${x} ${y}` : steps && level !== y ? `L${x} ${level}L${x} ${y}` : `L${x} ${y}`;
    last = at[i]; level = y;
  });
  return d;
}

/**
 * A plot. x: [from, to] in ms (time: true) or numbers; y: [low, high]; right: a second scale {y, unit} at the right.
 * spare: room for a right scale is kept, to stand under a plot that has one; "names": room for names of levels. draw(sx, sy, sr) gives nodes of the picture, over(px, py, pr) marks in percent that are not stretched.
 */
export function plot({ key, x, y, right = null, spare = false, time = true, height = 15, label, unit = "", draw, over = () => [], fine = 4 }) {
  const sx = (v) => ((v - x[0]) / (x[1] - x[0])) * 1000;
  const scale = ([low, high]) => (v) => (1 - (v - low) / (high - low)) * 1000;
  const sy = scale(y), sr = right ? scale(right.y) : null;
  const ys = ticks(y[0], y[1], fine), rs = right ? ticks(right.y[0], right.y[1], fine) : null;
  const xs = time ? moments(x[0], x[1]) : ticks(x[0], x[1], 6);
  return h(`div.plot${spare === "names" ? ".named" : right || spare ? ".two-scales" : ""}`, { key },
    h("div.plot-y", { "aria-hidden": "true" }, unit ? h("b.plot-unit", { key: "unit" }, unit) : null, ys.at.map((v) => h("span", { key: v, style: { top: `${sy(v) / 10}%` } }, number(v, ys.digits)))),
    h("div.plot-area", { role: "img", "aria-label": label, style: { height: `${height}rem` } },
      h("svg", { viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("g.plot-grid", { key: "grid" }, ys.at.map((v) => h("line", { key: v, x1: 0, x2: 1000, y1: sy(v), y2: sy(v), "vector-effect": THIN }))),
        h("g", { key: "picture" }, draw(sx, sy, sr))),
      h("div.plot-over", { "aria-hidden": "true" }, over((v) => sx(v) / 10, (v) => sy(v) / 10, sr ? (v) => sr(v) / 10 : null))),
    right ? h("div.plot-y.plot-right", { "aria-hidden": "true" }, right.unit ? h("b.plot-unit", { key: "unit" }, right.unit) : null, rs.at.map((v) => h("span", { key: v, style: { top: `${sr(v) / 10}%` } }, number(v, rs.digits)))) : null,
    h("div.plot-x", { "aria-hidden": "true" }, xs.at.map((v) => h("span", { key: v, style: { left: `${sx(v) / 10}%` } }, time ? timeTick(v, xs.days) : number(v, xs.digits)))));
}

function timeTick(ms, days) {
  const m = moment(ms, false);
  return days || m.time === "00:00" ? m.date.slice(5) : m.time;
}

export const line = (key, kind, d, props = {}) => h(`path.${kind}`, { key, d, "vector-effect": THIN, ...props });

/** A level across the plot. */
export const level = (key, kind, y, props = {}) => h(`line.${kind}`, { key, x1: 0, x2: 1000, y1: y, y2: y, "vector-effect": THIN, ...props });

/** A name at a level, at the right or left edge. */
export const levelName = (key, top, text, side = "right") => h(`span.level-name.at-${side}`, { key, style: { top: `${top}%` } }, text);

/** Text of a number in a tooltip, a mark or a table: as it is kept, to six digits. */
export const exact = (v) => (v === null || v === undefined ? "–" : String(Number(Number(v).toPrecision(6))));

/** What people call a series; its tag with blanks where there is no text. */
export const tagName = (tag) => (has(`tag.${tag}`) ? t(`tag.${tag}`) : tag.replaceAll("_", " "));
