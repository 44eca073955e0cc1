"""What the Observations say of each covariate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial

from service.chart import codes
from service.chart.codes import ECOG_OF_KARNOFSKY, Measure
from service.chart.issues import issue
from service.chart.observations import (
    Candidate,
    Finding,
    Observations,
    Read,
    Reader,
    Refused,
    latest,
    refusal,
)
from service.chart.reading import Source
from service.chart.values import (
    WhiteCells,
    answer,
    grade,
    is_dead,
    karnofsky,
    lymphocytes,
    quantity,
    yes_or_no,
)

_QUANTITIES = (
    codes.CHIMERISM,
    codes.CD34_DOSE,
    codes.HEMOGLOBIN,
    codes.LACTATE_DEHYDROGENASE,
    codes.FERRITIN,
)


@dataclass(frozen=True, slots=True)
class Performance:
    """ECOG, or that the last grade says the patient is dead."""

    finding: Finding
    is_dead: bool = False


def measured(
    found: Observations, now: datetime, first_transplant: date | None
) -> Mapping[str, Finding]:
    """Return what was found of every covariate but ECOG that is measured or planned.

    `first_transplant` is the day up to which plans and grafts belong to that one.
    """

    def look(measure: Measure, read: Reader) -> Finding:
        if measure.of_second_transplant and first_transplant:
            read = partial(_of_second_transplant, read=read, first=first_transplant)
        return latest(found.candidates(measure), read, now)

    counts = (c for c in found.candidates(codes.WHITE_CELLS) if refusal(c, now) is None)
    of_percentages = partial(lymphocytes, white_cells=WhiteCells(counts))
    return {
        "bmi_kg_m2": _body_mass_index(found, now),
        "conditioning": look(codes.CONDITIONING, answer),
        "post_transplant_cyclophosphamide": look(codes.CYCLOPHOSPHAMIDE, yes_or_no),
        **{measure.name: look(measure, quantity) for measure in _QUANTITIES},
        "lymphocytes_10e9_l": look(codes.LYMPHOCYTES, of_percentages),
    }


def _of_second_transplant(candidate: Candidate, read: Reader, first: date) -> Read | Refused:
    if candidate.moment and candidate.moment.day <= first:
        return Refused("of_first_transplant")
    return read(candidate)


def performance(found: Observations, now: datetime) -> Performance:
    """Return the ECOG grade, from Karnofsky where the chart has none.

    Contradictory ECOG grades are not absent: Karnofsky does not settle them.
    """
    ecog = latest(found.candidates(codes.ECOG), grade, now)
    if ecog.chosen or ecog.has("contradictory_values"):
        dead = ecog.chosen is not None and is_dead(codes.ECOG, ecog.chosen.value)
        return Performance(_without_value(ecog) if dead else ecog, dead)
    other = latest(found.candidates(codes.KARNOFSKY), karnofsky, now)
    issues = (*ecog.issues, *other.issues)
    if other.chosen is None:
        return Performance(replace(other, issues=issues))
    if is_dead(codes.KARNOFSKY, other.chosen.value):
        return Performance(_without_value(replace(other, issues=issues)), True)
    source = replace(
        other.chosen,
        value=ECOG_OF_KARNOFSKY[int(other.chosen.value)],
        note="derived from Karnofsky",
    )
    issues = (*issues, issue("from_karnofsky", "ecog"))
    return Performance(Finding(source, other.moment, issues))


def _without_value(finding: Finding) -> Finding:
    return replace(finding, chosen=None)


def _body_mass_index(found: Observations, now: datetime) -> Finding:
    """Return the body mass index, from height and weight where the chart has none."""
    index = latest(found.candidates(codes.BMI), quantity, now)
    if index.chosen or index.has("contradictory_values"):
        return index
    height = latest(found.candidates(codes.HEIGHT), quantity, now)
    weight = latest(found.candidates(codes.WEIGHT), quantity, now)
    issues = tuple(dict.fromkeys((*index.issues, *height.issues, *weight.issues)))
    if height.chosen is None or weight.chosen is None:
        return Finding(None, None, issues)
    value = float(f"{float(weight.chosen.value) / float(height.chosen.value) ** 2:.4g}")
    assert codes.BMI.accepted is not None
    low, high = codes.BMI.accepted
    if not low <= value <= high:
        return Finding(None, None, (*issues, issue("out_of_range", "bmi_kg_m2")))
    source = Source(
        "bmi_kg_m2",
        value,
        weight.chosen.reference,
        weight.chosen.effective,
        "from height and weight",
    )
    return Finding(source, weight.moment, issues)
