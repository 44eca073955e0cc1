"""A fitted model as plain values, and back with every value checked."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import plain_values
from model.analysis import Analysis
from model.cox import CoxModel
from model.design import Design
from model.errors import ArtifactError
from model.kaplan_meier import KaplanMeier
from model.manifest import FORMAT_VERSION
from model.patient import COVARIATES
from model.prediction import PrognosticModel
from model.risk import Contrast, RiskBand, RiskBands


def to_plain(model: PrognosticModel, analysis: Analysis) -> plain_values.Plain:
    """Return model and analysis as nested dictionaries, lists, numbers and arrays.

    The coefficients and their covariance are stored on both scales: per standard
    deviation, which predictions use, and per unit, which a reader expects.
    """
    plain: dict[str, Any] = {
        "cox": asdict(model.cox),
        "risk_bands": asdict(model.risk_bands),
        "per_unit": {
            "coefficients": model.cox.coefficients_per_unit,
            "covariance": model.cox.covariance_per_unit,
        },
        "analysis": analysis.model_dump(mode="json"),
    }
    return plain


def from_plain(plain: Any) -> tuple[PrognosticModel, Analysis]:
    """Rebuild model and analysis from plain values, and check every one of them.

    Raises
    ------
    ArtifactError
        If a value is missing, of another shape, not finite or not plausible.
    """
    try:
        cox = plain["cox"]
        design = cox["design"]
        bands = plain["risk_bands"]
        model = PrognosticModel(
            CoxModel(
                **{
                    **cox,
                    "design": Design(**{**design, "names": tuple(design["names"])}),
                    "observed": KaplanMeier(**cox["observed"]),
                }
            ),
            RiskBands(
                bands=tuple(_band(band) for band in bands["bands"]),
                ecog_reference=bands["ecog_reference"],
                patients_by_grade=tuple(bands["patients_by_grade"]),
                deaths_by_grade=tuple(bands["deaths_by_grade"]),
            ),
        )
        _check(model.cox)
        _check_bands(model.risk_bands)
        _check_per_unit(model.cox, plain["per_unit"])
        analysis = Analysis.model_validate(plain["analysis"])
    except ArtifactError:
        raise
    except Exception as error:  # whatever shape the values have, the reason is one sentence
        raise ArtifactError(
            f"the model file holds no model of format {FORMAT_VERSION} ({type(error).__name__})"
        ) from None
    return model, analysis


def _band(plain: dict[str, Any]) -> RiskBand:
    observed, contrast = plain["observed"], plain["contrast"]
    return RiskBand(
        **{
            **plain,
            "observed": None if observed is None else _checked_curve(KaplanMeier(**observed)),
            "contrast": None if contrast is None else Contrast(**contrast),
        }
    )


def _check(cox: CoxModel) -> None:
    names = cox.design.names
    ordered = [name for name in COVARIATES if name in names]
    if "ecog" not in names or list(names) != ordered:
        raise ArtifactError("the covariates are unknown, repeated or out of order, or ECOG lacks")
    p, k = len(names), len(cox.months)
    scales = cox.design
    for what, array, shape in (
        ("shift", scales.shift, (p,)),
        ("mean", scales.mean, (p,)),
        ("sd", scales.sd, (p,)),
        ("minimum", scales.minimum, (p,)),
        ("maximum", scales.maximum, (p,)),
        ("reference", scales.reference, (p,)),
        ("penalty", cox.penalty, (p,)),
        ("coefficients", cox.coefficients, (p,)),
        ("covariance", cox.covariance, (p, p)),
        ("covariate_covariance", cox.covariate_covariance, (p, p)),
        ("months", cox.months, (k,)),
        ("hazard", cox.hazard, (k,)),
        ("hazard_variance", cox.hazard_variance, (k,)),
        ("hazard_mean", cox.hazard_mean, (k, p)),
    ):
        _check_array(what, array, shape)
    _checked_curve(cox.observed)
    rising = (cox.months, cox.hazard, cox.hazard_variance)
    if k == 0 or any((np.diff(array, prepend=0.0) <= 0).any() for array in rising):
        raise ArtifactError("the baseline hazard does not rise from death to death")
    if (scales.sd <= 0).any() or (cox.penalty < 0).any():
        raise ArtifactError("a scale or penalty is not positive")
    for what, matrix in (("", cox.covariance), ("covariate ", cox.covariate_covariance)):
        if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] <= 0:
            raise ArtifactError(f"the {what}covariance is not positive definite")
    if cox.observed.at_risk[0] < 5:
        raise ArtifactError("fewer than 5 patients were followed")


def _check_array(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.dtype != np.float64 or array.shape != shape:
        raise ArtifactError(f"{what} is not an array of {shape} numbers")
    if not np.isfinite(array).all():
        raise ArtifactError(f"{what} holds a number that is not finite")


def _checked_curve(curve: KaplanMeier) -> KaplanMeier:
    shape = (len(curve.months),)
    for what, array in asdict(curve).items():
        _check_array(f"observed {what}", array, shape)
    if not shape[0] or (np.diff(curve.months, prepend=0.0) <= 0).any():
        raise ArtifactError("the observed times do not rise")
    if (np.diff(curve.survival, prepend=1.0) > 0).any() or curve.survival[-1] < 0:
        raise ArtifactError("the observed survival does not fall from 1")
    return curve


def _check_bands(bands: RiskBands) -> None:
    counts = [
        *(count for b in bands.bands for count in (b.lowest, b.highest, b.patients, b.deaths)),
        *(*bands.patients_by_grade, *bands.deaths_by_grade, bands.ecog_reference),
    ]
    if any(type(count) is not int or count < 0 for count in counts):
        raise ArtifactError("a grade or count of the risk bands is not a whole number")
    if any(type(b.name) is not str or b.highest > 4 for b in bands.bands):
        raise ArtifactError("the risk bands have other grades than ECOG 0 to 4, or no name")
    contrasts = [asdict(b.contrast) for b in bands.bands if b.contrast]
    if any(not math.isfinite(number) for c in contrasts for number in c.values()):
        raise ArtifactError("an observed contrast holds a number that is not finite")
    spans = [grade for b in bands.bands for grade in range(b.lowest, b.highest + 1)]
    if spans != [0, 1, 2, 3, 4]:
        raise ArtifactError("the risk bands do not cover ECOG 0 to 4 once each")
    if len(bands.patients_by_grade) != 5 or len(bands.deaths_by_grade) != 5:
        raise ArtifactError("patients and deaths are not counted for ECOG 0 to 4")
    if not bands.bands[0].holds(bands.ecog_reference):
        raise ArtifactError("the reference grade of ECOG is not in the reference band")


def _check_per_unit(cox: CoxModel, per_unit: dict[str, NDArray[Any]]) -> None:
    agree = np.allclose(
        cox.coefficients_per_unit, per_unit["coefficients"], rtol=1e-9, atol=0
    ) and np.allclose(cox.covariance_per_unit, per_unit["covariance"], rtol=1e-9, atol=0)
    if not agree:
        raise ArtifactError("the two scales of the coefficients do not agree")
