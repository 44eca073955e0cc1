"""The served model: its coefficients, the path of its penalty, the shape of ECOG's effect."""

from collections.abc import Iterator

import numpy as np

from model.analysis import Analysis, EcogShape, Effect, PenaltyPath, StudyAnalysis
from model.kaplan_meier import normal_quantile
from model.manifest import Manifest
from model.patient import COVARIATES, Kind
from model.prediction import PrognosticModel
from training.report.blocks import Block, Paragraph, Section, Subheading, Table, plot
from training.report.numbers import (
    NONE,
    decimal,
    listed,
    name_of,
    p_equals,
    ratio,
    ratio_limits,
    short_name_of,
    significant,
    unit_of,
)
from training.report.plots import (
    ForestRow,
    Label,
    Ratio,
    ecog_shape_plot,
    forest_plot,
    penalty_plot,
)


def model_section(manifest: Manifest, model: PrognosticModel, analysis: Analysis) -> Section:
    """Return the forest plot, the penalty path and the shape of the ECOG effect."""
    return Section(
        "model",
        "The served model",
        (
            *_forest(manifest, model, analysis.study),
            *_penalty(manifest, analysis.penalty_path),
            *_shape(analysis.ecog_shape),
        ),
    )


def _forest(
    manifest: Manifest, model: PrognosticModel, study: StudyAnalysis | None
) -> Iterator[Block]:
    penalised = manifest.ridge_penalty > 0
    rows = _rows(model, study)
    yield Paragraph(
        f"Cox proportional hazards, {manifest.ties.capitalize()}'s form for ties. ECOG is not"
        " penalised. "
        + (
            "The other coefficients, per standard deviation, have a ridge penalty of"
            f" λ = {significant(manifest.ridge_penalty)}: their intervals are Bayesian, the"
            " penalty being the prior."
            if penalised
            else "Nothing is penalised."
        )
    )
    compared = any(row.unpenalised for row in rows)
    yield plot(
        forest_plot(
            Label(
                "forest",
                "Hazard ratios of the served model",
                " ".join(_described(row) for row in rows),
            ),
            rows,
        ),
        "Hazard ratios with 95 % intervals: ECOG per point, yes/no covariates one against the"
        " other, all others per standard deviation of the cohort, so that their sizes compare."
        + (" Open circles: the same covariates without a penalty." if compared else ""),
    )
    yield Table(
        "Hazard ratios as in the figure, 95 % intervals",
        ("Covariate", "Compares", "Served", "Without a penalty"),
        tuple(
            (name_of(name), _compares(name), _written(row.served), _written(row.unpenalised))
            for name, row in zip(model.cox.design.names, rows, strict=True)
        ),
    )
    yield Table(
        "The same, per unit",
        ("Covariate", "Compares", "Served: hazard ratio", "95 % interval"),
        tuple(_per_unit(model)),
        folded=True,
    )


def _rows(model: PrognosticModel, study: StudyAnalysis | None) -> list[ForestRow]:
    cox, z = model.cox, normal_quantile(0.95)
    errors = np.sqrt(np.diag(cox.covariance))
    unpenalised = {effect.covariate: effect for effect in (study.multivariable if study else [])}
    rows = []
    for column, name in enumerate(cox.design.names):
        step = 1 / float(cox.design.sd[column]) if _is_per_unit(name) else 1.0
        beta, error = float(cox.coefficients[column]) * step, float(errors[column]) * step
        plain = unpenalised.get(name)
        rows.append(
            ForestRow(
                short_name_of(name),
                _ratio(beta, error, z),
                _raised(plain, float(cox.design.sd[column]) * step) if plain else None,
            )
        )
    return rows


def _ratio(beta: float, error: float, z: float) -> Ratio:
    estimate, lower, upper = np.exp([beta, beta - z * error, beta + z * error]).tolist()
    return Ratio(estimate, lower, upper)


def _raised(effect: Effect, power: float) -> Ratio:
    """Return a ratio per `power` units; what has no end stays finite."""
    ratios = np.clip([effect.hazard_ratio, effect.lower, effect.upper], 1e-30, 1e30)
    estimate, lower, upper = np.exp(np.clip(power * np.log(ratios), -50, 50)).tolist()
    return Ratio(estimate, lower, upper)


