// One alarm: why in a plain sentence, what it means, what to do, its trend, its evidence, its history, its ERP record.

import { h } from "../dom.js";
import { has, t } from "../i18n.js";
import { alarmState, assetLink, erp, lastedText, limitText, link, mark, panel, peakText, time, waiting } from "../parts.js";
import { resource, state } from "../store.js";
import { anomalyPanel, similarPanel } from "../pictures/anomaly.js";
import { asideOf, incidents, owner, tokens } from "../standing.js";
import { acknowledgeButton, commentButton } from "./acknowledge.js";
import { actButtons } from "./acts.js";
import { evidencePanel } from "./evidence.js";
import { trendPanel } from "./line.js";

export function alarmDetail(key) {
  const one = resource(`/api/v1/alarms/${encodeURIComponent(key)}`, 3000);
  if (!one.data) return waiting(one);
  const alarm = one.data;
  const asset = state.plant.byPath.get(alarm.asset);
  const series = asset?.series.find((s) => s.tag === alarm.tag);
  const fact = (name, ...what) => h("div", { key: name }, h("dt", null, t(`fact.${name}`)), h("dd", null, ...what));
  return h("div.alarm-view", null,
    h("header.view-head", null, h("h1", null, mark(alarm, "big"), alarm.rule_name), h("div.buttons.acts", null, acknowledgeButton(alarm, { class: "primary" }), commentButton(alarm), actButtons(alarm))),
    h(`section.why.edge-p${alarm.priority_number}`, null, h("p", null, alarm.why), tokens(alarm, { brief: true }),
      h("dl.reasons", null,
        alarm.consequence ? fact("consequence", alarm.consequence) : null,
        alarm.response ? fact("response", alarm.response) : null)),
    h("div.grid.two", null,
      panel(t("facts"), null, h("dl.facts-list", null,
        fact("asset", asset ? assetLink(alarm.asset) : alarm.asset, h("span.path", null, ` ${alarm.asset}/${alarm.tag}`)),
        fact("priority", mark(alarm), " ", t(`priority.${alarm.priority}`)),
        fact("state", alarmState(alarm), alarm.active ? ` · ${t("active")}` : ` · ${t("over")}`),
        owner(alarm) ? fact("owner", h("span.tokens", null, owner(alarm))) : null,
        asideFact(alarm, fact),
        alarm.begun_ms && alarm.begun_ms !== alarm.start_ms
          ? fact("start", time(alarm.begun_ms, { date: "always" }), h("span.sub", null, t("corrected_start"), " ", time(alarm.start_ms)))
          : fact("start", time(alarm.start_ms, { date: "always" })),
        fact("confirmed", time(alarm.confirmed_ms, { date: "always" })),
        fact("cleared", alarm.active ? t("still_active") : time(alarm.cleared_ms, { date: "always" })),
        h("div", { key: "duration" }, h("dt", null, t("column.duration")), h("dd", null, lastedText(alarm))),
        h("div", { key: "limit" }, h("dt", null, t("column.limit")), h("dd", null, limitText(alarm))), h("div", { key: "peak" }, h("dt", null, t("column.peak")), h("dd", null, peakText(alarm))),
        fact("raises", t(`raises.${alarm.raises}`)),
        fact("erp", erp(alarm.erp), inErp(alarm.erp), alarm.erp?.error ? h("p.error", null, alarm.erp.error) : null),
        alarm.label ? fact("label", t(`verdict.${alarm.label}`)) : null,
        alarm.ack ? fact("ack", alarm.ack.by, " · ", time(alarm.ack.ms), alarm.ack.comment ? h("q", null, alarm.ack.comment) : null) : null)),
      panel(t("history"), null, h("ol.transitions", null, alarm.transitions.map((step) => h("li", { key: step.seq },
        time(step.ms), h("b", null, t(`transition.${step.kind}`)), h("span.by", null, step.actor),
        step.revision > 1 ? h("span.rev", null, t("revision", { n: step.revision })) : null,
        step.comment ? h("q", null, step.comment) : null))))),
    anomalyPanel(alarm, asset, series),
    similarPanel(alarm),
    belongs(alarm),
    asset && series?.kind === "number" ? trendPanel(asset, series, { wide: true, height: 280 }) : null,
    evidencePanel(alarm, h("dl.facts-list.evidence", null,
      fact("key", h("code", null, alarm.key)),
      fact("rule", h("code", null, alarm.rule_id), " ", h("code.dim", null, alarm.rule_version)),
      Object.entries(alarm.evidence).filter(([name, what]) => name !== "similar" && !isEmpty(what)).map(([name, what]) => h("div", { key: name }, h("dt", null, nameOf(name)), h("dd", null, name === "component" && alarm.reason ? alarm.reason.component_text : shown(name, what)))))));
}

function asideFact(alarm, fact) {
  const aside = asideOf(alarm);
  if (!aside) return null;
  return fact("aside", h("b", null, t(`alarm_state.${aside.mode}`)), ` · ${aside.by} · `, aside.until_ms ? [`${t("aside.until")} `, time(aside.until_ms)] : t("aside.until_restored"), h("q", null, aside.reason));
}

/** How the ERP itself calls the state of its record, once it has been asked. */
function inErp(one) {
  if (!one?.status) return null;
  return h("span.sub", null, t("erp.in_erp"), " ", h("b", null, one.status), one.closed ? ` · ${t("erp.closed_there")}` : null);
}

/** The incident that the alarm is a part of: its first cause, and what else belongs to it. */
function belongs(alarm) {
  const one = alarm.incident ? incidents().find((each) => each.key === alarm.incident) : null;
  if (!one || one.alarms.length < 2) return null;
  const others = one.alarms.filter((other) => other.key !== alarm.key && other.key !== one.first.key);
  const line = (other) => [mark(other), " ", link(`alarm/${other.key}`, { class: "rule" }, other.rule_name), " · ", assetLink(other.asset), " · ", time(other.begun_ms ?? other.start_ms)];
  return panel(t("incident.title"), { class: "wide", extra: link("incidents", { class: "more" }, t("incident.all", { n: one.alarms.length })) },
    h("dl.facts-list", null,
      h("div", { key: "first" }, h("dt", null, t("incident.first")), h("dd", null, one.first.key === alarm.key ? h("b", null, t("incident.this")) : line(one.first))),
      others.length ? h("div", { key: "then" }, h("dt", null, t("incident.others")), h("dd", null, h("ul.plain", null, others.slice(0, 8).map((other) => h("li", { key: other.key }, line(other)))))) : null));
}

const isEmpty = (what) => what === null || (typeof what === "object" && Object.keys(what).length === 0);
const nameOf = (name) => (has(`evidence_name.${name}`) ? t(`evidence_name.${name}`) : name);

/** A piece of evidence: stamps (ns, written as text because they are too long for a number) as times, objects as lists. */
function shown(name, what) {
  if (name.endsWith("_ns") && /^\d{13,}$/.test(String(what))) return time(Number(String(what).slice(0, -6)), { date: "always" });
  if (what !== null && typeof what === "object" && !Array.isArray(what)) {
    return h("ul.evidence-list", null, Object.entries(what).map(([one, inner]) => h("li", { key: one }, h("span.sub-name", null, nameOf(one)), shown(one, inner))));
  }
  const rounded = typeof what === "number" && !Number.isInteger(what) ? Number(what.toPrecision(6)) : what;
  return h("code", null, typeof what === "object" ? JSON.stringify(what) : String(rounded));
}
