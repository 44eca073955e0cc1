/** The pieces of HTML that the model view is put together from. */
import { h, type Child } from "./dom";

type Rows = readonly (readonly Child[])[];

/** Make a section under its heading. */
export function section(title: string, ...content: readonly Child[]): HTMLElement {
  return h("section", { class: "model-section" }, h("h3", {}, title), ...content);
}

/** Mark text that the API has in English only. */
export function english(text: string): HTMLElement {
  return h("span", { lang: "en" }, text);
}

/** Make a list. */
export function list(items: readonly Child[]): HTMLElement {
  return h("ul", {}, items.map((item) => h("li", {}, item)));
}

/** Make a list of terms and what is said of each. */
export function facts(pairs: readonly (readonly [Child, Child])[]): HTMLElement {
  return h(
    "dl",
    { class: "model-facts" },
    pairs.map(([term, said]) => h("div", {}, h("dt", {}, term), h("dd", {}, said))),
  );
}

/** Make a part that opens where its title is chosen. */
export function more(title: string, ...content: readonly Child[]): HTMLElement {
  return h("details", {}, h("summary", {}, title), ...content);
}

/** Make a table under its caption that scrolls within itself where it is wider than the page. */
export function captioned(caption: string, columns: readonly string[], rows: Rows): HTMLElement {
  return table(caption, columns, rows, h("caption", {}, caption));
}

/** Make a table that its heading names already, so that only its label repeats the name. */
export function table(
  label: string,
  columns: readonly string[],
  rows: Rows,
  caption: Child = null,
): HTMLElement {
  const head = h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)));
  const body = rows.map(([first, ...rest]) =>
    h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", {}, cell))),
  );
  // Focusable, so that the keyboard scrolls it.
  return h(
    "div",
    { class: "model-table", tabindex: "0", role: "region", "aria-label": label },
    h("table", { "aria-label": caption ? null : label }, caption, h("thead", {}, head), h("tbody", {}, body)),
  );
}
