"""Models are replaced while requests are answered, and a bad artifact replaces nothing."""

import asyncio
import json
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from model import artifact
from service.app import create_app
from service.keys import KeyStore, Scope
from service.registry import Registry
from service.settings import Settings
from tests.server import Server, in_process, problem, run_service
from tests.service.test_models import tampered, with_version
from training import signing

SHA = "model.joblib is not the file that the manifest describes (SHA-256)"
KEPT = "hsct2-os@1.0.0 is served as it was loaded before"


@dataclass(frozen=True)
class Folder:
    """A folder of models, what it is made from, and an app that serves it."""

    models: Path
    shipped: Path
    client: Callable[[str, str], httpx.Response]

    def reload(self) -> httpx.Response:
        return self.client("POST", "/v1/models/reload")

    def ready(self) -> dict[str, object]:
        found: dict[str, object] = self.client("GET", "/readyz").json()
        return found

    def break_model(self) -> None:
        """Put an artifact with one bit altered in the place of a sound one."""
        shutil.rmtree(self.models / "hsct2-os")
        tampered(self.shipped / "hsct2-os", self.models / "hsct2-os")

    def put_version(self, version: str, folder: str) -> None:
        with_version(version, self.shipped / "hsct2-os", self.models / folder)


@pytest.fixture
def folder(shipped_folder: Path, tmp_path: Path) -> Iterator[Folder]:
    models = Path(shutil.copytree(shipped_folder, tmp_path / "models"))
    app = create_app(Settings(models=models), Registry.load(models, "hsct2-os"))
    with capture_logs():
        yield Folder(models, shipped_folder, lambda m, path: in_process(app, m, path))


def test_a_new_version_is_served_beside_the_old_one(folder: Folder) -> None:
    folder.put_version("1.1.0", "newer")
    answer = folder.reload()
    assert answer.status_code == 200
    served = ["hsct2-os@1.0.0", "hsct2-os-ecog@1.0.0", "hsct2-os@1.1.0"]
    assert answer.json() == {"models": served, "refused": {}}
    assert folder.ready()["models"] == served
    assert folder.client("GET", "/v1/models/hsct2-os").json()["version"] == "1.1.0"


def test_a_model_whose_folder_is_gone_is_withdrawn(folder: Folder) -> None:
    shutil.rmtree(folder.models / "hsct2-os-ecog")
    assert folder.reload().json() == {"models": ["hsct2-os@1.0.0"], "refused": {}}
    problem(folder.client("GET", "/v1/models/hsct2-os-ecog"), 404, "unknown-model")


def test_of_a_tampered_artifact_the_old_one_goes_on_and_readiness_says_why(folder: Folder) -> None:
    before = folder.client("GET", "/v1/models/hsct2-os").json()
    folder.break_model()
    for _ in range(2):
        answer = folder.reload()
        assert answer.status_code == 200
        assert answer.json()["refused"] == {"hsct2-os": f"{SHA}; {KEPT}"}
        assert "hsct2-os@1.0.0" in answer.json()["models"]
        assert folder.ready()["refused"] == answer.json()["refused"]
        assert folder.client("GET", "/v1/models/hsct2-os").json() == before
    assert "hsct2_refused_artifacts 1.0" in folder.client("GET", "/metrics").text
    shutil.rmtree(folder.models / "hsct2-os")
    shutil.copytree(folder.shipped / "hsct2-os", folder.models / "hsct2-os")
    assert folder.reload().json()["refused"] == {}


def test_of_an_artifact_without_its_manifest_the_old_one_goes_on(folder: Folder) -> None:
    (folder.models / "hsct2-os" / artifact.MANIFEST).unlink()
    assert folder.reload().json()["refused"] == {"hsct2-os": f"manifest.json is not there; {KEPT}"}


def test_a_bad_artifact_that_was_never_served_is_refused_alone(folder: Folder) -> None:
    tampered(folder.shipped / "hsct2-os", folder.models / "new")
    answer = folder.reload().json()
    assert answer["refused"] == {"new": SHA}
    assert answer["models"] == ["hsct2-os@1.0.0", "hsct2-os-ecog@1.0.0"]


