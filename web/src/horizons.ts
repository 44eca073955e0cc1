/** Survival in numbers at the horizons, beside what was observed in the band. */
import type { Prediction } from "./api";
import { h } from "./dom";
import { type Words, fill } from "./strings";

interface Months {
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
}

export function horizonsView(prediction: Prediction, id: string, words: Words): HTMLElement {
  const t = words.strings.horizons;
  const { survival, risk } = prediction;
  const last = words.months(survival.last_months);
  const level = words.percent(survival.confidence_level);
  return h(
    "section",
    { class: "card card-horizons", "aria-labelledby": `${id}-horizons-title` },
    h("h3", { id: `${id}-horizons-title` }, t.title),
    h(
      "table",
      { class: "horizons" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [t.months, t.alive, fill(t.interval, { level }), t.band].map((name) => h("th", { scope: "col" }, name)),
          h("th", { scope: "col" }, t.at_risk, h("span", { class: "help" }, ` ${t.at_risk_help}`)),
        ),
      ),
      h(
        "tbody",
        {},
        survival.horizons.map((horizon) => {
          const band = risk.observed.horizons.find((each) => each.months === horizon.months);
          const month = h("th", { scope: "row" }, words.months(horizon.months));
          if (horizon.probability === null) {
            return h("tr", {}, month, h("td", { colspan: 4, class: "withheld" }, fill(t.withheld, { months: last })));
          }
          return h(
            "tr",
            {},
            month,
            h("td", { class: "estimate" }, words.percent(horizon.probability)),
            h("td", { class: "range" }, range(horizon.lower, horizon.upper, (p) => words.percent(p))),
            h("td", {}, band?.probability == null ? "–" : words.percent(band.probability)),
            h("td", {}, String(horizon.at_risk)),
          );
        }),
      ),
    ),
    h(
      "dl",
      { class: "times" },
      h("dt", {}, t.median),
      h(
        "dd",
        {},
        survival.median_months.estimate === null
          ? fill(t.median_withheld, { months: last })
          : inMonths(survival.median_months, words),
      ),
      h("dt", {}, fill(t.mean, { months: words.months(survival.restricted_mean_months.limit_months) })),
      h("dd", {}, inMonths(survival.restricted_mean_months, words)),
    ),
  );
}

/** Write an interval: two limits with a dash, which is no minus where a number precedes it. */
export function range(
  lower: number | null | undefined,
  upper: number | null | undefined,
  write: (value: number | null | undefined) => string,
): string {
  return `${write(lower)} – ${write(upper)}`;
}

function inMonths(value: Months, words: Words): string {
  return fill(words.strings.horizons.value_months, {
    estimate: words.time(value.estimate),
    lower: words.time(value.lower),
    upper: words.time(value.upper),
  });
}
