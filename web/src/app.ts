/** The page's state, and what is shown of it. */
import { Api, type Failure, FailureError, type ModelDetail, type ModelSummary } from "./api";
import { Asker } from "./asking";
import { compareView } from "./compare";
import { h } from "./dom";
import { type Entry, UNKNOWN, fromFragment, patientOf, read, toFragment } from "./entry";
import { mountModelView } from "./model_view";
import { type Form, form } from "./form";
import { headlineHorizon, horizonWords } from "./headline";
import { type Theme, LANGUAGES, THEMES, keep, keptLanguage, keptTheme } from "./preferences";
import { type Look, failureView, resultView, showBusy } from "./result";
import type { Field } from "./schema";
import { type Language, Words, fill } from "./strings";

interface Scenario {
  readonly name: string;
  entry: Entry;
  readonly asker: Asker;
}

const NAMES = ["A", "B"] as const;
const START_MONTH = 12;
const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { en: "English", tr: "Türkçe" };

export class App {
  private readonly api = new Api();
  private words = new Words(keptLanguage());
  private theme: Theme = keptTheme();
  private fields: readonly Field[] = [];
  private models: readonly ModelSummary[] = [];
  private model: string | null = null;
  private detail: ModelDetail | null = null;
  private failure: Failure | null = null;
  private loading = true;
  private scenarios: Scenario[] = [this.scenario(0, {})];
  private active = 0;
  private about = false;
  private readonly look: Look = { month: START_MONTH, tableOpen: false };
  private form: Form | null = null;
  private readonly live = h("p", { class: "visually-hidden", id: "live", "aria-live": "polite", role: "status" });
  private readonly results = h("div", { class: "results", id: "results" });
  private readonly compared = h("div", { class: "compared" });
  private readonly footer = h("footer", { class: "footer", id: "footer" });

  constructor(private readonly root: HTMLElement) {}

  /** Show the page, then what the service says of fields and models. */
  async start(): Promise<void> {
    this.showTheme();
    this.showAll();
    await this.load();
    window.addEventListener("hashchange", () => this.openLink());
  }

  private async load(): Promise<void> {
    this.loading = true;
    this.failure = null;
    this.showAll();
    try {
      // The form waits for the rest: what somebody does in one that is about to be replaced is lost.
      if (!this.fields.length) {
        this.fields = await this.api.fields();
        this.readLink();
      }
      this.models = await this.api.models();
      const wanted = this.models.find(({ id, version }) => this.model === id || this.model === `${id}@${version}`);
      const chosen = wanted ?? this.models.find((each) => each.default) ?? this.models[0];
      this.model = chosen ? `${chosen.id}@${chosen.version}` : null;
      if (this.model) this.detail = await this.api.model(this.model);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      this.failure = error.failure;
    }
    this.loading = false;
    this.showAll();
    this.askAll();
    if (this.failure?.kind === "key") document.getElementById("result-a-key")?.focus();
  }

  /** Take the entry out of the address: there it would stay in the browser's history. */
  private readLink(): void {
    if (!location.hash) return;
    const { entries, model } = fromFragment(location.hash, this.fields);
    history.replaceState(null, "", location.pathname + location.search);
    for (const { asker } of this.scenarios) asker.withhold("incomplete");
    this.scenarios = entries.map((entry, i) => this.scenario(i, entry));
    this.active = 0;
    this.model = model ?? this.model;
  }

  private openLink(): void {
    if (!location.hash.includes("=")) return;
    const before = this.model;
    this.readLink();
    if (this.model !== before) void this.load();
    else {
      this.showAll();
      this.askAll();
    }
  }

  private scenario(index: number, entry: Entry): Scenario {
    const asker = new Asker(this.api, () => this.answered(asker));
    return { name: NAMES[index] ?? "", entry, asker };
  }

  private askAll(): void {
    for (const scenario of this.scenarios) this.ask(scenario);
  }

