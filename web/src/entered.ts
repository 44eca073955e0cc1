/** For the print, where there is no form: what was entered, what it does, what stood in for it. */
import type { Prediction } from "./api";
import { h } from "./dom";
import type { Value } from "./entry";
import { expected } from "./imputed";
import type { Field } from "./schema";
import type { Words } from "./strings";

export function enteredView(
  prediction: Prediction,
  patient: Readonly<Record<string, Value>>,
  fields: readonly Field[],
  id: string,
  words: Words,
): HTMLElement {
  const { entered, contributions: t, imputed } = words.strings;
  const row = (field: Field): HTMLElement => {
    const contribution = prediction.contributions.find((each) => each.covariate === field.name);
    const unknown = prediction.imputed.find((each) => each.covariate === field.name);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, words.label(field.name)),
      h("td", { class: "value" }, words.value(patient[field.name], field.unit)),
      h("td", {}, contribution ? words.value(contribution.reference, field.unit) : "–"),
      h("td", {}, contribution ? `×${words.ratio(contribution.hazard_ratio)}` : "–"),
      h("td", {}, unknown ? expected(unknown, fields, words) : ""),
      h("td", {}, unknown ? words.percent(unknown.variance_share) : ""),
    );
  };
  return h(
    "section",
    { class: "card card-entered", "aria-labelledby": `${id}-entered-title` },
    h("h3", { id: `${id}-entered-title` }, entered.title),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [t.factor, t.value, t.reference, t.hazard_ratio, imputed.expected, imputed.share].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      h("tbody", {}, fields.map(row)),
    ),
  );
}
