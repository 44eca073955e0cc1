/** Reading a curve that the API gave: survival from each time to the next. */
export interface Steps {
  readonly months: readonly number[];
  readonly probability: readonly number[];
  readonly lower: readonly (number | null)[];
  readonly upper: readonly (number | null)[];
}

export interface Point {
  readonly months: number;
  readonly probability: number;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** Return the curve's points in order. */
export function pointsOf(steps: Steps): Point[] {
  return steps.months.map((months, i) => ({
    months,
    probability: steps.probability[i] ?? NaN,
    lower: steps.lower[i] ?? null,
    upper: steps.upper[i] ?? null,
  }));
}

/** Return the point that holds at a time: the last one not after it. */
export function at(points: readonly Point[], months: number): Point | null {
  return points.findLast((point) => point.months <= months) ?? null;
}