  private ask(scenario: Scenario): void {
    if (!this.model || this.failure) return;
    const { commaIsDecimal } = this.words;
    const patient = patientOf(this.fields, scenario.entry, commaIsDecimal);
    if (patient) return scenario.asker.ask(patient as { ecog: number }, this.model);
    const wrong = this.fields.some(
      (field) => read(field, scenario.entry[field.name] ?? UNKNOWN, commaIsDecimal).error,
    );
    scenario.asker.withhold(wrong ? "invalid" : "incomplete");
  }

  /** A number that had one reading in one language can have two in the other. */
  private withholdWrong(): void {
    const isWrong = ({ entry }: Scenario): boolean => !patientOf(this.fields, entry, this.words.commaIsDecimal);
    for (const scenario of this.scenarios.filter(isWrong)) this.ask(scenario);
  }

  private answered(asker: Asker): void {
    const scenario = this.scenarios.find((each) => each.asker === asker);
    if (!scenario) return;
    const { answer } = asker;
    if (scenario === this.scenarios[this.active]) this.showFieldErrors();
    const panel = document.getElementById(`result-${scenario.name.toLowerCase()}`);
    if (answer.state === "asking" && answer.previous && panel) {
      showBusy(panel, answer.slow, this.words);
      if (answer.slow) this.live.textContent = this.words.strings.result.slow;
      return;
    }
    this.showResults();
    this.announce(scenario);
  }

  /** Show at its field what the service refused. */
  private showFieldErrors(): void {
    const answer = this.scenarios[this.active]?.asker.answer;
    const failure = answer?.state === "failed" ? answer.failure : null;
    this.form?.showProblem(failure?.kind === "problem" ? failure.problem : null);
  }

  /** Tell a screen reader the answer in one sentence. */
  private announce({ name, asker: { answer } }: Scenario): void {
    if (answer.state !== "shown") return;
    const { strings } = this.words;
    const horizon = headlineHorizon(answer.prediction);
    if (!horizon) return;
    const values = horizonWords(horizon, answer.prediction, this.words);
    const which = this.scenarios.length > 1 ? `${fill(strings.result.live_scenario, { name })} ` : "";
    this.live.textContent = which + fill(horizon.probability === null ? strings.note.withheld : strings.result.live, values);
  }

  private link(): string {
    const entries = this.scenarios.map(({ entry }) => entry);
    const chosen = this.models.find((each) => `${each.id}@${each.version}` === this.model);
    const fragment = toFragment(entries, chosen?.default ? null : this.model);
    return `${location.origin}${location.pathname}#${fragment}`;
  }

  private useKey(key: string, isToken: boolean): void {
    this.api.useKey(key, isToken);
    void this.load();
  }

  private forgetKey(): void {
    this.api.forgetKey();
    void this.load();
  }

  private retry(): void {
    if (this.failure) void this.load();
    else {
      const active = this.scenarios.filter(({ asker }) => asker.answer.state === "failed");
      for (const scenario of active) this.ask(scenario);
    }
  }

  // What is shown

  private showAll(): void {
    const { strings, language } = this.words;
    document.documentElement.lang = language;
    document.title = `${strings.page.title} · hsct2-risk`;
    const focused = document.activeElement?.id;
    this.root.replaceChildren(
      ...(this.about
        ? []
        : [h("a", { class: "skip", href: "#results", onclick: (event) => this.skip(event) }, strings.page.skip)]),
      this.headerView(),
      this.about ? this.aboutView() : h(
        "main",
        { class: this.scenarios.length > 1 ? "columns comparing" : "columns" },
        h("div", { class: "form-column" }, this.formView()),
        h("section", { class: "result-column", "aria-labelledby": "results-title" },
          h("h2", { id: "results-title", class: "visually-hidden" }, strings.page.result),
          this.results,
        ),
      ),
      this.footer,
      this.live,
    );
    this.showFieldErrors();
    this.showResults();
    if (focused) focusAgain(focused);
  }

  /** Move to the result without touching the address. */
  private skip(event: Event): void {
    event.preventDefault();
    this.results.tabIndex = -1;
    this.results.focus();
  }

