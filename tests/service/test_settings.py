"""What the service does not start with, and says so."""

from pathlib import Path

import pytest

from service.app import create_app
from service.registry import Registry
from service.settings import Settings
from tests.server import in_process, run_service


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"host": "0.0.0.0"}, 2, "HSCT2_AUTH=none serves loopback only"),
        ({"host": "zebedee.example"}, 2, "HSCT2_AUTH=none serves loopback only"),
        ({"port": "65536"}, 2, "HSCT2_PORT: Input should be less than or equal to 65535"),
        ({"auth": "zebedee"}, 2, "HSCT2_AUTH: Input should be 'none', 'api-key' or 'jwt'"),
        ({"allowed_hosts": "zebedee"}, 2, "allowed_hosts"),
        ({"alowed_hosts": '["zebedee"]'}, 2, "there is no setting HSCT2_ALOWED_HOSTS"),
        ({"default_model": "hsct2-oss"}, 1, "the default model hsct2-oss is not in "),
    ],
)
def test_a_service_that_cannot_be_as_configured_does_not_start(
    settings: dict[str, str], code: int, message: str
) -> None:
    done = run_service("serve", **settings)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "zebedee" not in done.stdout + done.stderr


def test_all_bad_settings_are_named_at_once() -> None:
    done = run_service("serve", port="x", auth="y", max_body_bytes="z")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "HSCT2_PORT",
        "HSCT2_AUTH",
        "HSCT2_MAX_BODY_BYTES",
    ]


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        done = run_service("serve", models=folder)
        assert done.returncode == 1
        assert f"the default model hsct2-os is not in {folder}" in done.stderr


def test_the_environment_of_a_kubernetes_pod_is_not_taken_for_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HSCT2_RISK_PORT_8000_TCP_ADDR", "10.0.0.1")
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.2"])
def test_loopback_has_more_than_one_address(host: str) -> None:
    assert Settings(host=host).is_loopback


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hsct2.example.org", 200),
        ("HSCT2.Example.org:443", 200),
        ("localhost:8000", 200),
        ("other.example.org", 421),
        ("hsct2.example.org.attacker.example", 421),
    ],
)
def test_only_the_allowed_hosts_and_loopback_are_answered(
    host: str, status: int, tmp_path: Path
) -> None:
    settings = Settings(
        auth="api-key", api_keys=tmp_path / "keys", allowed_hosts=["HSCT2.example.org"]
    )
    app = create_app(settings, Registry({}, {}, default=""))
    assert in_process(app, "GET", "/livez", headers={"Host": host}).status_code == status
