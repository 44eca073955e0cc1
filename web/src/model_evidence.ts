/** The evidence for a model: ECOG's effect three times, calibration, performance, validations. */
import type { CalibrationCurve, ModelCard, ModelDetail } from "./api";
import { h } from "./dom";
import { calibrationChart, effectsChart } from "./model_charts";
import { captioned, english, list, more, section, table } from "./model_parts";
import { at, estimated, named, range, size } from "./model_words";
import { fill, type Words } from "./strings";

/** Show the hazard ratios of ECOG, published, reproduced and served, and why they differ. */
export function effects(detail: ModelDetail, card: ModelCard, words: Words): HTMLElement {
  const strings = words.strings.model.effects;
  return section(
    strings.title,
    h("p", {}, strings.meaning),
    effectsChart(detail.ecog_effects, words),
    captioned(
      strings.table,
      [strings.source, strings.ratio, words.strings.model.general.interval],
      detail.ecog_effects.map(({ source, hazard_ratio, lower, upper }) => [
        named(words, "source", source),
        words.number(hazard_ratio),
        range(words, words.number(lower), words.number(upper)),
      ]),
    ),
    more(strings.why, list(card.ecog_explanation.map(english))),
    detail.study_figures.length > 0 && figures(detail, words),
  );
}

function figures(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.figures;
  const { none } = words.strings.model.general;
  return more(
    strings.title,
    table(
      strings.title,
      [strings.figure, strings.published, strings.reproduced, strings.served],
      detail.study_figures.map(({ label, published, reproduced, served }) => [
        named(words, "figure", label),
        published === null ? none : english(published),
        english(reproduced),
        served === null ? none : english(served),
      ]),
    ),
  );
}

/** Show how predicted and observed survival agree at each horizon. */
export function calibration(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.calibration;
  const curves = detail.internal_validation?.calibration ?? [];
  if (!curves.length) return section(strings.title, h("p", {}, strings.absent));
  return section(
    strings.title,
    h("p", {}, strings.meaning),
    detail.synthetic && h("p", {}, strings.circular),
    h("div", { class: "model-charts" }, curves.map((curve) => calibrationAt(curve, words))),
  );
}

function calibrationAt(curve: CalibrationCurve, words: Words): HTMLElement {
  const strings = words.strings.model.calibration;
  const { interval, none } = words.strings.model.general;
  const when = at(words, curve.horizon_months);
  return h(
    "figure",
    {},
    h("figcaption", {}, when),
    calibrationChart(curve, words),
    more(
      fill(strings.numbers, { at: when }),
      captioned(
        fill(strings.table, { at: when }),
        [strings.predicted, strings.observed, interval, strings.patients],
        curve.groups.map(({ predicted, observed, lower, upper, patients }) => [
          words.percent(predicted),
          words.percent(observed),
          lower === null || upper === null
            ? none
            : range(words, words.percent(lower), words.percent(upper)),
          String(patients),
        ]),
      ),
    ),
  );
}

/** Show how well the model predicts, apparent and corrected for optimism. */
export function performance(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.performance;
  const validation = detail.internal_validation;
  if (!validation) return section(strings.title, h("p", {}, strings.absent));
  return section(
    strings.title,
    h("p", {}, fill(strings.meaning, { resamples: words.number(validation.resamples) })),
    table(
      strings.title,
      [
        strings.measure,
        strings.apparent,
        strings.corrected,
        words.strings.model.general.interval,
      ],
      validation.performance.map(
        ({ measure, horizon_months: months, apparent, corrected, lower, upper }) => [
          h("span", {}, named(words, "measure", measure), months === null ? null : `, ${at(words, months)}`),
          words.ratio(apparent),
          words.ratio(corrected),
          range(words, words.ratio(lower), words.ratio(upper)),
        ],
      ),
    ),
  );
}

/** Show the validations on other cohorts, and whether the version was adjusted to one. */
export function validations(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.validations;
  const { recalibration } = detail;
  return section(
    strings.title,
    detail.validations.length ? validationTable(detail, words) : h("p", {}, strings.none),
    recalibration &&
      h(
        "p",
        {},
        fill(strings.recalibrated, {
          cohort: recalibration.cohort.name,
          version: recalibration.from_version,
          slope: words.ratio(recalibration.slope),
          baseline: words.ratio(recalibration.baseline_scale),
        }),
      ),
  );
}

function validationTable(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.validations;
  return table(
    strings.title,
    [
      strings.cohort,
      strings.size,
      strings.concordance,
      strings.slope,
      strings.observed_expected,
    ],
    detail.validations.map(({ cohort, concordance, calibration_slope, observed_expected }) => [
      english(cohort.name),
      size(words, cohort),
      estimated(words, concordance),
      estimated(words, calibration_slope),
      list(
        observed_expected.map(({ horizon_months, ratio }) =>
          fill(strings.by_months, {
            months: words.months(horizon_months),
            ratio: estimated(words, ratio),
          }),
        ),
      ),
    ]),
  );
}
