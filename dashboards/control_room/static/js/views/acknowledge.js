// Acknowledging: somebody has seen the alarm and answers for it. Critical alarms want a comment.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { can, post, takeAlarm } from "../store.js";

export function askAcknowledge(alarm) {
  ask({
    title: t("ack.title"), text: `${alarm.rule_name} – ${alarm.asset_name}`, label: t("ack.comment"),
    required: alarm.priority === "critical", go: t("ack.go"),
    run: async (comment) => takeAlarm(await post(`/api/v1/alarms/${alarm.key}/acknowledge`, { comment })),
  });
}

export function askComment(alarm) {
  ask({
    title: t("comment.title"), text: `${alarm.rule_name} – ${alarm.asset_name}`, label: t("comment.label"), required: true,
    go: t("comment.go"), run: async (comment) => takeAlarm(await post(`/api/v1/alarms/${alarm.key}/comment`, { comment })),
  });
}

export function acknowledgeButton(alarm, props = {}) {
  if (!alarm.unacknowledged || !can("alarm.acknowledge")) return null;
  return h("button.ack", { ...props, onclick: (event) => {
    event.preventDefault();
    event.stopPropagation();
    askAcknowledge(alarm);
  } }, t("ack.button"));
}

export function commentButton(alarm) {
  return can("alarm.comment") ? h("button", { key: "comment", onclick: () => askComment(alarm) }, t("comment.button")) : null;
}
