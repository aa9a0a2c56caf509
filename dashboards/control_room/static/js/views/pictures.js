// The pictures of an asset, by what it has.

import { coldPicture } from "../pictures/cold.js";
import { cyclePicture } from "../pictures/cycle.js";
import { healthPicture, maintenancePicture } from "../pictures/health.js";
import { journeyPicture } from "../pictures/journey.js";
import { oeePicture } from "../pictures/oee.js";
import { spcPicture } from "../pictures/spc.js";

/** Panels for every kind of figure that the asset's template declares. */
export function pictures(asset, now, hours) {
  const has = asset.pictures;
  return [
    has.oee ? oeePicture(asset, now, hours) : null,
    has.cold ? coldPicture(asset, now, hours) : null,
    has.journey ? journeyPicture(asset, hours) : null,
    has.cycles ? cyclePicture(asset) : null,
    has.charts.map((chart) => spcPicture(asset, chart, hours)),
    has.health.map((one) => healthPicture(asset, one)),
    has.modes.length ? maintenancePicture(asset) : null,
  ];
}
