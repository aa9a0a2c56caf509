// What the page knows, and how it comes by it: one state, requests to the API, and the event stream.

import { setLanguage, setZone } from "./i18n.js";

export const state = {
  me: null, plant: null, pulse: null, pulseAt: 0, alarms: new Map(), alarmSeq: 0, connected: false, since: Date.now(),
  route: { name: "overview", args: [] }, resources: new Map(), filter: {}, notice: null,
};

const listeners = new Set();
let scheduled = false;

export const onChange = (listener) => listeners.add(listener);
export const onNewAlarm = { call: () => {} };

/** Draw again soon; many changes in one frame are one drawing. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener();
  });
}

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function request(path, options = {}) {
  const response = await fetch(path, { credentials: "same-origin", redirect: "error", ...options });
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

/** What an answer refuses, in words. Who is no longer logged in goes to the log-in page; a second person's wrong password stays. */
async function refusal(response) {
  const { error } = await response.json().catch(() => ({}));
  if (response.status === 401 && error?.code !== "access.login_failed") location.assign("/login");
  return new ApiError(response.status, error?.code, error?.message ?? response.statusText);
}

/** GET. background: the page asks by itself, so it is no sign of a person at the screen. */
export const get = (path, background = false) =>
  request(path, { headers: background ? { "X-Andon-Background": "1" } : {} });

export const post = (path, body) => request(path, {
  method: "POST", body: JSON.stringify(body),
  headers: { "Content-Type": "application/json", "X-CSRF-Token": state.me?.csrf ?? "" },
});

