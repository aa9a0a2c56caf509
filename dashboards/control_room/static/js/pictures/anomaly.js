// Why an anomaly was raised: what moved, its picture with the normal band, and earlier alarms that were like it.

import { h } from "../dom.js";
import { duration, moment, number, t, unit } from "../i18n.js";
import { assetLink, link, panel, time, waiting } from "../parts.js";
import { extent, level, levelName, line, pathOf, plot, tagName } from "../plot.js";
import { resource, state } from "../store.js";

const LEAST_MS = 600000, MOST_MS = 6 * 3600000, STEP_MS = 60000;

/** What is unusual in words and as a picture; null for an alarm that says no reason. */
export function anomalyPanel(alarm, asset, series) {
  const reason = alarm.reason;
  if (!reason) return null;
  const fact = (name, ...what) => h("div", { key: name, "data-unusual": name }, h("dt", null, t(`anomaly.${name}`)), h("dd", null, ...what));
  return panel(t("anomaly.title"), { key: "anomaly", class: "picture anomaly wide" },
    h("dl.facts-list", { key: "facts" },
      fact("component", reason.component_text),
      reason.value === null ? null : fact("read", exactly(reason.value, reason), reason.at_ms === null ? null : [" · ", time(reason.at_ms, { date: "always" })]),
      fact("normal", normalText(reason) ?? t("anomaly.no_normal")),
      reason.deviation === null ? null : fact("deviation", deviationText(reason.deviation)),
      reason.since_ms === null ? null : fact("since", time(reason.since_ms, { date: "always" }), h("span.sub", null, t("similar.run", { run: duration(reason.run_s) })))),
    asset && series?.kind === "number" ? picture(alarm, reason, asset, series) : null);
}

const exactly = (value, reason) => `${Number(value.toPrecision(6))}${unit(reason.unit) ? `\u202f${unit(reason.unit)}` : ""}`;
const normalText = (reason) => (reason.expected === null || reason.spread === null ? null : t("anomaly.give", { expected: exactly(reason.expected, reason), spread: exactly(reason.spread, reason) }));
const deviationText = (deviation) => t(deviation < 0 ? "similar.deviation_below" : "similar.deviation_above", { n: number(Math.abs(deviation), 1) });
const clock = (ms) => `${moment(ms).date} ${moment(ms).time} ${moment(ms).offset}`;

function picture(alarm, reason, asset, series) {
  const start = alarm.begun_ms ?? alarm.start_ms, since = reason.since_ms ?? start;
  const room = Math.min(MOST_MS, Math.max(LEAST_MS, 3 * (alarm.confirmed_ms - since)));
  const now = state.pulse?.as_of_ms ?? alarm.confirmed_ms;
  const from = floor(since - room), to = floor(Math.min(alarm.confirmed_ms + room, Math.max(now, alarm.confirmed_ms))) + STEP_MS;
  const one = resource(`/api/v1/history?asset=${encodeURIComponent(asset.path)}&tag=${series.tag}&from=${from}&to=${to}&points=600`, 10000);
  if (!one.data) return waiting(one);
  const data = one.data;
  if (!data.mean?.length) return h("p.empty", null, t("no_data"));
  const at = data.start_ms.map((ms) => ms + data.size_s * 500);
  const normal = reason.expected === null || reason.spread === null ? null : [reason.expected - reason.spread, reason.expected + reason.spread];
  const y = extent([...data.minimum, ...data.maximum, ...(normal ?? []), reason.value]);
  const upright = (key, ms, kind, sx) => h(`line.${kind}`, { key, "data-mark": key, x1: sx(ms), x2: sx(ms), y1: 0, y2: 1000, "vector-effect": "non-scaling-stroke" });
  const inside = (ms) => ms !== null && ms >= from && ms <= to;
  const flag = (key, ms, px, row) => inside(ms) ? h(`span.mark-name${px(ms) > 70 ? ".to-left" : ""}`, { key, style: { left: `${px(ms)}%`, top: `${row * 1.1}rem` } }, t(`anomaly.mark.${key}`)) : null;
  return plot({
    key: "anomaly-picture", x: [from, to], y, height: 16, unit: unit(series.unit), label: said(alarm, reason, asset, series),
    draw: (sx, sy) => [
      normal ? h("rect.normal-band", { key: "band", "data-low": String(normal[0]), "data-high": String(normal[1]), x: 0, width: 1000, y: sy(normal[1]), height: Math.max(4, sy(normal[0]) - sy(normal[1])) }) : null,
      normal ? level("expected", "expected-line", sy(reason.expected)) : null,
      line("range", "range-band", bandOf(at, data, sx, sy)),
      inside(reason.since_ms) ? upright("since", reason.since_ms, "version-line", sx) : null,
      inside(start) ? upright("start", start, "alarm-line", sx) : null,
      line("value", "curve.c0", pathOf(at, data.mean, sx, sy, { gap: 3010 * data.size_s }), { "data-tag": series.tag }),
    ],
    over: (px, py) => [
      normal ? levelName("normal", py(normal[1]), t("anomaly.band", { time: moment(reason.at_ms ?? start).time })) : null,
      flag("since", reason.since_ms, px, 0), flag("start", start, px, 1),
      inside(reason.at_ms) && reason.value !== null ? h("i.dot.signal.says-most", { key: "at", style: { left: `${px(reason.at_ms)}%`, top: `${py(reason.value)}%` }, title: t("anomaly.mark.at") }) : null,
      inside(reason.at_ms) && reason.value !== null ? flag("at", reason.at_ms, px, 2) : null,
    ],
  });
}

