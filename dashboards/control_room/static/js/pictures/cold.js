// A cold room or truck: temperature against its label limits with every excursion, mean kinetic temperature, budgets.

import { h } from "../dom.js";
import { count, duration, number, quantity, t } from "../i18n.js";
import { empty, panel, time, waiting } from "../parts.js";
import { extent, level, levelName, line, pathOf, plot, tagName } from "../plot.js";
import { resource } from "../store.js";
import { verdict } from "./cycle.js";
import { lotReport } from "../views/reports.js";
import { asKnown } from "./known.js";
import { measuredWith } from "./measured.js";

export function coldPicture(asset, now, hours) {
  const cold = asset.pictures.cold;
  const path = encodeURIComponent(asset.path);
  const ask = (kind, more = "") => resource(`/api/v1/figures?kind=${kind}&asset=${path}&hours=${hours}&limit=1000${more}${asKnown(asset.path)}`, 6000);
  const trend = resource(`/api/v1/history?asset=${path}&tag=${cold.tag}&hours=${hours}&points=700`, 6000);
  const [excursions, usp, stays] = [ask("excursion"), ask("usp"), ask("lot_stay")];
  const title = `${t("picture.cold")}: ${tagName(cold.tag)}`;
  if (!trend.data || !excursions.data) return panel(title, { key: "cold", class: "picture" }, waiting(trend.data ? excursions : trend));
  const rows = excursions.data.figures;
  const windows = usp.data?.figures ?? [];
  return panel(title, { key: "cold", class: "picture" }, trend.data.mean?.length ? curve(cold, trend.data, rows, windows, now) : empty(t("no_data")),
    uspStrip(cold, windows), excursionList(rows), budgets(asset, stays.data?.figures ?? []),
    measuredWith(asset, { start_ms: trend.data.from_ms, end_ms: trend.data.to_ms }, [cold.tag, cold.humidity].filter(Boolean)));
}

function curve(cold, trend, excursions, windows, now) {
  const x = [trend.from_ms, trend.to_ms];
  const y = extent([...trend.minimum, ...trend.maximum, cold.low, cold.high], 0.1);
  const at = trend.start_ms.map((ms) => ms + trend.size_s * 500);
  const gap = trend.size_s * 3100;
  const door = now.timelines.find((one) => one.tag === "door");
  const open = door ? door.start_ms.map((ms, i) => ({ ms, to: door.start_ms[i + 1] ?? x[1], on: door.state[i] })).filter((one) => one.on && one.to > x[0]) : [];
  const mkt = windows.filter((one) => one.parts.mkt !== null && one.end_ms > x[0]);
  return h("div.cold-curve", { key: "curve" }, plot({
    key: "temperature", x, y, height: 16, unit: "°C", spare: "names", label: t("picture.cold_label", { n: count(excursions.length) }),
    draw: (sx, sy) => [
      h("rect.allowed", { key: "label", x: 0, width: 1000, y: sy(cold.high), height: sy(cold.low) - sy(cold.high) }),
      excursions.map((one) => h(`rect.excursion-span${one.parts.unexplained === 0 ? ".explained" : ""}`, { key: `e${one.start_ms}`, x: Math.max(0, sx(one.start_ms)), width: Math.max(1, sx(one.end_ms) - Math.max(0, sx(one.start_ms))), y: 0, height: 1000, "vector-effect": "non-scaling-stroke" })),
      level("low", "limit-line", sy(cold.low)), level("high", "limit-line", sy(cold.high)),
      line("range", "range-line", pathOf(at, trend.maximum, sx, sy, { gap })), line("range-low", "range-line", pathOf(at, trend.minimum, sx, sy, { gap })),
      mkt.length ? line("mkt", "mkt-line", pathOf(mkt.map((one) => one.end_ms), mkt.map((one) => one.parts.mkt), sx, sy)) : null,
      line("mean", "curve.c0", pathOf(at, trend.mean, sx, sy, { gap }), { "data-tag": cold.tag }),
      open.map((one) => h("rect.door-open", { key: `d${one.ms}`, x: sx(Math.max(one.ms, x[0])), width: Math.max(1.5, sx(one.to) - sx(Math.max(one.ms, x[0]))), y: 975, height: 25 })),
    ],
    over: (px, py) => [
      levelName("high", py(cold.high), `${number(cold.high, 1)} °C`, "outside"), levelName("low", py(cold.low), `${number(cold.low, 1)} °C`, "outside"),
      names(excursions, px),
    ],
  }), h("ul.legend", null, h("li", { key: "label" }, h("i.swatch.sw-label"), t("picture.label_range")), mkt.length ? h("li", { key: "mkt" }, h("i.swatch.sw-mkt"), t("picture.mkt_line", { hours: number(cold.mkt_h, 0) })) : null,
    h("li", { key: "out" }, h("i.swatch.sw-out"), t("picture.excursion")), h("li", { key: "explained" }, h("i.swatch.sw-explained"), t("picture.explained")), door ? h("li", { key: "door" }, h("i.swatch.sw-door"), t("picture.door_open")) : null));
}

const ROOM = 26; // percent of the plot that the newest name gets where it stands near the edge

