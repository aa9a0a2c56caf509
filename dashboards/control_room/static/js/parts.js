// The pieces that views are made of: alarm marks, times, bars with their normal band, timelines, OEE blocks.

import { h } from "./dom.js";
import { booleanText, count, duration, moment, number, percent, quantity, stateText, t } from "./i18n.js";
import { hoursShown, lasted, resource, state } from "./store.js";

export const ELEMENTS = ["apt_s", "setup_s", "transition_s", "external_stop_s", "internal_stop_s", "down_s", "idle_s", "planned_down_s", "unknown_s"];
const SHAPES = { 1: "M4 4h24v24h-24z", 2: "M16 2.5L30.5 28.5h-29z", 3: "M16 1.5L30.5 16L16 30.5L1.5 16z", 4: "M16 3a13 13 0 1 0 .01 0z" };

/** Priority as number, shape and colour; an unacknowledged one has a ring that beats slowly. */
export function mark(alarm, size = "") {
  const n = alarm.priority_number;
  const name = t(`priority.${alarm.priority}`);
  return h(`span.mark.p${n}${size ? `.${size}` : ""}${alarm.unacknowledged ? ".unack" : ""}${alarm.active === false ? ".over" : ""}`, { role: "img", "aria-label": name, title: name },
    h("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
      h("path", { d: SHAPES[n] }),
      h("text", { x: 16, y: n === 2 ? 25 : 22.2, "text-anchor": "middle" }, String(n))));
}

const NUMBERS = { critical: 1, high: 2, medium: 3, low: 4 };
export const markOf = (priority, unacknowledged = false) => mark({ priority, priority_number: NUMBERS[priority], unacknowledged });

/** A moment: time with seconds and offset; with the date when it is not today's, or always. */
export function time(ms, { date = "auto", seconds = true } = {}) {
  if (ms === null || ms === undefined) return "–";
  const m = moment(ms, seconds);
  const today = state.pulse ? moment(state.pulse.as_of_ms).date : null;
  const day = date === "always" || (date === "auto" && m.date !== today) ? `${date === "always" ? m.date : m.date.slice(5)} ` : "";
  return h("time", { datetime: new Date(ms).toISOString() }, `${day}${m.time}`, h("span.tz", null, `\u2009${m.offset}`));
}

export function link(to, props, ...children) {
  return h("a", { ...props, href: `#/${to}` }, ...children);
}

export const assetLink = (path) => link(`asset/${path}`, null, state.plant.byPath.get(path)?.name ?? path);

export function panel(title, props, ...children) {
  const { extra, ...rest } = props || {};
  return h("section.panel", rest, title ? h("header.panel-head", null, h("h2", null, title), extra) : null, ...children);
}

export const empty = (text) => h("p.empty", null, text);

/** What a resource shows while it has nothing yet, or why it has nothing. */
export function waiting(one) {
  if (one.error) return h("p.empty.failed", { role: "alert" }, one.error.message || t("failed"));
  return h("p.empty", null, t("loading"));
}

/** Text of a state with its shape: a square whose filling tells the time element, as in the timeline. */
export function stateBadge(one) {
  if (!one) return h("span.state", null, h("i.el.unknown_s"), t("state_unknown"));
  return h(`span.state${one.stale ? ".stale" : ""}`, null, h(`i.el.${one.element}`), h("b", null, stateText(one.name)), h("span.for", null, duration(one.for_s)));
}

/** Value of a series as it is now; grey and dated when stale, marked when its quality is not good. */
export function value(series, now, props = {}) {
  if (!now) return h("span.value.none", null, "–");
  const shown = series.kind === "state" ? stateText(series.states[now.v] ?? null)
    : series.kind === "boolean" ? booleanText(series.tag, now.v)
      : series.kind === "counter" ? count(now.v) : quantity(now.v, series.unit, props.digits);
  const quality = now.status === 2 ? t("quality.bad") : now.status === 1 ? t("quality.uncertain") : null;
  return h(`span.value${now.stale ? ".stale" : ""}${quality ? ".poor" : ""}`, null,
    h("span.v", null, shown),
    quality ? h("span.quality", null, quality) : null,
    now.stale ? h("span.dated", null, t("as_of"), " ", time(now.ms)) : null);
}

/**
 * Limits of a series from its rules and label range: {low, high}, null where there is none, and {guards: {low, high}}: texts of limits
 * that a guard band has moved. A limit is where the alarm comes.
 */
