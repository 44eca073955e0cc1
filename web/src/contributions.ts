/** What pushes the estimate up and down: hazard ratios as bars around 1, and as a table. */
import * as Plot from "@observablehq/plot";
import type { Prediction } from "./api";
import { h } from "./dom";
import { picture } from "./plots";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";

type Contribution = Prediction["contributions"][number];

const ROW_HEIGHT = 36;
const LETTER_WIDTH = 7.2;
const RATIO_WIDTH = 52;
const WIDEST_AT_LEAST = Math.log(1.5);

export function contributionsView(
  prediction: Prediction,
  fields: readonly Field[],
  id: string,
  words: Words,
): HTMLElement {
  const t = words.strings.contributions;
  const sorted = prediction.contributions.toSorted(
    (a, b) => Math.abs(b.log_hazard_ratio) - Math.abs(a.log_hazard_ratio),
  );
  const unitOf = (name: string): string => fields.find((field) => field.name === name)?.unit ?? "";
  const written = (each: Contribution): string => words.value(each.value, unitOf(each.covariate));
  const reference = (each: Contribution): string => words.value(each.reference, unitOf(each.covariate));
  const strongest = sorted[0];
  const description = strongest
    ? fill(t.description, {
        n: sorted.length,
        label: words.label(strongest.covariate),
        hazard_ratio: words.ratio(strongest.hazard_ratio),
      })
    : "";
  const holder = h("div", { class: "chart" });
  let width = 0;
  new ResizeObserver(([entry]) => {
    const next = Math.round(entry?.contentRect.width ?? 0);
    if (!next || next === width) return;
    width = next;
    const bars = sorted.map((each) => ({
      row: each.covariate,
      log: each.log_hazard_ratio,
      label: longestThatFits(width, [
        `${words.label(each.covariate)}: ${written(each)} (${reference(each)})`,
        `${words.label(each.covariate)}: ${written(each)}`,
        words.label(each.covariate),
      ]),
      ratio: `×${words.ratio(each.hazard_ratio)}`,
      known: each.value !== null,
    }));
    holder.replaceChildren(picture(plot(width, bars, t), description));
  }).observe(holder);

  return h(
    "section",
    { class: "card card-contributions", "aria-labelledby": `${id}-contributions-title` },
    h("h3", { id: `${id}-contributions-title` }, t.title),
    h("p", { class: "intro" }, t.intro),
    holder,
    h(
      "details",
      {},
      h("summary", {}, t.table),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `${t.title}: ${t.table}` },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h("tr", {}, [t.factor, t.value, t.reference, t.hazard_ratio].map((name) => h("th", { scope: "col" }, name))),
          ),
          h(
            "tbody",
            {},
            sorted.map((each) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, words.label(each.covariate)),
                h("td", {}, written(each)),
                h("td", {}, reference(each)),
                h("td", {}, words.ratio(each.hazard_ratio)),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function longestThatFits(width: number, labels: readonly string[]): string {
  return labels.find((label) => label.length * LETTER_WIDTH < width - RATIO_WIDTH) ?? labels.at(-1) ?? "";
}

interface Bar {
  readonly row: string;
  readonly log: number;
  readonly label: string;
  readonly ratio: string;
  readonly known: boolean;
}

function plot(width: number, bars: readonly Bar[], t: Words["strings"]["contributions"]): ReturnType<typeof Plot.plot> {
  const widest = Math.max(WIDEST_AT_LEAST, ...bars.map((bar) => Math.abs(bar.log)));
  const row = { y: "row", insetTop: 20, insetBottom: 6 } as const;
  const words = (className: string, text: keyof Bar, atEnd: boolean) =>
    Plot.text(bars, {
      y: "row",
      text: text as string,
      className,
      frameAnchor: atEnd ? "right" : "left",
      textAnchor: atEnd ? "end" : "start",
      dy: -9,
    });
  return Plot.plot({
    className: "bars-plot",
    width,
    height: ROW_HEIGHT * bars.length + 24,
    marginTop: 20,
    marginRight: 1,
    marginBottom: 4,
    marginLeft: 1,
    x: { axis: null, domain: [-widest, widest] },
    y: { axis: null, domain: bars.map((bar) => bar.row), padding: 0 },
    marks: [
      Plot.barX(bars, { ...row, x1: -widest, x2: widest, className: "bar-track" }),
      ...[true, false].flatMap((known) => [
        Plot.barX(bars.filter((bar) => bar.known === known && bar.log > 0), {
          ...row, x1: 0, x2: "log", className: known ? "bar-up" : "bar-up bar-unknown",
        }),
        Plot.barX(bars.filter((bar) => bar.known === known && bar.log <= 0), {
          ...row, x1: "log", x2: 0, className: known ? "bar-down" : "bar-down bar-unknown",
        }),
      ]),
      Plot.tickX(bars, { ...row, x: 0, className: "bar-one" }),
      Plot.text([`← ${t.down}`], { frameAnchor: "top-left", dy: -18, className: "bar-side" }),
      Plot.text([`${t.up} →`], { frameAnchor: "top-right", dy: -18, className: "bar-side" }),
      words("bar-label", "label", false),
      words("bar-ratio", "ratio", true),
    ],
  });
}
