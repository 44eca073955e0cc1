"""FHIR R4: a chart in, a `RiskAssessment` out, and the definitions of what is ours."""
