"""``GET /v1/models`` and what happens to artifacts that are refused."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from model import artifact
from model.artifact import Artifact
from model.manifest import SYNTHETIC_NOTICE
from model.patient import COVARIATES
from tests.server import Server, problem, run_service


def with_version(version: str, source: Path, target: Path) -> None:
    """Copy an artifact as another version, with the card of that version."""
    before = artifact.load(source)
    manifest = before.manifest.model_copy(update={"version": version})
    card = json.loads(before.documents.card_json) | {"version": version}
    documents = replace(before.documents, card_json=json.dumps(card))
    artifact.save(target, manifest, before.model, before.analysis, documents)


def tampered(source: Path, target: Path) -> None:
    """Copy an artifact and alter one bit of its model."""
    shutil.copytree(source, target)
    model = bytearray((target / artifact.MODEL).read_bytes())
    model[len(model) // 2] ^= 1
    (target / artifact.MODEL).write_bytes(model)


@pytest.fixture(scope="module")
def several(
    shipped_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Serve three versions, beside artifacts that must be refused and folders that are none."""
    models = tmp_path_factory.mktemp("models")
    for folder, version in (
        ("a", "1.0.0"),
        ("b", "1.10.0"),
        ("c", "1.9.0"),
        ("copy-of-c", "1.9.0"),
    ):
        with_version(version, shipped_folder / "hsct2-os", models / folder)
    tampered(shipped_folder / "hsct2-os-ecog", models / "tampered")
    shutil.copytree(shipped_folder / "hsct2-os-ecog", models / "newer")
    manifest = models / "newer" / artifact.MANIFEST
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"format_version": 1', '"format_version": 2'),
        encoding="utf-8",
    )
    (models / "notes").mkdir()
    with (
        Server(models / "log", models=models) as server,
        server.client() as client,
    ):
        yield client


