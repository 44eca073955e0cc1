// What a TypeScript caller does first: predict, be refused, predict for several. Prints what it saw.
import { createHsct2RiskClient, type Curve, type Patient, type Prediction, type Problem } from "./client.js";

const [address, key] = process.argv.slice(2) as [string, string];
const { predictSurvival, predictSurvivalBatch } = createHsct2RiskClient({
  baseUrl: address,
  headers: { "X-API-Key": key },
});

async function refused(call: Promise<{ error?: Problem; response: Response }>): Promise<Problem> {
  const { error } = await call;
  if (error === undefined) throw new Error("it was not refused");
  return error;
}

const patient: Patient = {
  ecog: 2,
  age_years: 41,
  disease: "AML",
  post_transplant_cyclophosphamide: true,
  hemoglobin_g_dl: 8.9,
};
const { data, error } = await predictSurvival({
  params: { query: { horizon_months: [6, 12], confidence_level: 0.9 } },
  body: patient,
});
if (data === undefined) throw new Error(error.title);
const prediction: Prediction = data;
const curve: Curve | null = prediction.survival.curve;
if (curve === null) throw new Error("no curve was sent");
const values = Object.fromEntries(prediction.contributions.map((each) => [each.covariate, each.value]));

const problem = await refused(predictSurvival({ body: { ...patient, ecog: 5, age_years: 300 } }));
const stranger = createHsct2RiskClient({ baseUrl: address });
const closed = await refused(stranger.predictSurvival({ body: patient }));

const batch = await predictSurvivalBatch({
  params: { query: { horizon_months: [12] } },
  body: [patient, { ecog: 0 }, { ecog: 5 }],
});
if (batch.data === undefined) throw new Error(batch.error.title);

console.log(
  JSON.stringify({
    prediction_id: prediction.prediction_id,
    created_at: prediction.created_at,
    category: prediction.risk.category,
    horizons: prediction.survival.horizons.map(({ months, probability }) => [months, probability]),
    curve: [curve.months, curve.probability, curve.lower, curve.upper],
    values,
    problem: [problem.type, problem.status, (problem.errors ?? []).map(({ field, code }) => [field, code])],
    stranger: [closed.type, closed.status],
    batch: batch.data.predictions.map((row) => [
      row.row,
      row.category,
      row["survival_12"] ?? null,
      (row.error ?? []).map(({ field, code }) => [field, code]),
    ]),
    complete: batch.data.summary.complete,
  }),
);
