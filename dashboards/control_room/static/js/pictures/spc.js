// A control chart: points with centre line and limits as they held, signals with the rule that gave them, capability.

import { h } from "../dom.js";
import { count, moment, number, quantity, t, unit } from "../i18n.js";
import { panel, waiting } from "../parts.js";
import { exact, extent, levelName, line, pathOf, plot, tagName } from "../plot.js";
import { resource } from "../store.js";
import { verdict } from "./cycle.js";
import { asKnown, nothing } from "./known.js";
import { measuredWith } from "./measured.js";

const MOST = 400;
const SHORT = { nelson: "N", we: "W" };
const INDICES = ["cp", "cpk", "pp", "ppk", "cpm"];
const GOAL = 1.33;

export function spcPicture(asset, chart, hours) {
  const path = encodeURIComponent(asset.path);
  const one = resource(`/api/v1/figures?kind=spc&asset=${path}&tag=${chart.tag}&hours=${hours}&limit=${MOST}${asKnown(asset.path)}`, 5000);
  const able = resource(`/api/v1/figures?kind=capability&asset=${path}&tag=${chart.tag}&hours=${Math.max(hours, 24)}&limit=200${asKnown(asset.path)}`, 10000);
  const title = `${t("picture.chart")}: ${tagName(chart.tag)} · ${t(`picture.chart_kind.${chart.kind}`)}`;
  if (!one.data) return panel(title, { key: `spc-${chart.tag}`, class: "picture" }, waiting(one));
  const points = one.data.figures;
  const newest = (able.data?.figures ?? []).filter((figure) => figure.final || figure.parts.n).at(-1);
  return panel(title, { key: `spc-${chart.tag}`, class: "picture" }, points.length ? h("div.spc-view", null,
    h("div.spc-charts", null, values(chart, points, one.data), spreads(chart, points, one.data), signals(points)),
    capability(chart, newest)) : nothing(asset.path, "picture.no_points"),
  points.length ? measuredWith(asset, { start_ms: points[0].start_ms, end_ms: points.at(-1).end_ms }, [chart.series]) : null);
}

/** nelson_2 as N2, we_4 as W4. */
const mark = (rule) => rule.replace(/^(\w+)_(\d)$/, (_, set, n) => `${SHORT[set]}${n}`);
const rulesOf = (point) => (point.about.rules ?? "").split(" ").filter(Boolean);
const middle = (point) => (point.start_ms + point.end_ms) / 2;
const when = (ms) => { const m = moment(ms); return `${m.date} ${m.time} ${m.offset}`; };

/** Stretches of points that belong together: limits of one version, one product, lot and order, no gap before them. */
function runs(points) {
  const same = (a, b) => ["version", "product", "lot", "order"].every((key) => a.about[key] === b.about[key]) && a.about.ended !== "gap";
  return points.reduce((all, point, i) => {
    if (i && same(points[i - 1], point)) all.at(-1).push(point); else all.push([point]);
    return all;
  }, []);
}

/** A line of limits as it held: a level through each point's time, broken where runs end. */
const held = (run, part, sx, sy) => pathOf([...run.map((one) => one.start_ms), run.at(-1).end_ms], [...run.map((one) => one.parts[part]), run.at(-1).parts[part]], sx, sy, { steps: true });

