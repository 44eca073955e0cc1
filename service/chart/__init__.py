"""From a patient's chart in FHIR R4 to a `Patient`, with an account of every value."""
