"""Where the model applies: one predicate, for every way in which a chart is asked about."""

from service.chart.conditions import Disease
from service.chart.reading import Verdict
from service.chart.transplants import Transplants


def verdict(disease: Disease, transplants: Transplants, *, is_dead: bool) -> Verdict:
    """Return whether the model has anything to say.

    It has for a living patient with an acute leukaemia who had an allogeneic transplant,
    or for whom a second one is ordered.
    """
    if is_dead:
        return Verdict.DECEASED
    if not disease.is_acute_leukaemia:
        return Verdict.NO_ACUTE_LEUKAEMIA
    if not (transplants.has_allogeneic or transplants.second_is_ordered):
        return Verdict.NO_PRIOR_TRANSPLANT
    return Verdict.APPLIES
