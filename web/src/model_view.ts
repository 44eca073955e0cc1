/** What a model is worth: where it comes from, what it cannot do, and the evidence. */
import type { Api, ModelCard, ModelDetail } from "./api";
import { h } from "./dom";
import { calibration, effects, performance, validations } from "./model_evidence";
import { english, facts, list, more, section } from "./model_parts";
import { named, size } from "./model_words";
import { fill, type Words } from "./strings";

const ENDINGS = { card: "json", report: "html" } as const;

/** Fill a container with the view of one model; resolves when it stands there. */
export async function mountModelView(
  container: HTMLElement,
  api: Api,
  words: Words,
  model: string,
): Promise<void> {
  container.setAttribute("aria-busy", "true");
  try {
    const [detail, card] = await Promise.all([api.model(model), api.card(model)]);
    container.replaceChildren(
      about(detail, api, words),
      cannot(detail, card, words),
      effects(detail, card, words),
      calibration(detail, words),
      performance(detail, words),
      validations(detail, words),
      findings(detail, words),
    );
  } finally {
    container.removeAttribute("aria-busy");
  }
}

function about(detail: ModelDetail, api: Api, words: Words): HTMLElement {
  const strings = words.strings.model.general;
  const name = `${detail.id}@${detail.version}`;
  return section(
    strings.about,
    h("p", { class: "model-title", lang: "en" }, detail.title),
    facts([
      [strings.version, name],
      [strings.cohort, english(detail.cohort.name)],
      [strings.size, size(words, detail.cohort)],
      [strings.fields, words.list(detail.covariates.map((field) => words.label(field)))],
      [strings.digest, h("code", {}, detail.sha256)],
    ]),
    h(
      "p",
      { class: "model-documents" },
      documentLink(name, "report", strings.open_report, api),
      documentLink(name, "card", strings.open_card, api),
    ),
  );
}

function documentLink(name: string, kind: "card" | "report", text: string, api: Api): HTMLElement {
  return h(
    "a",
    {
      href: `v1/models/${name}/${kind}`,
      target: "_blank",
      rel: "noopener",
      // A link carries no key: what asks for one is fetched with it and saved.
      onclick: (event: Event) => {
        if (!api.hasKey) return;
        event.preventDefault();
        void api.document(name, kind).then((content) => {
          const address = URL.createObjectURL(content);
          h("a", { href: address, download: `${name}-${kind}.${ENDINGS[kind]}` }).click();
          URL.revokeObjectURL(address);
        });
      },
    },
    text,
  );
}

function cannot(detail: ModelDetail, card: ModelCard, words: Words): HTMLElement {
  const strings = words.strings.model.cannot;
  const scarce = card.ecog_grades.filter((grade) => grade.extrapolated).map(({ ecog }) => ecog);
  return section(
    strings.title,
    list([
      ...(detail.synthetic ? [strings.synthetic] : []),
      strings.other_patients,
      strings.choose,
      fill(strings.later, { months: words.months(detail.last_months) }),
      strings.after,
      ...(scarce.length ? [fill(strings.grades, { grades: words.list(scarce.map(String)) })] : []),
      ...(detail.validations.length ? [] : [strings.elsewhere]),
    ]),
    more(
      strings.in_full,
      h("h4", {}, strings.not_for),
      list(card.uses.out_of_scope.map(english)),
      h("h4", {}, strings.limits),
      list(card.limits.map(english)),
    ),
  );
}

function findings(detail: ModelDetail, words: Words): HTMLElement {
  const strings = words.strings.model.findings;
  return section(
    strings.title,
    detail.findings.length
      ? facts(
          detail.findings.map(({ code, message }) => [
            named(words, "finding", code),
            english(message),
          ]),
        )
      : h("p", {}, strings.none),
  );
}
