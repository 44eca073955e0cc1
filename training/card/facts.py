"""The sentences that several parts of a card share, each derived once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from model.analysis import Analysis, Interval, Performance
from model.card import ReportingStatus
from model.manifest import CohortProvenance, Manifest
from model.patient import COVARIATES
from model.prediction import PrognosticModel

Answer = tuple[str, ReportingStatus, str]
"""The number of a TRIPOD+AI item, whether it is answered, and the answer or the reason."""

MEASURED_LATE = (
    "donor_chimerism_percent",
    "cd34_dose_10e6_per_kg",
    "post_transplant_cyclophosphamide",
)
"""Covariates that a record may hold only because the patient lived to have them."""


@dataclass(frozen=True)
class Facts:
    """What a card is written from."""

    manifest: Manifest
    model: PrognosticModel
    analysis: Analysis

    @property
    def cohort(self) -> CohortProvenance:
        """Return the training cohort."""
        return self.manifest.cohort

    @property
    def synthetic(self) -> bool:
        """Whether no row of the cohort is a patient."""
        return self.manifest.synthetic

    @property
    def penalty(self) -> float:
        """Return the ridge strength of every covariate but ECOG."""
        return float(self.model.cox.penalty.max())

    @property
    def is_ecog_alone(self) -> bool:
        """Whether ECOG is the only covariate."""
        return len(self.manifest.covariates) == 1

    @cached_property
    def labels(self) -> list[str]:
        """Return the covariates' names as people write them."""
        return [COVARIATES[name].label for name in self.manifest.covariates]

    @cached_property
    def measured_late(self) -> list[str]:
        """Return the labels of the covariates that may be known only after follow-up began."""
        return [COVARIATES[n].label for n in MEASURED_LATE if n in self.manifest.covariates]

    @property
    def size(self) -> str:
        """Return patients, deaths and deaths per coefficient."""
        count, deaths = len(self.manifest.covariates), self.cohort.deaths
        coefficients = (
            "one coefficient"
            if self.is_ecog_alone
            else f"{count} coefficients ({deaths / count:.1f} deaths for each)"
        )
        rows = "invented rows" if self.synthetic else "patients"
        return f"{self.cohort.patients} {rows}, {deaths} deaths, {coefficients}"

    @property
    def model_type(self) -> str:
        """Return what kind of model it is and how it was fitted."""
        penalty = (
            "without a penalty"
            if self.penalty == 0
            else f"with ECOG free and a ridge penalty of strength {self.penalty:.4g} on every"
            " other coefficient, per standard deviation"
        )
        return (
            f"Cox proportional hazards, ties by {self.manifest.ties.capitalize()}, fitted {penalty}"
        )

    @property
    def recalibration(self) -> str | None:
        """Say how this version was adjusted to another cohort; None where it was not."""
        adjusted = self.manifest.recalibration
        if adjusted is None:
            return None
        return (
            f"Version {adjusted.from_version} was adjusted to {adjusted.cohort.name}: all log"
            f" hazard ratios times {adjusted.slope:.3f}, the baseline hazard times"
            f" {adjusted.baseline_scale:.3f}."
        )

    @property
    def interval(self) -> str:
        """Return what the intervals of a prediction are."""
        covariance = (
            "the inverse of the information"
            if self.penalty == 0
            else "Bayesian, the penalty being the prior: the inverse of the penalised information,"
            " and where the penalty was chosen by cross-validation averaged over its strength"
        )
        return (
            "Pointwise log-log limits from the variance of the baseline, the covariance of the"
            f" coefficients ({covariance}) and, where values are unknown, their spread."
        )

    @property
    def missing(self) -> str:
        """Return how unknown values of the cohort were treated."""
        imputation = self.analysis.imputation
        if imputation is None:
            return "No value of the covariates was missing, so none was imputed or left out."
        counts = ", ".join(f"{m.covariate} ({m.missing})" for m in imputation.covariates)
        return (
            f"{imputation.incomplete_patients} patients lacked a value: {counts}. They were kept:"
            f" {imputation.imputations} imputations that use the outcome, pooled by Rubin's rules."
        )

    @property
    def validity(self) -> str:
        """Return what the performance figures are worth."""
        internal = "No internal validation is recorded."
        if self.synthetic:
            internal = (
                "Circular by construction: the cohort was generated to give chosen figures, so"
                " whatever is measured on it shows that the machinery works and validates nothing."
            )
        elif self.analysis.validation is not None:
            internal = (
                "Internal validation only corrects for optimism; it says nothing of other centres."
            )
        external = len(self.manifest.validations)
        if external == 0:
            return f"{internal} No validation on another cohort is recorded."
        return f"{internal} Validations on other cohorts: {external}."

    @cached_property
    def measures(self) -> list[Performance]:
        """Return the recorded measures of performance."""
        validation = self.analysis.validation
        return [] if validation is None else list(validation.performance)

    @property
    def performance(self) -> str:
        """Return the recorded measures as one sentence, or that there are none."""
        figures = [
            *(
                f"{_measure(m)} {m.corrected:.3f} ({m.lower:.3f} to {m.upper:.3f})"
                for m in self.measures
            ),
            *(
                f"on {v.cohort.name}: concordance {v.concordance}, calibration slope"
                f" {v.calibration_slope}, observed over expected"
                f" {'; '.join(map(str, v.observed_expected))}"
                for v in self.manifest.validations
            ),
        ]
        return f"{'; '.join(figures)}." if figures else "No measure of performance is recorded."

    @property
    def outcomes(self) -> Iterator[str]:
        """Yield median survival and follow-up, where the analysis has them."""
        study = self.analysis.study
        if study is not None:
            yield f"Median survival: {_months(study.median_survival_log_log)}, log-log limits."
            yield f"Median follow-up by reverse Kaplan-Meier: {_months(study.median_follow_up)}."

    def of_the_cohort(self, if_synthetic: str, what: str) -> str:
        """Return what is said of an invented cohort, or who can answer for a real one."""
        if self.synthetic:
            return if_synthetic
        return (
            f"The cohort's declaration does not record {what}; its owner,"
            f" {self.cohort.institution}, answers for it."
        )


def write_p(p_value: float) -> str:
    """Return a p value as people print it."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _measure(measure: Performance) -> str:
    if measure.horizon_months is None:
        return measure.measure
    return f"{measure.measure} at {measure.horizon_months:g} months"


def _months(interval: Interval) -> str:
    estimate, lower, upper = (
        "not reached" if limit is None else f"{limit:.1f}"
        for limit in (interval.estimate, interval.lower, interval.upper)
    )
    return f"{estimate} months (95 % interval {lower} to {upper})"
