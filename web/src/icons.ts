/** 100 patients like this one: how many are alive, and how sure that is. */
import * as Plot from "@observablehq/plot";
import type { Prediction } from "./api";
import { h } from "./dom";
import { headlineHorizon, horizonWords } from "./headline";
import { picture } from "./plots";
import { type Words, fill } from "./strings";

const ROW = 10;
const SIDE = 210;

export function iconsView(prediction: Prediction, id: string, words: Words): HTMLElement | null {
  const t = words.strings.icons;
  const horizon = headlineHorizon(prediction);
  if (!horizon) return null;
  const values = horizonWords(horizon, prediction, words);
  const title = h("h3", { id: `${id}-icons-title` }, fill(t.title, values));
  const section = h("section", { class: "card card-icons", "aria-labelledby": title.id }, title);
  if (horizon.probability === null) {
    section.append(h("p", { class: "withheld" }, fill(t.withheld, values)));
    return section;
  }
  const [lower, alive, upper] = [horizon.lower ?? 0, horizon.probability, horizon.upper ?? 1].map((p) =>
    Math.round(p * 100),
  ) as [number, number, number];
  const tone = (i: number): string =>
    i < lower ? "alive" : i < alive ? "alive-in-range" : i < upper ? "dead-in-range" : "dead";
  const people = Array.from({ length: 100 }, (_, i) => ({ x: i % ROW, y: Math.floor(i / ROW), tone: tone(i) }));
  const chart = Plot.plot({
    className: "icons-plot",
    width: SIDE,
    height: SIDE,
    margin: 10,
    x: { axis: null, domain: [0, ROW - 1] },
    y: { axis: null, domain: [ROW - 1, 0] },
    marks: ["alive", "alive-in-range", "dead-in-range", "dead"].map((each) =>
      Plot.dot(people.filter((person) => person.tone === each), { x: "x", y: "y", r: 7, className: `icon-${each}` }),
    ),
  });
  picture(chart, fill(t.description, values));
  section.append(
    h(
      "div",
      { class: "icons" },
      chart,
      h(
        "ul",
        { class: "legend" },
        h("li", { class: "key key-alive" }, fill(t.alive, values)),
        h("li", { class: "key key-range" }, fill(t.range, values)),
        h("li", { class: "key key-dead" }, t.dead),
      ),
    ),
  );
  return section;
}
