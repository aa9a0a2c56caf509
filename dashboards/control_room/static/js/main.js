// The shell: header with the plant's time, navigation, alarm counts; the routes; and drawing.

import { h, render } from "./dom.js";
import { count, currentLanguage, duration, moment, t } from "./i18n.js";
import { markOf } from "./parts.js";
import { alarmsByUrgency, changed, chooseLanguage, isAside, onChange, onNewAlarm, post, start, state } from "./store.js";
import { alarmDetail } from "./views/alarm.js";
import { ALARM_VIEWS } from "./views/alarm_tabs.js";
import { alarmList } from "./views/alarms.js";
import { asideList } from "./views/aside.js";
import { asset } from "./views/asset.js";
import { deadLetters } from "./views/dead_letters.js";
import { erpRecords } from "./views/erp.js";
import { alarmFigures } from "./views/figures.js";
import { incidentList } from "./views/incidents.js";
import { ledger } from "./views/ledger.js";
import { line } from "./views/line.js";
import { models } from "./views/models.js";
import { overview } from "./views/overview.js";
import { quality } from "./views/quality.js";
import { wall } from "./views/wall.js";

const VIEWS = { "": overview, line, asset, alarms: alarmList, alarm: alarmDetail, incidents: incidentList, aside: asideList, figures: alarmFigures, erp: erpRecords, quality, models, "dead-letters": deadLetters, ledger, wall };
const NAVIGATION = [
  ["", "overview", "M3 12l9-8 9 8v8a1 1 0 0 1-1 1h-5v-6h-6v6H4a1 1 0 0 1-1-1z"],
  ["alarms", "alarms", "M12 3l10 18H2zM12 9v6M12 17.5v.5"],
  ["erp", "erp", "M5 3h10l4 4v14H5zM9 12h6M9 16h6M9 8h3"],
  ["quality", "quality", "M12 3l8 3v6c0 4.5-3.3 7.8-8 9-4.7-1.2-8-4.5-8-9V6zM9 12l2 2 4-4"],
  ["models", "models", "M4 18l5-6 4 3 7-9M4 4v16h16"],
  ["dead-letters", "dead_letters", "M3 6h18v12H3zM3 6l9 7 9-7M15 13l6 5M9 13l-6 5"],
  ["ledger", "ledger", "M12 4v16M7 20h10M4 8h16M4 8l-2 6h5zM20 8l-3 6h5z"],
];

