// What people do about an alarm beside acknowledging it: whose it is, on the way, quiet for a time, out of service, judged.
// What is offered follows the alarm's state and the rights of who looks; what the service refuses is said in the dialog.

import { choose, form } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { asideOf } from "../standing.js";
import { can, post, state, takeAlarm } from "../store.js";
import { askAcknowledge, askComment } from "./acknowledge.js";

const MOST_HOURS = 8;

/** [[name, run]] of what can be done about the alarm now. */
export function actsOf(alarm) {
  const { mode } = asideOf(alarm) ?? {};
  const open = alarm.state !== "normal";
  const assign = open && can("alarm.assign");
  const acts = [
    [assign, "assign", () => askAssign(alarm)],
    [assign && !alarm.going, "going", () => askGoing(alarm)],
    [assign && alarm.going && !alarm.going.arrived_ms, "arrived", () => askComments(alarm, "arrived")],
    [alarm.state.startsWith("latched") && can("alarm.reset"), "reset", () => askComments(alarm, "reset")],
    [!mode && !/^(suppressed|returned|latched)/.test(alarm.state) && can("alarm.shelve"), "shelve", () => askShelve(alarm)],
    [mode === "shelved" && can("alarm.shelve"), "unshelve", () => askReason(alarm, "unshelve")],
    [mode !== "out_of_service" && alarm.state !== "suppressed" && can("alarm.out_of_service"), "out_of_service", () => askReason(alarm, "out_of_service", "out-of-service")],
    [mode === "out_of_service" && can("alarm.out_of_service"), "restore", () => askReason(alarm, "restore")],
    [can("alarm.label"), "label", () => askLabel(alarm)],
  ];
  return acts.filter(([may]) => may).map(([, name, run]) => [name, run]);
}

/** The acts as buttons, for the alarm's own view. */
export function actButtons(alarm) {
  return actsOf(alarm).map(([name, run]) => h("button", { key: name, "data-act": name, onclick: run }, t(`act.${name}`)));
}

/** One button that opens the list of acts, for a row of the list. */
export function moreButton(alarm) {
  const acts = actsOf(alarm);
  if (!acts.length) return null;
  return h("button.more-acts", { key: "more", "aria-haspopup": "dialog", "aria-label": `${t("act.more")}: ${alarm.rule_name}`, onclick: () => choose({
    title: t("act.more_title"), text: about(alarm),
    choices: [
      ...(alarm.unacknowledged && can("alarm.acknowledge") ? [[t("ack.button"), () => askAcknowledge(alarm)]] : []),
      ...(can("alarm.comment") ? [[t("comment.button"), () => askComment(alarm)]] : []),
      ...acts.map(([name, run]) => [t(`act.${name}`), run]),
    ],
  }) }, t("act.more"));
}

const about = (alarm) => `${alarm.rule_name} – ${alarm.asset_name}`;
const send = async (alarm, path, body) => takeAlarm(await post(`/api/v1/alarms/${alarm.key}/${path}`, body));
const reason = (label = t("reason")) => ({ name: "reason", label, kind: "textarea", required: true });
const comment = () => ({ name: "comment", label: t("act.comment"), kind: "textarea" });

function askComments(alarm, name) {
  form({ title: t(`act.${name}`), text: `${about(alarm)}. ${t(`act.${name}_text`)}`, go: t(`act.${name}`), fields: [comment()], run: (body) => send(alarm, name, body) });
}

function askReason(alarm, name, path = name) {
  form({ title: t(`act.${name}`), text: `${about(alarm)}. ${t(`act.${name}_text`)}`, go: t(`act.${name}`), fields: [reason()], run: (body) => send(alarm, path, body) });
}

function askAssign(alarm) {
  const mine = alarm.assigned?.to === state.me.id;
  form({
    title: t("act.assign"), text: about(alarm), go: t("act.assign"),
    fields: [
      { name: "whose", label: t("act.whose"), kind: "select", value: mine ? "other" : "me", options: ["me", "other", ...(alarm.assigned ? ["nobody"] : [])].map((one) => [one, t(`act.whose_${one}`)]) },
      { name: "user", label: t("act.user"), required: true, hint: t("act.user_hint"), when: ({ whose }) => whose === "other" },
      comment(),
    ],
    run: ({ whose, user, comment: said }) => send(alarm, "assign", { to: whose === "me" ? state.me.id : user ?? "", comment: said }),
  });
}

function askGoing(alarm) {
  form({
    title: t("act.going"), text: `${about(alarm)}. ${t("act.going_text")}`, go: t("act.going"),
    fields: [{ name: "minutes", label: t("act.minutes"), kind: "number", value: "10", min: 0, max: 24 * 60, step: 1, required: true }, comment()],
    run: ({ minutes, comment: said }) => send(alarm, "going", { arrives_in_s: Number(minutes) * 60, comment: said }),
  });
}

function askShelve(alarm) {
  let two = alarm.priority === "critical"; // another alarm of the point may be: then the service asks for it
  const second = [
    { name: "user", label: t("act.second_user"), required: true, hint: t("act.second_hint"), when: () => two },
    { name: "password", label: t("act.second_password"), kind: "password", required: true, when: () => two },
  ];
  form({
    title: t("act.shelve"), text: `${about(alarm)}. ${t("act.shelve_text", { hours: MOST_HOURS })}`, go: t("act.shelve"),
    fields: [
      { name: "minutes", label: t("act.quiet_minutes"), kind: "number", value: "30", min: 1, max: MOST_HOURS * 60, step: 1, required: true },
      reason(), ...second,
    ],
    run: async ({ minutes, reason: why, user, password }) => {
      try {
        await send(alarm, "shelve", { for_s: Number(minutes) * 60, reason: why, ...(two ? { second: { user, password } } : {}) });
      } catch (refusal) {
        two ||= refusal.code === "records.second_person";
        throw refusal;
      }
    },
  });
}

function askLabel(alarm) {
  form({
    title: t("act.label"), text: `${about(alarm)}. ${t("act.label_text")}`, go: t("act.label"),
    fields: [
      { name: "verdict", label: t("act.verdict"), kind: "select", value: alarm.label ?? "true", options: ["true", "false", "known"].map((one) => [one, t(`verdict.${one}`)]) },
      comment(),
    ],
    run: (body) => send(alarm, "label", body),
  });
}
