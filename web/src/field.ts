/** One field of the form: typed text, its unit, its range, what is sent, and what is wrong. */
import { h } from "./dom";
import { type FieldError, type Typed, rangeIn, read } from "./entry";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";
import { ALTERNATIVES } from "./units";

export interface FieldView {
  readonly element: HTMLElement;
  readonly field: Field;
  /** Show what the service says is wrong; null where it has nothing to say. */
  showProblem(message: string | null): void;
}

type Changed = (typed: Typed) => void;

const STILL_TYPING_MS = 700;

/** Make the view of a field that is not the ECOG grade. */
export function fieldView(field: Field, typed: Typed, used: boolean, words: Words, changed: Changed): FieldView {
  return field.kind === "number" || field.kind === "grade"
    ? numberView(field, typed, used, words, changed)
    : choiceView(field, typed, used, words, changed);
}

/** Make the view of ECOG: one large choice for each grade, with its definition. */
export function gradeView(field: Field, typed: Typed, words: Words, changed: Changed): FieldView {
  const { strings } = words;
  const error = errorElement(field);
  const grades = Array.from({ length: field.maximum - field.minimum + 1 }, (_, i) => String(field.minimum + i));
  const known: Readonly<Record<string, { name: string; definition: string } | undefined>> = strings.ecog;
  const group = h(
    "fieldset",
    { class: "grades", id: `field-${field.name}`, "aria-describedby": error.id },
    h(
      "legend",
      {},
      words.label(field.name),
      h("span", { class: "required" }, ` ${strings.form.required}`),
    ),
    grades.map((grade) =>
      h(
        "label",
        { class: "grade" },
        h("input", {
          type: "radio",
          name: field.name,
          id: `${field.name}-${grade}`,
          value: grade,
          checked: typed.text === grade,
          onchange: () => changed({ text: grade, unit: "" }),
        }),
        h("span", { class: "grade-number" }, grade),
        h(
          "span",
          { class: "grade-words" },
          h("span", { class: "grade-name" }, known[grade]?.name ?? grade),
          h("span", { class: "grade-definition" }, known[grade]?.definition ?? ""),
        ),
      ),
    ),
    error,
  );
  return { element: group, field, showProblem: (message) => setError(group, error, message) };
}

function choiceView(field: Field, typed: Typed, used: boolean, words: Words, changed: Changed): FieldView {
  const { form } = words.strings;
  const error = errorElement(field);
  const options: [string, string][] =
    field.kind === "boolean"
      ? [["true", form.yes], ["false", form.no]]
      : field.choices.map((choice) => [choice, words.choice(choice)]);
  const group = h(
    "fieldset",
    { class: "field choices", id: `field-${field.name}`, "aria-describedby": `${error.id}` },
    h("legend", {}, words.label(field.name), helpOf(field, used, words)),
    h(
      "div",
      { class: "segments" },
      [["", form.unknown] as [string, string], ...options].map(([value, label]) =>
        h(
          "label",
          { class: value ? "segment" : "segment segment-unknown" },
          h("input", {
            type: "radio",
            name: field.name,
            id: `${field.name}-${value || "unknown"}`,
            value,
            checked: typed.text === value,
            onchange: () => changed({ text: value, unit: "" }),
          }),
          h("span", {}, label),
        ),
      ),
    ),
    error,
  );
  return { element: group, field, showProblem: (message) => setError(group, error, message) };
}