const floor = (ms) => Math.floor(ms / STEP_MS) * STEP_MS;

/** Minimum to maximum of each window as one area; broken where nothing is known. */
function bandOf(at, data, sx, sy) {
  let d = "", part = [];
  const close = () => {
    if (part.length > 1) d += `M${part.map((i) => `${sx(at[i]).toFixed(1)} ${sy(data.maximum[i]).toFixed(1)}`).join("L")}L${[...part].reverse().map((i) => `${sx(at[i]).toFixed(1)} ${sy(data.minimum[i]).toFixed(1)}`).join("L")}Z`;
    part = [];
  };
  at.forEach((ms, i) => {
    if (data.minimum[i] === null || data.maximum[i] === null || (i && ms - at[i - 1] > 3010 * data.size_s)) close();
    if (data.minimum[i] !== null && data.maximum[i] !== null) part.push(i);
  });
  close();
  return d;
}

/** The picture in words. */
function said(alarm, reason, asset, series) {
  const normal = normalText(reason) === null ? t("anomaly.label_none") : t("anomaly.label_normal", { expected: exactly(reason.expected, reason), spread: exactly(reason.spread, reason) });
  const known = (ms) => (ms === null ? "–" : clock(ms));
  return t("anomaly.label", {
    series: `${asset.name} ${tagName(series.tag)}`, since: known(reason.since_ms), start: known(alarm.begun_ms ?? alarm.start_ms), component: reason.component_text,
    value: reason.value === null ? "–" : exactly(reason.value, reason), at: known(reason.at_ms), normal,
  });
}

/** Earlier alarms that are like it, with what was said of them; null where there is none. */
export function similarPanel(alarm) {
  if (!alarm.similar?.length) return null;
  return panel(t("similar.title"), { key: "similar", class: "similar wide" },
    h("ul.plain.similar-list", null, alarm.similar.map((one) => h("li", { key: one.key, "data-similar": one.key, "data-near": one.near },
      h("p", null, link(`alarm/${one.key}`, { class: "rule" }, one.rule_name), " · ", time(one.start_ms, { date: "always" }), " · ", assetLink(one.asset), ` ${tagName(one.tag)}`),
      h("p", null, h("b.verdict", null, one.label ? t(`verdict.${one.label}`) : t("similar.unjudged")), one.by ? h("span.by", null, ` · ${one.by}`) : null,
        one.comment ? h("q", null, one.comment) : null, one.erp.number ? h("span.erp-number", null, ` · ${one.erp.number}`) : null),
      h("p.sub", null, [t(`similar.near.${one.near}`), t(`similar.relation.${one.relation}`), one.component_text, one.deviation === null ? null : deviationText(one.deviation), one.run_s === null ? null : t("similar.run", { run: duration(one.run_s) })].filter(Boolean).join(" · "))))),
    h("p.hint", null, t("similar.hint")));
}
