"""Whatever the order, the copies and the noise: the same patient, or a reason by name."""

import copy
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.patient import COVARIATES, Patient
from service.chart import (
    ChartError,
    Issue,
    Reading,
    Severity,
    collect,
    collect_prefetch,
    read_chart,
)
from service.chart.codes import CHART_CODES, MEASURE_OF_CODE
from service.chart.issues import ISSUES
from tests.service.chart.charts import (
    NOW,
    bundle,
    coded,
    condition,
    ecog,
    measured,
    order,
    own,
    patient,
    quantity,
    reading,
    transplant,
)

CHART: list[dict[str, Any]] = [
    patient(),
    condition(),
    transplant(id="t1"),
    order(id="r1", authoredOn="2026-11-01", occurrenceDateTime="2026-12-10"),
    ecog(2, id="e1"),
    ecog(3, "2026-10-30", id="e2"),
    measured("718-7", 98, "g/L", id="h1"),
    measured("718-7", 8.1, "g/dL", when="2026-11-10", id="h2"),
    measured("718-7", 14, "g/dL", when="2027-01-01", id="h3"),
    measured("736-9", 12, "%", id="l1"),
    measured("6690-2", 3.5, "10*3/uL", id="w1"),
    measured("2532-0", 5, "ukat/L", id="d1"),
    measured("2276-4", 900, None, id="f1"),
    measured("2276-4", 800, "ug/L", when="2026-09-01", id="f2"),
    measured("8302-2", 170, "cm", id="b1"),
    measured("29463-7", 70, "kg", id="b2"),
    own("conditioning", id="c1", valueCodeableConcept=coded(CHART_CODES, "reduced-intensity")),
    own("post-transplant-cyclophosphamide", id="c2", valueBoolean=True),
    own("donor-chimerism", id="c3", valueQuantity=quantity(45, "%")),
    own("cd34-dose", id="c4", valueQuantity=quantity(6.5, "10*6/kg")),
]

EXPECTED = Patient(
    ecog=2,
    age_years=58.05,
    bmi_kg_m2=24.22,
    disease="AML",
    conditioning="reduced_intensity",
    post_transplant_cyclophosphamide=True,
    donor_chimerism_percent=45,
    cd34_dose_10e6_per_kg=6.5,
    hemoglobin_g_dl=9.8,
    lymphocytes_10e9_l=0.42,
    ldh_u_l=300,
    ferritin_ng_ml=800,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)

# Of other types, of other codes, or no resources at all.
IRRELEVANT = st.one_of(
    st.sampled_from(
        [
            {"resourceType": "OperationOutcome", "issue": []},
            {"resourceType": "Practitioner", "id": "dr"},
            {"resourceType": "Medication", "code": {"text": "busulfan"}},
            {"resourceType": "Encounter", "subject": {"reference": "Patient/p1"}},
            measured("2345-7", 5.5, "mmol/L", id="glucose"),
            measured("14805-6", 900, "U/L", id="reverse"),
            condition("E11.9", id="diabetes"),
            condition("C91.0", id="refuted", verified="refuted"),
            transplant("38242", "2026-06-01", id="lymphocytes"),
            order("38240", id="revoked", status="revoked"),
            ecog(4, id="withdrawn", status="entered-in-error"),
            ecog(4, "2026-11-20", id="of-donor", focus=[{"reference": "RelatedPerson/d"}]),
        ]
    ),
    JSON.map(lambda noise: {"resourceType": "Basic", "noise": noise}),
    JSON.filter(lambda noise: not isinstance(noise, dict)),
)


def told(read: Reading) -> tuple[Any, ...]:
    """What a reading says but for the places in the Bundle."""
    about = {(i.code, i.covariate) for i in read.issues if i.code in USED}
    return read.patient, read.verdict, read.planned_at, read.subject, read.sources, about


USED = {"stale_value", "preliminary_value", "undated_value", "contradictory_values", "missing_unit"}


