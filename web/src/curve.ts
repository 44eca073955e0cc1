/** The survival curve with its interval, the cohort behind it, and a marker to read any month. */
import * as Plot from "@observablehq/plot";
import type { ModelDetail, Prediction } from "./api";
import { h } from "./dom";
import { picture } from "./plots";
import { type Point, at, pointsOf } from "./steps";
import { type Words, fill } from "./strings";

export interface CurveOptions {
  readonly id: string;
  readonly month: number;
  readonly tableOpen: boolean;
  readonly other: { readonly name: string; readonly prediction: Prediction } | null;
  readonly onMonth: (month: number) => void;
  readonly onTable: (open: boolean) => void;
}

const HEIGHT = 300;
const MARGINS = { marginTop: 14, marginRight: 14, marginBottom: 38, marginLeft: 46 };
const BEYOND = 1.12;
const YEAR = 12;

/** Show a prediction's curve; nothing without one. */
export function curveView(
  prediction: Prediction,
  detail: ModelDetail | null,
  words: Words,
  options: CurveOptions,
): HTMLElement | null {
  const { curve, last_months: last, confidence_level: level } = prediction.survival;
  if (!curve) return null;
  const t = words.strings.curve;
  const own = pointsOf(curve);
  const cohort = detail ? pointsOf(detail.observed) : [];
  const other = options.other?.prediction.survival.curve ? pointsOf(options.other.prediction.survival.curve) : [];
  const description = fill(t.description, { last: words.percent(own.at(-1)?.probability), months: words.months(last) });

  let month = Math.min(options.month, last);
  let width = 0;
  const holder = h("div", { class: "chart" });
  const reading = h("output", { class: "reading", id: `${options.id}-reading`, for: `${options.id}-month` });
  const slider = h("input", {
    type: "range",
    id: `${options.id}-month`,
    min: 0,
    max: last,
    step: 0.1,
    value: month,
    oninput: () => read(Number(slider.value)),
    onkeydown: (event) => stepByMonths(event as KeyboardEvent),
  });

  slider.style.setProperty("--reach", String(last / axisEnd(last)));

  function read(next: number): void {
    month = Math.max(0, Math.min(last, next));
    options.onMonth(month);
    slider.value = String(month);
    const point = at(own, month);
    const observed = at(cohort, month);
    const sentence = point?.lower === null && point.upper === null ? t.reading_start : t.reading;
    reading.textContent = fill(sentence, {
      months: words.months(month),
      probability: words.percent(point?.probability),
      lower: words.percent(point?.lower),
      upper: words.percent(point?.upper),
      observed: observed ? words.percent(observed.probability) : "–",
    });
    slider.setAttribute("aria-valuetext", reading.textContent);
    draw();
  }

  /** The keys move by a whole month, the pointer finer. */
  function stepByMonths(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 6, PageDown: -6,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    read(step > 0 ? Math.floor(month + step) : Math.ceil(month + step));
  }

  function draw(): void {
    if (!width) return;
    const chart = picture(plot(width, { own, cohort, other, month, last }, words), description);
    const scale = chart.scale("x");
    const follow = (event: Event): void => {
      // Moving reads with a mouse; a finger that moves scrolls, and reads by a tap.
      if (!(event instanceof PointerEvent)) return;
      if (event.type === "pointermove" && event.pointerType !== "mouse") return;
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      if (scale?.invert) read(scale.invert(x) as number);
    };
    chart.addEventListener("pointerdown", follow);
    chart.addEventListener("pointermove", follow);
    holder.replaceChildren(chart);
  }

  new ResizeObserver(([entry]) => {
    const next = Math.round(entry?.contentRect.width ?? 0);
    if (next && next !== width) {
      width = next;
      draw();
    }
  }).observe(holder);
  read(month);

  return h(
    "section",
    { class: "card card-curve", "aria-labelledby": `${options.id}-curve-title` },
    h("h3", { id: `${options.id}-curve-title` }, t.title),
    h(
      "ul",
      { class: "legend" },
      h("li", { class: "key key-patient" }, t.patient),
      h("li", { class: "key key-interval" }, fill(t.interval, { level: words.percent(level) })),
      detail && h("li", { class: "key key-cohort" }, fill(t.cohort, { patients: detail.cohort.patients })),
      options.other && h("li", { class: "key key-other" }, fill(t.other, { name: options.other.name })),
    ),
    holder,
    h("label", { class: "visually-hidden", for: slider.id }, t.month),
    slider,
    reading,
    h("p", { class: "end" }, fill(t.end, { months: words.months(last) })),
    h(
      "details",
      {
        class: "curve-table",
        open: options.tableOpen,
        ontoggle: (event) => options.onTable((event.target as HTMLDetailsElement).open),
      },
      h("summary", {}, t.table),
      table(own, cohort, words),
    ),
  );
}

