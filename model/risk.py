"""Risk categories: bands of ECOG performance status and what was observed in them."""

from dataclasses import dataclass

from model.kaplan_meier import KaplanMeier

FEWEST_PATIENTS_OF_A_GRADE = 5
FEWEST_DEATHS_OF_A_GRADE = 3


@dataclass(frozen=True)
class Contrast:
    """The hazard ratio of a band against the reference band, as observed.

    A Cox model of the band alone; `p_value` is that of the log-rank test of the two.
    Limits are at 95 %.
    """

    hazard_ratio: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class RiskBand:
    """Neighbouring ECOG grades that 72 patients cannot tell apart further.

    Attributes
    ----------
    name : the risk category
    lowest, highest : the ECOG grades that it spans
    patients, deaths : how many the training cohort had
    observed : their Kaplan-Meier curve; None without patients
    contrast : against the reference band; None for that band, and where either
        band has no deaths
    """

    name: str
    lowest: int
    highest: int
    patients: int
    deaths: int
    observed: KaplanMeier | None
    contrast: Contrast | None

    def holds(self, ecog: int) -> bool:
        """Whether a grade belongs to this band."""
        return self.lowest <= ecog <= self.highest


@dataclass(frozen=True)
class RiskBands:
    """The bands of one model; the first is the reference.

    Attributes
    ----------
    bands : from the best performance status to the worst, covering grades 0 to 4
    ecog_reference : the commonest grade of the reference band
    patients_by_grade, deaths_by_grade : counts for the grades 0 to 4
    """

    bands: tuple[RiskBand, ...]
    ecog_reference: int
    patients_by_grade: tuple[int, ...]
    deaths_by_grade: tuple[int, ...]

    def of(self, ecog: int) -> RiskBand:
        """Return the band of a grade."""
        return next(band for band in self.bands if band.holds(ecog))

    def is_extrapolated(self, ecog: int) -> bool:
        """Whether the cohort had too few patients or deaths of this very grade."""
        return (
            self.patients_by_grade[ecog] < FEWEST_PATIENTS_OF_A_GRADE
            or self.deaths_by_grade[ecog] < FEWEST_DEATHS_OF_A_GRADE
        )
