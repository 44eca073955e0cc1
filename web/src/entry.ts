/** What was typed about one patient, and what of it is sent. */
import type { Field } from "./schema";
import { limitIn, toOwnUnit } from "./units";

/** Text as it was typed and the unit it is in; empty text is unknown. */
export interface Typed {
  readonly text: string;
  readonly unit: string;
}

export type Entry = Readonly<Record<string, Typed>>;
export type Value = number | string | boolean;
export type FieldError =
  | { readonly code: "not_a_number" | "not_whole" | "ambiguous" }
  | { readonly code: "out_of_range"; readonly minimum: number; readonly maximum: number };

export interface Reading {
  readonly value: Value | null;
  readonly error: FieldError | null;
}

const PLAIN = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)$/;
// 1,150 is 1150 to one reader and 1.15 to another; 0,125 can only be a fraction.
const TWO_READINGS = /^[+-]?[1-9]\d{0,2},\d{3}$/;
const TWO_READINGS_OF_A_POINT = /^[+-]?[1-9]\d{0,2}\.\d{3}$/;

export const UNKNOWN: Typed = { text: "", unit: "" };

/** Read one field in the API's terms; `commaIsDecimal` where the language writes 1,5. */
export function read(field: Field, typed: Typed, commaIsDecimal: boolean): Reading {
  const text = typed.text.trim();
  if (!text) return { value: null, error: null };
  if (field.kind === "choice") return { value: text, error: null };
  if (field.kind === "boolean") return { value: text === "true", error: null };
  if (!PLAIN.test(text)) return { value: null, error: { code: "not_a_number" } };
  if (TWO_READINGS.test(text) || (commaIsDecimal && TWO_READINGS_OF_A_POINT.test(text))) {
    return { value: null, error: { code: "ambiguous" } };
  }
  const value = toOwnUnit(field.name, typed.unit, Number(text.replace(",", ".")));
  if (field.kind === "grade" && !Number.isInteger(value)) {
    return { value: null, error: { code: "not_whole" } };
  }
  if (value < field.minimum || value > field.maximum) {
    const [minimum, maximum] = rangeIn(field, typed.unit);
    return { value: null, error: { code: "out_of_range", minimum, maximum } };
  }
  return { value, error: null };
}

/** Return a field's accepted range in a unit. */
export function rangeIn(field: Field, unit: string): [number, number] {
  return [limitIn(field.name, unit, field.minimum), limitIn(field.name, unit, field.maximum)];
}

/** Return the patient to send; null while a field is wrong or a required one is missing. */
export function patientOf(
  fields: readonly Field[],
  entry: Entry,
  commaIsDecimal: boolean,
): Record<string, Value> | null {
  const patient: Record<string, Value> = {};
  for (const field of fields) {
    const { value, error } = read(field, entry[field.name] ?? UNKNOWN, commaIsDecimal);
    if (error || (value === null && field.required)) return null;
    if (value !== null) patient[field.name] = value;
  }
  return patient;
}

const SECOND = "b.";

/** Write scenarios and model as a URL fragment, which no browser sends to a server. */
export function toFragment(entries: readonly Entry[], model: string | null): string {
  const parameters = new URLSearchParams();
  entries.forEach((entry, index) => {
    for (const [name, { text, unit }] of Object.entries(entry)) {
      if (text) parameters.set((index ? SECOND : "") + name, unit ? `${text}~${unit}` : text);
    }
  });
  if (entries.length > 1) parameters.set("compare", "1");
  if (model) parameters.set("model", model);
  return parameters.toString();
}

/** Read what `toFragment` wrote; names that are no field are ignored. */
export function fromFragment(
  fragment: string,
  fields: readonly Field[],
): { entries: Entry[]; model: string | null } {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ""));
  const entryAt = (prefix: string): Entry =>
    Object.fromEntries(
      fields.flatMap(({ name }) => {
        const [text = "", unit = ""] = (parameters.get(prefix + name) ?? "").split("~");
        return text ? [[name, { text, unit }]] : [];
      }),
    );
  const entries = parameters.has("compare") ? [entryAt(""), entryAt(SECOND)] : [entryAt("")];
  return { entries, model: parameters.get("model") };
}