interface Drawn {
  readonly own: readonly Point[];
  readonly cohort: readonly Point[];
  readonly other: readonly Point[];
  readonly month: number;
  readonly last: number;
}

function plot(width: number, drawn: Drawn, words: Words): ReturnType<typeof Plot.plot> {
  const { own, cohort, other, month, last } = drawn;
  const end = axisEnd(last);
  const every = width < 420 && end > 48 ? 2 * YEAR : end > 24 ? YEAR : 6;
  const here = [at(cohort, month), at(other, month), at(own, month)];
  const step = { x: "months", curve: "step-after" } as const;
  return Plot.plot({
    className: "curve-plot",
    width,
    height: HEIGHT,
    ...MARGINS,
    x: { domain: [0, end], label: words.strings.curve.x, labelArrow: false, labelAnchor: "center" },
    y: { domain: [0, 1], label: null },
    marks: [
      Plot.ruleY([0, 0.25, 0.5, 0.75, 1], { className: "grid" }),
      Plot.axisY([0, 0.25, 0.5, 0.75, 1], { tickFormat: (p: number) => words.percent(p), tickSize: 0 }),
      Plot.axisX(months(end, every), { tickSize: 4, label: words.strings.curve.x, labelArrow: false, labelAnchor: "center" }),
      Plot.rect([{ from: last, to: end }], { x1: "from", x2: "to", y1: 0, y2: 1, className: "beyond" }),
      Plot.ruleX([last], { className: "last" }),
      Plot.text([{ x: (last + end) / 2 }], {
        x: "x", y: 0.5, text: () => words.strings.curve.end_short, rotate: -90, className: "beyond-text",
      }),
      Plot.areaY(own.filter((p) => p.lower !== null && p.upper !== null), {
        ...step, y1: "lower", y2: "upper", className: "interval",
      }),
      Plot.line(cohort, { ...step, y: "probability", className: "cohort" }),
      Plot.line(other, { ...step, y: "probability", className: "other" }),
      Plot.line(own, { ...step, y: "probability", className: "patient" }),
      Plot.ruleX([month], { className: "marker" }),
      ...["cohort-dot", "other-dot", "patient-dot"].map((className, i) => {
        const point = here[i];
        return Plot.dot(point ? [{ x: month, y: point.probability }] : [], { x: "x", y: "y", r: 4.5, className });
      }),
    ],
  });
}

/** The axis ends after the model's knowledge does, so that its end is seen. */
function axisEnd(last: number): number {
  return Math.ceil((last * BEYOND) / YEAR) * YEAR;
}

function months(end: number, every: number): number[] {
  return Array.from({ length: Math.floor(end / every) + 1 }, (_, i) => i * every);
}

function table(own: readonly Point[], cohort: readonly Point[], words: Words): HTMLElement {
  const t = words.strings.curve;
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": t.table },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h("tr", {}, [t.from_month, t.y, t.lower, t.upper, t.observed].map((name) => h("th", { scope: "col" }, name))),
      ),
      h(
        "tbody",
        {},
        own.map((point) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, words.months(point.months)),
            h("td", {}, words.percent(point.probability)),
            h("td", {}, point.lower === null ? "–" : words.percent(point.lower)),
            h("td", {}, point.upper === null ? "–" : words.percent(point.upper)),
            h("td", {}, cohort.length ? words.percent(at(cohort, point.months)?.probability) : "–"),
          ),
        ),
      ),
    ),
  );
}
