// What could not become a reading: how many for which reason, the bytes as they came, and putting them in again.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { count, t } from "../i18n.js";
import { empty, panel, time, waiting } from "../parts.js";
import { can, changed, invalidate, post, resource, state } from "../store.js";

const chosen = new Map();
const keyOf = (row) => `${row.shard}.${row.offset}.${row.line}`;

export function deadLetters() {
  const reason = state.filter.reason ?? "";
  const one = resource(`/api/v1/dead-letters?limit=200${reason ? `&reason=${reason}` : ""}`, 4000);
  if (!one.data) return waiting(one);
  const { total, by_reason: counts, rows } = one.data;
  const pick = (name) => { state.filter.reason = name; changed(); };
  return h("div.dead-view", null,
    h("header.view-head", null, h("h1", null, t("nav.dead_letters"))),
    panel(t("dead.by_reason"), null, total ? h("div.reasons", null, [["", total], ...Object.entries(counts).sort((a, b) => b[1] - a[1])].map(([name, n]) => h("button.reason", { key: name, "aria-pressed": String(reason === name), onclick: () => pick(name) },
      h("b", null, count(n)), h("span", null, name ? t(`reason.${name}`) : t("filter.all")))) ) : empty(t("dead.none"))),
    rows.length ? h("div.table-wrap", null, h("table.dead", null,
      h("thead", null, h("tr", null, can("dead_letters.redrive") ? h("th", { scope: "col", key: "pick" }, h("span.visually-hidden", null, t("dead.pick"))) : null,
        ["received", "reason", "series", "place", "raw"].map((name) => h("th", { key: name, scope: "col" }, t(`column.${name}`))))),
      h("tbody", null, rows.map(row)))) : null,
    can("dead_letters.redrive") && rows.length ? h("div.redrive-bar", null, h("button.primary", { disabled: chosen.size === 0, onclick: redrive }, t("redrive.button", { n: chosen.size }))) : null,
    h("p.hint", null, t("dead.hint")));
}

function row(one) {
  const key = keyOf(one);
  const cell = (name, ...children) => h("td", { key: name, class: `c-${name}`, "data-label": t(`column.${name}`) }, ...children);
  return h(`tr${one.redriven ? ".over" : ""}`, { key },
    can("dead_letters.redrive") ? h("td", { key: "pick" }, h("input", { type: "checkbox", "aria-label": t("dead.pick"), disabled: Boolean(one.redriven), checked: chosen.has(key), onchange: (event) => { if (event.target.checked) chosen.set(key, one); else chosen.delete(key); changed(); } })) : null,
    cell("received", time(one.received_ms)),
    cell("reason", t(`reason.${one.reason}`), one.redriven ? h("span.sub", null, t("dead.redriven")) : null),
    cell("series", one.series || "–"), cell("place", h("span.sub", null, t("dead.place", { shard: one.shard, offset: one.offset, line: one.line }))),
    cell("raw", h("code.raw", null, one.raw), one.raw_base64 ? h("span.sub", null, t("dead.not_text")) : null));
}

function redrive() {
  const letters = [...chosen.values()].map(({ shard, offset, line }) => ({ shard, offset, line }));
  ask({ title: t("redrive.title", { n: letters.length }), text: t("redrive.text"), label: t("reason"), required: true, go: t("redrive.go"),
    run: async (reason) => { await post("/api/v1/dead-letters/redrive", { letters, reason }); chosen.clear(); invalidate(); } });
}
