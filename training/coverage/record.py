"""The committed results of the coverage simulation, for the report and its tests."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from training.coverage.candidates import Candidate
from training.coverage.trial import Knowledge

COMMITTED = Path(__file__).with_name("coverage.json")

SERVED = Candidate.ABOUT_CHOSEN
"""The interval of `hsct2-os`: the target in every truth, and the estimate left as it is."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Record):
    """How one candidate's intervals did, and the point within them."""

    truth: str
    knowledge: Knowledge
    horizon_months: float
    candidate: Candidate
    coverage: float = Field(ge=0, le=1)
    monte_carlo_error: float = Field(ge=0, description="standard error of `coverage`")
    mean_width: float
    rmse: float = Field(description="of the predicted S(t) from the patient's own")

    @property
    def target(self) -> float:
        """The least coverage asked of the 95 % interval."""
        return 0.93 if self.knowledge is Knowledge.ALL else 0.90

    @property
    def reaches_target(self) -> bool:
        """Whether the coverage found is at least the target."""
        return self.coverage >= self.target


class Worth(_Record):
    """How one candidate's coefficients did on new patients of whom all is known."""

    truth: str
    candidate: Candidate
    c_index: float = Field(description="Harrell's C, mean over data sets")
    calibration_slope: float = Field(description="median over data sets")


class SimulatedTruth(_Record):
    """One truth, and what its data sets were like."""

    name: str
    log_hazard_ratios: dict[str, float] = Field(description="ECOG per point, others per SD")
    datasets: int
    failed: int = Field(description="data sets that could not be fitted, not counted")
    withheld: int = Field(description="data sets too short for the last horizon")
    mean_deaths: float
    median_strength: float


class SearchCheck(_Record):
    """The same data sets, with the search for the penalty that `fit` makes.

    The differences are those of `SERVED`, the largest over truths, states and horizons.
    """

    datasets: int
    repeats: int
    strengths: int
    largest_coverage_difference: float
    its_monte_carlo_error: float
    largest_width_difference: float


class CoverageRecord(_Record):
    """Settings and results of a whole simulation."""

    seed: int
    patients: int
    new_patients: int
    confidence_level: float
    search_repeats: int
    search_strengths: int
    resamples: int
    notes: tuple[str, ...]
    truths: tuple[SimulatedTruth, ...]
    cells: tuple[Cell, ...]
    worth: tuple[Worth, ...]
    search_check: SearchCheck | None

    def of(self, candidate: Candidate) -> tuple[Cell, ...]:
        """Return the cells of one candidate, truth by truth."""
        return tuple(cell for cell in self.cells if cell.candidate is candidate)

    def reaches_target(self, candidate: Candidate) -> bool:
        """Whether a candidate reaches the target in every truth, state and horizon."""
        return all(cell.reaches_target for cell in self.of(candidate))

    def lowest(self, candidate: Candidate, *, all_known: bool) -> Cell:
        """Return the cell of lowest coverage, all covariates known or some unknown."""
        cells = (c for c in self.of(candidate) if (c.knowledge is Knowledge.ALL) == all_known)
        return min(cells, key=lambda cell: cell.coverage)


@cache
def committed_coverage() -> CoverageRecord:
    """Return the results that are part of the project."""
    return CoverageRecord.model_validate_json(COMMITTED.read_bytes())
