// Asks before anything is changed. Without a form: the frames of hosts submit none.

import { h } from "./dom.js";

// Resolves to what the fields hold, or to null when it is called off.
// fields: {name, label, value?, hint?, lines?, mustBe?}
export function ask({ title, text, action, danger = false, fields = [] }) {
  return new Promise((resolve) => {
    const inputs = fields.map((field, index) => {
      const id = `field-${index}`;
      const input = field.lines
        ? h("textarea", { id, name: field.name, rows: field.lines, spellcheck: "false" }, field.value || "")
        : h("input", { id, name: field.name, value: field.value, type: "text", spellcheck: "false", autocomplete: "off", required: Boolean(field.mustBe) });
      return { field, input, row: h("p", { class: "field" }, h("label", { for: id }, field.label), input, field.hint && h("small", { class: "quiet" }, field.hint)) };
    });
    const confirm = h("button", { type: "button", class: danger ? "danger" : "primary" }, action);
    const cancel = h("button", { type: "button" }, "Not now");
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title), text && h("p", null, text),
      inputs.map(({ row }) => row), h("div", { class: "row end" }, cancel, confirm));
    const fits = () => inputs.every(({ field, input }) => !field.mustBe || input.value === field.mustBe);
    const check = () => { confirm.disabled = !fits(); };
    const close = (values) => {
      resolve(values);
      dialog.close();
      dialog.remove();
    };
    dialog.addEventListener("input", check);
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(null); });
    cancel.addEventListener("click", () => close(null));
    const agree = () => {
      if (fits()) close(Object.fromEntries(inputs.map(({ field, input }) => [field.name, input.value])));
    };
    confirm.addEventListener("click", agree);
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.nodeName === "INPUT") agree();
    });
    check();
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
  });
}

// Reads lines of name=value.
export function pairs(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}
