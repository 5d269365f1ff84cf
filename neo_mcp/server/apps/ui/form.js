/** A form of the server, made of its schema: texts and choices. Used where no host shows forms. */

import { el } from "./dom.js";

let forms = 0;

/**
 * Puts a form in `place` and waits for the person.
 *
 * @param {HTMLElement} place
 * @param {import("./types.js").Form} form
 * @returns {Promise<import("./types.js").FormAnswer>}
 */
export function askIn(place, form) {
  const id = `form-${++forms}`;
  const required = new Set(form.requestedSchema?.required ?? []);
  const properties = Object.entries(form.requestedSchema?.properties ?? {});
  const fields = properties.map(([name, field], n) => control(`${id}-${n}`, name, field, required.has(name)));
  return new Promise((resolve) => {
    const end = (answer) => {
      element.remove();
      resolve(answer);
    };
    const accept = () => {
      if (!element.reportValidity()) return;
      const content = fields.flatMap(({ name, read }) => (read() === undefined ? [] : [[name, read()]]));
      end({ action: "accept", content: Object.fromEntries(content) });
    };
    // What a form does by itself is not counted on: frames may forbid it.
    const typed = (event) => {
      if (event.key === "Escape") end({ action: "cancel" });
      if (event.key === "Enter" && event.target.matches("input")) {
        event.preventDefault();
        accept();
      }
    };
    const element = /** @type {HTMLFormElement} */ (
      el(
        "form",
        {
          class: "asked",
          "aria-labelledby": id,
          onsubmit: (event) => event.preventDefault(),
          onkeydown: typed,
        },
        el("h4", { id, tabindex: -1 }, "Please confirm"),
        el("p", { class: "question", tabindex: 0 }, form.message.split("\n").map(line)),
        fields.map((field) => field.element),
        el(
          "div",
          { class: "buttons" },
          el("button", { type: "button", class: "primary", onclick: accept }, "Submit"),
          el("button", { type: "button", onclick: () => end({ action: "cancel" }) }, "Cancel"),
        ),
      )
    );
    place.append(element);
    element.querySelector("h4").focus();
  });
}

/** A line of its own also where it is wrapped: no part of what is quoted can pass for another line. */
function line(text) {
  return el("span", { class: text.startsWith(">") ? "line cited" : "line" }, text, "\n");
}

function control(id, name, field, required) {
  const title = field.title || name;
  const hint = field.description && el("span", { class: "hint", id: `${id}-hint` }, field.description);
  if (field.enum) return choice(id, name, title, field, hint, required);
  const input = /** @type {HTMLInputElement} */ (
    el("input", {
      type: "text",
      id,
      autocomplete: "off",
      spellcheck: "false",
      value: field.default,
      minlength: field.minLength,
      "aria-describedby": hint && `${id}-hint`,
      required,
    })
  );
  const read = () => input.value || undefined;
  return { name, element: el("p", { class: "field" }, el("label", { for: id }, title), hint, input), read };
}

function choice(id, name, title, field, hint, required) {
  const options = field.enum.map((value) => {
    const properties = { type: "radio", name: id, value, required, checked: field.default === value };
    return el("label", { class: "option" }, el("input", properties), value);
  });
  const element = el("fieldset", { class: "options" }, el("legend", {}, title), hint, options);
  const read = () => /** @type {HTMLInputElement | null} */ (element.querySelector("input:checked"))?.value;
  return { name, element, read };
}