def test_the_list_names_every_model_and_the_default_one(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()
    assert [(m["id"], m["version"], m["default"]) for m in models] == [
        ("hsct2-os", "1.0.0", True),
        ("hsct2-os-ecog", "1.0.0", False),
    ]
    assert [m["covariates"] for m in models] == [list(COVARIATES), ["ecog"]]
    for model in models:
        assert model["synthetic"] is True
        assert model["notice"] == SYNTHETIC_NOTICE


def test_a_model_tells_its_cohort_and_three_hazard_ratios_side_by_side(
    client: httpx.Client, shipped: Artifact
) -> None:
    detail = client.get("/v1/models/hsct2-os@1.0.0").json()
    assert detail["cohort"] == shipped.manifest.cohort.model_dump()
    assert (detail["cohort"]["patients"], detail["cohort"]["deaths"]) == (72, 44)
    assert detail["validations"] == []
    effects = detail["ecog_effects"]
    published, reproduced, served = effects
    assert "published" in published["source"]
    for effect in (published, reproduced):
        ratios = [effect["hazard_ratio"], effect["lower"], effect["upper"]]
        assert [f"{ratio:.3f}" for ratio in ratios] == ["2.142", "1.061", "4.326"]
    assert "served" in served["source"]
    answers = [client.post("/v1/predictions", json={"ecog": e}).json() for e in (1, 2)]
    ratio = answers[1]["risk"]["hazard_ratio"]
    assert ratio["reference_ecog"] == 1
    for part, name in (("estimate", "hazard_ratio"), ("lower", "lower"), ("upper", "upper")):
        assert served[name] == pytest.approx(ratio[part], rel=1e-9)


def test_a_model_tells_how_it_is_calibrated_and_what_it_is_worth(
    client: httpx.Client, shipped: Artifact
) -> None:
    detail = client.get("/v1/models/hsct2-os").json()
    assert shipped.analysis.validation is not None
    assert detail["internal_validation"] == shipped.analysis.validation.model_dump()
    assert detail["recalibration"] is None
    curves = {c["horizon_months"]: c for c in detail["internal_validation"]["calibration"]}
    assert set(curves) == {6, 12, 24}
    for curve in curves.values():
        assert sum(group["patients"] for group in curve["groups"]) == detail["cohort"]["patients"]
        columns = [curve[f"smooth_{name}"] for name in ("predicted", "observed", "lower", "upper")]
        assert len({len(column) for column in columns}) == 1


def test_a_model_puts_the_figures_of_the_study_side_by_side(client: httpx.Client) -> None:
    figures = client.get("/v1/models/hsct2-os").json()["study_figures"]
    by_label = {figure["label"]: figure for figure in figures}
    ratio = by_label["ECOG, per point: hazard ratio"]
    assert (ratio["published"], ratio["reproduced"]) == ("2.142", "2.142")
    assert ratio["served"] != ratio["published"]


def test_a_model_shows_what_was_observed_in_the_cohort_and_in_each_band(
    client: httpx.Client,
) -> None:
    detail = client.get("/v1/models/hsct2-os").json()
    curves = [detail["observed"], *(band["curve"] for band in detail["bands"])]
    assert sum(band["patients"] for band in detail["bands"]) == detail["cohort"]["patients"]
    assert sum(band["deaths"] for band in detail["bands"]) == detail["cohort"]["deaths"]
    for curve in curves:
        assert len({len(column) for column in curve.values()}) == 1
        assert (curve["months"][0], curve["probability"][0]) == (0, 1)
        assert all(a >= b for a, b in pairwise(curve["probability"]))
        assert all(a >= b for a, b in pairwise(curve["at_risk"]))
        assert curve["months"][-1] <= detail["last_months"]
    at_risk = [curve["at_risk"][0] for curve in curves]
    assert at_risk[0] == sum(at_risk[1:]) == detail["cohort"]["patients"]


def test_the_card_is_the_file_of_the_artifact(client: httpx.Client, shipped_folder: Path) -> None:
    folder = shipped_folder / "hsct2-os-ecog"
    for accept, kind, name in (
        ("*/*", "application/json", artifact.CARD_JSON),
        ("text/markdown, */*;q=0.1", "text/markdown; charset=utf-8", artifact.CARD),
    ):
        response = client.get("/v1/models/hsct2-os-ecog/card", headers={"Accept": accept})
        assert response.headers["Content-Type"] == kind
        assert response.headers["Vary"] == "Accept"
        assert response.content == (folder / name).read_bytes()
        assert SYNTHETIC_NOTICE in response.text


def test_the_report_is_the_file_of_the_artifact(client: httpx.Client, shipped_folder: Path) -> None:
    response = client.get("/v1/models/hsct2-os/report")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.content == (shipped_folder / "hsct2-os" / artifact.REPORT).read_bytes()


@pytest.mark.parametrize("name", ["hsct2", "hsct2-os@2.0.0", "@1.0.0", "hsct2-os%40"])
@pytest.mark.parametrize("part", ["", "/card"])
def test_an_unknown_model_is_not_found(name: str, part: str, client: httpx.Client) -> None:
    body = problem(client.get(f"/v1/models/{name}{part}"), 404, "unknown-model")
    assert "hsct2-os@1.0.0" in body["detail"]


def test_the_newest_version_answers_to_the_id_alone(several: httpx.Client) -> None:
    def version_of(name: str) -> str:
        params = {"model": name} if name else {}
        answer = several.post("/v1/predictions", json={"ecog": 1}, params=params)
        version: str = answer.json()["model"]["version"]
        return version

    assert version_of("") == version_of("hsct2-os") == "1.10.0"
    assert version_of("hsct2-os@1.9.0") == "1.9.0"
    assert version_of("hsct2-os@1.0.0") == "1.0.0"
    default = [(m["version"], m["default"]) for m in several.get("/v1/models").json()]
    assert default == [("1.0.0", False), ("1.10.0", True), ("1.9.0", False)]
    assert several.get("/v1/models/hsct2-os").json()["version"] == "1.10.0"


def test_readiness_names_refused_artifacts_with_their_reasons(several: httpx.Client) -> None:
    ready = several.get("/readyz").json()
    assert ready["status"] == "ready"
    assert ready["models"] == ["hsct2-os@1.0.0", "hsct2-os@1.10.0", "hsct2-os@1.9.0"]
    assert ready["refused"] == {
        "copy-of-c": "another folder holds the same model and version",
        "newer": "the artifact has format version 2; this reads 1",
        "tampered": "model.joblib is not the file that the manifest describes (SHA-256)",
    }


def test_a_refused_model_does_not_answer(several: httpx.Client) -> None:
    response = several.post("/v1/predictions?model=hsct2-os-ecog", json={"ecog": 1})
    problem(response, 404, "unknown-model")


def test_a_service_whose_default_model_is_refused_stops_with_the_reason(
    shipped_folder: Path, tmp_path: Path
) -> None:
    tampered(shipped_folder / "hsct2-os", tmp_path / "hsct2-os")
    shutil.copytree(shipped_folder / "hsct2-os-ecog", tmp_path / "hsct2-os-ecog")
    done = run_service("serve", models=tmp_path)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    refusal = json.loads(line)
    assert (refusal["event"], refusal["folder"]) == ("artifact refused", "hsct2-os")
    assert "SHA-256" in refusal["reason"]
    assert "the default model hsct2-os is not in" in done.stderr


def test_another_default_model_is_a_setting(shipped_folder: Path, tmp_path: Path) -> None:
    with (
        Server(
            tmp_path / "log", models=shipped_folder, default_model="hsct2-os-ecog@1.0.0"
        ) as server,
        server.client() as client,
    ):
        answer = client.post("/v1/predictions", json={"ecog": 1}).json()
        assert answer["model"]["id"] == "hsct2-os-ecog"
        assert client.get("/v1/models/hsct2-os-ecog").json()["default"] is True