def test_a_model_that_moved_to_another_folder_is_served_once(folder: Folder) -> None:
    (folder.models / "hsct2-os").rename(folder.models / "moved")
    tampered(folder.shipped / "hsct2-os", folder.models / "hsct2-os")
    answer = folder.reload().json()
    assert sorted(answer["models"]) == ["hsct2-os-ecog@1.0.0", "hsct2-os@1.0.0"]
    assert answer["refused"] == {"hsct2-os": SHA}


@pytest.mark.parametrize("gone", ["hsct2-os", ""])
def test_without_its_default_model_nothing_is_replaced(gone: str, folder: Folder) -> None:
    before = folder.ready()
    shutil.rmtree(folder.models / gone)
    body = problem(folder.reload(), 409, "reload-refused")
    assert "the default model hsct2-os is not in the folder" in body["detail"]
    assert folder.ready() == before
    text = folder.client("GET", "/metrics").text
    assert 'hsct2_model_reloads_total{outcome="refused"} 1.0' in text


def test_a_page_of_another_site_may_not_reload(shipped_folder: Path) -> None:
    app = create_app(Settings(), Registry.load(shipped_folder, "hsct2-os"))
    with capture_logs():
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
            headers = {"Sec-Fetch-Site": site}
            answer = in_process(app, "POST", "/v1/models/reload", headers=headers)
            assert answer.status_code == status


def test_a_reload_needs_the_scope_admin(tmp_path: Path, shipped_folder: Path) -> None:
    keys = KeyStore(tmp_path / "keys")
    texts = {s: keys.create("a", [s], datetime.now(UTC))[1] for s in (Scope.PREDICT, Scope.ADMIN)}
    app = create_app(
        Settings(auth="api-key", api_keys=tmp_path / "keys"),
        Registry.load(shipped_folder, "hsct2-os"),
    )
    with capture_logs():
        for scope, status in ((Scope.PREDICT, 403), (Scope.ADMIN, 200)):
            headers = {"X-API-Key": texts[scope]}
            answer = in_process(app, "POST", "/v1/models/reload", headers=headers)
            assert answer.status_code == status


def test_a_request_that_has_begun_keeps_the_models_that_it_found(folder: Folder) -> None:
    before = Registry.load(folder.models, "hsct2-os")
    folder.put_version("1.1.0", "newer")
    shutil.rmtree(folder.models / "hsct2-os")
    after = before.reloaded()
    assert before.resolve("hsct2-os@1.0.0").manifest.version == "1.0.0"
    assert list(after.artifacts) == ["hsct2-os-ecog@1.0.0", "hsct2-os@1.1.0"]


