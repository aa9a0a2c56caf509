// Cycles of a steriliser: the list with their verdicts, and of one the curves, F0 as it rose, phases and criteria.

import { h } from "../dom.js";
import { count, duration, number, quantity, t, unit } from "../i18n.js";
import { empty, panel, time, waiting } from "../parts.js";
import { exact, extent, level, levelName, line, pathOf, plot, tagName } from "../plot.js";
import { changed, resource, state } from "../store.js";
import { lotReport } from "../views/reports.js";
import { asKnown, nothing } from "./known.js";
import { measuredWith } from "./measured.js";

const HOURS = 24 * 7;
const SHOWN = 40;
const SIGNS = { 1: "✓", 0: "✗" };

/** Kept, not kept or not decided, as a sign with a word. running: it is too early to say, which is nobody's concern. */
export function verdict(kept, words = "verdict", running = false) {
  const name = kept === 1 ? "pass" : kept === 0 ? "fail" : "open";
  return h(`span.verdict-mark.v-${running ? "running" : name}`, null, h("i", { "aria-hidden": "true" }, running ? "…" : SIGNS[kept] ?? "?"), t(`picture.${words}_${name}`));
}

export function cyclePicture(asset) {
  const kinds = asset.pictures.cycles.kinds;
  const answers = kinds.map((kind) => resource(`/api/v1/figures?kind=${kind}&asset=${encodeURIComponent(asset.path)}&hours=${HOURS}&limit=400${asKnown(asset.path)}`, 10000));
  const late = answers.find((one) => !one.data);
  if (late) return panel(t("picture.cycles"), { key: "cycles", class: "picture" }, waiting(late));
  const lead = (one) => one.kind === "leak_test" || one.tag === asset.pictures.cycles.reference;
  const cycles = answers.flatMap((one) => one.data.figures.map((figure) => ({ ...figure, kind: one.data.kind })))
    .filter(lead).sort((a, b) => b.start_ms - a.start_ms).slice(0, SHOWN);
  if (!cycles.length) return panel(t("picture.cycles"), { key: "cycles", class: "picture" }, nothing(asset.path, "picture.no_cycles"));
  const wanted = state.filter[`cycle/${asset.path}`];
  const chosen = cycles.find((one) => one.start_ms === wanted) ?? cycles[0];
  return panel(t("picture.cycles"), { key: "cycles", class: "picture" }, h("div.cycles-view", null,
    h("ul.cycles", { "aria-label": t("picture.cycles") }, cycles.map((one) => h("li", { key: one.start_ms }, h("button.cycle", {
      "aria-pressed": String(one === chosen), onclick: () => { state.filter[`cycle/${asset.path}`] = one.start_ms; changed(); },
    }, verdict(one.final ? one.parts.verdict : null, one.final ? "verdict" : "running", !one.final),
    h("span.cycle-name", null, h("b", null, one.about.load ?? t(`picture.kind.${one.kind}`)), ` ${[one.about.program, one.about.lot].filter(Boolean).join(" · ")}`),
    h("span.path", null, time(one.start_ms, { seconds: false }), ` · ${duration(one.parts.cycle_s)}`))))),
    detail(asset, chosen)));
}

function detail(asset, cycle) {
  const one = resource(`/api/v1/figures/cycle?asset=${encodeURIComponent(asset.path)}&kind=${cycle.kind}&from=${cycle.start_ms}${asKnown(asset.path)}`, 10000);
  if (!one.data) return h("div.cycle-detail", { key: cycle.start_ms }, waiting(one));
  const data = one.data;
  const about = cycle.about;
  const facts = ["load", "lot", "product", "order", "program", "bi_lot", "ci_lot"].filter((name) => about[name]);
  return h("div.cycle-detail", { key: cycle.start_ms },
    h("div.cycle-head", null, verdict(cycle.final ? cycle.parts.verdict : null, cycle.final ? "verdict" : "running", !cycle.final),
      h("span", null, time(cycle.start_ms), " – ", time(cycle.end_ms)),
      facts.map((name) => h("span.fact", { key: name }, `${t(`picture.fact.${name}`)} `, h("b", null, about[name], name === "program" && about.program_version ? ` v${about.program_version}` : ""), name === "lot" && !about.lot.includes(",") ? [" ", lotReport(asset.path, about.lot)] : null))),
    cycle.parts.verdict === null && cycle.final ? h("p.flood", { key: "open", role: "status" }, t("picture.open_how")) : null,
    curves(cycle, data), legend(data),
    criteria(data, cycle), probes(data, cycle), measuredWith(asset, cycle, [...data.curves, data.pressure].filter(Boolean).map((line) => line.tag)));
}

const DASHES = ["", "9 4", "2 3", "12 3 2 3", "5 5"];

