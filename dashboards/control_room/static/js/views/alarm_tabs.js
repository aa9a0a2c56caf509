// The views about alarms, side by side above each of them.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { state } from "../store.js";

export const ALARM_VIEWS = ["alarms", "incidents", "aside", "figures"];

export function alarmTabs() {
  return h("nav.tabs", { "aria-label": t("nav.alarm_views") }, ALARM_VIEWS.map((name) => h(`a${state.route.name === name ? ".here" : ""}`, { key: name, href: `#/${name}`, "aria-current": state.route.name === name ? "page" : null }, t(`tab.${name}`))));
}
