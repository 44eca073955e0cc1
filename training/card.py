"""The model card: what the model is, what it was made from, what it must not be used for."""

from collections.abc import Iterator

import numpy as np

from model.cox import CoxModel
from model.kaplan_meier import normal_quantile
from model.manifest import Manifest
from model.patient import COVARIATES, Transform
from model.prediction import PrognosticModel
from model.risk import RiskBand

_FORMULAS = {
    Transform.IDENTITY: "x",
    Transform.LOG: "log(x)",
    Transform.SHIFTED_LOG: "log(x + {shift:.6g})",
}


def render_card(manifest: Manifest, model: PrognosticModel) -> str:
    """Return the card of a model as Markdown."""
    return "\n".join(_lines(manifest, model)) + "\n"


def _lines(manifest: Manifest, model: PrognosticModel) -> Iterator[str]:
    cohort = manifest.cohort
    yield f"# {manifest.title}"
    yield ""
    yield f"`{manifest.id}` version {manifest.version}"
    if manifest.notice:
        yield ""
        yield f"**{manifest.notice}**"
    yield ""
    yield "## Intended use"
    yield ""
    yield (
        "An estimate of overall survival, with its uncertainty, for an adult with acute leukaemia"
        " who relapsed after a first allogeneic stem-cell transplant and for whom a second one"
        " (HSCT2) is discussed. It informs a conversation between a transplant physician and a"
        " patient; it does not decide whether to transplant."
    )
    yield ""
    yield "Not for: other diseases, a first transplant, autologous transplants, children,"
    yield "comparing centres, or choosing between treatments: an association is not an effect."
    yield ""
    yield "## Cohort"
    yield ""
    yield f"{cohort.name} ({cohort.institution}): {cohort.patients} patients,"
    yield f"{cohort.deaths} deaths. {'Synthetic: no row is a patient.' if cohort.synthetic else ''}"
    yield f"SHA-256 of its rows: `{cohort.sha256}`."
    yield ""
    yield "## Model"
    yield ""
    yield (
        f"Cox proportional hazards, {manifest.ties.capitalize()} ties. ECOG is not penalised;"
        f" ridge penalty on the other covariates, per standard deviation:"
        f" {manifest.ridge_penalty:.4g}. Hazard ratios are per unit of the transformed covariate,"
        " with 95 % intervals"
        f"{' (Bayesian: the penalty is the prior)' if manifest.ridge_penalty else ''}."
    )
    yield ""
    yield from _coefficients(model.cox)
    yield ""
    yield "## ECOG: published, reproduced, served"
    yield ""
    yield "| source | hazard ratio per point | 95 % interval |"
    yield "| --- | --- | --- |"
    for effect in manifest.ecog_effects:
        yield (
            f"| {effect.source} | {effect.hazard_ratio:.3f} |"
            f" {effect.lower:.3f} to {effect.upper:.3f} |"
        )
    yield ""
    yield (
        "The figures differ because the models do: the published ratio comes from an unpenalised"
        " model with more covariates than its deaths support, which predicts new patients worse"
        " than a model that shrinks all effects but that of ECOG."
    )
    yield ""
    yield "## Risk categories"
    yield ""
    yield "| category | ECOG | patients | deaths | observed survival at 12 months |"
    yield "| --- | --- | --- | --- | --- |"
    for band in model.risk_bands.bands:
        yield _band(band)
    yield ""
    yield "## Limits"
    yield ""
    yield f"- Nothing is predicted beyond {model.cox.last_months:g} months, the last time with at"
    yield "  least 5 patients at risk."
    yield "- Chimerism, CD34 dose and cyclophosphamide may be known only after follow-up began."
    yield "- The interval speaks of the coefficients, the baseline and the unknown values of this"
    yield "  model; it does not speak of a model that is wrong."
    for finding in manifest.findings:
        yield f"- {finding.code}: {finding.message}."


def _coefficients(cox: CoxModel) -> Iterator[str]:
    yield "| covariate | enters as | log hazard ratio | hazard ratio | 95 % interval |"
    yield "| --- | --- | --- | --- | --- |"
    errors = np.sqrt(np.diag(cox.covariance_per_unit))
    z = normal_quantile(0.95)
    for column, name in enumerate(cox.design.names):
        covariate = COVARIATES[name]
        formula = _FORMULAS[covariate.transform].format(shift=cox.design.shift[column])
        if covariate.is_binary:
            formula = f"1 if {covariate.choices[1] if covariate.choices else 'true'}, else 0"
        beta, error = float(cox.coefficients_per_unit[column]), float(errors[column])
        ratio, lower, upper = np.exp([beta, beta - z * error, beta + z * error])
        yield (f"| {name} | {formula} | {beta:.6g} | {ratio:.4g} | {lower:.4g} to {upper:.4g} |")


def _band(band: RiskBand) -> str:
    at = band.observed.at(12.0, 0.95) if band.observed else None
    observed = "–"
    if at and at.estimate is not None:
        observed = f"{100 * at.estimate:.0f} %"
    if at and at.lower is not None and at.upper is not None:
        observed += f" ({100 * at.lower:.0f} to {100 * at.upper:.0f})"
    grades = f"{band.lowest}–{band.highest}" if band.lowest < band.highest else f"{band.lowest}"
    return f"| {band.name} | {grades} | {band.patients} | {band.deaths} | {observed} |"
