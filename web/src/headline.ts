/** The answer in one glance: category, one number with its interval, and what was observed. */
import type { Prediction } from "./api";
import { h } from "./dom";
import { type Words, fill } from "./strings";

type Horizon = Prediction["survival"]["horizons"][number];

const HEADLINE_MONTHS = 12;

/** Return the horizon that headline, icons and note are about. */
export function headlineHorizon(prediction: Prediction): Horizon | null {
  const { horizons } = prediction.survival;
  return horizons.find((each) => each.months === HEADLINE_MONTHS) ?? horizons[0] ?? null;
}

/** Write a probability as patients of 100; null, as a limit can be, in words. */
export function of100(probability: number | null | undefined, words: Words): string {
  if (probability === null || probability === undefined) return words.strings.result.open_limit;
  return words.number(Math.round(probability * 100));
}

/** Return the numbers that every sentence about a horizon is filled with. */
export function horizonWords(horizon: Horizon, prediction: Prediction, words: Words): Record<string, string> {
  return {
    n: of100(horizon.probability, words),
    lower: of100(horizon.lower, words),
    upper: of100(horizon.upper, words),
    months: words.months(horizon.months),
    level: words.percent(prediction.survival.confidence_level),
    category: words.category(prediction.risk.category),
    ecog: String(prediction.risk.ecog),
  };
}

export function headlineView(prediction: Prediction, words: Words): HTMLElement {
  const t = words.strings.result;
  const { risk } = prediction;
  const horizon = headlineHorizon(prediction);
  const { lowest_ecog: lowest, highest_ecog: highest } = risk.band;
  return h(
    "section",
    { class: `card card-headline category-${risk.category}` },
    h(
      "p",
      { class: "category" },
      h("strong", {}, words.category(risk.category)),
      h("span", {}, fill(lowest === highest ? t.grade : t.grades, { lowest, highest })),
    ),
    horizon && number(horizon, prediction, words),
    h("p", { class: "observed" }, observedSentence(prediction, horizon, words)),
    h("p", { class: "observed" }, hazardSentence(prediction, words)),
  );
}

function number(horizon: Horizon, prediction: Prediction, words: Words): HTMLElement {
  const t = words.strings.result;
  const values = horizonWords(horizon, prediction, words);
  if (horizon.probability === null) {
    const months = words.months(prediction.survival.last_months);
    return h("p", { class: "withheld" }, fill(words.strings.horizons.withheld, { months }));
  }
  return h(
    "div",
    { class: "number" },
    h("p", { class: "big" }, h("span", { class: "n" }, values.n ?? ""), ` ${t.of_100}`),
    h(
      "p",
      { class: "beside" },
      h("span", {}, fill(t.headline, values)),
      h("span", { class: "interval-words" }, fill(t.interval, values)),
    ),
  );
}

function observedSentence(prediction: Prediction, horizon: Horizon | null, words: Words): string {
  const t = words.strings.result;
  const { observed } = prediction.risk;
  const there = observed.horizons.find((each) => each.months === horizon?.months);
  const values = { patients: observed.patients, deaths: observed.deaths };
  if (!there || there.probability === null) return fill(t.observed_short, values);
  return fill(t.observed, {
    ...values,
    months: words.months(there.months),
    probability: words.percent(there.probability),
    lower: words.percent(there.lower),
    upper: words.percent(there.upper),
    at_risk: there.at_risk,
  });
}

function hazardSentence(prediction: Prediction, words: Words): string {
  const { hazard_ratio: ratio, ecog } = prediction.risk;
  if (ecog === ratio.reference_ecog) return "";
  return fill(words.strings.result.hazard_ratio, {
    reference: ratio.reference_ecog,
    estimate: words.ratio(ratio.estimate),
    lower: words.ratio(ratio.lower),
    upper: words.ratio(ratio.upper),
  });
}
