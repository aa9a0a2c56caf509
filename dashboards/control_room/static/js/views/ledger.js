// Every row that came in and what became of it, series by series; it balances to the row or says where not.

import { h } from "../dom.js";
import { count, t } from "../i18n.js";
import { empty, seriesName, waiting } from "../parts.js";
import { changed, resource, state } from "../store.js";

const COLUMNS = ["received", "counted", "late", "duplicate", "bad", "dead", "difference", "conflict"];

export function ledger() {
  const hours = state.filter.ledger ?? 24;
  const one = resource(`/api/v1/ledger${hours ? `?hours=${hours}` : ""}`, 5000);
  if (!one.data) return waiting(one);
  const rows = one.data.series;
  const sum = Object.fromEntries(COLUMNS.map((name) => [name, rows.reduce((all, row) => all + row[name], 0)]));
  return h("div.ledger-view", null,
    h("header.view-head", null, h("h1", null, t("nav.ledger")), h("div.choice", { role: "group", "aria-label": t("range") }, [1, 24, 0].map((n) => h("button", { key: n, "aria-pressed": String(hours === n), onclick: () => { state.filter.ledger = n; changed(); } }, n ? t("unit.h", { n }) : t("filter.all"))))),
    h(`p.balance${sum.difference ? ".bad" : ""}`, { role: "status" }, sum.difference ? `⚠ ${t("ledger.off", { n: count(sum.difference) })}` : `✓ ${t("ledger.balances", { n: count(sum.received) })}`),
    rows.length ? h("div.table-wrap", null, h("table.numbers", null,
      h("thead", null, h("tr", null, h("th", { scope: "col", key: "series" }, t("column.series")), COLUMNS.map((name) => h("th", { key: name, scope: "col" }, t(`ledger.${name}`))))),
      h("tbody", null, rows.map((row) => h(`tr${row.difference ? ".bad" : ""}`, { key: `${row.asset}/${row.tag}` },
        h("th", { scope: "row", key: "series" }, row.asset ? seriesName(row.asset, row.tag) : t("ledger.unreadable")),
        COLUMNS.map((name) => h(`td${row[name] ? "" : ".zero"}`, { key: name, "data-label": t(`ledger.${name}`) }, count(row[name])))))),
      h("tfoot", null, h("tr", null, h("th", { scope: "row", key: "series" }, t("ledger.sum")), COLUMNS.map((name) => h("td", { key: name, "data-label": t(`ledger.${name}`) }, count(sum[name]))))))) : empty(t("no_data")),
    h("p.hint", null, t("ledger.hint")));
}
