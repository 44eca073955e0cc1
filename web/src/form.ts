/** The form: the fields grouped as a physician thinks, ECOG first. */
import type { Problem } from "./api";
import { h } from "./dom";
import { type Entry, UNKNOWN } from "./entry";
import { type FieldView, fieldView, gradeView } from "./field";
import type { Field } from "./schema";
import type { Words } from "./strings";

/** Which fields belong together; one that is in no group comes last. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  patient: ["ecog", "age_years", "bmi_kg_m2"],
  transplant: [
    "disease",
    "conditioning",
    "post_transplant_cyclophosphamide",
    "donor_chimerism_percent",
    "cd34_dose_10e6_per_kg",
  ],
  laboratory: ["hemoglobin_g_dl", "lymphocytes_10e9_l", "ldh_u_l", "ferritin_ng_ml"],
};

export interface Form {
  readonly element: HTMLElement;
  /** Show the service's field errors at their fields. */
  showProblem(problem: Problem | null): void;
}

/** Make a form of an entry; `covariates` are those that the model uses. */
export function form(
  fields: readonly Field[],
  entry: Entry,
  covariates: readonly string[] | null,
  words: Words,
  changed: (entry: Entry) => void,
): Form {
  let current = entry;
  const viewOf = (field: Field): FieldView => {
    const typed = current[field.name] ?? UNKNOWN;
    const update = (next: typeof typed): void => {
      current = { ...current, [field.name]: next };
      changed(current);
    };
    if (field.kind === "grade" && field.required) return gradeView(field, typed, words, update);
    return fieldView(field, typed, covariates?.includes(field.name) ?? true, words, update);
  };
  const grouped = new Set(Object.values(GROUPS).flat());
  const groups: Record<string, Field[]> = Object.fromEntries(
    Object.entries(GROUPS).map(([group, names]) => [
      group,
      names.flatMap((name) => fields.filter((field) => field.name === name)),
    ]),
  );
  groups.other = fields.filter((field) => !grouped.has(field.name));

  const views: FieldView[] = [];
  const titles: Readonly<Record<string, string>> = words.strings.groups;
  const sections = Object.entries(groups).flatMap(([group, members]) => {
    if (!members.length) return [];
    const own = members.map(viewOf);
    views.push(...own);
    return [
      h(
        "section",
        { class: `group group-${group}`, "aria-labelledby": `group-${group}` },
        h("h3", { id: `group-${group}` }, titles[group] ?? group),
        h("div", { class: "fields" }, own.map((view) => view.element)),
      ),
    ];
  });
  return {
    element: h("form", { class: "entry", id: "entry", novalidate: true, autocomplete: "off", onsubmit: (e) => e.preventDefault() }, sections),
    showProblem: (problem) => {
      for (const view of views) {
        const error = problem?.errors.find((each) => each.field === view.field.name);
        view.showProblem(error?.message ?? null);
      }
    },
  };
}