/** The stretch of time shown: all of the cycle, or its exposure with two minutes on either side. */
function rangeOf(data) {
  const ends = [...data.curves, data.pressure].filter(Boolean);
  const whole = [Math.min(...ends.map((one) => one.at_ms[0])), Math.max(...ends.map((one) => one.at_ms.at(-1)))];
  const exposure = data.phases.filter((one) => one.role === "exposure");
  if (!state.filter.cycleZoom || !exposure.length) return whole;
  return [Math.max(whole[0], exposure[0].start_ms - 120000), Math.min(whole[1], exposure.at(-1).end_ms + 120000)];
}

const within = (one, x) => one.value.filter((_, i) => one.at_ms[i] >= x[0] && one.at_ms[i] <= x[1]);

function zoomChoice(data) {
  if (!data.phases.some((one) => one.role === "exposure")) return null;
  const zoom = Boolean(state.filter.cycleZoom);
  return h("div.choice.small", { role: "group", "aria-label": t("range") }, [false, true].map((one) => h("button", {
    key: String(one), "aria-pressed": String(one === zoom), onclick: () => { state.filter.cycleZoom = one; changed(); },
  }, t(one ? "picture.zoom_plateau" : "picture.zoom_cycle"))));
}

function curves(cycle, data) {
  const all = data.curves;
  if (!all.length && !data.pressure) return empty(t("picture.no_curve"));
  const x = rangeOf(data);
  return h("div", { key: "curves" }, zoomChoice(data), all.length ? temperatures(cycle, data, x) : null, data.pressure ? pressure(data, x) : null, phaseStrip(cycle, data, x));
}

const background = (data, sx) => data.phases.map((one) => h(`rect.phase.r-${one.role}`, { key: `p${one.start_ms}`, x: sx(one.start_ms), width: Math.max(0, sx(one.end_ms) - sx(one.start_ms)), y: 0, height: 1000 }));

function temperatures(cycle, data, x) {
  const program = data.program, f0 = data.lethality;
  const band = program && program.band_k !== null && cycle.kind === "steam_cycle" ? [program.temperature, program.temperature + program.band_k] : null;
  const shown = data.curves.flatMap((one) => within(one, x));
  const y = extent(state.filter.cycleZoom && band ? [...shown.filter((v) => v > band[0] - 3), band[0] - 1, band[1] + 0.5] : [...shown, ...(band ?? [])]);
  const asked = data.criteria.find((one) => one.code === "lethality")?.allowed ?? null;
  const name = f0 ? t(`picture.lethality.${f0.name}`) : "";
  const right = f0 ? { y: [0, Math.max(...f0.value, f0.told ?? 0, asked ?? 0) * 1.1 || 1], unit: `${name} ${unit(f0.unit)}` } : null;
  const exposure = data.phases.filter((one) => one.role === "exposure");
  return plot({
    key: "temperature", x, y, right, height: 17, unit: unit(data.curves[0].unit), label: t("picture.curve_label", { n: count(data.curves.length), minutes: number((cycle.end_ms - cycle.start_ms) / 60000, 0) }),
    draw: (sx, sy, sr) => [
      background(data, sx),
      band ? exposure.map((one) => h("rect.allowed", { key: `b${one.start_ms}`, x: sx(one.start_ms), width: sx(one.end_ms) - sx(one.start_ms), y: sy(band[1]), height: sy(band[0]) - sy(band[1]) })) : null,
      f0 ? line("f0", "f0-line", pathOf(f0.at_ms, f0.value, sx, sr), { "data-told": exact(f0.told) }) : null,
      f0 && asked !== null ? level("f0-limit", "f0-limit", sr(asked)) : null,
      data.curves.map((one, i) => line(one.tag, `curve.c${i % 5}`, pathOf(one.at_ms, one.value, sx, sy, { gap: one.size_s * 3100 }), { "data-tag": one.tag, "stroke-dasharray": DASHES[i % 5] })),
    ],
    over: (px, py, pr) => [
      band ? [levelName("high", py(band[1]), quantity(band[1], "Cel", 1), "left"), state.filter.cycleZoom ? levelName("low", py(band[0]), quantity(band[0], "Cel", 1), "left") : null] : null,
      f0 && asked !== null ? levelName("asked", pr(asked), `${name} ≥ ${exact(asked)}`) : null,
      f0 ? h("span.f0-end", { key: "end", style: { top: `${pr(f0.value.at(-1))}%` } }, `${name} ${number(f0.told ?? f0.value.at(-1), 1)}`) : null,
    ],
  });
}

function pressure(data, x) {
  const p = data.pressure;
  return plot({
    key: "pressure", x, y: [0, extent(p.value)[1]], height: 6, fine: 2, spare: Boolean(data.lethality), unit: unit(p.unit), label: t("picture.pressure_label"),
    draw: (sx, sy) => [background(data, sx), line("line", "curve.c0", pathOf(p.at_ms, p.value, sx, sy, { gap: p.size_s * 3100 }), { "data-tag": p.tag })],
  });
}

