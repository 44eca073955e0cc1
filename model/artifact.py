"""The artifact: a folder with a fitted model, its manifest and its card.

The format is described once, by `_to_plain` and `_from_plain`. Nothing in it
depends on the time at which it was written.
"""

import hashlib
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from model import plain_values
from model.cox import CoxModel
from model.design import Design
from model.errors import ArtifactError
from model.kaplan_meier import KaplanMeier
from model.manifest import FORMAT_VERSION, Manifest
from model.patient import COVARIATES
from model.prediction import PrognosticModel
from model.risk import Contrast, RiskBand, RiskBands

MANIFEST = "manifest.json"
MODEL = "model.joblib"
CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Artifact:
    """A loaded artifact.

    Attributes
    ----------
    manifest : what is said of the model
    sha256 : digest of the manifest, which holds the digests of all other files
    model : what predictions are computed from
    card : the model card, Markdown
    """

    manifest: Manifest
    sha256: str
    model: PrognosticModel
    card: str


def save(folder: Path, manifest: Manifest, model: PrognosticModel, card: str) -> Artifact:
    """Write an artifact folder, replacing an older one only when the new is complete.

    `manifest.files` is filled in here.
    """
    files = {MODEL: plain_values.dump(_to_plain(model)), CARD: card.encode()}
    digests = {name: _sha256(content) for name, content in files.items()}
    complete = manifest.model_copy(update={"files": digests})
    files[MANIFEST] = (complete.model_dump_json(indent=2) + "\n").encode()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in files.items():
        (partial / name).write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return Artifact(complete, _sha256(files[MANIFEST]), model, card)


def load(folder: Path) -> Artifact:
    """Read an artifact folder.

    Raises
    ------
    ArtifactError
        If anything is off: a missing or altered file, another format version,
        a value that is not plain or not finite, a covariate that is not ours.
    """
    manifest_bytes = _read(folder, MANIFEST)
    manifest = _manifest(manifest_bytes)
    contents = {name: _read(folder, name) for name in (MODEL, CARD)}
    for name, content in contents.items():
        if manifest.files.get(name) != _sha256(content):
            raise ArtifactError(f"{name} is not the file that the manifest describes (SHA-256)")
    if set(manifest.files) != set(contents):
        raise ArtifactError("the manifest lists files that an artifact does not have")
    model = _from_plain(plain_values.load(contents[MODEL]))
    if list(model.cox.design.names) != manifest.covariates:
        raise ArtifactError("the model's covariates are not those of its manifest")
    return Artifact(manifest, _sha256(manifest_bytes), model, contents[CARD].decode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{name} cannot be read ({error.strerror})") from None


def _manifest(content: bytes) -> Manifest:
    version = re.search(rb'"format_version"\s*:\s*(\d+)', content)
    if version and int(version[1]) != FORMAT_VERSION:
        raise ArtifactError(
            f"the artifact has format version {int(version[1])}; this reads {FORMAT_VERSION}"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) or "the whole" for e in error.errors()})
        raise ArtifactError(f"{MANIFEST} is not valid: {', '.join(fields)}") from None


def _to_plain(model: PrognosticModel) -> plain_values.Plain:
    """Return the model as nested dictionaries, lists, numbers and arrays.

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
    }
    return plain


def _from_plain(plain: Any) -> PrognosticModel:
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
    except ArtifactError:
        raise
    except Exception as error:  # whatever shape the values have, the reason is one sentence
        raise ArtifactError(
            f"{MODEL} does not hold a model of format {FORMAT_VERSION} ({type(error).__name__})"
        ) from None
    return model


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
    return curve


def _check_bands(bands: RiskBands) -> None:
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
