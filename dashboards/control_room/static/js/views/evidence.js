// The evidence of an alarm: its picture with the limit, and copies to take away. A copy is an audited export.

import { form } from "../dialog.js";
import { h } from "../dom.js";
import { currentLanguage, t } from "../i18n.js";
import { panel } from "../parts.js";
import { can, download, invalidate } from "../store.js";

const failed = new Set(); // pictures that could not be had

export function evidencePanel(alarm, facts) {
  const base = `/api/v1/alarms/${encodeURIComponent(alarm.key)}/evidence`;
  const picture = `${base}.svg?language=${currentLanguage()}&seq=${alarm.change_seq}`; // anew when something has changed
  const copies = can("export") ? h("div.buttons", null,
    [["pdf_en", `${base}.pdf?language=en`, "pdf"], ["pdf_zh", `${base}.pdf?language=zh-CN`, "pdf"], ["json", `${base}?download=true`, "json"]].map(([name, path, kind]) =>
      h("button", { key: name, "data-copy": name, onclick: () => take(alarm, name, path, kind) }, t(`evidence.${name}`)))) : null;
  return panel(t("evidence"), { class: "evidence-panel", extra: copies },
    h("p", null, alarm.why),
    failed.has(picture) ? h("p.empty", null, t("evidence.no_picture"))
      : h("a", { href: picture, target: "_blank", rel: "noopener", title: t("evidence.whole") }, h("img.evidence-picture", { src: picture, width: 960, height: 440, alt: `${t("evidence.picture")}: ${alarm.why}`, onerror: () => failed.add(picture) })),
    facts,
    h("p.hint", null, t(can("export") ? "evidence.hint" : "evidence.hint_looking")));
}

function take(alarm, name, path, kind) {
  form({
    title: t(`evidence.${name}`), text: t("evidence.export_text"), go: t("evidence.export"),
    fields: [{ name: "reason", label: t("evidence.reason"), kind: "textarea" }],
    run: async ({ reason }) => {
      await download(`${path}&reason=${encodeURIComponent(reason)}`, `andon-evidence-${alarm.key}.${kind}`);
      invalidate();
    },
  });
}