def _is_per_unit(name: str) -> bool:
    return COVARIATES[name].is_binary or COVARIATES[name].kind is Kind.GRADE


def _compares(name: str) -> str:
    return unit_of(name) if _is_per_unit(name) else "per standard deviation"


def _written(of: Ratio | None) -> str:
    return f"{ratio(of.estimate)} ({ratio_limits(of.lower, of.upper)})" if of else NONE


def _described(row: ForestRow) -> str:
    without = f", without a penalty {_written(row.unpenalised)}" if row.unpenalised else ""
    return f"{row.name}: {_written(row.served)}{without}."


def _per_unit(model: PrognosticModel) -> Iterator[tuple[str, ...]]:
    cox, z = model.cox, normal_quantile(0.95)
    errors = np.sqrt(np.diag(cox.covariance_per_unit))
    for column, name in enumerate(cox.design.names):
        of = _ratio(float(cox.coefficients_per_unit[column]), float(errors[column]), z)
        yield (
            name_of(name),
            unit_of(name),
            ratio(of.estimate, 3),
            ratio_limits(of.lower, of.upper, 3),
        )


def _penalty(manifest: Manifest, path: PenaltyPath | None) -> Iterator[Block]:
    if path is None:
        if manifest.ridge_penalty > 0:
            yield Paragraph("The strength of the penalty was given, not chosen.")
        return
    yield Subheading("How strong the penalty is")
    strongest = path.chosen >= max(path.strengths)
    if strongest:
        yield Paragraph(
            "No support beyond ECOG: the strongest penalty tried predicts best, so the other"
            " covariates add nothing that this cohort can show.",
            strong=True,
        )
    yield Paragraph(
        "The strength is the one with the highest cross-validated partial likelihood, over seeded"
        f" and repeated folds: λ = {significant(path.chosen)}, of {len(path.strengths)} tried from"
        f" {significant(min(path.strengths))} to {significant(max(path.strengths))}."
    )
    names = [short_name_of(name) for name in path.covariates]
    yield plot(
        penalty_plot(
            Label(
                "penalty",
                "Cross-validated likelihood and coefficients by strength of the penalty",
                f"The likelihood is highest, {decimal(max(path.scores), 2)}, at"
                f" {significant(path.chosen)}. All coefficients but ECOG's shrink to zero as the"
                " penalty grows.",
            ),
            path,
            names,
        ),
        "Above: cross-validated partial log-likelihood. Below: coefficients per standard deviation"
        " of the cohort. Dashed vertical line: the chosen strength.",
    )
    yield Table(
        "The path of the penalty",
        ("λ", "Cross-validated log-likelihood", *names),
        tuple(
            (significant(strength), decimal(score, 2), *(decimal(c, 2) for c in coefficients))
            for strength, score, coefficients in zip(
                path.strengths, path.scores, path.coefficients, strict=True
            )
        ),
        folded=True,
    )


def _shape(shape: EcogShape | None) -> Iterator[Block]:
    yield Subheading("The shape of the ECOG effect")
    if shape is None:
        yield Paragraph("Other forms of the ECOG effect than per point were not examined.")
        return
    yield Paragraph(shape.conclusion)
    yield plot(
        ecog_shape_plot(
            Label(
                "ecog-shape",
                "Hazard ratio of each ECOG grade by the form of its effect",
                " ".join(
                    f"{form.name}: {listed([ratio(r) for r in form.hazard_ratios])} for the grades"
                    " 0 to 4."
                    for form in shape.forms
                ),
            ),
            shape.forms,
        ),
        "Hazard ratio of each grade against the reference grade, in models of ECOG alone.",
    )
    yield Table(
        "Forms of the ECOG effect",
        (
            "Form",
            "Parameters",
            "Log-likelihood",
            "AIC",
            *(f"ECOG {grade}" for grade in range(5)),
        ),
        tuple(
            (
                form.name,
                str(form.parameters),
                decimal(form.log_likelihood, 2),
                decimal(form.aic, 2),
                *(ratio(value) for value in form.hazard_ratios),
            )
            for form in shape.forms
        ),
    )
    yield Paragraph(
        f"Likelihood ratio test of one step per point: {p_equals(shape.linearity_p)}."
        if shape.linearity_p is not None
        else "The likelihood ratio test of one step per point could not be made."
    )
