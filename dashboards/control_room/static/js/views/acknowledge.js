// Acknowledging: somebody has seen the alarm and answers for it. Critical alarms want a comment.

import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { can, post, takeAlarm } from "../store.js";

export function acknowledgeButton(alarm, props = {}) {
  if (!alarm.unacknowledged || !can("alarm.acknowledge")) return null;
  return h("button.ack", { ...props, onclick: (event) => {
    event.preventDefault();
    event.stopPropagation();
    ask({
      title: t("ack.title"), text: `${alarm.rule_name} – ${alarm.asset_name}`, label: t("ack.comment"),
      required: alarm.priority === "critical", go: t("ack.go"),
      run: async (comment) => takeAlarm(await post(`/api/v1/alarms/${alarm.key}/acknowledge`, { comment })),
    });
  } }, t("ack.button"));
}

export function commentButton(alarm) {
  if (!can("alarm.comment")) return null;
  return h("button", { onclick: () => ask({
    title: t("comment.title"), text: `${alarm.rule_name} – ${alarm.asset_name}`, label: t("comment.label"), required: true,
    go: t("comment.go"), run: async (comment) => takeAlarm(await post(`/api/v1/alarms/${alarm.key}/comment`, { comment })),
  }) }, t("comment.button"));
}
