/** Other units in which laboratories report; the API takes one unit per field. */

/** `factor` times a number in this unit is the number in the field's own unit. */
export interface Alternative {
  readonly unit: string;
  readonly factor: number;
}

export const ALTERNATIVES: Readonly<Record<string, readonly Alternative[]>> = {
  hemoglobin_g_dl: [
    { unit: "g/L", factor: 0.1 },
    { unit: "mmol/L", factor: 1.611 }, // of the monomer, 16.11 g/mmol
  ],
  lymphocytes_10e9_l: [
    { unit: "10³/µL", factor: 1 },
    { unit: "/µL", factor: 0.001 },
  ],
  ldh_u_l: [{ unit: "µkat/L", factor: 60 }], // 1 U is 1 µmol/min, 1 µkat is 1 µmol/s
  ferritin_ng_ml: [
    { unit: "µg/L", factor: 1 },
    { unit: "pmol/L", factor: 0.445 }, // 445 kDa
  ],
};

/** Return the factor from a unit to the field's own; its own unit has factor 1. */
export function factorOf(field: string, unit: string): number {
  return ALTERNATIVES[field]?.find((each) => each.unit === unit)?.factor ?? 1;
}

/** Convert to the field's own unit, without the digits that binary arithmetic adds. */
export function toOwnUnit(field: string, unit: string, number: number): number {
  const factor = factorOf(field, unit);
  return factor === 1 ? number : Number((number * factor).toPrecision(6));
}

/** Convert a limit in the field's own unit to another. */
export function limitIn(field: string, unit: string, limit: number): number {
  return Number((limit / factorOf(field, unit)).toPrecision(4));
}
