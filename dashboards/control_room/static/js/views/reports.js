// Reports of a shift and of a lot, for print. A copy is an audited export.

import { form } from "../dialog.js";
import { h } from "../dom.js";
import { currentLanguage, moment, t } from "../i18n.js";
import { asKnown } from "../pictures/known.js";
import { can, download, invalidate, state } from "../store.js";

const LANGUAGES = [["en", "English"], ["zh-CN", "中文"]];

/** A button that asks for the report of a shift at `below` (a path of the plant); null for who may not. */
export function shiftReport(below) {
  if (!can("export")) return null;
  const shifts = [["", t("report.whole_day")], ...state.plant.shifts.map((name) => [name, name])];
  return h("button.report", { key: "shift-report", "data-report": "shift", onclick: () => ask(t("report.shift"), below, [
    { name: "day", label: t("report.day"), kind: "text", value: moment(state.pulse.as_of_ms).date, required: true, hint: t("report.day_hint") },
    ...(shifts.length > 1 ? [{ name: "shift", label: t("report.which_shift"), kind: "select", value: "", options: shifts }] : []),
  ], ({ day, shift = "" }) => ["shift", { day, shift, asset: below }, `${day}-${shift}`]) }, t("report.shift_pdf"));
}

/** A button that asks for the report of a lot; lot: the name that stands in the field. path: where it was asked. */
export function lotReport(path, lot = "") {
  if (!can("export")) return null;
  return h("button.report", { key: `lot-report-${lot}`, "data-report": "lot", "data-lot": lot, "aria-label": lot ? `${t("report.lot_pdf")} ${lot}` : null, onclick: () => ask(t("report.lot"), path, [
    { name: "lot", label: t("picture.fact.lot"), kind: "text", value: lot, required: true },
  ], (values) => ["lot", { lot: values.lot }, values.lot]) }, t(lot ? "report.pdf" : "report.lot_pdf"));
}

function ask(title, path, fields, request) {
  const then = asKnown(path);
  form({
    title, text: t(then ? "report.then_text" : "report.text"), go: t("evidence.export"),
    fields: [...fields,
      { name: "language", label: t("report.language"), kind: "select", value: currentLanguage(), options: LANGUAGES },
      { name: "reason", label: t("evidence.reason"), kind: "textarea" }],
    run: async (values) => {
      const [kind, subject, name] = request(values);
      const query = new URLSearchParams({ ...subject, language: values.language, reason: values.reason });
      await download(`/api/v1/reports/${kind}.pdf?${query}${then}`, `andon-${kind}-${name}.pdf`.replaceAll(/[^\w.-]+/g, "-"));
      invalidate();
    },
  });
}
