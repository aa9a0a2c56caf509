// How an alarm stands beside its state: set aside, silenced by design, latched, whose it is, what late data made of it.
// Each is a sign with words; colour tells nothing that is not said.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { link, time } from "./parts.js";
import { resource, state } from "./store.js";

const SIGNS = {
  shelved: "M8 5v14M16 5v14", out_of_service: "M6 6l12 12M18 6L6 18", suppressed: "M12 3a9 9 0 1 0 .01 0M5.7 5.7l12.6 12.6",
  latched: "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11", quiet: "M4 9v6h4l6 5V4L8 9zM17 9l5 6M22 9l-5 6",
  owner: "M12 4a4 4 0 1 0 .01 0M4 21c0-5 3.5-8 8-8s8 3 8 8", going: "M4 12h14M12 6l6 6l-6 6", arrived: "M5 13l5 5L20 7",
  late: "M12 3a9 9 0 1 0 .01 0M12 7v5l4 3", label: "M4 4h9l8 8l-9 9l-8-8zM8 8h.01",
};

const sign = (name) => h("svg.sign-of", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: SIGNS[name] }));
const token = (name, ...what) => h(`span.token.t-${name}`, { key: name }, sign(name), h("span", null, ...what));

/** How people have set the alarm's point aside: {mode, until_ms, by, reason}, or null. */
export function asideOf(alarm) {
  if (alarm.aside !== undefined) return alarm.aside;
  const points = resource("/api/v1/alarm-points?limit=1000", 5000).data?.points ?? [];
  return points.find((one) => one.asset === alarm.asset && one.tag === alarm.tag && one.rule_id === alarm.rule_id) ?? null;
}

/** What is to be known beside the state, as a row of signs with words. brief: without what the view shows elsewhere. */
export function tokens(alarm, { brief = false } = {}) {
  const aside = asideOf(alarm);
  const found = [
    aside?.mode === "shelved" ? token("shelved", t("token.shelved"), " ", time(aside.until_ms, { seconds: false })) : null,
    aside?.mode === "out_of_service" ? token("out_of_service", t("token.out_of_service")) : null,
    alarm.suppressed_by ? token("suppressed", t("token.suppressed"), " ", t(`suppressed_by.${alarm.suppressed_by}`)) : null,
    alarm.state.startsWith("latched") ? token("latched", t("token.latched")) : null,
    alarm.quiet ? token("quiet", t(`quiet.${alarm.quiet}`)) : null,
    alarm.voided ? token("late", t("token.voided")) : null,
    alarm.merged_into ? token("late", link(`alarm/${alarm.merged_into}`, null, t("token.merged"))) : null,
    brief ? null : owner(alarm),
    brief || !alarm.label ? null : token("label", t(`verdict.${alarm.label}`)),
  ].filter(Boolean);
  return found.length ? h("span.tokens", null, found) : null;
}

/** Whose it is, and who is on the way or there. */
export function owner(alarm) {
  const { assigned, going } = alarm;
  if (!assigned && !going) return null;
  return [
    assigned ? token("owner", assigned.name ?? assigned.to) : null,
    going ? going.arrived_ms ? token("arrived", t("token.arrived", { name: going.name })) : token("going", t("token.going", { name: going.name }), " ", time(going.arrives_ms, { seconds: false })) : null,
  ];
}

const begun = (alarm) => alarm.begun_ms ?? alarm.start_ms;

/** Open and closed alarms by their incident, the newest first: [{key, first, alarms, open, waits}], the first cause first in each. */
export function incidents() {
  const all = resource("/api/v1/alarms?show=all&limit=1000", 5000).data?.alarms ?? [];
  const known = new Map(all.map((alarm) => [alarm.key, alarm]));
  for (const alarm of state.alarms.values()) known.set(alarm.key, alarm);
  const groups = new Map();
  for (const alarm of known.values()) {
    if (alarm.incident && !alarm.voided) groups.set(alarm.incident, [...(groups.get(alarm.incident) ?? []), alarm]);
  }
  const made = [...groups].map(([key, alarms]) => {
    alarms.sort((a, b) => begun(a) - begun(b) || (a.key < b.key ? -1 : 1));
    return { key, first: alarms[0], alarms, open: alarms.some((alarm) => alarm.active), waits: alarms.some((alarm) => alarm.unacknowledged) };
  });
  return made.sort((a, b) => Number(b.open) - Number(a.open) || Number(b.waits) - Number(a.waits) || begun(b.first) - begun(a.first));
}
