// The wall: read from 5 to 10 m, touched by nobody. State, minutes, who has it; lines and storage in large figures.

import { h } from "../dom.js";
import { number, percent, quantity, t } from "../i18n.js";
import { lastedText, mark, stateBadge } from "../parts.js";
import { alarmsByUrgency, assetNow, isAside, state } from "../store.js";

const MOST_ALARMS = 5;

const whose = (alarm) => alarm.going?.name ?? alarm.assigned?.name ?? alarm.ack?.by;

export function wall() {
  const alarms = alarmsByUrgency().filter((alarm) => !isAside(alarm));
  const storage = state.plant.assets.filter((asset) => asset.cold_chain);
  return h("div.wall", null,
    h("h1.visually-hidden", null, t("wall.name")),
    h("section.wall-alarms", null, alarms.length ? alarms.slice(0, MOST_ALARMS).map((alarm) => h(`div.wall-alarm.edge-p${alarm.priority_number}${alarm.active ? "" : ".over"}`, { key: alarm.key },
      mark(alarm, "big"),
      h("div.wall-text", null, h("b", null, alarm.rule_name), h("span", null, alarm.asset_name)),
      h("div.wall-time", null, h("b", null, lastedText(alarm)), h("span", null, alarm.active ? t("active") : t("over"))),
      h("div.wall-who", null, whose(alarm) ? h("b", null, whose(alarm)) : h("b.nobody", null, t("wall.nobody")), h("span", null, t(`alarm_state.${alarm.state}`)), alarm.erp?.number ? h("span.number", null, alarm.erp.number) : null)))
      : h("p.wall-calm", null, `✓ ${t("no_alarms")}`),
    alarms.length > MOST_ALARMS ? h("p.wall-more", null, t("wall.more", { n: alarms.length - MOST_ALARMS })) : null),
    h("div.wall-tiles", null,
      state.pulse.lines.map((line) => h("section.wall-tile", { key: line.path },
        h("h2", null, line.assets.map((path) => state.plant.byPath.get(path).name).join(", ")),
        h("p.wall-num", null, line.window?.OEE === null || !line.window ? "–" : number(line.window.OEE * 100, 0), h("small", null, " %")),
        h("p.wall-sub", null, "OEE · ", t("oee.day"), " ", percent(line.day?.OEE, 0)),
        stateBadge(assetNow(line.assets[0])?.state))),
      storage.map((asset) => {
        const reading = assetNow(asset.path)?.values[asset.cold_chain.tag];
        const out = reading && (reading.v > asset.cold_chain.high || reading.v < asset.cold_chain.low);
        const alarm = alarms.find((one) => one.asset === asset.path && one.active);
        return h(`section.wall-tile${out ? `.out.edge-p${alarm?.priority_number ?? "none"}` : ""}${reading?.stale ? ".stale" : ""}`, { key: asset.path },
          h("h2", null, asset.name), h("p.wall-num", null, out ? h("i", { "aria-hidden": "true" }, "▲ ") : null, number(reading?.v, 1), h("small", null, " °C")),
          h("p.wall-sub", null, t("cold.label"), " ", `${number(asset.cold_chain.low, 0)} – ${quantity(asset.cold_chain.high, "Cel", 0)}`));
      })));
}