  /** Turn from the prediction to what the model is worth, or back. */
  private turn(): void {
    this.about = !this.about;
    this.showAll();
    document.getElementById("about-model")?.focus();
  }

  private aboutView(): HTMLElement {
    const { strings } = this.words;
    const view = h("div", { class: "model-view", id: "model-view" }, h("p", {}, strings.page.loading));
    if (this.model) {
      mountModelView(view, this.api, this.words, this.model).catch((error: unknown) => {
        if (!(error instanceof FailureError)) throw error;
        const context = {
          words: this.words,
          retry: () => this.showAll(),
          useKey: (key: string, isToken: boolean) => this.useKey(key, isToken),
        };
        view.replaceChildren(failureView(error.failure, "model", context));
      });
    }
    return h("main", { class: "about" }, h("h2", {}, strings.page.model_view), view);
  }

  private headerView(): HTMLElement {
    const t = this.words.strings.page;
    return h(
      "header",
      { class: "header" },
      h("div", { class: "brand" }, h("h1", {}, t.title), h("p", {}, t.subtitle)),
      h(
        "div",
        { class: "settings" },
        this.models.length > 1 &&
          select("model", t.model, this.models.map(({ id, version }) => [`${id}@${version}`, id]), this.model ?? "", (value) => {
            this.model = value;
            void this.load();
          }),
        select("language", t.language, LANGUAGES.map((each) => [each, LANGUAGE_NAMES[each]]), this.words.language, (value) => {
          this.words = new Words(value as Language);
          keep("language", value);
          this.showAll();
          this.live.textContent = "";
          const active = this.scenarios[this.active];
          if (active) this.announce(active);
          this.withholdWrong();
          document.getElementById("language")?.focus();
        }),
        select(
          "theme",
          t.theme,
          THEMES.map((each) => [each, t[`theme_${each}`]]),
          this.theme,
          (value) => {
            this.theme = value as Theme;
            keep("theme", value);
            this.showTheme();
          },
        ),
        this.model &&
          h(
            "button",
            { type: "button", id: "about-model", onclick: () => this.turn() },
            this.about ? t.prediction_view : t.model_view,
          ),
        this.api.hasKey && h("button", { type: "button", id: "forget-key", onclick: () => this.forgetKey() }, t.forget_key),
      ),
    );
  }

