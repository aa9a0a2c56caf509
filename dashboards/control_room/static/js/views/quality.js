// What quality decides: lots that the ERP was asked to block, and proposals of corrective and preventive action.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { duration, has, quantity, t } from "../i18n.js";
import { assetLink, empty, link, time, waiting } from "../parts.js";
import { can, invalidate, post, resource, state } from "../store.js";

const TOLD = ["product", "lot", "order", "rule", "priority", "limit", "peak", "out_s"]; // what a proposal says, in this order

export function quality() {
  const holds = resource("/api/v1/holds?limit=500", 4000), capas = resource("/api/v1/capas?limit=500", 4000);
  return h("div.quality-view", null,
    h("header.view-head", null, h("h1", null, t("nav.quality"))),
    h("h2.second-head", null, t("hold.title")),
    holds.data ? holds.data.holds.length ? h("div.table-wrap", null, h("table.holds", null,
      h("thead", null, h("tr", null, ["lot", "product", "asset", "state", "since", "alarm", "action"].map((name) => h("th", { key: name, scope: "col" }, name === "action" ? h("span.visually-hidden", null, t("column.action")) : t(`hold.${name}`))))),
      h("tbody", null, holds.data.holds.map(hold)))) : empty(t("hold.none")) : waiting(holds),
    h("h2.second-head", null, t("capa.title")),
    capas.data ? capas.data.capas.length ? h("ol.capas", null, capas.data.capas.map(capa)) : empty(t("capa.none")) : waiting(capas),
    h("p.hint", null, t(can("capa.decide") ? "capa.hint" : "capa.hint_looking")));
}

const alarmLink = (key) => link(`alarm/${key}`, null, state.alarms.get(key)?.rule_name ?? h("code", null, key));

function hold(one) {
  const cell = (name, ...children) => h("td", { key: name, class: `c-${name}`, "data-label": name === "action" ? "" : t(`hold.${name}`) }, ...children);
  const held = one.state === "asked";
  return h(`tr${held ? "" : ".over"}`, { key: one.key, "data-key": one.key },
    cell("lot", h("b", null, one.lot)), cell("product", one.product || "–"), cell("asset", assetLink(one.asset)),
    cell("state", h("b", null, t(`hold.${one.state}`))), cell("since", time(one.asked_ms, { seconds: false })), cell("alarm", alarmLink(one.alarm_key)),
    cell("action", held && can("holds.decide") ? h("button", { onclick: () => ask({
      title: t("hold.release_title", { lot: one.lot }), text: t("hold.release_text"), label: t("reason"), required: true, go: t("hold.release"),
      run: async (reason) => { await post(`/api/v1/holds/${one.key}/release`, { reason }); invalidate(); },
    }) }, t("hold.release")) : null));
}

function capa(one) {
  const told = TOLD.filter((name) => one.content[name] !== null && one.content[name] !== undefined);
  const others = (one.content.alarms ?? []).filter((key) => key !== one.alarm_key);
  return h(`li.panel.capa${one.state === "proposed" ? "" : ".over"}`, { key: one.key, "data-key": one.key },
    h("header.panel-head", null, h("h2", null, t(`capa.trigger_${one.trigger}`)), h("b.capa-state", null, t(`capa.${one.state}`))),
    h("dl.facts-list", null,
      fact("alarm", alarmLink(one.alarm_key), " · ", assetLink(one.content.asset), " · ", time(one.proposed_ms, { seconds: false })),
      told.map((name) => fact(name, shown(name, one.content))),
      others.length ? fact("alarms", others.map((key) => h("span.sub", { key }, alarmLink(key)))) : null,
      one.decided_ms ? fact("decided", `${one.actor_name} · `, time(one.decided_ms, { seconds: false }), h("q", null, one.reason)) : null),
    one.state === "proposed" && can("capa.decide") ? h("div.buttons", null,
      h("button", { key: "reject", onclick: () => decide(one, false) }, t("capa.reject")), h("button.primary", { key: "accept", onclick: () => decide(one, true) }, t("capa.accept"))) : null);
}

const fact = (name, ...what) => h("div", { key: name }, h("dt", null, has(`capa.${name}`) ? t(`capa.${name}`) : t(`column.${name}`)), h("dd", null, ...what));

function shown(name, content) {
  if (name === "priority") return t(`priority.${content.priority}`);
  if (name === "rule") return state.plant.byRule.get(content.rule)?.name ?? content.rule;
  if (name === "limit" || name === "peak") return quantity(content[name], content.unit);
  if (name === "out_s") return duration(content.out_s);
  return String(content[name]);
}

function decide(one, accept) {
  const name = accept ? "accept" : "reject";
  ask({ title: t(`capa.${name}_title`), text: t(`capa.${name}_text`), label: t("reason"), required: true, go: t(`capa.${name}`),
    run: async (reason) => { await post(`/api/v1/capas/${one.key}/decide`, { reason, accept }); invalidate(); } });
}
