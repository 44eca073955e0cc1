"""The canonical addresses of what is ours, and the systems of others that we code with."""

from service.chart.codes import CANONICAL_BASE

ISSUE_SYSTEM = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-issue"
"""The system of `Issue.code`."""

ASSESSMENT_SYSTEM = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-assessment"
CATEGORY_SYSTEM = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-category"
MODEL_SYSTEM = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-model"
TAG_SYSTEM = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-tag"

ASSESSMENT_PROFILE = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-assessment"
INTERVAL_EXTENSION = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-interval"
IMPUTED_EXTENSION = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-imputed"
WARNING_EXTENSION = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-warning"
OPERATION = f"{CANONICAL_BASE}/OperationDefinition/hsct2-risk"

SNOMED_CT = "http://snomed.info/sct"
URI = "urn:ietf:rfc:3986"