function numberView(field: Field, first: Typed, used: boolean, words: Words, changed: Changed): FieldView {
  const { form } = words.strings;
  const label = words.label(field.name);
  const alternatives = ALTERNATIVES[field.name] ?? [];
  const error = errorElement(field);
  const hint = h("p", { class: "hint", id: `field-${field.name}-hint` });
  const sent = h("p", { class: "sent", id: `field-${field.name}-sent`, "aria-live": "polite" });
  const ownUnit = words.unit(field.unit);
  let problem: string | null = null;
  let patience = 0;

  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    id: `field-${field.name}`,
    name: field.name,
    value: first.text,
    placeholder: form.unknown,
    "aria-describedby": `${hint.id} ${sent.id} ${error.id}`,
    oninput: () => update(true),
    onblur: () => show(false),
  });
  const unit = alternatives.length
    ? h(
        "select",
        {
          id: `unit-${field.name}`,
          "aria-label": fill(form.unit_of, { label }),
          onchange: () => update(false),
        },
        h("option", { value: "" }, ownUnit),
        alternatives.map((each) => h("option", { value: each.unit, selected: first.unit === each.unit }, each.unit)),
      )
    : null;
  const clear = h(
    "button",
    {
      type: "button",
      class: "clear",
      id: `clear-${field.name}`,
      "aria-label": fill(form.clear, { label }),
      onclick: () => {
        input.value = "";
        update(false);
        input.focus();
      },
    },
    "×",
  );

  const typedNow = (): Typed => ({ text: input.value, unit: unit?.value ?? "" });

  function update(typing: boolean): void {
    problem = null;
    show(typing);
    changed(typedNow());
  }

  function show(typing: boolean): void {
    window.clearTimeout(patience);
    const typed = typedNow();
    const { value, error: wrong } = read(field, typed, words.commaIsDecimal);
    clear.hidden = !typed.text;
    const unitName = typed.unit || ownUnit;
    const [minimum, maximum] = rangeIn(field, typed.unit);
    const range = { minimum: words.number(minimum), maximum: words.number(maximum) };
    const help = used ? words.help(field.name) : form.unused;
    hint.textContent = [fill(form.range, range), help].filter(Boolean).join(" · ");
    const converted = typeof value === "number" && typed.unit !== "";
    sent.textContent = converted ? fill(form.sent_as, { value: words.exact(value), unit: ownUnit }) : "";
    // 2 is not a body mass index, but the beginning of 24.
    const mayGrow = typing && wrong?.code === "out_of_range" && belowRange(typed.text, minimum);
    setError(input, error, mayGrow ? null : wrong ? errorText(wrong, unitName, words) : problem);
    if (mayGrow) patience = window.setTimeout(() => show(false), STILL_TYPING_MS);
  }

  show(true);
  const element = h(
    "div",
    { class: used ? "field" : "field unused" },
    h("label", { for: input.id }, label),
    h(
      "div",
      { class: "control" },
      h("span", { class: "typed" }, input, clear),
      unit ?? (ownUnit && h("span", { class: "unit" }, ownUnit)),
    ),
    hint,
    sent,
    error,
  );
  return {
    element,
    field,
    showProblem: (message) => {
      if (message === problem) return;
      problem = message;
      show(false);
    },
  };
}

function belowRange(text: string, minimum: number): boolean {
  return Number(text.trim().replace(",", ".")) < minimum;
}

function errorText(error: FieldError, unit: string, words: Words): string {
  const { form } = words.strings;
  if (error.code !== "out_of_range") return form[`error_${error.code}`];
  return fill(form.error_out_of_range, {
    minimum: words.number(error.minimum),
    maximum: words.number(error.maximum),
    unit,
  }).trim();
}

function helpOf(field: Field, used: boolean, words: Words): HTMLElement | null {
  const help = used ? words.help(field.name) : words.strings.form.unused;
  return help ? h("span", { class: "help" }, ` ${help}`) : null;
}

function errorElement(field: Field): HTMLElement {
  return h("p", { class: "error", id: `field-${field.name}-error`, hidden: true });
}

function setError(control: HTMLElement, element: HTMLElement, message: string | null): void {
  element.hidden = message === null;
  if (element.textContent !== (message ?? "")) element.textContent = message ?? "";
  if (message === null) control.removeAttribute("aria-invalid");
  else control.setAttribute("aria-invalid", "true");
}
