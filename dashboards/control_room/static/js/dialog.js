// A dialog that asks for one text before something is done. The native element gives focus trap, Escape and backdrop.

import { h, render } from "./dom.js";
import { t } from "./i18n.js";

/** ask({title, text, label, required, go, run}) - run(text) is awaited; its error is shown and the dialog stays. */
export function ask({ title, text, label, required, go, run }) {
  const dialog = document.createElement("dialog");
  let error = "", busy = false;
  const close = () => { dialog.close(); dialog.remove(); };
  const submit = async (event) => {
    event.preventDefault();
    const field = dialog.querySelector("textarea");
    if (required && !field.value.trim()) {
      error = t("dialog.required");
      draw();
      field.focus();
      return;
    }
    busy = true;
    draw();
    try {
      await run(field.value.trim());
      close();
    } catch (failure) {
      error = failure.message || t("failed");
      busy = false;
      draw();
    }
  };
  const draw = () => render(dialog, h("form", { onsubmit: submit, novalidate: true },
    h("h2", { id: "dialog-title" }, title), h("p", null, text),
    h("label", null, label, required ? h("span.need", null, ` ${t("dialog.needed")}`) : null, h("textarea", { rows: 3, maxlength: 2000, name: "comment", "aria-invalid": error ? "true" : null })),
    h("p.dialog-error", { role: "alert" }, error),
    h("div.buttons", null, h("button", { type: "button", onclick: close }, t("dialog.cancel")), h("button.primary", { type: "submit", disabled: busy }, go))));
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  draw();
  dialog.showModal();
  dialog.querySelector("textarea").focus();
}
