// Dialogs that ask for something before it is done. The native element gives focus trap, Escape and backdrop.

import { h, render } from "./dom.js";
import { t } from "./i18n.js";

/** ask({title, text, label, required, go, run}) - one text; run(text) is awaited, its error is shown and the dialog stays. */
export function ask({ label, required, run, ...rest }) {
  form({ ...rest, fields: [{ name: "comment", label, required, kind: "textarea" }], run: ({ comment }) => run(comment) });
}

/**
 * form({title, text, fields, go, run}) - run({name: text}) is awaited; its error is shown and the dialog stays.
 * A field: {name, label, kind (textarea, select, number, text, password), value, required, options, hint, min, max, when}.
 * when(values) says whether the field is shown now.
 */
export function form({ title, text, fields, go, run }) {
  const dialog = open();
  let error = "", busy = false;
  const values = Object.fromEntries(fields.map((field) => [field.name, field.value ?? ""]));
  const shown = () => fields.filter((field) => !field.when || field.when(values));
  const field = (name) => dialog.querySelector(`[name="${name}"]`);
  const fail = (message, where) => {
    error = message;
    busy = false;
    draw();
    if (where) field(where)?.focus();
  };
  const submit = async (event) => {
    event.preventDefault();
    for (const one of shown()) values[one.name] = field(one.name).value.trim();
    for (const one of shown()) {
      const wrong = fault(one, values[one.name]);
      if (wrong) return fail(wrong, one.name);
    }
    busy = true;
    draw();
    try {
      await run(Object.fromEntries(shown().map((one) => [one.name, values[one.name]])));
      dialog.close();
    } catch (failure) {
      fail(failure.message || t("failed"));
    }
  };
  const change = (one) => (event) => { values[one.name] = event.target.value; draw(); };
  const draw = () => render(dialog, h("form", { onsubmit: submit, novalidate: true },
    h("h2", { id: "dialog-title" }, title), text ? h("p", null, text) : null,
    shown().map((one) => h("label", { key: one.name }, h("span", null, one.label, one.required ? h("span.need", null, ` ${t("dialog.needed")}`) : null),
      control(one, values[one.name], change(one), error), one.hint ? h("span.need", null, one.hint) : null)),
    h("p.dialog-error", { role: "alert", key: "error" }, error),
    h("div.buttons", { key: "buttons" }, h("button", { type: "button", onclick: () => dialog.close() }, t("dialog.cancel")), h("button.primary", { type: "submit", disabled: busy }, go))));
  draw();
  dialog.showModal();
  dialog.querySelector("textarea, select, input")?.focus();
}

function fault(one, value) {
  if (one.required && !value) return one.kind === "textarea" ? t("dialog.required") : t("dialog.missing", { name: one.label });
  if (one.kind === "number" && !(Number(value) >= one.min && Number(value) <= one.max)) return t("dialog.beyond", { name: one.label, min: one.min, max: one.max });
  return null;
}

function control(one, value, change, error) {
  const common = { name: one.name, "aria-invalid": error ? "true" : null };
  if (one.kind === "textarea") return h("textarea", { ...common, rows: 3, maxlength: 2000 });
  if (one.kind === "select") return h("select", { ...common, onchange: change }, one.options.map(([code, shown]) => h("option", { key: code, value: code, selected: code === value }, shown)));
  return h("input", { ...common, type: one.kind ?? "text", min: one.min, max: one.max, step: one.step, maxlength: 200, value, oninput: change,
    inputmode: one.kind === "number" ? "numeric" : null, autocomplete: one.kind === "password" ? "off" : null });
}

/** choose({title, text, choices: [[text, run]]}) - a list of buttons; the one that is pressed runs when the list is gone. */
export function choose({ title, text, choices }) {
  const dialog = open();
  render(dialog, h("div.choices", null, h("h2", { id: "dialog-title" }, title), text ? h("p", null, text) : null,
    choices.map(([shown, run]) => h("button", { key: shown, onclick: () => { dialog.close(); run(); } }, shown)),
    h("button.quiet", { key: "cancel", onclick: () => dialog.close() }, t("dialog.cancel"))));
  dialog.showModal();
}

function open() {
  const before = document.activeElement;
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus(); // the keyboard goes on where it was
  });
  document.body.append(dialog);
  return dialog;
}