function phaseStrip(cycle, data, x) {
  const place = (ms) => Math.min(100, Math.max(0, ((ms - x[0]) / (x[1] - x[0])) * 100));
  const shown = data.phases.filter((one) => one.end_ms > x[0] && one.start_ms < x[1]);
  if (!shown.length) return null;
  return h(`ol.phases${data.lethality ? ".two-scales" : ""}`, { key: "phases", "aria-label": t("picture.phases") }, shown.map((one) => h(`li.r-${one.role}`, {
    key: one.start_ms, style: { left: `${place(one.start_ms)}%`, width: `${place(one.end_ms) - place(one.start_ms)}%` }, title: `${t(`picture.role.${one.role}`)} ${duration((one.end_ms - one.start_ms) / 1000)}`,
  }, h("b", null, t(`picture.role.${one.role}`)), h("span", null, duration((one.end_ms - one.start_ms) / 1000)))));
}

function legend(data) {
  const sample = (kind, dash) => h("svg.sample", { viewBox: "0 0 30 8", "aria-hidden": "true" }, h(`path.${kind}`, { d: "M0 4L30 4", "stroke-dasharray": dash }));
  return h("ul.legend", { key: "legend" }, data.curves.map((one, i) => h("li", { key: one.tag }, sample(`curve.c${i % 5}`, DASHES[i % 5]), tagName(one.tag))),
    data.lethality ? h("li", { key: "f0" }, sample("f0-line", ""), t("picture.f0_of", { name: t(`picture.lethality.${data.lethality.name}`), probe: tagName(data.lethality.tag) })) : null);
}

function criteria(data, cycle) {
  if (!data.criteria.length) return null;
  const shown = (one) => (one.found.length ? one.found.map((v) => amount(v, one.unit)).join(" … ") : "–");
  return h("div.table-wrap", { key: "criteria" }, h("table.criteria", null,
    h("caption.visually-hidden", null, t("picture.criteria")),
    h("thead", null, h("tr", null, ["criterion", "found", "allowed", "verdict"].map((name) => h("th", { key: name, scope: "col" }, t(`picture.column.${name}`))))),
    h("tbody", null, data.criteria.map((one) => h("tr", { key: one.code, "data-code": one.code, "data-found": one.found.join(" "), "data-kept": one.kept === null ? "" : String(one.kept) },
      h("th", { scope: "row" }, t(`picture.criterion.${one.code}`), one.code === "hold" && cycle.about.departed ? h("span.sub", null, departed(cycle.about.departed)) : null),
      h("td", { "data-label": t("picture.column.found") }, shown(one)),
      h("td", { "data-label": t("picture.column.allowed") }, one.allowed === null ? "–" : `${one.sign} ${amount(one.allowed, one.unit)}`),
      h("td", { "data-label": t("picture.column.verdict") }, verdict(one.kept, "kept", !cycle.final && one.kept === null)))))));
}

const amount = (v, code) => (code === "s" ? `${number(v, v % 1 ? 1 : 0)}\u202fs` : quantity(v, code, code === "1" ? 0 : 2));

function departed(text) {
  const [tag, side] = text.split(" ");
  return t(`picture.departed_${side}`, { probe: tagName(tag) });
}

/** Each probe as a row: F0 as a bar, lowest to highest temperature of the holding time. */
function probes(data, cycle) {
  if (!data.probes.length) return null;
  const name = data.lethality?.name;
  const most = Math.max(...data.probes.map((one) => one.parts[name] ?? 0)) || 1;
  return h("div", { key: "probes" }, h("h3", null, t("picture.probes")), h("ol.pareto.probe-rows", null, data.probes.map((one) => h("li", { key: one.tag, "data-tag": one.tag, "data-lethality": exact(one.parts[name]) },
    h("span.step-name", null, tagName(one.tag), one.tag === cycle.about.slowest ? h("span.token", null, t("picture.slowest")) : null),
    h("span.step-track", { "aria-hidden": "true" }, h("i.bar", { style: { width: `${((one.parts[name] ?? 0) / most) * 100}%` } })),
    h("span.step-time", null, name ? `${t(`picture.lethality.${name}`)} ${exact(one.parts[name] === null ? null : Number(one.parts[name]?.toFixed(2)))}` : "", ` · ${number(one.parts.minimum, 2)} … ${quantity(one.parts.maximum, "Cel", 2)}`),
    h("span.step-share", null, verdict(one.parts.probe_ok ?? null, "kept", !cycle.final && (one.parts.probe_ok ?? null) === null))))));
}
