// Writes a TypeScript client: types from the description, and a method for each operation.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { load } from "js-yaml";
import openapiTS, { astToString } from "openapi-typescript";

const [description, out] = process.argv.slice(2).map((path) => resolve(path));
const api = load(readFileSync(description, "utf8"));
const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

const types = await openapiTS(pathToFileURL(description), {
  defaultNonNullable: false,
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
});

const methods = [];
for (const [path, operations] of Object.entries(api.paths)) {
  for (const [verb, { operationId, summary }] of Object.entries(operations)) {
    const name = operationId.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    methods.push(`
    /** ${summary}. */
    ${name}: at[${JSON.stringify(path)}].${verb.toUpperCase()},`);
  }
}

mkdirSync(out, { recursive: true });
const written = {
  "schema.ts": astToString(types),
  "client.ts": `import { createPathBasedClient, type ClientOptions } from "openapi-fetch";
import type { paths } from "./schema.js";

export type * from "./schema.js";

type Json = "application/json" | "application/problem+json" | "application/fhir+json";

/** Make a client of ${api.info.title} ${api.info.version}; a key goes into \`headers\`, as \`X-API-Key\`. */
export function createHsct2RiskClient(options: ClientOptions) {
  const at = createPathBasedClient<paths, Json>(options);
  return {${methods.join("\n")}
  };
}
`,
  "package.json": `${JSON.stringify(
    {
      name: "hsct2-risk-client",
      version: api.info.version,
      private: true,
      type: "module",
      dependencies: { "openapi-fetch": dependencies["openapi-fetch"] },
    },
    null,
    2,
  )}\n`,
};
for (const [name, text] of Object.entries(written)) writeFileSync(join(out, name), text);
