/** What is unknown: what was expected instead, and what not knowing costs. */
import type { Prediction } from "./api";
import { h } from "./dom";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";

type Imputed = Prediction["imputed"][number];

export function imputedView(prediction: Prediction, fields: readonly Field[], id: string, words: Words): HTMLElement {
  const t = words.strings.imputed;
  const sorted = prediction.imputed.toSorted((a, b) => b.variance_share - a.variance_share);
  const first = sorted[0];
  const section = h(
    "section",
    { class: "card card-imputed", "aria-labelledby": `${id}-imputed-title` },
    h("h3", { id: `${id}-imputed-title` }, t.title),
  );
  if (!first) {
    section.append(h("p", { class: "intro" }, t.none));
    return section;
  }
  section.append(
    h("p", { class: "narrows" }, fill(t.narrows_most, { label: words.label(first.covariate) })),
    h("p", { class: "intro" }, t.intro),
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, [t.factor, t.expected, t.share].map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        {},
        sorted.map((each) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, words.label(each.covariate)),
            h("td", { class: "expected" }, expected(each, fields, words)),
            h("td", { class: "share" }, words.percent(each.variance_share), shareBar(each, first)),
          ),
        ),
      ),
    ),
  );
  return section;
}

function shareBar(each: Imputed, widest: Imputed): HTMLElement {
  const bar = h("span", { class: "share-bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(widest.variance_share ? each.variance_share / widest.variance_share : 0));
  return bar;
}

/** A binary value is expected as a probability, whose event `meaning` names. */
export function expected(each: Imputed, fields: readonly Field[], words: Words): string {
  const field = fields.find(({ name }) => name === each.covariate);
  const event = /^probability of (\w+)$/.exec(each.meaning)?.[1];
  if (event === undefined) return words.value(each.expected, field?.unit ?? "");
  const probability = words.percent(each.expected);
  const t = words.strings.imputed;
  if (event === "true") return fill(t.probability_yes, { probability });
  const name = words.choice(event);
  const small = name.toLocaleLowerCase(words.language);
  const isAbbreviation = name === name.toLocaleUpperCase(words.language);
  return fill(t.probability, { probability, choice: isAbbreviation ? name : small });
}
