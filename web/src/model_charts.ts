/** The model view's charts; each stands beside a table that says the same. */
import * as Plot from "@observablehq/plot";
import type { CalibrationCurve, EcogEffect } from "./api";
import { at, wordsFor } from "./model_words";
import { picture } from "./plots";
import { fill, type Words } from "./strings";

const INK = "var(--model-ink)";
const LINE = "var(--model-line)";
const BAND = "var(--model-band)";

/** Draw predicted against observed survival at one horizon. */
export function calibrationChart(curve: CalibrationCurve, words: Words): Element {
  const strings = words.strings.model.calibration;
  const smooth = curve.smooth_predicted.map((predicted, place) => ({
    predicted,
    observed: curve.smooth_observed[place],
    lower: curve.smooth_lower[place],
    upper: curve.smooth_upper[place],
  }));
  const limited = curve.groups.filter(({ lower, upper }) => lower !== null && upper !== null);
  return picture(
    Plot.plot({
      width: 300,
      height: 300,
      marginLeft: 52,
      marginBottom: 44,
      className: "model-plot",
      x: axis(strings.predicted, words),
      y: { ...axis(strings.observed, words), grid: true },
      marks: [
        Plot.areaY(smooth, { x: "predicted", y1: "lower", y2: "upper", fill: BAND }),
        Plot.link([0], { x1: 0, y1: 0, x2: 1, y2: 1, stroke: INK, strokeDasharray: "3 4" }),
        Plot.line(smooth, { x: "predicted", y: "observed", stroke: LINE, strokeWidth: 2 }),
        Plot.ruleX(limited, { x: "predicted", y1: "lower", y2: "upper", stroke: INK }),
        Plot.dot(curve.groups, { x: "predicted", y: "observed", r: 4, fill: INK }),
      ],
    }),
    fill(strings.chart, { at: at(words, curve.horizon_months) }),
  );
}

/** Draw the hazard ratios of ECOG, published, reproduced and served, under one another. */
export function effectsChart(effects: readonly EcogEffect[], words: Words): Element {
  const strings = words.strings.model.effects;
  const rows = effects.map((effect, place) => ({ ...effect, row: String(place) }));
  return picture(
    Plot.plot({
      width: Math.min(560, document.documentElement.clientWidth - 48),
      height: 72 + 48 * rows.length,
      marginTop: 32,
      marginLeft: 16,
      marginBottom: 40,
      className: "model-plot",
      x: {
        type: "log",
        domain: [
          Math.min(1, ...rows.map(({ lower }) => lower)),
          Math.max(1, ...rows.map(({ upper }) => upper)),
        ],
        label: strings.ratio,
        labelAnchor: "center",
        labelArrow: "none",
        ticks: [0.25, 0.5, 1, 2, 3, 4, 5, 7, 10],
        tickFormat: (value: number) => words.number(value),
      },
      y: { axis: null, domain: rows.map(({ row }) => row), padding: 0.2 },
      marks: [
        Plot.ruleX([1], { stroke: INK, strokeDasharray: "3 4" }),
        Plot.ruleY(rows, { y: "row", x1: "lower", x2: "upper", stroke: LINE, strokeWidth: 3 }),
        Plot.dot(rows, { y: "row", x: "hazard_ratio", r: 5, fill: INK }),
        Plot.text(rows, {
          y: "row",
          x: "lower",
          text: ({ source }: EcogEffect) => wordsFor(words, "source", source) ?? source,
          textAnchor: "start",
          dy: -14,
          fill: INK,
        }),
      ],
    }),
    strings.chart,
  );
}

function axis(label: string, words: Words): Plot.ScaleOptions {
  return {
    domain: [0, 1],
    label,
    labelAnchor: "center",
    labelArrow: "none",
    ticks: [0, 0.25, 0.5, 0.75, 1],
    tickFormat: (value: number) => words.percent(value),
  };
}