function values(chart, points, data) {
  const cusum = chart.kind === "cusum";
  const of = (part) => points.map((one) => one.parts[part]);
  const y = extent(cusum ? [...of("c_plus"), ...of("c_minus").map((v) => (v === null ? null : -v)), ...of("upper"), 0] : [...of("value"), ...of("lower"), ...of("upper")], 0.16);
  const x = [Math.max(data.from_ms, points[0].start_ms), Math.max(points.at(-1).end_ms, points[0].start_ms + 1)];
  const parted = runs(points);
  const last = points.at(-1).parts;
  const changes = points.filter((one, i) => i && one.about.version !== points[i - 1].about.version);
  return plot({
    key: "values", x, y, height: 15, spare: "names", unit: unit(chart.unit), label: t("picture.chart_label", { n: count(points.length), signals: count(points.filter((one) => one.parts.signal === 1).length) }),
    draw: (sx, sy) => [
      parted.map((run, i) => [
        line(`u${i}`, "limit-line", held(run, "upper", sx, sy)), line(`l${i}`, "limit-line", held(run, "lower", sx, sy)),
        line(`c${i}`, "centre-line", held(run, "centre", sx, sy)),
        cusum ? [line(`p${i}`, "spc-line", pathOf(run.map(middle), run.map((one) => one.parts.c_plus), sx, sy)), line(`m${i}`, "spc-line", pathOf(run.map(middle), run.map((one) => (one.parts.c_minus === null ? null : -one.parts.c_minus)), sx, sy))]
          : line(`v${i}`, "spc-line", pathOf(run.map(middle), run.map((one) => one.parts.value), sx, sy)),
      ]),
      changes.map((one) => h("line.version-line", { key: one.start_ms, x1: sx(one.start_ms), x2: sx(one.start_ms), y1: 0, y2: 1000, "vector-effect": "non-scaling-stroke" })),
    ],
    over: (px, py) => [
      dots(chart, points, px, py),
      changes.map((one) => h("span.version-name", { key: `v${one.start_ms}`, style: { left: `${px(one.start_ms)}%` } }, t("picture.limits_version", { version: one.about.version ?? "–" }))),
      apart(["upper", "centre", "lower"].filter((part) => last[part] !== null && last[part] !== undefined), (part) => py(last[part])).map(([part, top]) => levelName(part, top, `${t(`picture.line.${part}`)} ${exact(Number(last[part].toPrecision(5)))}`, "outside")),
    ],
  });
}

const NAME = 6; // percent of the plot's height that a name needs

/** [part, top]: where its line is, the limits' names at least a name away from that of the centre line. */
function apart(parts, top) {
  const middle = parts.includes("centre") ? top("centre") : null;
  return parts.map((part) => [part, middle === null ? top(part) : part === "upper" ? Math.min(top(part), middle - NAME) : part === "lower" ? Math.max(top(part), middle + NAME) : middle]);
}

/** Points in order; names that would run into the one before stand higher by turns. */
function dots(chart, points, px, py) {
  let named = -Infinity, lift = 0;
  return points.map((one, i) => {
    const fresh = rulesOf(one).filter((rule) => !i || !rulesOf(points[i - 1]).includes(rule));
    const at = px(middle(one));
    if (fresh.length) { lift = at - named < 5 ? (lift + 1) % 3 : 0; named = at; }
    return dot(chart, one, fresh, lift, at, py);
  });
}

/** A point; beside a signal stand the rules that did not fire at the point before, so that a long run has one name. */
function dot(chart, point, fresh, lift, at, py) {
  const rules = rulesOf(point);
  const v = chart.kind === "cusum" ? Math.max(point.parts.c_plus ?? 0, point.parts.c_minus ?? 0) : point.parts.value;
  if (v === null) return null;
  const kind = rules.length || point.parts.beyond === 1 ? ".signal" : point.parts.excluded ? ".excluded" : point.about.phase === "1" ? ".phase-1" : "";
  const above = point.parts.centre === null || v >= point.parts.centre;
  return h(`i.dot${kind}${point.parts.uncertain ? ".uncertain" : ""}`, {
    key: point.start_ms, "data-value": String(point.parts.value), "data-rules": rules.join(" "), "data-at": String(point.start_ms),
    style: { left: `${at}%`, top: `${py(v)}%` },
    title: `${when(point.start_ms)} · ${quantity(v, chart.unit, 4)} · n = ${count(point.parts.n)}${rules.length ? ` · ${rules.map((rule) => `${mark(rule)} ${t(`picture.rule.${rule}`)}`).join("; ")}` : ""}${point.about.cause ? ` · ${point.about.cause}` : ""}`,
  }, fresh.length ? h(`b${above ? "" : ".below"}${at > 85 ? ".to-left" : ""}${lift ? `.lift-${lift}` : ""}`, null, fresh.map(mark).join(" ")) : null);
}

