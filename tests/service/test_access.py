"""Who may call what: API keys made by the command line, and scopes."""

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from service.access import SCOPES
from service.app import create_app
from service.keys import Scope
from service.registry import Registry
from service.routes.page import STATIC
from service.settings import Settings
from tests.server import Server, address_of, problem, refusal, run_service

KEY = re.compile(r"hsct2_([0-9a-f]{8})_([0-9a-f]{64})\n")


@dataclass(frozen=True)
class Guarded:
    """A server that asks for keys, its file of keys, and two keys."""

    server: Server
    file: Path
    predict: str
    audit: str


def make_key(file: Path, name: str, *scopes: str) -> str:
    options = [word for scope in scopes for word in ("--scope", scope)]
    done = run_service("keys", "create", name, *options, api_keys=file)
    assert done.returncode == 0, done.stderr
    assert KEY.fullmatch(done.stdout)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "new" / "api-keys.json"
    predict, audit = make_key(file, "ward 7"), make_key(file, "auditor", "audit", "admin")
    with Server(folder / "log", auth="api-key", host="0.0.0.0", api_keys=file) as server:
        yield Guarded(server, file, predict, audit)


def post(guarded: Guarded, key: str | None, **headers: str) -> httpx.Response:
    credentials = {} if key is None else {"X-API-Key": key}
    with guarded.server.client(**credentials, **headers) as client:
        return client.post("/v1/predictions", json={"ecog": 1})


def test_a_valid_key_is_answered_and_logged_by_its_id_only(guarded: Guarded) -> None:
    response = post(guarded, guarded.predict)
    assert response.status_code == 200
    (line,) = guarded.server.lines_of(response.headers["X-Request-Id"])
    _, key_id, secret = guarded.predict.split("_")
    assert line["caller"] == key_id
    assert secret not in guarded.server.log()
    assert "ward 7" not in guarded.server.log()


def test_without_a_key_there_is_a_problem_that_says_how_to_send_one(guarded: Guarded) -> None:
    response = post(guarded, None)
    body = problem(response, 401, "unauthenticated")
    assert "X-API-Key" in body["detail"]
    assert response.headers["WWW-Authenticate"] == 'ApiKey realm="hsct2-risk"'


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: "hsct2_00000000_" + key.rpartition("_")[2],
        lambda key: key.rpartition("_")[2],
        lambda key: key.upper(),
        lambda _: "hsct2__",
        lambda _: "_",
        lambda key: "Bearer " + key,
        lambda _: "\xff" * 40,
    ],
)
def test_a_wrong_key_is_refused(change: object, guarded: Guarded) -> None:
    assert callable(change)
    wrong = change(guarded.predict).encode("latin-1")
    with guarded.server.client() as client:
        response = client.post("/v1/predictions", json={"ecog": 1}, headers=[(b"X-API-Key", wrong)])
    problem(response, 401, "unauthenticated")


def test_a_key_of_another_scope_is_forbidden(guarded: Guarded) -> None:
    response = post(guarded, guarded.audit)
    assert "predict" in problem(response, 403, "forbidden")["detail"]
    assert "WWW-Authenticate" not in response.headers


def test_credentials_are_asked_for_before_the_patient_is_read(guarded: Guarded) -> None:
    with guarded.server.client() as client:
        response = client.post("/v1/predictions", content=b"{", headers={})
    problem(response, 401, "unauthenticated")


def test_a_running_service_takes_new_keys_and_refuses_revoked_ones(guarded: Guarded) -> None:
    key = make_key(guarded.file, "guest", "predict")
    assert post(guarded, key).status_code == 200
    done = run_service("keys", "revoke", key.split("_")[1], api_keys=guarded.file)
    assert done.returncode == 0, done.stderr
    problem(post(guarded, key), 401, "unauthenticated")
    assert post(guarded, guarded.predict).status_code == 200
    again = run_service("keys", "revoke", key.split("_")[1], api_keys=guarded.file)
    assert (again.returncode, again.stderr) == (1, "there is no key of this id\n")


def test_an_idempotency_key_belongs_to_its_caller(guarded: Guarded) -> None:
    other = make_key(guarded.file, "second ward")
    header = {"Idempotency-Key": "the-same"}
    first, again = (post(guarded, guarded.predict, **header) for _ in range(2))
    of_other = post(guarded, other, **header)
    assert first.content == again.content
    assert of_other.status_code == 200
    assert "Idempotency-Replayed" not in of_other.headers
    assert of_other.json()["prediction_id"] != first.json()["prediction_id"]


def test_any_host_name_is_answered_once_keys_are_asked_for(guarded: Guarded) -> None:
    for host in ("hsct2.hospital.example", "10.1.2.3:8000", "["):
        assert post(guarded, guarded.predict, Host=host).status_code == 200


def test_keys_are_stored_as_hashes_in_a_file_of_their_owner(guarded: Guarded) -> None:
    assert stat.S_IMODE(guarded.file.stat().st_mode) == 0o600
    stored = guarded.file.read_text(encoding="utf-8")
    for key in (guarded.predict, guarded.audit):
        assert key.rpartition("_")[2] not in stored
    by_name = {key["name"]: key for key in json.loads(stored)}
    assert by_name["ward 7"]["scopes"] == ["predict"]
    assert by_name["auditor"]["scopes"] == ["audit", "admin"]


def test_keys_are_listed_without_the_keys(guarded: Guarded) -> None:
    listed = run_service("keys", "list", api_keys=guarded.file)
    rows = {row[3]: row for row in (line.split("\t") for line in listed.stdout.splitlines())}
    assert rows["ward 7"][0] == guarded.predict.split("_")[1]
    assert rows["auditor"][2] == "audit,admin"
    assert guarded.predict.rpartition("_")[2] not in listed.stdout + listed.stderr


@pytest.mark.parametrize("content", ["", '[{"id": "zebedee"}]'])
def test_a_file_that_holds_no_keys_is_named_and_left_alone(content: str, tmp_path: Path) -> None:
    file = tmp_path / "api-keys.json"
    file.write_text(content, encoding="utf-8")
    for arguments in (["keys", "create", "x"], ["serve"]):
        done = run_service(*arguments, auth="api-key", api_keys=file)
        assert done.returncode == 1
        assert "the file of API keys cannot be read" in done.stderr
        assert "Traceback" not in done.stderr
        assert "zebedee" not in done.stdout + done.stderr
    assert file.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(("route", "scope"), SCOPES.items())
def test_a_route_is_open_to_all_or_asks_for_a_key(
    route: tuple[str, str], scope: Scope | None, guarded: Guarded
) -> None:
    method, path = route
    if path in ("/", "/static/{name}") and not (STATIC / "index.html").exists():
        pytest.skip("the page is not built: make page")
    with guarded.server.client() as client:
        response = client.request(method, address_of(path))
    if scope is None:
        assert response.status_code == 200
    else:
        refusal(response, 401, "unauthenticated")


def test_every_route_is_in_the_table_of_scopes_and_every_entry_is_a_route(tmp_path: Path) -> None:
    app = create_app(Settings(models=tmp_path), Registry({}, {}, default=""))
    served: set[tuple[str, str]] = set()
    mounted = []
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, Mount):
            mounted.append(route.path)
            continue
        assert route.path is not None
        served |= {(m, route.path) for m in (route.methods or ()) if m != "HEAD"}
    assert served == set(SCOPES)
    assert mounted == ["/static-offline-docs"]
