// A moment that somebody types: wall-clock time of the site, with an offset where it would not be clear.

import { currentZone, moment, t } from "./i18n.js";

const FORM = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2})(?::(\d{2}))? ?(Z|[+-]\d{2}:\d{2})?$/;
const DAY_MS = 86400000;

/** The moment in ms; an Error in words where it is none, came twice or has not come yet (`now`, ms). */
export function typedMoment(text, now) {
  const said = text.trim().replaceAll("：", ":").replaceAll(/\s+/g, " ");
  const match = said.match(FORM);
  const wall = match ? wallOf(match) : null;
  if (wall === null) throw new Error(t("moment.unreadable", { text: said || "–", zone: currentZone() }));
  const found = match[7] ? [wall - offsetMs(match[7])] : moments(wall);
  if (!found.length) throw new Error(t("moment.left_out", { text: said, zone: currentZone() }));
  if (found.length > 1) throw new Error(t("moment.twice", { text: said, zone: currentZone(), first: moment(found[0]).offset, second: moment(found[1]).offset }));
  if (found[0] > now) throw new Error(t("moment.future", { text: said, now: written(now) }));
  return found[0];
}

/** A moment as people type it here. */
export function written(ms) {
  const m = moment(ms, false);
  return `${m.date} ${m.time}`;
}

/** Date and time read as if they were UTC; null where there is no such day or hour. */
function wallOf([, ...parts]) {
  const [year, month, day, hour, minute, second] = parts.slice(0, 6).map((one) => Number(one ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(ms);
  return back.getUTCMonth() === month - 1 && back.getUTCDate() === day && hour < 24 && minute < 60 && second < 60 ? ms : null;
}

function offsetMs(text) {
  if (text === "Z") return 0;
  const [hours, minutes] = text.slice(1).split(":").map(Number);
  return (text[0] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60000;
}

/** Every moment at which clocks of the site show that: none in a gap, two in the hour that comes twice. */
function moments(wall) {
  const offsets = new Set([wall - DAY_MS, wall + DAY_MS].map((ms) => offsetMs(moment(ms).offset)));
  return [...offsets].map((offset) => wall - offset).filter((ms) => offsetMs(moment(ms).offset) === wall - ms).sort((a, b) => a - b);
}
