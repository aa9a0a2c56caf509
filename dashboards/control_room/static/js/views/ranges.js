// What several views share about time: the choice of hours, and the alarms of a series as spans of a trend.

import { h } from "../dom.js";
import { duration, t } from "../i18n.js";
import { changed, resource, state } from "../store.js";

const HOURS = [1, 2, 4, 8, 24, 168];

export function hoursChoice(hours) {
  return h("div.choice", { role: "group", "aria-label": t("range") }, HOURS.map((n) => h("button", {
    key: n, "aria-pressed": String(n === hours), onclick: () => { state.filter.hours = n; changed(); },
  }, n < 48 ? t("unit.h", { n }) : t("unit.d", { n: n / 24 }))));
}

/** Alarms of a series, open and past, as {from, to, text, priority}. */
export function spansOf(asset, tag) {
  const one = resource(`/api/v1/alarms?show=all&limit=50&asset=${encodeURIComponent(asset)}`, 5000);
  const byKey = new Map((one.data?.alarms ?? []).map((alarm) => [alarm.key, alarm]));
  for (const alarm of state.alarms.values()) if (alarm.asset === asset) byKey.set(alarm.key, alarm);
  const now = state.pulse.as_of_ms;
  return [...byKey.values()].filter((alarm) => alarm.tag === tag).map((alarm) => {
    const to = alarm.active ? now : alarm.cleared_ms;
    return { from: alarm.start_ms, to, priority: alarm.priority_number, text: `${t(`span.${alarm.condition}`)} ${duration((to - alarm.start_ms) / 1000)}` };
  });
}