export function limitsOf(asset, series) {
  let low = null, high = null;
  const guards = { low: null, high: null };
  const cold = asset.cold_chain;
  if (cold && cold.tag === series.tag) { low = cold.low; high = cold.high; }
  for (const id of series.rules) {
    const rule = state.plant.byRule.get(id);
    if (!rule) continue;
    const [least, most] = rule.accepted;
    if (least !== null) { low = least; guards.low = guarded(rule, rule.outside ? rule.outside[0] : rule.below); }
    if (most !== null) { high = most; guards.high = guarded(rule, rule.outside ? rule.outside[1] : rule.above); }
  }
  return { low, high, guards };
}

const guarded = (rule, specified) => rule.guard_band ? t("limit.guarded", { specified, band: rule.guard_band }) : null;

/** Analogue bar: the normal band, the limits and where the value stands. */
export function bullet(now, { low, high, guards }, series, label) {
  if (!now || now.v === null || (low === null && high === null)) return null;
  const span = low !== null && high !== null ? high - low : Math.max(Math.abs(low ?? high) * 0.5, 1);
  let from = low !== null ? low - span * 0.4 : high - span * 1.6;
  let to = high !== null ? high + span * 0.4 : low + span * 1.6;
  from = Math.min(from, now.v - span * 0.05);
  to = Math.max(to, now.v + span * 0.05);
  const x = (v) => ((v - from) / (to - from)) * 100;
  const out = (high !== null && now.v > high) || (low !== null && now.v < low);
  const a = low === null ? 0 : x(low), b = high === null ? 100 : x(high);
  const said = (name, limit) => limit === null ? "–" : [number(limit, limit % 1 ? 2 : 0), guards?.[name]].filter(Boolean).join(" ");
  const text = label ?? t("bullet_label", { value: quantity(now.v, series.unit), low: said("low", low), high: said("high", high) });
  return h(`span.bullet${out ? ".out" : ""}${now.stale ? ".stale" : ""}`, { role: "img", "aria-label": text, title: guards?.low || guards?.high ? text : null },
    h("span.scale", null,
      h("i.band", { style: { left: `${a}%`, width: `${b - a}%` } }),
      low === null ? null : h("i.limit", { style: { left: `${a}%` } }),
      high === null ? null : h("i.limit", { style: { left: `${b}%` } }),
      h("i.needle", { style: { left: `${x(now.v)}%` } })),
    h("span.ends", null,
      low === null ? null : h("em", { style: { left: `${a}%` } }, number(low, low % 1 ? 2 : 0)),
      high === null ? null : h("em", { style: { left: `${b}%` } }, number(high, high % 1 ? 2 : 0))));
}

/** A small trend without axes; the part beyond a limit is drawn in the alarm's colour over the limit's line. */
export function sparkline(path, { low = null, high = null, height = 40, hours = hoursShown(), label = "" } = {}) {
  const [asset, tag] = path;
  const one = resource(`/api/v1/history?asset=${encodeURIComponent(asset)}&tag=${tag}&hours=${hours}&points=160`, 15000);
  const data = one.data;
  if (!data || !data.mean?.length) return h("span.spark.none", { style: { height: `${height}px` } });
  const values = data.mean.filter((v) => v !== null);
  let min = Math.min(...values), max = Math.max(...values);
  if (high !== null) max = Math.max(max, high);
  if (low !== null) min = Math.min(min, low);
  const pad = (max - min || 1) * 0.08;
  min -= pad; max += pad;
  const x = (ms) => (((ms - data.from_ms) / (data.to_ms - data.from_ms)) * 1000).toFixed(1);
  const y = (v) => ((1 - (v - min) / (max - min)) * 100).toFixed(2);
  const gap = data.size_s * 3000;
  let d = "", last = null;
  data.mean.forEach((v, i) => {
    if (v === null) { last = null; return; }
    d += `${last === null || data.start_ms[i] - last > gap ? "M" : "L"}${x(data.start_ms[i])} ${y(v)}`;
    last = data.start_ms[i];
  });
  const limit = (v, id) => v === null ? null : h("line.spark-limit", { key: id, x1: 0, x2: 1000, y1: y(v), y2: y(v), "vector-effect": "non-scaling-stroke" });
  const clip = `c-${asset.replaceAll(/\W/g, "-")}-${tag}`;
  return h("span.spark", { role: "img", "aria-label": label || t("trend_label", { hours }), style: { height: `${height}px` } },
    h("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      high === null && low === null ? null : h("defs", { key: "defs" }, h("clipPath", { id: clip },
        high === null ? null : h("rect", { key: "hi", x: 0, y: -10, width: 1000, height: Math.max(0, Number(y(high)) + 10) }),
        low === null ? null : h("rect", { key: "lo", x: 0, y: y(low), width: 1000, height: 200 }))),
      limit(low, "l"), limit(high, "h"),
      h("path.spark-line", { key: "line", d, "vector-effect": "non-scaling-stroke" }),
      high === null && low === null ? null : h("path.spark-out", { key: "out", d, "clip-path": `url(#${clip})`, "vector-effect": "non-scaling-stroke" })));
}

