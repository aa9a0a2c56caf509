// The declared windows of a series, newest first: one small table for each.

import { h } from "../dom.js";
import { count, has, number, t } from "../i18n.js";
import { empty, panel, time, waiting } from "../parts.js";
import { resource } from "../store.js";

const SHOWN = 12;
const HOURS = 24 * 40; // the newest ones of a month too

/** A panel with the windows that are declared on a series; null where none is. */
export function windowsPanel(asset, series) {
  if (!series.windows.length) return null;
  const one = resource(`/api/v1/windows?asset=${encodeURIComponent(asset.path)}&tag=${series.tag}&hours=${HOURS}&limit=${SHOWN}`, 10000);
  const title = `${t(`tag.${series.tag}`)} \u00b7 ${t("window.title")}`;
  return panel(title, { key: `windows-${series.tag}`, class: "windows" }, one.data ? one.data.windows.map(table) : waiting(one));
}

function table(window) {
  const names = window.statistics.filter((name) => name !== "count");
  return h("div.window-table", { key: window.id },
    h("h3", null, window.id),
    window.rows.length ? h("div.table-wrap", null, h("table.numbers", null,
      h("thead", null, h("tr", null,
        h("th", { key: "when", scope: "col" }, t("window.when")),
        ["count", ...names].map((name) => h("th", { key: name, scope: "col" }, label(name))))),
      h("tbody", null, window.rows.map((row) => h("tr", { key: row.start_ms },
        h("th", { key: "when", scope: "row" }, row.shift ? `${row.shift} \u00b7 ` : "", time(row.start_ms), " \u2013 ", time(row.end_ms)),
        h("td", { key: "count", "data-label": label("count") }, count(row.count)),
        names.map((name) => h("td", { key: name, "data-label": label(name) }, row[name] === undefined ? "\u2013" : number(row[name], places(row[name]))))))))) : empty(t("no_data")));
}

/** Digits behind the point for a small number, of which two tell nothing: a rate a second is often one. */
function places(value) {
  return value && Math.abs(value) < 0.1 ? Math.min(8, 1 - Math.floor(Math.log10(Math.abs(value)))) : null;
}

/** What people call a statistic; a percentile by its rank. */
function label(name) {
  return has(`window.${name}`) ? t(`window.${name}`) : t("window.percentile", { n: name.slice(1) });
}
