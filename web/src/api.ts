/** The service's public API: a generated client, and what can go wrong with it. */
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api";
import { type Description, type Field, fieldsOf } from "./schema";

export type Prediction = components["schemas"]["Prediction"];
export type ModelDetail = components["schemas"]["ModelDetail"];
export type ModelSummary = components["schemas"]["ModelSummary"];
export type ModelCard = components["schemas"]["ModelCard"];
export type CalibrationCurve = components["schemas"]["CalibrationCurve"];
export type EcogEffect = components["schemas"]["EcogEffect"];
export type Patient = components["schemas"]["Patient"];
export type Problem = components["schemas"]["Problem"];

/** Why there is no answer: a key is missing, a problem of the API, or silence. */
export type Failure =
  | { readonly kind: "key"; readonly rejected: boolean; readonly asksForToken: boolean }
  | { readonly kind: "problem"; readonly problem: Problem }
  | { readonly kind: "silence"; readonly slow: boolean };

export class FailureError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

const TIMEOUT_MS = 30_000;
const BASE = new URL(".", document.baseURI).href.replace(/\/$/, "");

/** Calls the API; a key, where one is asked for, is held here and nowhere else. */
export class Api {
  private readonly client = createClient<paths>({ baseUrl: BASE });
  private credential: { name: string; value: string } | null = null;

  constructor() {
    this.client.use({
      onRequest: ({ request }) => {
        if (this.credential) request.headers.set(this.credential.name, this.credential.value);
        return request;
      },
    });
  }

  get hasKey(): boolean {
    return this.credential !== null;
  }

  /** Send this key with every call from now on. */
  useKey(key: string, isToken: boolean): void {
    this.credential = isToken
      ? { name: "Authorization", value: `Bearer ${key}` }
      : { name: "X-API-Key", value: key };
  }

  forgetKey(): void {
    this.credential = null;
  }

  /** Return the patient's fields as the running service describes them. */
  async fields(): Promise<Field[]> {
    const response = await answered(fetch(`${BASE}/openapi.json`, { signal: AbortSignal.timeout(TIMEOUT_MS) }));
    if (!response.ok) throw new FailureError({ kind: "silence", slow: false });
    return fieldsOf((await response.json()) as Description);
  }

  async models(): Promise<ModelSummary[]> {
    return this.result(this.client.GET("/v1/models", { signal: AbortSignal.timeout(TIMEOUT_MS) }));
  }

  async model(id: string): Promise<ModelDetail> {
    return this.result(
      this.client.GET("/v1/models/{model}", {
        params: { path: { model: id } },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }),
    );
  }

  async card(id: string): Promise<ModelCard> {
    return this.result(
      this.client.GET("/v1/models/{model}/card", {
        params: { path: { model: id } },
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }) as Promise<{ data?: ModelCard; error?: unknown; response: Response }>,
    );
  }

  /** Return a model's report or card as it is kept. */
  async document(id: string, kind: "card" | "report"): Promise<Blob> {
    return this.result(
      this.client.GET(`/v1/models/{model}/${kind}`, {
        params: { path: { model: id } },
        parseAs: "blob",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }) as Promise<{ data?: Blob; error?: unknown; response: Response }>,
    );
  }

  async predict(patient: Patient, model: string, signal: AbortSignal): Promise<Prediction> {
    return this.result(
      this.client.POST("/v1/predictions", {
        params: { query: { model } },
        body: patient,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      }),
    );
  }

  private async result<T>(
    call: Promise<{ data?: T; error?: unknown; response: Response }>,
  ): Promise<T> {
    const { data, error, response } = await answered(call);
    if (response.ok && data !== undefined) return data;
    if (response.status === 401) {
      const asksForToken = /^Bearer/i.test(response.headers.get("WWW-Authenticate") ?? "");
      throw new FailureError({ kind: "key", rejected: this.hasKey, asksForToken });
    }
    if (isProblem(error)) throw new FailureError({ kind: "problem", problem: error });
    throw new FailureError({ kind: "silence", slow: false });
  }
}

/** Return the stable name of a problem, the last part of its type. */
export function nameOf(problem: Problem): string {
  return problem.type.split(":").at(-1) ?? "";
}

async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "AbortError") throw error;
    throw new FailureError({ kind: "silence", slow: name === "TimeoutError" });
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "type" in body && "errors" in body;
}