def test_the_event_loop_goes_on_while_models_are_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, let_go = threading.Event(), threading.Event()
    load = artifact.load

    def slow_disk(*arguments: object) -> object:
        reading.set()
        assert let_go.wait(10)
        return load(*arguments)  # type: ignore[arg-type]

    app = create_app(Settings(), Registry.load(folder.models, "hsct2-os"))
    monkeypatch.setattr(artifact, "load", slow_disk)

    async def run() -> tuple[int, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            reload = asyncio.create_task(client.post("/v1/models/reload"))
            await asyncio.to_thread(reading.wait, 10)
            meanwhile = await client.post("/v1/predictions", json={"ecog": 1})
            assert not reload.done()
            let_go.set()
            return meanwhile.status_code, (await reload).status_code

    assert asyncio.run(run()) == (200, 200)


def _ask_until(end: threading.Event, server: Server, found: Counter[tuple[int, str]]) -> None:
    with server.client() as client:
        while not end.is_set():
            response = client.post("/v1/predictions?curve=false", json={"ecog": 2})
            body = response.json()
            version = body["model"]["version"] if response.status_code == 200 else ""
            found[response.status_code, version] += 1


@pytest.mark.slow
def test_twenty_reloads_under_load_lose_no_request(shipped_folder: Path, tmp_path: Path) -> None:
    models = Path(shutil.copytree(shipped_folder, tmp_path / "models"))
    found: Counter[tuple[int, str]] = Counter()
    with Server(tmp_path / "log", models=models) as server, ThreadPoolExecutor(4) as pool:
        end = threading.Event()
        asking = [pool.submit(_ask_until, end, server, found) for _ in range(4)]
        try:
            with server.client() as client:
                for number in range(20):
                    with_version(f"1.{number + 1}.0", models / "hsct2-os", models / f"v{number}")
                    if number:
                        shutil.rmtree(models / f"v{number - 1}")
                    assert client.post("/v1/models/reload").status_code == 200
            until = time.monotonic() + 20
            while not found[200, "1.20.0"] and time.monotonic() < until:
                time.sleep(0.01)  # the last one may be in place between two calls
        finally:
            end.set()
        for one in asking:
            one.result()
    assert {status for status, _ in found} == {200}
    assert found[200, "1.20.0"] > 0
    assert len(found) > 10


def _lines(server: Server, event: str, count: int) -> list[dict[str, object]]:
    end = time.monotonic() + 10
    lines: list[dict[str, object]] = []
    while len(lines) < count and time.monotonic() < end:
        time.sleep(0.02)
        parsed = map(json.loads, server.log().splitlines())
        lines = [line for line in parsed if line["event"] == event]
    return lines


def test_sighup_reloads_and_a_refusal_is_logged(shipped_folder: Path, tmp_path: Path) -> None:
    models = Path(shutil.copytree(shipped_folder, tmp_path / "models"))
    with Server(tmp_path / "log", models=models, audit_url="off") as server:
        with_version("2.0.0", models / "hsct2-os", models / "two")
        server.signal(signal.SIGHUP)
        (line,) = _lines(server, "models reloaded", 1)
        assert list(line["added"]) == ["hsct2-os@2.0.0"]  # type: ignore[call-overload]
        with server.client() as client:
            assert client.get("/v1/models/hsct2-os").json()["version"] == "2.0.0"
            shutil.rmtree(models)
            server.signal(signal.SIGHUP)
            (line,) = _lines(server, "models not reloaded", 1)
            assert line["reason"] == "the default model hsct2-os is not in the folder"
            assert client.get("/v1/models/hsct2-os").json()["version"] == "2.0.0"


def test_with_a_public_key_only_signed_models_are_served(
    shipped_folder: Path, tmp_path: Path
) -> None:
    models = Path(shutil.copytree(shipped_folder, tmp_path / "models"))
    key = signing.new_key(tmp_path / "key.pem")
    signing.sign(models / "hsct2-os", key)
    public = signing.public_file(tmp_path / "key.pem")
    with (
        Server(tmp_path / "log", models=models, public_key=public, audit_url="off") as server,
        server.client() as client,
    ):
        ready = client.get("/readyz").json()
        assert ready["models"] == ["hsct2-os@1.0.0"]
        unsigned = {"hsct2-os-ecog": "manifest.sig cannot be read (No such file or directory)"}
        assert ready["refused"] == unsigned
        with_version("1.1.0", models / "hsct2-os", models / "altered")
        shutil.copy(models / "hsct2-os" / artifact.SIGNATURE, models / "altered")
        answer = client.post("/v1/models/reload").json()
        assert answer["models"] == ["hsct2-os@1.0.0"]
        reason = "the signature is not the configured key's over this manifest"
        assert answer["refused"] == {**unsigned, "altered": reason}
        signing.sign(models / "hsct2-os-ecog", key)
        answer = client.post("/v1/models/reload").json()
        assert answer["models"] == ["hsct2-os@1.0.0", "hsct2-os-ecog@1.0.0"]


def test_a_public_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(b"zebedee")
    done = run_service("serve", public_key=tmp_path / "key.pub")
    expected = "HSCT2_PUBLIC_KEY: not a public key in PEM form\n"
    assert (done.returncode, done.stderr) == (1, expected)
