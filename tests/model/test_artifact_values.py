"""Models that are well formed, with digests that match, and wrong: each refused by its reason."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import artifact
from model.errors import ArtifactError
from tests.model import artifacts

Change = Callable[[Any], None]

ARRAYS = [
    *(("cox", "design", name) for name in ("shift", "mean", "sd", "minimum", "maximum")),
    ("cox", "design", "reference"),
    *(("cox", name) for name in ("penalty", "coefficients", "covariance", "months", "hazard")),
    *(("cox", name) for name in ("hazard_variance", "hazard_mean", "covariate_covariance")),
    *(("cox", "observed", name) for name in ("months", "survival", "greenwood", "at_risk")),
    *(("risk_bands", "bands", 1, "observed", name) for name in ("months", "survival", "at_risk")),
]
NAMES = ["/".join(map(str, path)) for path in ARRAYS]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "test-os"
    artifacts.save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def reason(folder: Path, change: Change) -> str:
    artifacts.spoil(folder, change)
    with pytest.raises(ArtifactError) as refused:
        artifact.load(folder)
    return str(refused.value)


def parent_of(plain: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        plain = plain[key]
    return plain


def set_at(*path: Any, to: Any) -> Change:
    def change(plain: Any) -> None:
        parent_of(plain, path)[path[-1]] = to

    return change


def test_a_model_that_was_rewritten_unchanged_is_accepted(folder: Path):
    artifacts.spoil(folder, lambda _: None)
    artifact.load(folder)


@pytest.mark.parametrize("path", ARRAYS, ids=NAMES)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(folder: Path, path: tuple[Any, ...], number: float):
    def change(plain: Any) -> None:
        parent_of(plain, path)[path[-1]].flat[-1] = number

    message = reason(folder, change)
    assert message.endswith(f"{path[-1]} holds a number that is not finite")


@pytest.mark.parametrize("path", ARRAYS, ids=NAMES)
def test_an_array_of_another_shape_is_refused(folder: Path, path: tuple[Any, ...]):
    def change(plain: Any) -> None:
        holder = parent_of(plain, path)
        holder[path[-1]] = np.concatenate([holder[path[-1]]] * 2)

    assert "is not an array of" in reason(folder, change)


@pytest.mark.parametrize("path", ARRAYS, ids=NAMES)
@pytest.mark.parametrize("other", [None, "CANARY", 1.0, [], [1.0], {}, np.arange(12)])
def test_what_is_no_array_of_numbers_is_refused(folder: Path, path: tuple[Any, ...], other: Any):
    message = reason(folder, set_at(*path, to=other))
    assert "is not an array of" in message or "holds no model of format" in message
    assert "CANARY" not in message


@pytest.mark.parametrize("name", ["covariance", "covariate_covariance"])
def test_a_covariance_that_is_not_positive_definite_is_refused(folder: Path, name: str):
    def flatten(plain: Any) -> None:
        matrix = plain["cox"][name]
        matrix[0, 1] = matrix[1, 0] = 1.01 * np.sqrt(matrix[0, 0] * matrix[1, 1])

    expected = f"the {'covariate ' * (name != 'covariance')}covariance is not positive definite"
    assert reason(folder, flatten) == expected
    artifacts.save(folder)
    assert reason(folder, lambda plain: plain["cox"][name].__imul__(-1)) == expected


def test_a_covariance_that_is_not_symmetric_is_refused(folder: Path):
    def change(plain: Any) -> None:
        plain["cox"]["covariance"][0, 1] += 0.01

    assert reason(folder, change) == "the covariance is not positive definite"


@pytest.mark.parametrize("name", ["months", "hazard", "hazard_variance"])
@pytest.mark.parametrize("step", [0, -1])
def test_a_baseline_that_does_not_rise_is_refused(folder: Path, name: str, step: int):
    def change(plain: Any) -> None:
        values = plain["cox"][name]
        values[step] = values[step - 1] if step else 0.0

    assert reason(folder, change) == "the baseline hazard does not rise from death to death"


def test_a_model_without_deaths_is_refused(folder: Path):
    def change(plain: Any) -> None:
        for name in ("months", "hazard", "hazard_variance", "hazard_mean"):
            plain["cox"][name] = plain["cox"][name][:0]

    assert reason(folder, change) == "the baseline hazard does not rise from death to death"


@pytest.mark.parametrize(
    "change",
    [
        lambda names: names.reverse(),
        lambda names: names.__setitem__(0, "age_years"),
        lambda names: names.__setitem__(3, "surname"),
        lambda names: names.__setitem__(3, names[2]),
        lambda names: names.__setitem__(0, ["ecog"]),
    ],
)
def test_covariates_unknown_repeated_or_out_of_order_are_refused(folder: Path, change: Change):
    message = reason(folder, lambda plain: change(plain["cox"]["design"]["names"]))
    assert message == "the covariates are unknown, repeated or out of order, or ECOG lacks"


@pytest.mark.parametrize(("name", "value"), [("sd", 0.0), ("sd", -1.0)])
def test_a_scale_that_is_not_positive_is_refused(folder: Path, name: str, value: float):
    def change(plain: Any) -> None:
        plain["cox"]["design"][name][2] = value

    assert reason(folder, change) == "a scale or penalty is not positive"


def test_a_negative_penalty_is_refused(folder: Path):
    message = reason(folder, lambda plain: plain["cox"]["penalty"].__setitem__(2, -1.0))
    assert message == "a scale or penalty is not positive"


@pytest.mark.parametrize("name", ["coefficients", "covariance"])
def test_scales_that_disagree_are_refused(folder: Path, name: str):
    def change(plain: Any) -> None:
        plain["per_unit"][name].flat[0] *= 1 + 1e-8

    assert reason(folder, change) == "the two scales of the coefficients do not agree"


def test_a_coefficient_altered_on_one_scale_is_refused(folder: Path):
    message = reason(folder, lambda plain: plain["cox"]["coefficients"].__imul__(1.001))
    assert message == "the two scales of the coefficients do not agree"


@pytest.mark.parametrize(
    ("band", "lowest", "highest"), [(0, 0, 2), (0, 1, 1), (1, 2, 3), (1, 3, 4), (0, 1, 0)]
)
def test_bands_that_do_not_cover_each_grade_once_are_refused(
    folder: Path, band: int, lowest: int, highest: int
):
    def change(plain: Any) -> None:
        plain["risk_bands"]["bands"][band].update(lowest=lowest, highest=highest)

    assert reason(folder, change) == "the risk bands do not cover ECOG 0 to 4 once each"


@pytest.mark.parametrize("highest", [5, 10**15])
def test_bands_of_other_grades_are_refused_without_counting_them(folder: Path, highest: int):
    change = set_at("risk_bands", "bands", 1, "highest", to=highest)
    assert "other grades than ECOG 0 to 4" in reason(folder, change)


@pytest.mark.parametrize("name", ["lowest", "patients", "deaths"])
@pytest.mark.parametrize("value", [-1, 0.5, True, "2", None])
def test_a_grade_or_count_is_a_whole_number(folder: Path, name: str, value: Any):
    change = set_at("risk_bands", "bands", 1, name, to=value)
    assert reason(folder, change) == "a grade or count of the risk bands is not a whole number"


@pytest.mark.parametrize("name", ["patients_by_grade", "deaths_by_grade"])
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 2, 3, 4], "patients and deaths are not counted for ECOG 0 to 4"),
        ([1, 2, 3, 4, "5"], "a grade or count of the risk bands is not a whole number"),
    ],
)
def test_every_grade_is_counted(folder: Path, name: str, counts: Any, expected: str):
    assert reason(folder, set_at("risk_bands", name, to=counts)) == expected


@pytest.mark.parametrize(
    ("grade", "expected"),
    [
        (2, "the reference grade of ECOG is not in the reference band"),
        (0.5, "a grade or count of the risk bands is not a whole number"),
    ],
)
def test_the_reference_grade_lies_in_the_reference_band(folder: Path, grade: float, expected: str):
    assert reason(folder, set_at("risk_bands", "ecog_reference", to=grade)) == expected


@pytest.mark.parametrize("name", ["hazard_ratio", "lower", "upper", "p_value"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_observed_contrast_is_finite(folder: Path, name: str, number: float):
    change = set_at("risk_bands", "bands", 1, "contrast", name, to=number)
    assert reason(folder, change) == "an observed contrast holds a number that is not finite"


@pytest.mark.parametrize("path", [("cox",), ("risk_bands", "bands", 0)])
@pytest.mark.parametrize("value", [1.5, -0.5])
def test_observed_survival_falls_from_1(folder: Path, path: tuple[Any, ...], value: float):
    def change(plain: Any) -> None:
        curve = parent_of(plain, (*path, "observed"))["observed"]
        curve["survival"][0 if value > 1 else -1] = value

    assert reason(folder, change) == "the observed survival does not fall from 1"


def test_observed_times_rise(folder: Path):
    def swap(plain: Any) -> None:
        months = plain["cox"]["observed"]["months"]
        months[[3, 4]] = months[[4, 3]]

    assert reason(folder, swap) == "the observed times do not rise"


def test_a_cohort_of_fewer_than_five_is_refused(folder: Path):
    change = set_at("cox", "observed", "at_risk", to=None)

    def few(plain: Any) -> None:
        plain["cox"]["observed"]["at_risk"] = np.minimum(plain["cox"]["observed"]["at_risk"], 4.0)

    assert reason(folder, few) == "fewer than 5 patients were followed"
    assert "holds no model of format" in reason(folder, change)


@pytest.mark.parametrize("path", [("cox",), ("risk_bands",), ("per_unit",), ("cox", "design")])
@pytest.mark.parametrize("other", [None, [], {}, "CANARY", 1])
def test_a_part_that_is_something_else_is_refused(folder: Path, path: tuple[Any, ...], other: Any):
    message = reason(folder, set_at(*path, to=other))
    assert message.startswith("the model file holds no model of format 1 (")
    assert "CANARY" not in message


@pytest.mark.parametrize("path", [("cox",), ("cox", "design"), ("risk_bands", "bands", 0)])
def test_a_part_too_many_or_too_few_is_refused(folder: Path, path: tuple[Any, ...]):
    holder = (*path, "x")
    assert "TypeError" in reason(folder, lambda plain: parent_of(plain, holder).update(extra=1))
    artifacts.save(folder)
    assert reason(folder, lambda plain: parent_of(plain, holder).popitem())