/** Peak and length of each, in the room up to the next one; what does not fit there is not shown. */
function names(excursions, px) {
  let end = 100;
  return [...excursions].reverse().map((one, i) => {
    const late = !i && px(one.start_ms) > 84; // no room behind its start: the name ends where the excursion does
    if (late) end = Math.min(100, px(one.end_ms));
    const from = Math.max(0, late ? Math.min(px(one.start_ms), end - ROOM) : px(one.start_ms));
    const room = end - from;
    end = Math.min(end, from);
    return room <= 0 ? null : h(`span.excursion-name${from < px(one.start_ms) - 0.01 ? ".to-left" : ""}`, { key: one.start_ms, style: { left: `${from}%`, width: `${room}%` } }, h("b", null, peak(one)), h("span", null, duration(one.parts.duration_s)));
  });
}

const peak = (one) => `${one.parts.above === 1 ? "▲" : "▼"} ${quantity(one.parts.peak, "Cel", 1)}`;

/** The newest USP window: MKT against its limit, and whether it is allowed. */
function uspStrip(cold, windows) {
  const one = windows.at(-1);
  if (!one) return null;
  const parts = one.parts;
  const item = (name, text, data = null) => h("div", { key: name, "data-usp": name, "data-value": data === null ? "" : String(data) }, h("dt", null, t(`picture.usp.${name}`)), h("dd", null, text));
  return h("dl.kpi-strip", { key: "usp" },
    h("div.main", { key: "mkt", "data-usp": "mkt", "data-value": String(parts.mkt) }, h("dt", null, t("picture.usp.mkt", { hours: number(cold.mkt_h, 0) })), h("dd", null, quantity(parts.mkt, "Cel", 2))),
    item("limit", cold.mkt_high === null ? "–" : `≤ ${quantity(cold.mkt_high, "Cel", 1)}`), item("range", `${number(parts.minimum, 1)} … ${quantity(parts.maximum, "Cel", 1)}`),
    item("out", duration(parts.out_s), parts.out_s), item("covered", duration(parts.covered_s), parts.covered_s), item("gap", duration(parts.gap_s), parts.gap_s),
    h("div", { key: "allowed" }, h("dt", null, t("picture.usp.allowed")), h("dd", null, verdict(parts.allowed, "allowed"), one.about.reason ? h("span.path", null, ` ${one.about.reason.split(/[ ,+]/).map((code) => t(`picture.usp_reason.${code}`)).join(", ")}`) : null)));
}

function excursionList(rows) {
  if (!rows.length) return h("p.hint", { key: "list" }, t("picture.no_excursion"));
  return h("div", { key: "list" }, h("h3", null, t("picture.excursions")), h("ol.excursion-rows", null, [...rows].reverse().slice(0, 20).map((one) => h("li", {
    key: one.start_ms, "data-start": String(one.start_ms), "data-peak": String(one.parts.peak), "data-minutes": String(one.parts.out_c_min),
  }, h("b", null, peak(one)), h("span", null, time(one.start_ms, { seconds: false }), " – ", one.final ? time(one.end_ms, { seconds: false }) : t("now"), ` · ${duration(one.parts.duration_s)}`),
  h("span", null, `${number(one.parts.out_c_min, 0)} °C·min · MKT ${quantity(one.parts.mkt, "Cel", 1)}`), h("span", null, one.parts.blind_s ? t("picture.blind", { time: duration(one.parts.blind_s) }) : ""),
  h("span.cause", null, t(`picture.excursion_cause.${(one.about.cause ?? "none").replace("+", "_")}`)), h("span.path", null, one.about.lot ? `${t("picture.fact.lot")} ${one.about.lot.replaceAll(",", ", ")}` : "")))));
}

/** Of each lot: how much of its time out of refrigeration and of its shelf life is used. */
function budgets(asset, stays) {
  const newest = [...new Map(stays.map((one) => [one.about.lot, one])).values()].filter((one) => one.about.lot);
  if (!newest.length) return null;
  return h("div", { key: "lots" }, h("h3", null, t("picture.budgets")), h("ol.pareto.budgets", null, newest.map((one) => {
    const { tor_used_s: used, tor_left_s: left, life_used_h: life, life_left_h: lifeLeft } = one.parts;
    const whole = left === null || left === undefined ? null : used + left;
    return h("li", { key: one.about.lot, "data-lot": one.about.lot, "data-left": String(left) },
      h("span.step-name", null, h("b", null, one.about.lot), ` ${one.about.product ?? ""}`, " ", lotReport(asset.path, one.about.lot)),
      h("span.step-track", { role: "img", "aria-label": t("picture.tor", { used: duration(used), left: duration(left) }) }, whole ? [h("i.budget", { key: "all" }), h(`i.bar${left <= 0 ? ".over" : ""}`, { key: "used", style: { width: `${Math.min(100, (used / whole) * 100)}%` } })] : null),
      h("span.step-time", null, whole ? t("picture.tor", { used: duration(used), left: left < 0 ? `−${duration(-left)}` : duration(left) }) : t("picture.tor_used", { used: duration(used) }),
        lifeLeft === null || lifeLeft === undefined ? "" : h("span.sub", null, t("picture.life", { used: duration(life * 3600), left: duration(lifeLeft * 3600) }))),
      h("span.step-share", null, verdict(one.parts.within ?? null, "within")));
  })));
}