def test_the_chart_of_these_tests_is_read() -> None:
    read = reading(bundle(*CHART))
    assert read.patient == EXPECTED
    assert [source.covariate for source in read.sources] == list(COVARIATES)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    seed=st.integers(0, 2**32),
    copies=st.lists(st.sampled_from(CHART), max_size=8),
    noise=st.lists(IRRELEVANT, max_size=8),
)
def test_order_copies_and_noise_change_nothing(
    seed: int, copies: list[dict[str, Any]], noise: list[Any]
) -> None:
    resources = [*CHART, *map(copy.deepcopy, copies), *noise]
    random.Random(seed).shuffle(resources)
    assert told(reading(bundle(*resources))) == told(reading(bundle(*CHART)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), keys=st.lists(st.sampled_from("abc"), min_size=20, max_size=20))
def test_it_does_not_matter_under_which_key_of_a_prefetch_a_resource_stands(
    seed: int, keys: list[str]
) -> None:
    resources = list(CHART)
    random.Random(seed).shuffle(resources)
    prefetch = {
        key: bundle(*(r for r, of in zip(resources, keys, strict=True) if of == key))
        for key in "abc"
    }
    read = read_chart(collect_prefetch({**prefetch, "nothing": None}), now=NOW)
    assert told(read) == told(reading(bundle(*CHART)))


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_chart_that_contradicts_itself_is_read_alike_in_any_order(
    data: st.DataObject, seed: int
) -> None:
    code = st.sampled_from(sorted(c for _, c in MEASURE_OF_CODE if "-" in c))
    when = st.sampled_from(
        [None, "2026-11-20", "2026-11-20T08:00:00Z", "2026-11-20T10:00:00+02:00", "2026", "2027"]
    )
    status = st.sampled_from(["final", "preliminary", "amended", "cancelled", "unknown"])
    unit = st.sampled_from(["g/dL", "g/L", "10*9/L", "%", "U/L", "ug/L", "kg", "cm", "1", None])
    others = [
        measured(
            data.draw(code),
            data.draw(st.sampled_from([0, 1, 2, 60, 98, 170, "2", None, float("nan")])),
            data.draw(unit),
            when=data.draw(when),
            status=data.draw(status),
            id=f"x{number}",
        )
        for number in range(data.draw(st.integers(1, 12)))
    ]
    resources = [*CHART, *others]
    shuffled = list(resources)
    random.Random(seed).shuffle(shuffled)
    one, other = reading(bundle(*resources)), reading(bundle(*shuffled))
    assert told(one) == told(other)
    assert_every_unknown_has_a_reason(one)


def mutate(value: Any, draw: Any) -> Any:
    """Replace one element somewhere by anything."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutate(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], mutate(value[index], draw), *value[index + 1 :]]
    return draw(JSON)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_chart_of_wrong_types_is_a_reading_or_a_named_error(data: st.DataObject) -> None:
    chart: Any = bundle(*CHART)
    for _ in range(data.draw(st.integers(1, 6))):
        chart = mutate(chart, data.draw)
    outcome = read_or_refused(chart)
    if isinstance(outcome, Reading):
        assert {found.code for found in outcome.issues} <= set(ISSUES)
        assert_every_unknown_has_a_reason(outcome)
    else:
        assert {found.severity for found in outcome} == {Severity.ERROR}


def read_or_refused(chart: Any) -> Reading | Sequence[Issue]:
    try:
        return read_chart(collect(chart), now=NOW)
    except ChartError as error:
        return error.issues


def assert_every_unknown_has_a_reason(read: Reading) -> None:
    values = read.patient.model_dump() if read.patient else {}
    reasons = {found.covariate for found in read.issues}
    known = {source.covariate: source.value for source in read.sources}
    for name in COVARIATES:
        assert name in known or name in reasons
        if read.patient:
            assert values[name] == known.get(name)
