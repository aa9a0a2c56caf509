// Journeys of a truck or a shipper: a plan of places, way and track without a map behind it, stops, arrival.

import { h } from "../dom.js";
import { count, duration, number, quantity, t } from "../i18n.js";
import { panel, time, waiting } from "../parts.js";
import { changed, resource, state } from "../store.js";
import { verdict } from "./cycle.js";
import { asKnown, nothing } from "./known.js";
import { measuredWith } from "./measured.js";

const WIDTH = 1000, HEIGHT = 520, EDGE = 60;
const METRES = 111_195; // of a degree of latitude
const SHOWN = 12;

export function journeyPicture(asset, hours) {
  const declared = asset.pictures.journey;
  const path = encodeURIComponent(asset.path);
  const ask = (kind) => resource(`/api/v1/figures?kind=${kind}&asset=${path}&hours=${hours}&limit=400${asKnown(asset.path)}`, 6000);
  const journeys = ask("journey"), stops = ask("journey_stop");
  const props = { key: "journey", class: "picture" };
  if (!journeys.data || !stops.data) return panel(t("picture.journey"), props, waiting(journeys.data ? stops : journeys));
  const rows = journeys.data.figures.slice(-SHOWN);
  if (!rows.length) return panel(t("picture.journey"), props, nothing(asset.path, "picture.no_journey"));
  const wanted = state.filter[`journey/${asset.path}`];
  const one = rows.find((row) => row.start_ms === wanted) ?? rows.at(-1);
  const to = one.final ? one.end_ms : Math.max(one.end_ms, state.pulse.as_of_ms);
  const mine = stops.data.figures.filter((stop) => stop.start_ms <= to && stop.end_ms >= one.start_ms);
  return panel(t("picture.journey"), props,
    h("div.groups", { key: "choice", role: "group", "aria-label": t("picture.journey") }, rows.map((row) => h("button.group", {
      key: row.start_ms, "aria-pressed": String(row === one), onclick: () => { state.filter[`journey/${asset.path}`] = row.start_ms; changed(); },
    }, h("b", null, row.about.journey || row.about.plan || t("picture.journey_free")), h("span", null, time(row.start_ms, { seconds: false }))))),
    strip(one), map(asset, declared, one, mine, to), stopList(declared, mine), measuredWith(asset, one, [declared.latitude, declared.longitude]));
}

const known = (v) => v !== null && v !== undefined;
const placeName = (declared, id) => declared.places.find((place) => place.id === id)?.name || id;

function strip(one) {
  const parts = one.parts;
  const item = (name, text, value) => (known(value) ? h("div", { key: name, "data-journey": name, "data-value": String(value) }, h("dt", null, t(`picture.way.${name}`)), h("dd", null, text)) : null);
  const eta = known(parts.eta_s) ? h("span", null, time(one.end_ms + parts.eta_s * 1000, { seconds: false }), known(parts.eta_low_s) ? h("span.path", null, " ", time(one.end_ms + parts.eta_low_s * 1000, { seconds: false }), " … ", known(parts.eta_high_s) ? time(one.end_ms + parts.eta_high_s * 1000, { seconds: false }) : "∞") : null) : null;
  return h("dl.kpi-strip", { key: "strip" },
    h("div.main", { key: "way", "data-journey": "distance_km", "data-value": String(parts.distance_km) }, h("dt", null, t("picture.way.distance_km")), h("dd", null, quantity(parts.distance_km, "km", 1))),
    h("div", { key: "on_time" }, h("dt", null, t("picture.way.on_time")), h("dd", null, verdict(parts.on_time ?? null, one.final ? "on_time" : "on_way", !one.final && !known(parts.on_time)))),
    item("late_s", duration(parts.late_s), parts.late_s), eta ? h("div", { key: "eta", "data-journey": "eta_s", "data-value": String(parts.eta_s) }, h("dt", null, t("picture.eta")), h("dd", null, eta)) : null,
    item("remaining_km", quantity(parts.remaining_km, "km", 1), parts.remaining_km), item("duration_s", duration(parts.duration_s), parts.duration_s), item("standing_s", duration(parts.standing_s), parts.standing_s),
    item("gap_s", duration(parts.gap_s), parts.gap_s || null), item("outside_s", duration(parts.outside_s), parts.outside_s), item("shocks", count(parts.shocks), parts.shocks || null));
}

