// Two clocks: figures as they are known now, or as they were known at a moment, before later rows corrected them.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { typedMoment, written } from "../moments.js";
import { empty, time } from "../parts.js";
import { changed, state } from "../store.js";

const AGO_H = [1, 8, 24];

/** The moment chosen for an asset's figures, ms; null: as they are known now. */
const chosen = (path) => state.filter[`asOf/${path}`] ?? null;

/** What a request for figures of the asset adds to be answered as known then. */
export function asKnown(path) {
  const at = chosen(path);
  return at === null ? "" : `&as_of=${at}`;
}

/** What a picture says that has nothing: none of it was final then, or else the text of a code. */
export const nothing = (path, code) => empty(t(chosen(path) === null ? code : "picture.nothing_then"));

/** The choice of the clock for every picture of the asset, with what it means and what was typed wrong. */
export function knownChoice(path) {
  const at = chosen(path), now = state.pulse.as_of_ms;
  const typed = state.filter[`typed/${path}`], fault = state.filter[`typedFault/${path}`] ?? "";
  const set = (ms, ago) => { Object.assign(state.filter, { [`asOf/${path}`]: ms, [`ago/${path}`]: ago, [`typed/${path}`]: undefined, [`typedFault/${path}`]: "" }); changed(); };
  const submit = (event) => {
    event.preventDefault();
    try {
      set(typedMoment(event.target.elements.moment.value, now), "typed");
    } catch (wrong) {
      state.filter[`typedFault/${path}`] = wrong.message;
      changed();
    }
  };
  const ago = state.filter[`ago/${path}`] ?? null;
  const button = (hours) => h("button", { key: String(hours), "aria-pressed": String(hours === ago), onclick: () => set(hours === null ? null : Math.round(now - hours * 3600000), hours) }, hours === null ? t("now") : t("picture.ago", { n: hours }));
  return h(`details.known.as-known${at === null ? "" : ".then"}`, { key: "known" }, h("summary", null, t("picture.known"), ": ", at === null ? t("now") : h("b", null, time(at, { date: "always" }))),
    h("div.choice.small", { role: "group", "aria-label": t("picture.known") }, [null, ...AGO_H].map(button)),
    h("form.typed-moment", { onsubmit: submit, novalidate: true }, h("label", null, h("span", null, t("picture.typed")),
      h("input", { name: "moment", type: "text", maxlength: 40, autocomplete: "off", placeholder: written(now), value: typed ?? (at === null ? "" : written(at)), "aria-invalid": fault ? "true" : null, oninput: (event) => { state.filter[`typed/${path}`] = event.target.value; } })),
    h("button", { type: "submit" }, t("picture.show_then"))),
    h("p.dialog-error", { key: "fault", role: "alert" }, fault),
    h("p.hint", null, t("picture.known_hint")));
}
