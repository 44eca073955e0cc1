/** Two scenarios side by side: what was entered differently, and what comes of it. */
import type { Answer } from "./asking";
import { h } from "./dom";
import { type Entry, UNKNOWN, read } from "./entry";
import { of100 } from "./headline";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";

export interface Compared {
  readonly name: string;
  readonly entry: Entry;
  readonly answer: Answer;
}

export function compareView(scenarios: readonly Compared[], fields: readonly Field[], words: Words): HTMLElement {
  const t = words.strings.compare;
  const valueOf = ({ entry }: Compared, field: Field): string =>
    words.value(read(field, entry[field.name] ?? UNKNOWN, words.commaIsDecimal).value, field.unit);
  const different = fields.filter((field) => new Set(scenarios.map((each) => valueOf(each, field))).size > 1);
  const predictions = scenarios.map(({ answer }) => (answer.state === "shown" ? answer.prediction : null));
  const horizons = predictions.find((each) => each !== null)?.survival.horizons ?? [];
  const survival = (index: number, months: number): string => {
    const horizon = predictions[index]?.survival.horizons.find((each) => each.months === months);
    if (!horizon || horizon.probability === null) return "–";
    return `${of100(horizon.probability, words)} (${of100(horizon.lower, words)} – ${of100(horizon.upper, words)})`;
  };
  const row = (name: string, cells: readonly string[], kind: string | null = null): HTMLElement =>
    h("tr", { class: kind }, h("th", { scope: "row" }, name), cells.map((cell) => h("td", {}, cell)));
  return h(
    "section",
    { class: "card card-compare", "aria-labelledby": "compare-title" },
    h("h3", { id: "compare-title" }, t.title),
    different.length === 0 && h("p", { class: "intro" }, t.same),
    h(
      "table",
      { id: "compare" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, t.field),
          scenarios.map(({ name }) => h("th", { scope: "col" }, fill(t.scenario, { name }))),
        ),
      ),
      h(
        "tbody",
        {},
        different.map((field) => row(words.label(field.name), scenarios.map((each) => valueOf(each, field)))),
        // On paper there is no form that shows what both scenarios share.
        fields
          .filter((field) => !different.includes(field))
          .map((field) => row(words.label(field.name), scenarios.map((each) => valueOf(each, field)), "shared")),
        row(t.category, predictions.map((each) => (each ? words.category(each.risk.category) : "–"))),
        horizons.map(({ months }) =>
          row(fill(t.alive_at, { months: words.months(months) }), scenarios.map((_, i) => `${survival(i, months)} ${words.strings.result.of_100}`)),
        ),
      ),
    ),
    h("p", { class: "intro caution" }, t.caution),
  );
}
