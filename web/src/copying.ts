/** Copying and saving what the page shows. */
import { h } from "./dom";
import type { Words } from "./strings";

const SAID_MS = 2_500;

/** Make a button that copies a text; where the browser refuses, the text is shown selected. */
export function copyButton(id: string, label: string, text: () => string, words: Words): HTMLElement {
  const said = h("span", { class: "said", role: "status" });
  const shown = h("textarea", { readonly: true, hidden: true, rows: 3, "aria-label": label });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text());
      said.textContent = words.strings.note.copied;
    } catch {
      shown.hidden = false;
      shown.value = text();
      shown.select();
      said.textContent = words.strings.note.not_copied;
      return;
    }
    window.setTimeout(() => (said.textContent = ""), SAID_MS);
  };
  return h("div", { class: "copying" }, h("button", { type: "button", id, onclick: () => void copy() }, label), said, shown);
}

/** Save a text as a file. */
export function save(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: address, download: name }).click();
  window.setTimeout(() => URL.revokeObjectURL(address), 0);
}

const DRAWN = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
  "stroke-linejoin", "opacity", "font-family", "font-size", "font-weight",
] as const;
const MARGIN = 12;
const LINE = 16;

/** Return a chart as a file that stands alone: its styles as attributes, `lines` below it. */
export function standalone(chart: SVGSVGElement, title: string, lines: readonly string[]): string {
  const copy = chart.cloneNode(true) as SVGSVGElement;
  const [from, to] = [chart, copy].map((root) => [root, ...root.querySelectorAll<SVGElement>("*")]);
  to?.forEach((element, i) => {
    const original = from?.[i];
    if (!original) return;
    const style = getComputedStyle(original);
    for (const name of DRAWN) element.setAttribute(name, style.getPropertyValue(name));
  });
  const width = Number(chart.getAttribute("width"));
  const height = Number(chart.getAttribute("height"));
  const tall = height + lines.length * LINE + 2 * MARGIN;
  const page = getComputedStyle(document.body);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("height", String(tall));
  copy.setAttribute("viewBox", `0 0 ${width} ${tall}`);
  copy.removeAttribute("class");
  const make = (name: string, attributes: Record<string, string | number>, text = ""): SVGElement => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    element.textContent = text;
    return element;
  };
  copy.prepend(
    make("title", {}, title),
    make("rect", { width, height: tall, fill: page.backgroundColor }),
  );
  copy.append(
    ...lines.map((line, i) =>
      make(
        "text",
        { x: MARGIN, "text-anchor": "start", y: height + MARGIN + (i + 1) * LINE, fill: page.color, "font-size": 11, "font-family": page.fontFamily },
        line,
      ),
    ),
  );
  return new XMLSerializer().serializeToString(copy);
}