/** One of A, P, Q as a bar. */
function ratioBar(letter, ratio, flag) {
  return h("div.ratio", { title: t(`oee.${letter}_long`) },
    h("span.letter", null, t(`oee.${letter}`)),
    h("span.bar", null, h("i", { style: { width: `${Math.min(100, (ratio ?? 0) * 100)}%` } })),
    h("span.num", null, flag ? h("span.flag", { title: flag, role: "img", "aria-label": flag }, "!") : null, percent(ratio)));
}

/** OEE with its factors and how much of the time is known. */
export function oeeBlock(oee, title) {
  if (!oee) return h("div.oee", null, h("span.oee-title", null, title), empty(t("oee.none")));
  const partly = oee.coverage !== null && oee.coverage < 0.995;
  return h("div.oee", null,
    h("div.oee-main", null,
      h("span.oee-title", null, title),
      h("span.oee-num", null, oee.OEE === null ? "–" : number(oee.OEE * 100, 1), h("small", null, "\u202f%")),
      h("span.oee-note", null, t("oee.coverage", { share: percent(oee.coverage, 0) }), partly ? h("b.partly", null, ` ${t("oee.partly")}`) : null)),
    h("div.oee-ratios", null,
      ratioBar("A", oee.A), ratioBar("P", oee.P, oee.speed_flag ? t("oee.speed_flag") : null), ratioBar("Q", oee.Q, oee.count_flag ? t("oee.count_flag") : null)));
}

/** OEE by window as bars; a hollow one where nothing is known. */
export function oeeBars(points, props = {}) {
  if (!points.length) return null;
  const slots = Math.max(points.length, props.slots ?? 24); // the first bar of a young plant is no wall
  const width = 1000 / slots;
  const first = slots - points.length;
  const label = t("oee.bars_label", { n: points.length });
  return h(`div.oee-bars${props.tall ? ".tall" : ""}`, { role: "img", "aria-label": label },
    h("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      [25, 50, 75].map((y) => h("line.grid", { key: y, x1: 0, x2: 1000, y1: y, y2: y, "vector-effect": "non-scaling-stroke" })),
      points.map((one, i) => h(`rect.${one.OEE === null ? "none" : "bar"}${one.final === false ? ".running" : ""}`, {
        key: one.start_ms, x: ((first + i) * width + width * 0.12).toFixed(2), width: (width * 0.76).toFixed(2),
        y: one.OEE === null ? 92 : (100 - Math.min(1, one.OEE) * 100).toFixed(2), height: one.OEE === null ? 8 : (Math.min(1, one.OEE) * 100).toFixed(2),
      }, h("title", null, `${moment(one.start_ms, false).time} ${moment(one.start_ms).offset}: OEE ${percent(one.OEE)} · ${t("oee.A")} ${percent(one.A)} · ${t("oee.P")} ${percent(one.P)} · ${t("oee.Q")} ${percent(one.Q)}`)))));
}

/** Where the time of a window went, as one bar with its legend. */
export function lossBar(parts) {
  const total = ELEMENTS.reduce((sum, name) => sum + (parts[name] ?? 0), 0);
  if (!total) return null;
  const shares = ELEMENTS.filter((name) => parts[name] > 0).map((name) => ({ name, share: parts[name] / total }));
  return h("div.losses", null,
    h("div.loss-bar", { role: "img", "aria-label": shares.map((one) => `${t(`element.${one.name}`)} ${percent(one.share)}`).join(", ") },
      shares.map((one) => h(`i.el.${one.name}`, { key: one.name, style: { width: `${one.share * 100}%` }, title: `${t(`element.${one.name}`)} ${percent(one.share)}` }))),
    h("ul.legend", null, shares.map((one) => h("li", { key: one.name }, h(`i.el.${one.name}`), t(`element.${one.name}`), h("b", null, duration(parts[one.name]))))));
}

