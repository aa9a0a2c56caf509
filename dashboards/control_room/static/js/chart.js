// Trends with uPlot: the mean as a line, minimum to maximum as a band, limits, and excursions shaded and named.

import { h } from "./dom.js";
import { currentZone, moment, number, quantity } from "./i18n.js";

/* global uPlot */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * A chart node. data: {trend: answer of /history, unit, limits: [{value, text}], spans: [{from, to, text, priority}],
 * column: "mean" or "score", height}.
 */
export const chart = (key, data) => h("div.chart", { key, hook: HOOK, data });

const HOOK = { mount, update, destroy };

function mount(el, data) {
  el.andon = { data };
  el.andon.readout = document.createElement("p");
  el.andon.readout.className = "readout";
  el.append(el.andon.readout);
  el.andon.watch = new ResizeObserver(() => size(el));
  el.andon.watch.observe(el);
  build(el);
}

function update(el, data) {
  const before = el.andon.data;
  el.andon.data = data;
  const theme = document.documentElement.dataset.theme;
  const kind = `${data.column}|${data.unit}|${data.trend?.size_s}|${theme}|${data.lang}`;
  if (kind !== el.andon.kind || !el.andon.plot) build(el);
  else if (before.trend !== data.trend) {
    el.andon.plot.setData(columns(data), false);
    scales(el);
  } else el.andon.plot.redraw(false);
}

function destroy(el) {
  el.andon.watch.disconnect();
  el.andon.plot?.destroy();
}

function columns({ trend, column }) {
  const x = trend.start_ms.map((ms) => ms / 1000 + trend.size_s / 2);
  if (column === "score") return withGaps([x, trend.score], trend);
  return withGaps([x, trend.minimum, trend.maximum, trend.mean], trend);
}

/** A null between windows that are further apart than three sizes, or than three of the series' usual steps where it is sparse, so that no line crosses the time nothing is known of. */
function withGaps(data, trend) {
  const out = data.map(() => []);
  const apart = data[0].slice(1).map((at, i) => at - data[0][i]).sort((a, b) => a - b);
  const most = Math.max(trend.size_s, apart[Math.floor(apart.length / 2)] ?? 0) * 3.01;
  data[0].forEach((at, i) => {
    if (i && at - data[0][i - 1] > most) {
      out[0].push(data[0][i - 1] + trend.size_s);
      for (let k = 1; k < data.length; k += 1) out[k].push(null);
    }
    data.forEach((one, k) => out[k].push(one[i]));
  });
  return out;
}

function range(data) {
  const { trend, column, limits } = data;
  const values = (column === "score" ? trend.score : [...trend.minimum, ...trend.maximum]).filter((v) => v !== null);
  for (const limit of limits ?? []) if (limit.value !== null) values.push(limit.value);
  if (!values.length) return [0, 1];
  let low = Math.min(...values), high = Math.max(...values);
  if (column === "score") low = 0;
  const pad = (high - low || Math.abs(high) || 1) * 0.08;
  return [column === "score" ? 0 : low - pad, high + pad];
}

function scales(el) {
  const { plot, data } = el.andon;
  plot.setScale("x", { min: data.trend.from_ms / 1000, max: data.trend.to_ms / 1000 });
  const [min, max] = range(data);
  plot.setScale("y", { min, max });
}

function size(el) {
  const width = el.clientWidth;
  if (el.andon.plot && width > 0 && Math.abs(width - el.andon.plot.width) > 1) el.andon.plot.setSize({ width, height: el.andon.data.height ?? 240 });
}

