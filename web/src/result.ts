/** The result of one scenario: everything that is said of one prediction, or why there is none. */
import { type Failure, type ModelDetail, type Prediction, nameOf } from "./api";
import type { Answer } from "./asking";
import { contributionsView } from "./contributions";
import { copyButton, save, standalone } from "./copying";
import { curveView } from "./curve";
import { h } from "./dom";
import { enteredView } from "./entered";
import type { Value } from "./entry";
import { headlineView } from "./headline";
import { horizonsView } from "./horizons";
import { iconsView } from "./icons";
import { imputedView } from "./imputed";
import { noteText, noteView, wholeText } from "./note";
import type { Field } from "./schema";
import { type Words, fill } from "./strings";
import { warningsView } from "./warnings";

/** What stays when a result is shown anew. */
export interface Look {
  month: number;
  tableOpen: boolean;
}

export interface ResultContext {
  readonly words: Words;
  readonly fields: readonly Field[];
  readonly detail: ModelDetail | null;
  readonly look: Look;
  readonly link: () => string;
  readonly retry: () => void;
  readonly useKey: (key: string, isToken: boolean) => void;
}

export interface Shown {
  readonly name: string;
  readonly comparing: boolean;
  readonly answer: Answer;
  readonly other: { readonly name: string; readonly prediction: Prediction } | null;
}

export function resultView(shown: Shown, context: ResultContext): HTMLElement {
  const { answer, name } = shown;
  const { words } = context;
  const id = `result-${name.toLowerCase()}`;
  const title = shown.comparing && h("h3", { class: "scenario-name" }, fill(words.strings.compare.scenario, { name }));
  const busy = h("p", { class: "busy", hidden: true });
  const panel = h("div", { class: `result state-${answer.state}`, id, "data-state": answer.state }, title, busy);
  if (answer.state === "shown") {
    panel.append(...predictionViews(answer.prediction, answer.patient as Readonly<Record<string, Value>>, id, shown, context));
  } else {
    panel.append(withoutPrediction(answer, id, context));
  }
  if (shown.comparing) nameApart(panel, fill(words.strings.compare.scenario, { name }));
  return panel;
}

/** Two results have parts of the same names: only what scrolls stays a landmark, under its own. */
function nameApart(panel: HTMLElement, scenario: string): void {
  for (const part of panel.querySelectorAll("section[aria-labelledby]")) part.removeAttribute("aria-labelledby");
  for (const part of panel.querySelectorAll("[role=region]")) {
    part.setAttribute("aria-label", `${scenario}: ${part.getAttribute("aria-label") ?? ""}`);
  }
}

/** Mark a result as that of an earlier entry, until the answer to this one is there. */
export function showBusy(panel: HTMLElement, slow: boolean, words: Words): void {
  const t = words.strings.result;
  panel.setAttribute("aria-busy", "true");
  panel.dataset.state = "asking";
  const busy = panel.querySelector<HTMLElement>(".busy");
  if (!busy) return;
  busy.hidden = false;
  busy.replaceChildren(h("span", { class: "spinner", "aria-hidden": "true" }), slow ? t.slow : t.asking);
}

function withoutPrediction(answer: Exclude<Answer, { state: "shown" }>, id: string, context: ResultContext): HTMLElement {
  const t = context.words.strings.result;
  switch (answer.state) {
    case "incomplete":
      return message(t.choose_ecog, t.choose_ecog_more);
    case "invalid":
      return message(t.correct, t.correct_more);
    case "asking":
      return h("div", { class: "card message" }, h("span", { class: "spinner", "aria-hidden": "true" }), h("p", {}, answer.slow ? t.slow : t.asking));
    case "failed":
      return failureView(answer.failure, id, context);
  }
}

function message(title: string, more: string): HTMLElement {
  return h("div", { class: "card message" }, h("p", { class: "message-title" }, title), h("p", {}, more));
}

/** Say why there is no answer, and what can be done. */
export function failureView(
  failure: Failure,
  id: string,
  context: Pick<ResultContext, "words" | "retry" | "useKey">,
): HTMLElement {
  const { words, retry } = context;
  if (failure.kind === "key") return keyView(failure, id, context);
  const t = words.strings.problems;
  const reason =
    failure.kind === "silence"
      ? failure.slow ? t.timeout : t.unreachable
      : words.problem(nameOf(failure.problem), failure.problem.detail);
  const unnamed = failure.kind === "problem" ? failure.problem.errors.map((e) => `${e.field ?? ""} ${e.message}`.trim()) : [];
  return h(
    "div",
    { class: "card message failed", role: "alert" },
    h("p", { class: "message-title" }, t.title),
    h("p", {}, reason),
    unnamed.length > 0 && h("ul", {}, unnamed.map((each) => h("li", {}, each))),
    h("button", { type: "button", class: "primary", id: `${id}-retry`, onclick: retry }, t.retry),
  );
}

