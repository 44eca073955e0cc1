/** What the reader of a prediction has to mind, each kind said once. */
import type { Prediction } from "./api";
import { h } from "./dom";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";

type Warning = Prediction["warnings"][number];

/** Return the warnings in words; one that the page has no words for is shown as it came. */
export function warningSentences(prediction: Prediction, fields: readonly Field[], words: Words): string[] {
  const kinds = groupBy(prediction.warnings, ({ code, field }) => `${code} ${field}`);
  return [...kinds.values()].flatMap((same) => sentences(same, fields, words));
}

export function warningsView(
  prediction: Prediction,
  fields: readonly Field[],
  id: string,
  words: Words,
): HTMLElement | null {
  const sentences = warningSentences(prediction, fields, words);
  if (!sentences.length) return null;
  return h(
    "section",
    { class: "card card-warnings", "aria-labelledby": `${id}-warnings-title` },
    h("h3", { id: `${id}-warnings-title` }, words.strings.warnings.title),
    h("ul", {}, sentences.map((sentence) => h("li", {}, sentence))),
  );
}

function sentences(same: readonly Warning[], fields: readonly Field[], words: Words): string[] {
  const [first] = same;
  if (!first) return [];
  const known: Readonly<Record<string, string | undefined>> = words.strings.warnings;
  const sentence = known[first.code];
  const [, from, to] = /range of (\S+) to (\S+)$/.exec(first.message) ?? [];
  const values: Record<string, string> = {};
  const months = same.flatMap(({ message }) => /^at (\S+) months/.exec(message)?.[1] ?? []);
  if (months.length === same.length) values.months = words.list(months.map((month) => words.months(Number(month))));
  if (first.field) {
    const unit = fields.find(({ name }) => name === first.field)?.unit ?? "";
    values.label = words.label(first.field);
    values.unit = words.unit(unit);
  }
  if (from !== undefined && to !== undefined) {
    values.from = words.number(Number(from));
    values.to = words.number(Number(to));
  }
  const filled = sentence && fill(sentence, values).replace(" )", ")");
  return filled && !filled.includes("{") ? [filled] : same.map(({ message }) => message);
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
