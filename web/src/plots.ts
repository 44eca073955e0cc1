/** What every chart of the library needs before this page shows it. */

/** Make one picture of a chart, with one name; its parts say nothing of their own. */
export function picture<T extends Element>(chart: T, name: string): T {
  // Its rules are in charts.css: the page's policy lets no style be injected.
  chart.querySelector("style")?.remove();
  for (const part of chart.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", name);
  return chart;
}
