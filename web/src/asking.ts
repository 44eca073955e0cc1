/** Asks for a prediction while somebody types: the newest entry wins, whatever arrives when. */
import { type Api, type Failure, FailureError, type Patient, type Prediction } from "./api";

export type Answer =
  | { readonly state: "incomplete" }
  | { readonly state: "invalid" }
  | { readonly state: "asking"; readonly previous: Prediction | null; readonly slow: boolean }
  | { readonly state: "shown"; readonly prediction: Prediction; readonly patient: Patient }
  | { readonly state: "failed"; readonly failure: Failure };

const PAUSE_MS = 250;
const SLOW_MS = 4_000;

export class Asker {
  answer: Answer = { state: "incomplete" };
  private running: AbortController | null = null;
  private pause = 0;
  private slow = 0;

  constructor(
    private readonly api: Api,
    private readonly changed: () => void,
  ) {}

  /** Ask nothing, because the entry is not one yet. */
  withhold(state: "incomplete" | "invalid"): void {
    this.stop();
    this.settle({ state });
  }

  /** Ask for this patient after a short pause in typing; forget what was asked before. */
  ask(patient: Patient, model: string): void {
    this.stop();
    const asked = new AbortController();
    this.running = asked;
    const { answer } = this;
    const previous =
      answer.state === "shown" ? answer.prediction : answer.state === "asking" ? answer.previous : null;
    this.settle({ state: "asking", previous, slow: false });
    this.pause = window.setTimeout(() => void this.send(patient, model, asked), PAUSE_MS);
    this.slow = window.setTimeout(
      () => this.settle({ state: "asking", previous, slow: true }),
      PAUSE_MS + SLOW_MS,
    );
  }

  private async send(patient: Patient, model: string, asked: AbortController): Promise<void> {
    let answer: Answer;
    try {
      const prediction = await this.api.predict(patient, model, asked.signal);
      answer = { state: "shown", prediction, patient };
    } catch (error) {
      if (asked.signal.aborted) return;
      if (!(error instanceof FailureError)) throw error;
      answer = { state: "failed", failure: error.failure };
    }
    // An answer can arrive just as the next question is put: it is late, and not shown.
    if (this.running !== asked) return;
    this.stop();
    this.settle(answer);
  }

  private stop(): void {
    window.clearTimeout(this.pause);
    window.clearTimeout(this.slow);
    this.running?.abort();
    this.running = null;
  }

  private settle(answer: Answer): void {
    this.answer = answer;
    this.changed();
  }
}