/** Fetch a file and hand it to the browser to keep; a refusal is an error in words. */
export async function download(path, name) {
  const response = await fetch(path, { credentials: "same-origin", redirect: "error" });
  if (!response.ok) throw await refusal(response);
  const address = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

export const can = (right) => Boolean(state.me?.rights.includes(right));

/** Data of a path, fetched at the first use and again when older than everyMs while it is looked at. */
export function resource(path, everyMs = 5000) {
  let one = state.resources.get(path);
  if (!one) {
    one = { data: null, error: null, at: 0, loading: false, used: 0 };
    state.resources.set(path, one);
  }
  const first = one.used === 0;
  one.used = Date.now();
  if (!one.loading && Date.now() - one.at > everyMs) load(path, one, !first);
  return one;
}

async function load(path, one, background) {
  one.loading = true;
  try {
    one.data = await get(path, background);
    one.error = null;
  } catch (error) {
    one.error = error;
  } finally {
    one.loading = false;
    one.at = Date.now();
    changed();
  }
}

/** Fetch everything looked at again; after a change. */
export function invalidate() {
  for (const one of state.resources.values()) one.at = 0;
  changed();
}

function dropUnused() {
  const now = Date.now();
  for (const [path, one] of state.resources) if (now - one.used > 60000) state.resources.delete(path);
}

function take(alarms) {
  for (const alarm of alarms) {
    const known = state.alarms.get(alarm.key);
    if (alarm.unacknowledged && alarm.active && !alarm.quiet && (!known || !known.unacknowledged)) onNewAlarm.call(alarm);
    if (known && known.change_seq > alarm.change_seq) continue;
    if (alarm.state === "normal") state.alarms.delete(alarm.key);
    else state.alarms.set(alarm.key, alarm);
    state.alarmSeq = Math.max(state.alarmSeq, alarm.change_seq);
  }
}

/** Put an alarm that an action returned into the list. */
export function takeAlarm(alarm) {
  take([alarm]);
  invalidate();
}

let source = null;

function listen() {
  source?.close();
  source = new EventSource(`/api/v1/stream?after=${state.alarmSeq}`);
  source.addEventListener("open", () => connection(true));
  source.addEventListener("error", () => {
    connection(false);
    // The browser tries again by itself unless the answer was an error; then we do.
    if (source.readyState === EventSource.CLOSED) setTimeout(retry, 3000);
  });
  source.addEventListener("alarms", (event) => {
    take(JSON.parse(event.data).alarms);
    for (const [path, one] of state.resources) if (/alarm|erp|holds|capas/.test(path)) one.at = 0;
    changed();
  });
  source.addEventListener("pulse", (event) => {
    state.pulse = JSON.parse(event.data);
    state.pulseAt = Date.now();
    connection(true);
    changed();
  });
  source.addEventListener("bye", () => location.assign("/login"));
}

async function retry() {
  try {
    await get("/api/v1/me", true); // leads to the log-in page when the session has ended
    listen();
  } catch (error) {
    setTimeout(retry, 5000);
  }
}

function connection(up) {
  if (state.connected === up) return;
  state.connected = up;
  state.since = Date.now();
  changed();
}

export async function chooseLanguage(code) {
  document.cookie = `andon_language=${code}; path=/; max-age=31536000; samesite=strict`;
  await loadTexts(code);
  state.resources.clear();
  await loadPlant();
  await loadAlarms();
  listen();
  changed();
}

async function loadTexts(code) {
  setLanguage(code, await get(`/api/v1/texts/${code}`));
}

async function loadPlant() {
  const plant = await get("/api/v1/plant");
  plant.byPath = new Map(plant.assets.map((asset) => [asset.path, asset]));
  plant.byRule = new Map(plant.rules.map((rule) => [rule.id, rule]));
  state.plant = plant;
  setZone(plant.site.timezone);
}

async function loadAlarms() {
  const answer = await get("/api/v1/alarms?show=open&limit=1000");
  state.alarms = new Map(answer.alarms.map((alarm) => [alarm.key, alarm]));
  state.alarmSeq = answer.change_seq;
}

/** Load everything and follow the stream. */
export async function start() {
  state.me = await get("/api/v1/me");
  await loadTexts(state.me.language);
  await Promise.all([loadPlant(), loadAlarms(), get("/api/v1/overview").then((pulse) => { state.pulse = pulse; state.pulseAt = Date.now(); })]);
  listen();
  setInterval(() => {
    if (state.connected && Date.now() - state.pulseAt > 8000) connection(false);
    dropUnused();
    changed();
  }, 1000);
  changed();
}

/** Whether people or a rule's design have set the alarm aside: it is open, and asks for nobody now. */
export const isAside = (alarm) => alarm.state === "shelved" || alarm.state === "suppressed" || alarm.state === "out_of_service";

/** Open alarms, the most urgent first: not set aside, unacknowledged, active, by priority, the newest. */
export function alarmsByUrgency() {
  const rank = (alarm) => (isAside(alarm) ? 4 : 0) + (alarm.unacknowledged ? 0 : 2) + (alarm.active ? 0 : 1);
  return [...state.alarms.values()].sort((a, b) =>
    rank(a) - rank(b) || a.priority_number - b.priority_number || b.start_ms - a.start_ms || (a.key < b.key ? -1 : 1));
}

/** How an asset is now, from the last pulse. */
export const assetNow = (path) => state.pulse?.assets.find((asset) => asset.path === path) ?? null;

/** Seconds an alarm has lasted, moving with the pulse. */
export function lasted(alarm) {
  if (!alarm.active) return alarm.duration_s;
  const plant = Math.max(0, ((state.pulse?.as_of_ms ?? alarm.start_ms) - (alarm.begun_ms ?? alarm.start_ms)) / 1000);
  return alarm.own ? plant / state.plant.speed : plant; // Andon's own alarms are timed by the machine's clock
}

/** Hours that trends show: what was chosen, else as many of 1, 2, 4, 8 as there are data for. */
export function hoursShown() {
  if (state.filter.hours) return state.filter.hours;
  const { as_of_ms: now, since_ms: since } = state.pulse;
  const age = since ? (now - since) / 3600000 : 1;
  return [1, 2, 4].find((hours) => age <= hours) ?? 8;
}