function build(el) {
  const { data } = el.andon;
  el.andon.plot?.destroy();
  el.andon.plot = null;
  if (!data.trend) return;
  el.andon.kind = `${data.column}|${data.unit}|${data.trend.size_s}|${document.documentElement.dataset.theme}|${data.lang}`;
  const ink = css("--ink-2"), grid = css("--grid"), line = css("--data"), band = css("--data-band");
  const axis = { stroke: ink, font: "12px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 5 } };
  const lineSeries = { stroke: line, width: 1.5, points: { show: false }, spanGaps: false };
  const hidden = { stroke: "transparent", width: 0, points: { show: false } };
  const series = data.column === "score" ? [{}, lineSeries] : [{}, hidden, hidden, lineSeries];
  const options = {
    width: Math.max(200, el.clientWidth), height: data.height ?? 240, series,
    bands: data.column === "score" ? [] : [{ series: [2, 1], fill: band }],
    legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), currentZone()),
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    padding: [12, 22, 0, 0],
    axes: [
      { ...axis, values: (_u, splits) => splits.map((at, i) => {
        const m = moment(at * 1000, false);
        return i === 0 || m.time === "00:00" ? `${m.time}\n${m.date.slice(5)}` : m.time;
      }), space: 60, size: 44 },
      { ...axis, size: (_u, values) => Math.max(52, 14 + 7 * Math.max(0, ...(values ?? []).map((text) => String(text ?? "").length))), values: (_u, splits) => splits.map((v) => number(v, decimals(splits))) },
    ],
    hooks: { drawClear: [(u) => drawSpans(u, el.andon.data)], draw: [(u) => drawLimits(u, el.andon.data)], setCursor: [(u) => readout(u, el)] },
  };
  el.andon.plot = new uPlot(options, columns(data), el);
  scales(el);
  readout(el.andon.plot, el);
}

function decimals(splits) {
  const step = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0));
  return step >= 1 || step === 0 ? 0 : Math.min(4, Math.ceil(-Math.log10(step) - 1e-9));
}

function drawSpans(u, { spans }) {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  let written = -Infinity; // right edge of the last name, so that names do not run into each other
  for (const span of [...(spans ?? [])].sort((one, other) => one.from - other.from)) {
    const a = Math.max(left, u.valToPos(span.from / 1000, "x", true));
    const b = Math.min(left + width, u.valToPos(span.to / 1000, "x", true));
    if (b <= a) continue;
    ctx.fillStyle = css(`--p${span.priority}-wash`);
    ctx.fillRect(a, top, b - a, height);
    ctx.strokeStyle = css(`--p${span.priority}-edge`);
    ctx.lineWidth = ratio;
    ctx.beginPath();
    ctx.moveTo(a, top); ctx.lineTo(a, top + height);
    ctx.moveTo(b, top); ctx.lineTo(b, top + height);
    ctx.stroke();
    ctx.fillStyle = css("--ink");
    ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    const text = ctx.measureText(span.text).width;
    const at = Math.max(left + 4 * ratio, Math.min(a + 5 * ratio, left + width - text - 4 * ratio));
    if (at < written) continue;
    ctx.fillText(span.text, at, top + 4 * ratio);
    written = at + text + 8 * ratio;
  }
  ctx.restore();
}

function drawLimits(u, { limits }) {
  const { ctx } = u;
  const { left, width } = u.bbox;
  const ratio = devicePixelRatio;
  ctx.save();
  for (const limit of limits ?? []) {
    if (limit.value === null) continue;
    const y = Math.round(u.valToPos(limit.value, "y", true));
    ctx.strokeStyle = css("--limit");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(left, y); ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.fillStyle = css("--ink-2");
    ctx.font = `${11.5 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText(limit.text, left + width - 4 * ratio, y - 2 * ratio);
  }
  ctx.restore();
}

/** Time and value under the pointer, or the newest ones. */
function readout(u, el) {
  const { data, readout: out } = el.andon;
  const shown = u.data[u.data.length - 1];
  let index = u.cursor.idx;
  if (index === null || index === undefined) for (index = shown.length - 1; index >= 0 && shown[index] === null; index -= 1);
  if (index < 0 || shown[index] === null || shown[index] === undefined) { out.textContent = ""; return; }
  const m = moment(u.data[0][index] * 1000);
  const what = data.column === "score" ? `${data.scoreText} ${number(shown[index], 1)}`
    : `${quantity(shown[index], data.unit)}  (${number(u.data[1][index])} … ${number(u.data[2][index])})`;
  out.textContent = `${m.date} ${m.time} ${m.offset}   ${what}`;
}
