/** Language and appearance: all that the page keeps in the browser. */
import type { Language } from "./strings";

export type Theme = "auto" | "light" | "dark";

export const LANGUAGES: readonly Language[] = ["en", "tr"];
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** Return the kept language, else the browser's. */
export function keptLanguage(): Language {
  const kept = stored("language");
  return LANGUAGES.find((each) => each === kept) ?? (navigator.language.startsWith("tr") ? "tr" : "en");
}

export function keptTheme(): Theme {
  const kept = stored("theme");
  return THEMES.find((each) => each === kept) ?? "auto";
}

/** Keep a choice; a browser that keeps nothing is no error. */
export function keep(name: "language" | "theme", value: string): void {
  try {
    localStorage.setItem(`hsct2-${name}`, value);
  } catch {
    return;
  }
}

function stored(name: string): string | null {
  try {
    return localStorage.getItem(`hsct2-${name}`);
  } catch {
    return null;
  }
}
