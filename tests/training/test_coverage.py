"""The coverage simulation: its machinery, and the results that are committed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from training.averaging import fit_averaged, strengths_of_uniform_sd
from training.coverage.__main__ import app
from training.coverage.candidates import PENALISED, Candidate, fit_averaged_at_once
from training.coverage.population import NAMES, draw_patients, truths
from training.coverage.record import COMMITTED, SERVED, CoverageRecord, committed_coverage
from training.coverage.simulation import DATASETS, SEED, simulate_coverage, trials
from training.coverage.trial import Knowledge, Settings, Trial, run_trial
from training.cox import RiskSets

SMALL = Settings(new_patients=6, repeats=1, strengths=4, resamples=8)
UNSERVED = (Candidate.CHOSEN, Candidate.BOOTSTRAP, Candidate.AVERAGED_LOG)


def seed_of(*numbers: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(numbers)


@pytest.fixture(scope="module")
def small() -> CoverageRecord:
    return simulate_coverage(SMALL, seed=7, datasets=4)


def same(one: Trial | None, other: Trial | None) -> bool:
    assert one is not None
    assert other is not None
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def test_the_same_seed_gives_the_same_results(small: CoverageRecord):
    assert simulate_coverage(SMALL, seed=7, datasets=4) == small
    assert simulate_coverage(SMALL, seed=8, datasets=4).cells != small.cells


def test_a_data_set_is_the_same_however_many_are_drawn():
    few, more = (
        list(trials(truths()[1], 1, SMALL, seed=3, datasets=count, jobs=1)) for count in (2, 13)
    )
    assert (len(few), len(more)) == (2, 13)
    assert all(same(one, other) for one, other in zip(few, more, strict=False))
    assert not any(same(more[0], other) for other in more[1:])


@pytest.mark.slow  # starting two processes takes longer than what they do
def test_the_number_of_jobs_does_not_matter():
    one, two = (
        list(trials(truths()[1], 1, SMALL, seed=3, datasets=25, jobs=jobs)) for jobs in (1, 2)
    )
    assert len(one) == len(two) == 25
    assert all(same(a, b) for a, b in zip(one, two, strict=True))


def test_another_search_or_bootstrap_meets_the_same_data():
    truth, larger = truths()[2], Settings(new_patients=6, repeats=2, strengths=8, resamples=20)
    one, other = run_trial(truth, seed_of(1), SMALL), run_trial(truth, seed_of(1), larger)
    averaged = list(Candidate).index(Candidate.AVERAGED)
    np.testing.assert_array_equal(one.width[averaged], other.width[averaged])
    assert one.chosen != other.chosen


def test_a_wider_interval_covers_more_and_the_point_stays():
    truth = truths()[2]
    narrow, wide = (
        run_trial(
            truth, seed_of(2), Settings(new_patients=40, resamples=30, confidence_level=level)
        )
        for level in (0.5, 0.99)
    )
    assert (narrow.covered <= wide.covered).all()
    assert narrow.covered.mean() < 0.7 < 0.9 < wide.covered.mean()
    assert (narrow.width < wide.width).all()
    np.testing.assert_array_equal(narrow.squared_error, wide.squared_error)


def test_the_batched_average_is_that_of_the_fit():
    rng = np.random.default_rng(5)
    numbers = draw_patients(rng, 72)
    design = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    months, death = np.sort(rng.exponential(size=72)), rng.random(72) < 0.6
    strengths = strengths_of_uniform_sd()
    at_once = fit_averaged_at_once(design, death, strengths)
    one_by_one = fit_averaged(RiskSets(design, months, death), PENALISED, strengths)
    np.testing.assert_allclose(at_once.coefficients, one_by_one.coefficients, atol=1e-10)
    np.testing.assert_allclose(at_once.covariance, one_by_one.covariance, atol=1e-10)
    np.testing.assert_allclose(at_once.weights, one_by_one.weights, atol=1e-10)


def test_the_search_is_checked_against_that_of_fit(monkeypatch):
    # With the same number of repeats and strengths in both there is no difference.
    monkeypatch.setattr("training.coverage.simulation.REPEATS", SMALL.repeats)
    monkeypatch.setattr("training.coverage.simulation.STRENGTHS", SMALL.strengths)
    alike = simulate_coverage(SMALL, seed=7, datasets=4, checked=2).search_check
    assert alike is not None
    assert (alike.datasets, alike.repeats, alike.strengths) == (2, SMALL.repeats, SMALL.strengths)
    assert alike.largest_coverage_difference == alike.largest_width_difference == 0
    monkeypatch.setattr("training.coverage.simulation.STRENGTHS", 7)
    other = simulate_coverage(SMALL, seed=7, datasets=4, checked=2).search_check
    assert other is not None
    assert other.largest_width_difference != 0


def test_a_record_says_what_was_simulated(small: CoverageRecord):
    assert [truth.datasets + truth.failed for truth in small.truths] == [4] * 5
    assert len(small.cells) == 5 * len(Knowledge) * len(SMALL.horizons) * len(Candidate)
    assert small.search_check is None
    assert (small.search_repeats, small.search_strengths, small.resamples) == (1, 4, 8)
    assert CoverageRecord.model_validate_json(small.model_dump_json()) == small


def test_the_command_writes_the_record(tmp_path):
    out = tmp_path / "coverage.json"
    arguments = ["--out", str(out), "--datasets", "4", "--checked", "0", "--seed", "1"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    assert "averaged" in outcome.output
    record = CoverageRecord.model_validate_json(out.read_bytes())
    assert record == simulate_coverage(Settings(), seed=1, datasets=4)


def test_the_committed_results_are_of_the_settings_in_the_code():
    record, settings = committed_coverage(), Settings()
    assert record.seed == SEED
    assert (record.patients, record.new_patients) == (72, settings.new_patients)
    assert (record.search_repeats, record.search_strengths) == (
        settings.repeats,
        settings.strengths,
    )
    assert record.resamples == settings.resamples
    for truth, simulated in zip(truths(), record.truths, strict=True):
        assert simulated.name == truth.name
        stated = [simulated.log_hazard_ratios[name] for name in NAMES]
        np.testing.assert_array_equal(stated, truth.coefficients)
        assert 40 < simulated.mean_deaths < 46
    assert len(COMMITTED.read_bytes()) < 60_000
    assert json.loads(COMMITTED.read_text("utf-8"))["notes"]


def test_each_truth_has_2000_data_sets():
    for simulated in committed_coverage().truths:
        assert simulated.datasets + simulated.failed == DATASETS >= 2000
        assert simulated.failed <= DATASETS // 200
        assert simulated.withheld <= DATASETS // 200


def test_the_served_interval_reaches_the_target_in_every_truth():
    record = committed_coverage()
    assert record.reaches_target(SERVED)
    assert record.lowest(SERVED, all_known=True).coverage >= 0.93
    assert record.lowest(SERVED, all_known=False).coverage >= 0.90
    assert all(cell.monte_carlo_error < 0.005 for cell in record.of(SERVED))


@pytest.mark.parametrize("candidate", UNSERVED)
def test_what_does_not_reach_the_target_is_not_served(candidate: Candidate):
    assert not committed_coverage().reaches_target(candidate)


def test_the_served_interval_leaves_the_point_estimate_as_it_is():
    record = committed_coverage()
    for served, chosen in zip(record.of(SERVED), record.of(Candidate.CHOSEN), strict=True):
        assert served.rmse == chosen.rmse
        assert served.mean_width > chosen.mean_width
    worth = {(w.truth, w.candidate): (w.c_index, w.calibration_slope) for w in record.worth}
    for truth in truths():
        assert worth[truth.name, SERVED] == worth[truth.name, Candidate.CHOSEN]


def test_the_reduced_search_does_not_matter():
    check = committed_coverage().search_check
    assert check is not None
    assert check.datasets >= 20
    assert abs(check.largest_coverage_difference) < 0.02
    assert abs(check.largest_width_difference) < 0.03


def test_other_data_sets_agree_with_the_committed_coverage_within_monte_carlo_error():
    record, datasets = committed_coverage(), 30
    for index in (2, 3):
        truth, simulated = truths()[index], record.truths[index]
        done = [
            trial
            for trial in trials(truth, index, Settings(), seed=99, datasets=datasets, jobs=1)
            if trial is not None
        ]
        covered = np.mean([trial.covered for trial in done], axis=0)
        for cell in record.cells:
            if cell.truth != truth.name:
                continue
            found = covered[
                list(Candidate).index(cell.candidate),
                list(Knowledge).index(cell.knowledge),
                Settings().horizons.index(cell.horizon_months),
            ]
            error = cell.monte_carlo_error * np.sqrt(simulated.datasets / len(done) + 1)
            assert abs(found - cell.coverage) < 4 * error, cell