function keyView(
  failure: Extract<Failure, { kind: "key" }>,
  id: string,
  { words, useKey }: Pick<ResultContext, "words" | "useKey">,
): HTMLElement {
  const t = words.strings.key;
  const input = h("input", {
    type: "password",
    id: `${id}-key`,
    autocomplete: "off",
    required: true,
    "aria-invalid": failure.rejected ? "true" : null,
    "aria-describedby": `${id}-key-error`,
  });
  return h(
    "form",
    {
      class: "card message key-form",
      onsubmit: (event) => {
        event.preventDefault();
        if (input.value.trim()) useKey(input.value.trim(), failure.asksForToken);
      },
    },
    h("p", { class: "message-title" }, t.title),
    h("p", {}, t.intro),
    h("label", { for: input.id }, failure.asksForToken ? t.label_token : t.label),
    input,
    h("p", { class: "error", id: `${id}-key-error`, role: "alert" }, failure.rejected ? t.rejected : ""),
    h("button", { type: "submit", class: "primary" }, t.use),
  );
}

function predictionViews(
  prediction: Prediction,
  patient: Readonly<Record<string, Value>>,
  id: string,
  shown: Shown,
  context: ResultContext,
): HTMLElement[] {
  const { words, fields, detail, look } = context;
  return [
    headlineView(prediction, words),
    warningsView(prediction, fields, id, words),
    curveView(prediction, detail, words, {
      id,
      month: look.month,
      tableOpen: look.tableOpen,
      other: shown.other,
      onMonth: (month) => (look.month = month),
      onTable: (open) => (look.tableOpen = open),
    }),
    horizonsView(prediction, id, words),
    iconsView(prediction, id, words),
    noteView(prediction, id, words),
    contributionsView(prediction, fields, id, words),
    imputedView(prediction, fields, id, words),
    enteredView(prediction, patient, fields, id, words),
    actionsView(prediction, patient, id, context),
    identityView(prediction, words),
  ].filter((view) => view !== null);
}

function actionsView(
  prediction: Prediction,
  patient: Readonly<Record<string, Value>>,
  id: string,
  context: ResultContext,
): HTMLElement {
  const { words, fields, link } = context;
  const t = words.strings.actions;
  const file = `hsct2-${prediction.prediction_id}`;
  const saveChart = (): void => {
    const chart = document.querySelector<SVGSVGElement>(`#${id} .curve-plot`);
    if (!chart) return;
    const { model } = prediction;
    const lines = [
      fill(words.strings.curve.key, { level: words.percent(prediction.survival.confidence_level) }),
      `${words.strings.page.title}: ${model.id} ${model.version}, ${prediction.prediction_id}`,
      ...(model.notice ? [words.notice(model.notice)] : []),
    ];
    save(`${file}.svg`, "image/svg+xml", standalone(chart, noteText(prediction, words), lines));
  };
  const saveJson = (): void =>
    save(`${file}.json`, "application/json", `${JSON.stringify({ patient, prediction }, null, 2)}\n`);
  return h(
    "section",
    { class: "card card-actions", "aria-labelledby": `${id}-actions-title` },
    h("h3", { id: `${id}-actions-title` }, t.title),
    h(
      "div",
      { class: "actions" },
      copyButton(`${id}-copy-link`, t.link, link, words),
      copyButton(`${id}-copy-text`, t.text, () => wholeText(prediction, patient, fields, words), words),
      h("button", { type: "button", id: `${id}-save-svg`, onclick: saveChart }, t.svg),
      h("button", { type: "button", id: `${id}-save-json`, onclick: saveJson }, t.json),
      h("button", { type: "button", id: `${id}-print`, onclick: () => window.print() }, t.print),
    ),
    h("p", { class: "intro" }, t.link_help),
  );
}

function identityView(prediction: Prediction, words: Words): HTMLElement {
  const t = words.strings.identity;
  const { model } = prediction;
  const time = new Intl.DateTimeFormat(words.language, { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(prediction.created_at),
  );
  return h(
    "p",
    { class: "identity" },
    fill(t.model, { id: model.id, version: model.version }),
    " · ",
    h("span", { class: "digest", title: model.sha256 }, model.sha256.slice(0, 12)),
    " · ",
    fill(t.prediction, { id: prediction.prediction_id, time }),
    prediction.audited ? "" : ` · ${t.not_stored}`,
    model.notice ? h("span", { class: "print-notice" }, ` · ${words.notice(model.notice)}`) : null,
  );
}