function route() {
  const [name, ...rest] = decodeURIComponent(location.hash.replace(/^#\/?/, "")).split("/");
  const found = name in VIEWS ? name : "";
  state.route = { name: found, rest: rest.join("/") };
}

function header() {
  const pulse = state.pulse;
  const now = pulse ? moment(pulse.as_of_ms) : null;
  const old = !state.connected || pulse?.behind || pulse?.shards_missing > 0;
  return h("header.top", null,
    h("a.brand", { href: "#/" }, h("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24 }), h("span", null, state.plant.site.name)),
    alarmCounts(),
    h(`div.clock${old ? ".old" : ""}`, { title: t("clock_hint") },
      h("span.clock-label", null, t("as_of")),
      now ? h("time.num", null, `${now.date} `, h("b", null, now.time), h("span.tz", null, ` ${now.offset}`)) : "–",
      h("span.lag", null, state.connected ? (pulse?.shards_missing ? t("lag.shards", { n: pulse.shards_missing }) : t("lag.behind", { lag: duration(pulse?.lag_s ?? 0) })) : t("lag.lost"),
        state.plant.speed === 1 ? null : ` · ${t("speed", { n: count(state.plant.speed) })}`)),
    h("div.tools", null,
      h("button.tool", { onclick: () => chooseLanguage(currentLanguage() === "en" ? "zh-CN" : "en"), lang: currentLanguage() === "en" ? "zh-CN" : "en", id: "language" }, currentLanguage() === "en" ? "中文" : "English"),
      h("button.tool", { onclick: theme, "aria-label": t("theme"), title: t("theme") }, h("span", { "aria-hidden": "true" }, "◐")),
      h("a.tool.wall-link", { href: state.route.name === "wall" ? "#/" : "#/wall" }, t(state.route.name === "wall" ? "nav.overview" : "wall.name")),
      h("button.tool.who", { onclick: logout, title: t("logout"), "aria-label": `${t("logout")}: ${state.me.name}` }, h("span.who-name", null, state.me.name), h("span.who-role", null, t(`role.${state.me.role}`)), h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4" })))));
}

function alarmCounts() {
  const alarms = [...state.alarms.values()].filter((alarm) => !isAside(alarm));
  const waiting = alarms.filter((alarm) => alarm.unacknowledged).length;
  return h("a.counts", { href: "#/alarms", "aria-label": t("counts_label", { open: alarms.length, unacknowledged: waiting }) },
    ["critical", "high", "medium", "low"].map((priority) => {
      const mine = alarms.filter((alarm) => alarm.priority === priority);
      return h(`span.count-of${mine.length ? "" : ".zero"}`, { key: priority }, markOf(priority, mine.some((alarm) => alarm.unacknowledged)), h("b", null, String(mine.length)));
    }),
    h("span.waiting", null, waiting ? t("waiting", { n: waiting }) : t("all_acknowledged")));
}

function navigation() {
  return h("nav.side", { "aria-label": t("navigation") },
    NAVIGATION.map(([to, name, icon]) => h(`a${state.route.name === to || (to === "alarms" && (state.route.name === "alarm" || ALARM_VIEWS.includes(state.route.name))) || (to === "" && ["line", "asset"].includes(state.route.name)) ? ".here" : ""}`, { key: to, href: `#/${to}`, "aria-current": state.route.name === to ? "page" : null },
      h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: icon })),
      h("span", null, t(`nav.${name}`)),
      badge(name))));
}

function badge(name) {
  const n = name === "alarms" ? [...state.alarms.values()].filter((alarm) => alarm.unacknowledged).length
    : name === "erp" ? state.pulse?.erp?.parked ?? 0
      : name === "ledger" ? Math.abs(state.pulse?.ledger?.difference ?? 0) : 0;
  return n ? h("b.badge", null, count(n)) : null;
}

function lost() {
  if (state.connected && !state.pulse?.behind) return null;
  if (!state.connected && Date.now() - state.since < 2500) return null;
  return h("div.lost", { role: "status" }, h("b", null, "⚠ "),
    state.connected ? t("lag.banner", { lag: duration(state.pulse.lag_s) }) : t("lost_banner", { since: duration((Date.now() - state.since) / 1000) }));
}

function draw() {
  if (!state.plant || !state.pulse) return;
  const view = VIEWS[state.route.name];
  const onWall = state.route.name === "wall";
  document.title = `${state.alarms.size ? `(${state.alarms.size}) ` : ""}${state.plant.site.name} – Andon`;
  document.body.classList.toggle("on-wall", onWall);
  document.body.classList.toggle("is-stale", !state.connected);
  render(document.getElementById("app"),
    h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); document.getElementById("main").focus(); } }, t("skip")),
    header(), lost(),
    h("div.body", null, onWall ? null : navigation(),
      h("main", { id: "main", tabindex: -1, key: `${state.route.name}/${state.route.rest}` }, view(state.route.rest))));
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("andon.theme", root.dataset.theme);
  } catch (error) {
    console.info("the theme is not kept", error.name);
  }
  changed();
}

async function logout() {
  await post("/logout", {});
  location.assign("/login");
}

onNewAlarm.call = (alarm) => {
  const place = document.getElementById("announce");
  place.textContent = t("announce", { priority: t(`priority.${alarm.priority}`), rule: alarm.rule_name, asset: alarm.asset_name });
};

addEventListener("hashchange", () => {
  const before = state.route;
  route();
  draw();
  if (before.name !== state.route.name || before.rest !== state.route.rest) {
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }
});
onChange(draw);
route();
start().then(draw).catch((error) => {
  render(document.getElementById("app"), h("p.loading", { role: "alert" }, String(error.message || error)));
});
export { alarmsByUrgency };
