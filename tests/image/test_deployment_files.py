"""``deploy/``: what is named there exists, and no password stands in it."""

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.image.engine import USER, run
from tests.server import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKE_SECRETS = ROOT / "deploy/make-secrets"


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bHSCT2_[A-Z_]+[A-Z]\b", text))


def test_every_setting_of_the_image_and_of_its_deployment_exists() -> None:
    known = {f"HSCT2_{name.upper()}" for name in Settings.model_fields}
    named = variables(DOCKERFILE) | variables((ROOT / "deploy/compose.yaml").read_text())
    assert len(named) > 5
    assert named <= known


def test_the_settings_of_the_deployment_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(re.findall(r"(HSCT2_[A-Z_]+)=(\S+)", DOCKERFILE.partition("\nENV ")[2]))
    for name, value in {**given, **SERVICES["service"]["environment"]}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.auth == "api-key"
    assert not settings.is_loopback
    grace = int(SERVICES["service"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.drain_seconds + settings.shutdown_seconds


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_container_is_a_plain_user_with_nothing_to_gain_or_write(name: str) -> None:
    container = SERVICES[name]
    user, _, group = container["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in container


@pytest.mark.parametrize("name", ["service", "database"])
def test_what_runs_on_says_whether_it_is_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES["service"]["depends_on"]["database"]["condition"] == "service_healthy"


def test_only_the_gateway_of_this_machine_reaches_the_service_and_nobody_the_database() -> None:
    assert SERVICES["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in SERVICES["database"]


def test_every_secret_that_is_used_is_a_file_that_make_secrets_writes() -> None:
    used = {secret for container in SERVICES.values() for secret in container.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f'"$folder/{name}"' in MAKE_SECRETS.read_text()
    environments = [container.get("environment", {}) for container in SERVICES.values()]
    mounted = re.findall(r"/run/secrets/([\w.-]+)", str(environments))
    assert set(mounted) == used
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/secrets/" in ignored


def test_no_password_stands_in_an_address_or_a_variable() -> None:
    for container in SERVICES.values():
        for name, value in container.get("environment", {}).items():
            assert not re.search(r"://[^/@\s]*:[^/@\s]*@", value)
            assert "PASSWORD" not in name or name.endswith("_FILE")


def test_volumes_are_declared_or_folders_of_the_deployment() -> None:
    for container in SERVICES.values():
        for volume in container.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source == "./secrets/keys"


def test_secrets_are_each_readers_alone_and_stay_when_made_again(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("openssl"):
        pytest.skip("giving files away needs root, and making keys openssl")
    folder = tmp_path / "secrets"
    run(str(MAKE_SECRETS), str(folder))
    first = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    assert {file.name for file in first} == set(COMPOSE["secrets"])
    for file in (*first, folder / "keys"):
        of_database = file.name == "postgres-password"
        owner = int(SERVICES["database"]["user"].partition(":")[0]) if of_database else USER
        assert file.stat().st_uid == owner
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077  # or libpq reads past its file
    password = (folder / "postgres-password").read_text().strip()
    assert (folder / "pgpass").read_text() == f"*:*:hsct2:hsct2:{password}\n"
    run(str(MAKE_SECRETS), str(folder))
    assert first == {file: file.read_bytes() for file in first}