const ELEMENT_OF = {
  Execute: "apt_s", Holding: "internal_stop_s", Held: "internal_stop_s", Unholding: "internal_stop_s",
  Suspending: "external_stop_s", Suspended: "external_stop_s", Unsuspending: "external_stop_s",
  Stopping: "down_s", Stopped: "down_s", Aborting: "down_s", Aborted: "down_s", Clearing: "down_s",
  Idle: "idle_s", Complete: "idle_s", Starting: "transition_s", Resetting: "transition_s", Completing: "transition_s",
};
const STEPS = ["idle_s", "transition_s", "external_stop_s", "apt_s", "planned_down_s", "internal_stop_s"];

/** States over time. Packml states take the look of their time element, others one of six greys by their number. */
export function timeline(one, fromMs, toMs, series, label) {
  const spans = one.start_ms.map((start, i) => ({ start, end: one.start_ms[i + 1] ?? toMs, state: one.state[i] })).filter((span) => span.end > fromMs);
  const x = (ms) => ((ms - fromMs) / (toMs - fromMs)) * 100;
  const look = (name) => one.kind === "boolean" ? (name ? "apt_s" : "idle_s")
    : ELEMENT_OF[name] ?? STEPS[Math.max(0, series?.states.indexOf(name) ?? 0) % STEPS.length];
  const said = (name) => one.kind === "boolean" ? booleanText(one.tag, name) : stateText(name);
  const ticks = hourTicks(fromMs, toMs);
  return h("div.timeline", null,
    h("div.track", { role: "img", "aria-label": label ?? t("timeline_label") },
      spans.map((span) => h(`i.el.${look(span.state)}`, {
        key: span.start, style: { left: `${x(Math.max(span.start, fromMs))}%`, width: `${Math.max(0.15, x(span.end) - x(Math.max(span.start, fromMs)))}%` },
        title: `${said(span.state)} · ${moment(span.start).time} ${moment(span.start).offset} · ${duration((span.end - span.start) / 1000)}`,
      }, x(span.end) - x(Math.max(span.start, fromMs)) > 9 ? h("span", null, said(span.state)) : null))),
    h("div.ticks", { "aria-hidden": "true" }, ticks.map((ms) => h("span", { key: ms, style: { left: `${x(ms)}%` } }, moment(ms, false).time))));
}

function hourTicks(fromMs, toMs) {
  const hours = (toMs - fromMs) / 3600000;
  const step = (hours > 16 ? 4 : hours > 6 ? 1 : hours > 2 ? 0.5 : 0.25) * 3600000;
  const list = [];
  const edge = (toMs - fromMs) * 0.02;
  for (let ms = Math.ceil(fromMs / step) * step; ms < toMs - edge; ms += step) if (ms > fromMs + edge) list.push(ms);
  return list;
}

/** The number the ERP gave, or how far the order has come. */
export function erp(one) {
  if (!one) return h("span.erp.none", null, t("erp.none"));
  const busy = one.state === "pending" || one.state === "leased";
  return h(`span.erp.${one.state}`, { title: one.error ?? "" },
    h("i.sign", { "aria-hidden": "true" }, one.state === "delivered" ? "✓" : one.state === "parked" ? "!" : "…"),
    one.number ? h("b.number", null, one.number) : null,
    one.state === "delivered" && one.number ? null : h("span", null, t(`erp.${one.state}`), busy && one.attempts > 1 ? ` (${t("erp.attempts", { n: one.attempts })})` : null));
}

/** State of an alarm in words, with who acknowledged it. */
export function alarmState(alarm) {
  return h("span.alarm-state", null,
    h("b", null, t(`alarm_state.${alarm.state}`)),
    alarm.ack ? h("span.by", { title: alarm.ack.comment }, alarm.ack.by) : null);
}

export const limitText = (alarm) => alarm.limit === null ? "–" : `${t(`condition_sign.${alarm.condition}`)} ${alarm.unit === "s" ? duration(alarm.limit) : quantity(alarm.limit, alarm.unit)}`;
export const peakText = (alarm) => alarm.peak === null ? "–" : alarm.unit === "s" ? duration(alarm.peak) : quantity(alarm.peak, alarm.unit);
export const lastedText = (alarm) => duration(lasted(alarm));
export const seriesName = (asset, tag) => h("span.series", null, h("span.asset", null, asset), h("span.tag", null, `/${tag}`));
