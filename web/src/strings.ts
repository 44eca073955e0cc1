/** The page's words in its two languages; what has none is shown as the API says it. */
import en from "../strings/en.json";
import tr from "../strings/tr.json";

export type Strings = typeof en;
export type Language = "en" | "tr";

const LANGUAGES: Readonly<Record<Language, Strings>> = { en, tr };

/** The words of one language and its way of writing numbers. */
export class Words {
  readonly strings: Strings;
  readonly commaIsDecimal: boolean;

  constructor(readonly language: Language) {
    this.strings = LANGUAGES[language];
    this.commaIsDecimal = this.number(1.5).includes(",");
  }

  /** Write a number with at most this many significant digits. */
  number(value: number, digits = 4): string {
    return new Intl.NumberFormat(this.language, {
      maximumSignificantDigits: digits,
      useGrouping: Math.abs(value) >= 10_000,
    }).format(value);
  }

  /** Write a number exactly as it is sent. */
  exact(value: number): string {
    return new Intl.NumberFormat(this.language, { maximumSignificantDigits: 17, useGrouping: false }).format(value);
  }

  /** Write a probability as a whole percentage. */
  percent(probability: number | null | undefined): string {
    if (probability === null || probability === undefined) return this.strings.result.open_limit;
    return new Intl.NumberFormat(this.language, { style: "percent", maximumFractionDigits: 0 }).format(probability);
  }

  /** Write months with one decimal at most. */
  months(value: number | null | undefined): string {
    if (value === null || value === undefined) return this.strings.result.open_limit;
    return new Intl.NumberFormat(this.language, { maximumFractionDigits: 1 }).format(value);
  }

  /** Write an estimated time in months: always one decimal. */
  time(value: number | null | undefined): string {
    if (value === null || value === undefined) return this.strings.result.open_limit;
    return new Intl.NumberFormat(this.language, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
  }

  /** Write a hazard ratio with two decimals. */
  ratio(value: number | null | undefined): string {
    if (value === null || value === undefined) return this.strings.result.open_limit;
    return new Intl.NumberFormat(this.language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
  }

  /** Join words as the language does: a, b and c. */
  list(items: readonly string[]): string {
    return new Intl.ListFormat(this.language, { type: "conjunction" }).format(items);
  }

  label(field: string): string {
    return this.of("fields", field)?.label ?? field;
  }

  help(field: string): string {
    return this.of("fields", field)?.help ?? "";
  }

  unit(unit: string): string {
    return this.of("units", unit) ?? unit;
  }

  choice(value: string): string {
    return this.of("choices", value) ?? value;
  }

  category(name: string): string {
    return this.of("categories", name) ?? name;
  }

  notice(notice: string): string {
    return this.of("notices", notice) ?? notice;
  }

  problem(type: string, fallback: string): string {
    return this.of("problems", type) ?? fallback;
  }

  /** Write a value of a field: yes and no, a choice's name, a number with its unit. */
  value(value: unknown, unit: string): string {
    if (value === null || value === undefined) return this.strings.form.unknown;
    if (typeof value === "boolean") return value ? this.strings.form.yes : this.strings.form.no;
    if (typeof value === "number") {
      const named = this.unit(unit);
      if (unit === "%") return this.percentage(value);
      return named ? `${this.number(value, 3)} ${named}` : this.number(value, 3);
    }
    return this.choice(String(value));
  }

  private percentage(value: number): string {
    return new Intl.NumberFormat(this.language, { style: "percent", maximumFractionDigits: 1 }).format(value / 100);
  }

  private of<G extends keyof Strings>(group: G, key: string): Strings[G][keyof Strings[G]] | undefined {
    const words: Strings[G] = this.strings[group];
    return Object.hasOwn(words, key) ? words[key as keyof Strings[G]] : undefined;
  }
}

/** Put values into a sentence's `{names}`. */
export function fill(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