/** [latitude, longitude] to a place of the picture: flat around its middle, north up, the same scale both ways. */
function projection(points) {
  const range = (values) => [Math.min(...values), Math.max(...values)];
  const [south, north] = range(points.map((one) => one[0])), [west, east] = range(points.map((one) => one[1]));
  const narrow = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min((WIDTH - 2 * EDGE) / Math.max((east - west) * narrow, 0.002), (HEIGHT - 2 * EDGE) / Math.max(north - south, 0.002));
  return { scale, at: ([latitude, longitude]) => [WIDTH / 2 + (longitude - (west + east) / 2) * narrow * scale, HEIGHT / 2 - (latitude - (south + north) / 2) * scale] };
}

const draw = (points, at) => points.map((one, i) => `${i ? "L" : "M"}${at(one).map((v) => v.toFixed(1)).join(" ")}`).join("");

function map(asset, declared, one, stops, to) {
  const read = (tag) => resource(`/api/v1/history?asset=${encodeURIComponent(asset.path)}&tag=${tag}&from=${one.start_ms}&to=${Math.ceil((to + 1) / 30000) * 30000}&points=700`, 6000).data;
  const north = read(declared.latitude), east = read(declared.longitude);
  if (!north || !east) return null;
  const longitudes = new Map(east.start_ms.map((ms, i) => [ms, east.mean[i]]));
  const track = north.start_ms.map((ms, i) => [north.mean[i], longitudes.get(ms)]).filter(([a, b]) => known(a) && known(b));
  const plan = declared.plans.find((each) => each.id === one.about.plan);
  const used = declared.places.filter((place) => !plan || plan.places.includes(place.id));
  const corners = used.flatMap((place) => place.corners);
  if (!track.length && !corners.length) return null;
  const { at, scale } = projection([...track, ...corners, ...(plan?.way ?? [])]);
  const dot = (kind, point, key, r, props = {}) => { const [cx, cy] = at(point); return h(`circle.${kind}`, { key, cx: cx.toFixed(1), cy: cy.toFixed(1), r, ...props }); };
  const label = t("picture.journey_label", { way: quantity(one.parts.distance_km, "km", 1), stops: count(stops.length) });
  return h("div.plan", { key: "plan", role: "img", "aria-label": label, style: { "aspect-ratio": `${WIDTH} / ${HEIGHT}` } },
    h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      plan ? h("path.plan-way", { key: "way", d: draw(plan.way, at) }) : null,
      used.map((place) => h("path.plan-place", { key: place.id, "data-place": place.id, d: `${draw(place.corners, at)}Z` })),
      h("path.plan-track", { key: "track", d: draw(track, at) }),
      stops.filter((stop) => known(stop.parts.latitude)).map((stop) => dot(`plan-stop${stop.parts.planned === 1 ? "" : ".unplanned"}`, [stop.parts.latitude, stop.parts.longitude], `s${stop.start_ms}`, 9)),
      track.length ? dot("plan-now", track.at(-1), "now", 6) : null),
    h("div.plan-names", { "aria-hidden": "true" }, used.map((place) => { const [x, y] = at(place.corners[0]); return h(`span${x > WIDTH * 0.7 ? ".to-left" : ""}`, { key: place.id, style: { left: `${x / 10}%`, top: `${(y / HEIGHT) * 100}%` } }, place.name || place.id); })),
    scaleBar(scale));
}

/** A length of 1, 2 or 5 times a power of ten, m, that is at most a fifth of the picture. */
function scaleBar(scale) {
  const most = (WIDTH / 5 / scale) * METRES;
  const base = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((n) => n * base).find((one) => one <= most);
  return h("span.plan-scale", { "aria-hidden": "true", style: { width: `${((length / METRES) * scale) / 10}%` } }, length < 1000 ? `${number(length, 0)}\u202fm` : `${number(length / 1000, 0)}\u202fkm`);
}

function stopList(declared, stops) {
  if (!stops.length) return h("p.hint", { key: "stops" }, t("picture.no_stop"));
  return h("div", { key: "stops" }, h("h3", null, t("picture.journey_stops")), h("ol.excursion-rows", null, stops.map((stop) => h("li", { key: stop.start_ms, "data-stop": String(stop.start_ms), "data-length": String(stop.parts.length_s) },
    h("b", null, stop.about.place ? placeName(declared, stop.about.place) : t("picture.no_place")),
    h("span", null, time(stop.start_ms, { seconds: false }), " – ", stop.final ? time(stop.end_ms, { seconds: false }) : t("now"), ` · ${duration(stop.parts.length_s)}`),
    h("span", null, t(stop.parts.planned === 1 ? "picture.stop_planned" : stop.parts.planned === 0 ? "picture.stop_unplanned" : "picture.not_known")),
    known(stop.parts.on_time) ? verdict(stop.parts.on_time, "on_time") : null,
    stop.parts.late_s ? h("span", null, t("picture.late_by", { time: duration(stop.parts.late_s) })) : null))));
}