  private showTheme(): void {
    if (this.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }

  private formView(): HTMLElement {
    const { strings } = this.words;
    const scenario = this.scenarios[this.active];
    if (!this.fields.length || !scenario) {
      return this.failure && !this.loading
        ? h("div", { class: "card message" }, h("p", {}, strings.page.not_loaded))
        : h("p", { class: "loading" }, strings.page.loading);
    }
    this.form = form(this.fields, scenario.entry, this.detail?.covariates ?? null, this.words, (entry) => {
      scenario.entry = entry;
      this.ask(scenario);
      this.showCompared();
    });
    return h(
      "div",
      { class: "form-panel" },
      h("h2", {}, strings.page.entry),
      h("p", { class: "intro" }, strings.form.intro),
      this.scenariosView(),
      this.form.element,
      h(
        "div",
        { class: "form-actions" },
        this.scenarios.length === 1
          ? h("button", { type: "button", id: "compare-start", onclick: () => this.compare() }, strings.form.compare)
          : h("button", { type: "button", id: "compare-stop", onclick: () => this.stopComparing() }, strings.form.stop_comparing),
        h("button", { type: "button", class: "quiet", id: "clear-all", onclick: () => this.clear() }, strings.form.clear_all),
      ),
    );
  }

  private scenariosView(): HTMLElement | null {
    if (this.scenarios.length < 2) return null;
    const { strings } = this.words;
    return h(
      "fieldset",
      { class: "scenarios" },
      h("legend", {}, strings.form.editing),
      h("div", { class: "segments" }, this.scenarios.map(({ name }, i) =>
        h(
          "label",
          { class: `segment scenario-${name.toLowerCase()}` },
          h("input", {
            type: "radio",
            name: "scenario",
            id: `scenario-${name.toLowerCase()}`,
            checked: i === this.active,
            onchange: () => this.edit(i),
          }),
          h("span", {}, fill(strings.form.scenario, { name })),
        ),
      )),
    );
  }

  private edit(index: number): void {
    this.active = index;
    this.showAll();
    document.getElementById(`scenario-${this.scenarios[index]?.name.toLowerCase()}`)?.focus();
  }

  private compare(): void {
    const [first] = this.scenarios;
    if (!first) return;
    const second = this.scenario(1, first.entry);
    this.scenarios = [first, second];
    this.edit(1);
    this.ask(second);
  }

  private stopComparing(): void {
    this.scenarios[1]?.asker.withhold("incomplete");
    this.scenarios = this.scenarios.slice(0, 1);
    this.active = 0;
    this.showAll();
    document.getElementById("compare-start")?.focus();
  }

  private clear(): void {
    const scenario = this.scenarios[this.active];
    if (!scenario) return;
    scenario.entry = {};
    this.showAll();
    this.ask(scenario);
  }

  private showResults(): void {
    const { words, fields, detail, look } = this;
    const context = {
      words,
      fields,
      detail,
      look,
      link: () => this.link(),
      retry: () => this.retry(),
      useKey: (key: string, isToken: boolean) => this.useKey(key, isToken),
    };
    if (this.failure && !this.loading) {
      this.results.replaceChildren(failureView(this.failure, "result-a", context));
    } else {
      const panels = this.scenarios.map(({ name, asker: { answer } }, i) => {
        const second = this.scenarios[1 - i];
        const other =
          second?.asker.answer.state === "shown"
            ? { name: second.name, prediction: second.asker.answer.prediction }
            : null;
        return resultView({ name, comparing: this.scenarios.length > 1, answer, other }, context);
      });
      this.results.replaceChildren(this.compared, h("div", { class: "panels" }, panels));
      this.showCompared();
    }
    this.showFooter();
  }

  private showCompared(): void {
    const compared = this.scenarios.map(({ name, entry, asker }) => ({ name, entry, answer: asker.answer }));
    this.compared.replaceChildren(...(compared.length > 1 ? [compareView(compared, this.fields, this.words)] : []));
  }

  /** Model and notice, always in sight; on a small screen with the answer in brief. */
  private showFooter(): void {
    const answer = this.scenarios[this.active]?.asker.answer;
    const model = answer?.state === "shown" ? answer.prediction.model : this.detail;
    const horizon = answer?.state === "shown" ? headlineHorizon(answer.prediction) : null;
    const brief =
      answer?.state === "shown" && horizon && horizon.probability !== null
        ? fill(this.words.strings.result.brief, horizonWords(horizon, answer.prediction, this.words))
        : "";
    this.footer.replaceChildren(
      ...[
        brief && h("a", { class: "brief", href: "#results", onclick: (event) => this.skip(event) }, brief),
        model &&
          h(
            "p",
            { class: "notice" },
            h("strong", { class: "model-identity" }, fill(this.words.strings.identity.model, { id: model.id, version: model.version })),
            " ",
            model.notice ? this.words.notice(model.notice) : "",
          ),
      ].filter((each) => each instanceof HTMLElement),
    );
  }
}

/** Give the focus back to an element that was made anew, the cursor behind what was typed. */
function focusAgain(id: string): void {
  const element = document.getElementById(id);
  element?.focus();
  if (element instanceof HTMLInputElement && element.type === "text") {
    element.setSelectionRange(element.value.length, element.value.length);
  }
}

function select(
  id: string,
  label: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
  changed: (value: string) => void,
): HTMLElement {
  const element = h(
    "select",
    { id, onchange: () => changed(element.value) },
    options.map(([value, name]) => h("option", { value, selected: value === chosen }, name)),
  );
  return h("div", { class: "setting" }, h("label", { for: id }, label), element);
}