function spreads(chart, points, data) {
  const shown = points.filter((one) => one.parts.spread !== null && one.parts.spread !== undefined);
  if (!shown.length || chart.kind === "cusum" || chart.kind === "ewma") return null;
  const y = extent(["spread", "spread_lower", "spread_upper"].flatMap((part) => shown.map((one) => one.parts[part])), 0.1);
  const x = [Math.max(data.from_ms, points[0].start_ms), Math.max(points.at(-1).end_ms, points[0].start_ms + 1)];
  const name = t(`picture.spread.${chart.kind}`);
  return [h("h3", { key: "spread-title" }, name), plot({
    key: "spread", x, y: [0, y[1]], height: 7, spare: "names", fine: 2, unit: unit(chart.unit), label: name,
    draw: (sx, sy) => runs(shown).map((run, i) => [line(`u${i}`, "limit-line", held(run, "spread_upper", sx, sy)), line(`l${i}`, "limit-line", held(run, "spread_lower", sx, sy)), line(`c${i}`, "centre-line", held(run, "spread_centre", sx, sy)), line(`v${i}`, "spc-line", pathOf(run.map(middle), run.map((one) => one.parts.spread), sx, sy))]),
    over: (px, py) => shown.map((one) => h(`i.dot${one.parts.spread_beyond === 1 ? ".signal" : ""}`, { key: one.start_ms, "data-spread": String(one.parts.spread), style: { left: `${px(middle(one))}%`, top: `${py(one.parts.spread)}%` }, title: `${when(one.start_ms)} · ${quantity(one.parts.spread, chart.unit, 4)}` })),
  })];
}

/** The rules that fired, by their mark, with how often and what they say. */
function signals(points) {
  const found = new Map();
  for (const point of points) for (const rule of rulesOf(point)) found.set(rule, (found.get(rule) ?? 0) + 1);
  if (!found.size) return h("p.hint", { key: "signals" }, t("picture.no_signal"));
  return h("ul.legend.rules", { key: "signals" }, [...found].sort().map(([rule, n]) => h("li", { key: rule }, h("b", null, mark(rule)), ` ${t(`picture.rule.${rule}`)} `, h("span", null, t("picture.times", { n: count(n) })))));
}

function capability(chart, figure) {
  if (!figure) return null;
  const parts = figure.parts;
  const shown = INDICES.filter((name) => parts[name] !== null && parts[name] !== undefined);
  const most = Math.max(2, ...shown.map((name) => parts[`${name}_high`] ?? parts[name])) * 1.05;
  const x = (v) => `${Math.min(100, Math.max(0, (v / most) * 100))}%`;
  const flag = (name) => h("li", { key: name }, verdict(parts[name] ?? null, `flag_${name}`));
  return h("aside.capability", { key: "capability" }, h("h3", null, t("picture.capability")),
    h("p.path", null, when(figure.start_ms)),
    h("dl", null, shown.map((name) => h("div", { key: name, "data-index": name, "data-value": String(parts[name]) }, h("dt", null, t(`picture.index.${name}`)),
      h("dd", null, h("span.scale", { "aria-hidden": "true" }, parts[`${name}_low`] === null || parts[`${name}_low`] === undefined ? null : h("i.interval", { style: { left: x(parts[`${name}_low`]), width: `calc(${x(parts[`${name}_high`])} - ${x(parts[`${name}_low`])})` } }), h("i.limit", { style: { left: x(GOAL) } }), h("i.needle", { style: { left: x(parts[name]) } })),
        h("b", null, number(parts[name], 2)), parts[`${name}_low`] === null || parts[`${name}_low`] === undefined ? null : h("span.path", null, ` ${number(parts[`${name}_low`], 2)} … ${number(parts[`${name}_high`], 2)}`))))),
    h("ul.plain.flags", null, flag("stable"), flag("enough"), h("li", { key: "auto" }, verdict(parts.autocorrelated === null ? null : 1 - parts.autocorrelated, "flag_independent"))),
    h("p.hint", null, t("picture.capability_of", { n: count(parts.n), subgroups: count(parts.subgroups), mean: quantity(parts.mean, chart.unit, 4), sigma: quantity(parts.sigma_within, chart.unit, 4) })),
    h("p.hint", null, `${t("picture.specification")} ${chart.lower_spec ?? "–"} … ${chart.upper_spec ?? "–"} ${unit(chart.unit)}; ${t("picture.goal", { goal: number(GOAL, 2) })}`));
}
