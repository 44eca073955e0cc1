/** A sentence to paste into a note, and the whole answer as plain text. */
import type { Prediction } from "./api";
import { copyButton } from "./copying";
import { h } from "./dom";
import { headlineHorizon, horizonWords } from "./headline";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";
import { warningSentences } from "./warnings";

/** Return the sentence with its origin and the model's notice: what is pasted is read alone. */
export function noteText(prediction: Prediction, words: Words): string {
  const t = words.strings.note;
  const horizon = headlineHorizon(prediction);
  const sentence = horizon
    ? fill(horizon.probability === null ? t.withheld : t.sentence, horizonWords(horizon, prediction, words))
    : "";
  const unknown = prediction.imputed.map((each) => words.label(each.covariate));
  const { model } = prediction;
  return [
    sentence,
    unknown.length ? fill(t.unknown, { fields: unknown.join(", ") }) : "",
    fill(t.origin, { model: model.id, version: model.version, id: prediction.prediction_id }),
    model.notice ? words.notice(model.notice) : "",
  ]
    .filter(Boolean)
    .join(" ");
}

export function noteView(prediction: Prediction, id: string, words: Words): HTMLElement {
  const text = noteText(prediction, words);
  return h(
    "section",
    { class: "card card-note", "aria-labelledby": `${id}-note-title` },
    h("h3", { id: `${id}-note-title` }, words.strings.note.title),
    h("blockquote", { id: `${id}-note` }, text),
    copyButton(`${id}-copy-note`, words.strings.note.copy, () => text, words),
  );
}

/** Return everything that was asked and answered, as text. */
export function wholeText(
  prediction: Prediction,
  patient: Readonly<Record<string, unknown>>,
  fields: readonly Field[],
  words: Words,
): string {
  const { survival } = prediction;
  const t = words.strings;
  return [
    noteText(prediction, words),
    "",
    `${t.entered.title}: ${fields.map((f) => `${words.label(f.name)} ${words.value(patient[f.name], f.unit)}`).join("; ")}.`,
    "",
    ...survival.horizons.map((each) => {
      const months = fill(t.compare.alive_at, { months: words.months(each.months) });
      return each.probability === null
        ? `${months}: ${fill(t.horizons.withheld, { months: words.months(survival.last_months) })}`
        : `${months}: ${words.percent(each.probability)} (${words.percent(each.lower)} – ${words.percent(each.upper)})`;
    }),
    "",
    ...warningSentences(prediction, fields, words).map((sentence) => `${t.warnings.title}: ${sentence}`),
  ]
    .join("\n")
    .trim();
}
