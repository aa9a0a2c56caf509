// What a figure was measured with: certificate and state of each calibrated series it rests on.

import { h } from "../dom.js";
import { number, t } from "../i18n.js";
import { time } from "../parts.js";
import { tagName } from "../plot.js";
import { resource } from "../store.js";

const GOOD = "valid";

/**
 * The instruments behind a picture, as text that opens; null where no series of the asset is calibrated.
 * span: {start_ms, end_ms} of what is shown. tags: the series it rests on; left out: every calibrated one of the asset.
 */
export function measuredWith(asset, span, tags = asset.pictures.calibrated) {
  if (!asset.pictures.calibrated.length || !tags.length) return null;
  const one = resource(`/api/v1/figures?kind=calibration&asset=${encodeURIComponent(asset.path)}&from=${hour(span.start_ms)}&to=${hour(span.end_ms) + HOUR_MS}&limit=200`, 30000);
  const newest = new Map((one.data?.figures ?? []).map((row) => [row.tag, row]));
  return h("details.known.measured-with", { key: "measured" }, h("summary", null, t("picture.measured")),
    h("ul.plain.measured", null, [...new Set(tags)].map((tag) => instrument(tag, newest.get(tag), asset, one.data))));
}

const HOUR_MS = 3600000;
const hour = (ms) => Math.floor(ms / HOUR_MS) * HOUR_MS; // so that a picture that moves on asks the same for a while

function instrument(tag, row, asset, told) {
  if (!row) return h("li", { key: tag, "data-certificate": "" }, h("b", null, tagName(tag)), ` ${t(!told ? "loading" : asset.pictures.calibrated.includes(tag) ? "picture.no_calibration" : "picture.calibration.none")}`);
  const good = row.about.state === GOOD;
  return h("li", { key: tag, "data-certificate": row.about.certificate ?? "" },
    h(`i.sign${good ? "" : ".bad"}`, { "aria-hidden": "true" }, good ? "✓" : "!"),
    h("b", null, tagName(tag)), ` ${row.about.certificate ?? "–"} · ${t(`picture.calibration.${row.about.state}`)}`,
    row.about.due ? [` · ${t("picture.due")} `, time(Date.parse(row.about.due), { date: "always", seconds: false })] : "",
    row.parts.uncertainty === null || row.parts.uncertainty === undefined ? "" : ` · U = ${number(row.parts.uncertainty, 3)}`);
}
