// Texts by code in the language chosen, and numbers, units, times and durations written the way people read them.

let texts = {};
let language = "en";
let zone = "UTC";

const UNITS = { Cel: "°C", "Cel/s": "°C/s", "1": "", "[degF]": "°F", "mm/s": "mm/s", deg: "°", "{items}": "", "{rev}/min": "r/min", "m/s2": "m/s²" };
const formats = new Map();

export function setLanguage(code, table) {
  language = code;
  texts = table;
  document.documentElement.lang = code;
  formats.clear();
}

export function setZone(name) {
  zone = name;
  formats.clear();
}

export const currentLanguage = () => language;
export const currentZone = () => zone;

/** The sentence of a code with its {parameters}; the last part of the code where there is none. */
export function t(code, params = {}) {
  const text = texts[`page.${code}`] ?? texts[code];
  if (text === undefined) return code.split(".").pop().replaceAll("_", " ");
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/** Whether there is a text for the code. */
export const has = (code) => `page.${code}` in texts;

/** A boolean series' value in words: its own ("open"), else on and off. */
export const booleanText = (tag, on) => { const side = on ? 1 : 0; return has(`boolean.${tag}.${side}`) ? t(`boolean.${tag}.${side}`) : t(`boolean.${side}`); };

/** The name of a state as people say it; as the device says it where there is no text. */
export const stateText = (name) => (name === null || name === undefined ? t("state_unknown") : has(`state.${name}`) ? t(`state.${name}`) : name);

function format(kind, key, make) {
  const id = `${kind}|${key}`;
  if (!formats.has(id)) formats.set(id, make());
  return formats.get(id);
}

export function number(value, digits = null) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const places = digits ?? (Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 || Math.abs(value) < 1e-6 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(Math.abs(value)))));
  return format("n", places, () => new Intl.NumberFormat(language, { minimumFractionDigits: places, maximumFractionDigits: places, signDisplay: "negative" })).format(value);
}

export const count = (value) => number(value, 0);
export const unit = (code) => (code in UNITS ? UNITS[code] : (code || "").replaceAll(/[{}]/g, "")); // braces of UCUM hold a remark

/** A value with its unit, a narrow no-break space between. */
export function quantity(value, code, digits = null) {
  const name = unit(code);
  const places = digits ?? (code === "Cel" ? 1 : code === "g" ? 2 : code === "deg" ? 4 : null);
  return name ? `${number(value, places)}\u202f${name}` : number(value, places);
}

export const percent = (ratio, digits = 1) => (ratio === null || ratio === undefined ? "–" : `${number(ratio * 100, digits)}\u202f%`);

/** 45 s, 12 min, 3 h 05 min, 2 d 4 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("unit.s", { n: s });
  if (s < 3600) return t("unit.min", { n: Math.floor(s / 60) });
  if (s < 86400) return t("unit.h_min", { h: Math.floor(s / 3600), min: String(Math.floor((s % 3600) / 60)).padStart(2, "0") });
  return t("unit.d_h", { d: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
}

function parts(ms) {
  const made = format("t", zone, () => new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit",
    minute: "2-digit", second: "2-digit", timeZoneName: "longOffset",
  }));
  return Object.fromEntries(made.formatToParts(ms).map((part) => [part.type, part.value]));
}

/** Offset of the site's zone at that moment, e.g. +08:00. */
export const offset = (ms) => parts(ms).timeZoneName.replace("GMT", "") || "+00:00";

/** {date, time, offset} of a moment in the site's zone. */
export function moment(ms, seconds = true) {
  const p = parts(ms);
  return {
    date: `${p.year}-${p.month}-${p.day}`,
    time: seconds ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`,
    offset: p.timeZoneName.replace("GMT", "") || "+00:00",
  };
}
