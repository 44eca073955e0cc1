/** How the model view writes what the API says of a model. */
import type { components } from "./generated/api";
import { english } from "./model_parts";
import { fill, type Words } from "./strings";

type Cohort = components["schemas"]["CohortProvenance"];
type Estimated = components["schemas"]["Estimated"];
type Strings = Words["strings"]["model"];

/** Write a point in time. */
export function at(words: Words, months: number): string {
  return fill(words.strings.model.general.at_months, { months: words.months(months) });
}

/** Write two limits. */
export function range(words: Words, lower: string, upper: string): string {
  return fill(words.strings.model.general.to, { lower, upper });
}

/** Write an estimate with its limits. */
export function estimated(words: Words, { estimate, lower, upper }: Estimated): string {
  return fill(words.strings.model.general.estimate, {
    estimate: words.ratio(estimate),
    lower: words.ratio(lower),
    upper: words.ratio(upper),
  });
}

/** Write how many patients and deaths a cohort has. */
export function size(words: Words, { patients, deaths }: Cohort): string {
  return fill(words.strings.model.general.patients_and_deaths, { patients, deaths });
}

/** Return the page's words for something that the API names, or undefined. */
export function wordsFor(
  words: Words,
  group: "source" | "figure" | "measure" | "finding",
  name: string,
): string | undefined {
  const known: Readonly<Record<string, string>> = words.strings.model[group] satisfies Strings[
    typeof group
  ];
  const key = name.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
  return Object.hasOwn(known, key) ? known[key] : undefined;
}

/** Write something that the API names; without words of ours, in its own English. */
export function named(
  words: Words,
  group: "source" | "figure" | "measure" | "finding",
  name: string,
): HTMLElement | string {
  return wordsFor(words, group, name) ?? english(name);
}
