// What went to the ERP: number, state, attempts; parked orders are released from here.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { count, t } from "../i18n.js";
import { assetLink, empty, erp, link, time, waiting } from "../parts.js";
import { can, changed, invalidate, post, resource, state } from "../store.js";

export function erpRecords() {
  const chosen = state.filter.erp ?? "";
  const one = resource(`/api/v1/erp-records?limit=500${chosen ? `&state=${chosen}` : ""}`, 4000);
  if (!one.data) return waiting(one);
  const { counts, orders } = one.data;
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return h("div.erp-view", null,
    h("header.view-head", null, h("h1", null, t("nav.erp")), h("div.choice", { role: "group", "aria-label": t("column.state") },
      [["", all], ...Object.entries(counts)].map(([name, n]) => h("button", { key: name, "aria-pressed": String(chosen === name), onclick: () => { state.filter.erp = name; changed(); } }, name ? t(`erp.${name}`) : t("filter.all"), h("b.n", null, count(n)))))),
    orders.length ? h("div.table-wrap", null, h("table", null,
      h("thead", null, h("tr", null, ["number", "kind", "asset", "erp_state", "attempts", "created", "delivered", "alarm", "action"].map((name) => h("th", { key: name, scope: "col" }, name === "action" ? "" : t(`column.${name}`))))),
      h("tbody", null, orders.map(row)))) : empty(t("erp.empty")),
    h("p.hint", null, t("erp.hint")));
}

function row(order) {
  const cell = (name, ...children) => h("td", { key: name, class: `c-${name}`, "data-label": t(`column.${name}`) }, ...children);
  return h(`tr${order.state === "parked" ? ".edge-p2" : ""}`, { key: order.key },
    cell("number", h("b.number", null, order.number ?? "–"), order.id ? h("span.sub", null, order.id) : null),
    cell("kind", t(`raises.${order.kind}`)), cell("asset", assetLink(order.asset)),
    cell("erp_state", erp({ ...order, number: null }), order.status ? h("span.sub", null, t("erp.in_erp"), " ", h("b", null, order.status), order.closed ? ` · ${t("erp.closed_there")}` : null) : null, order.error ? h("p.error", null, order.error) : null),
    cell("attempts", count(order.attempts)), cell("created", time(order.created_ms)), cell("delivered", time(order.delivered_ms)),
    cell("alarm", order.alarm ? link(`alarm/${order.alarm}`, null, h("code", null, order.alarm)) : "–"),
    cell("action", order.state === "parked" && can("outbox.release") ? h("button", { onclick: () => release(order) }, t("release.button")) : null));
}

function release(order) {
  ask({ title: t("release.title"), text: order.error ?? "", label: t("reason"), required: true, go: t("release.go"),
    run: async (reason) => { await post(`/api/v1/erp-records/${order.key}/release`, { reason }); invalidate(); } });
}
