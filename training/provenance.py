"""Which cohort a number comes from."""

from model.manifest import CohortProvenance
from training.cohort import Cohort


def provenance(cohort: Cohort) -> CohortProvenance:
    """Identify a cohort by its declaration and the digest of its rows."""
    declaration = cohort.declaration
    end = declaration.end_of_follow_up
    return CohortProvenance(
        name=declaration.name,
        institution=declaration.institution,
        synthetic=declaration.synthetic,
        end_of_follow_up=end.isoformat() if end else None,
        sha256=cohort.digest(),
        patients=len(cohort.months),
        deaths=int(cohort.death.sum()),
    )
