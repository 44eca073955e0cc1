/** The patient's fields, as the service's own OpenAPI description defines them. */
export type Kind = "grade" | "number" | "choice" | "boolean";

export interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly required: boolean;
  readonly minimum: number;
  readonly maximum: number;
  readonly unit: string;
  readonly choices: readonly string[];
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly "x-unit"?: string;
}

export interface Description {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Return every field of the patient that a form can ask for, in the schema's order. */
export function fieldsOf(description: Description): Field[] {
  const schemas = description.components.schemas;
  const patient = schemas.Patient;
  if (!patient?.properties) throw new Error("the description has no patient");
  const required = new Set(patient.required);
  return Object.entries(patient.properties).flatMap(([name, property]) => {
    const value = valueSchema(property, schemas);
    const kind = kindOf(value);
    if (!kind) return [];
    return {
      name,
      kind,
      required: required.has(name),
      minimum: value.minimum ?? -Infinity,
      maximum: value.maximum ?? Infinity,
      unit: property["x-unit"] ?? "",
      choices: value.enum ?? [],
    };
  });
}

function valueSchema(property: Schema, schemas: Readonly<Record<string, Schema>>): Schema {
  const option = property.anyOf?.find((each) => each.type !== "null") ?? property;
  const name = option.$ref?.split("/").at(-1);
  return (name && schemas[name]) || option;
}

function kindOf(value: Schema): Kind | null {
  if (value.enum) return "choice";
  if (value.type === "boolean") return "boolean";
  if (value.type === "integer") return "grade";
  return value.type === "number" ? "number" : null;
}
