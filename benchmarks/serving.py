"""`POST /v1/predictions` next to bare FastAPI that only echoes, and to a naive service.

Ours answers in full, with intervals; request id, log, metrics and API keys are on.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import joblib
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from benchmarks import serving_mlflow
from benchmarks.comparison import Contest
from benchmarks.peer import RSession
from benchmarks.serving_disk import refuse_memory
from benchmarks.serving_load import p99_seconds, saturate
from benchmarks.serving_process import Service
from service.keys import KeyStore, Scope
from tests.ports import free_port
from training.cohort import shipped_cohort

_LOAD_SECONDS = 4
_FULL_LOAD = "POST /v1/predictions at 16 connections"


class Services:
    """Our service and its peers, started when first asked for."""

    def __init__(self, folder: Path, until: ExitStack) -> None:
        self._folder = folder
        self._until = until
        self._running: dict[str, Service] = {}
        _, self._key = KeyStore(folder / "keys.json").create("bench", [Scope.PREDICT], _now())

    def ours(self, *, audit: bool) -> Service:
        return self._run("ours with audit" if audit else "ours", lambda: self.our_own(audit=audit))

    def echo(self) -> Service:
        return self._run("echo", self.bare)

    def naive(self) -> Service:
        return self._run("naive", lambda: self._peer("naive", _naive_model(self._folder)))

    def mlflow(self) -> Service:
        return self._run(
            "mlflow", lambda: serving_mlflow.service(self._folder, _naive_model(self._folder))
        )

    def our_own(self, *, audit: bool) -> Service:
        port = free_port()
        name = f"ours-{port}"
        settings = {
            "HSCT2_PORT": str(port),
            "HSCT2_AUTH": "api-key",
            "HSCT2_API_KEYS": str(self._folder / "keys.json"),
            "HSCT2_AUDIT_URL": f"sqlite:///{self._folder / name}.db" if audit else "off",
            "HSCT2_AUDIT_KEY": str(self._folder / f"{name}.pem"),
        }
        command = [sys.executable, "-m", "service", "serve"]
        return Service(command, port, self._folder / f"{name}.log", settings, self._key)

    def bare(self) -> Service:
        answer = self._folder / "answer.json"
        if not answer.exists():
            answer.write_bytes(self.ours(audit=False).ask()[1])
        return self._peer("echo", answer)

    def _peer(self, kind: str, file: Path) -> Service:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.serving_peers", kind, str(port), str(file)]
        return Service(command, port, self._folder / f"{kind}-{port}.log")

    def _run(self, name: str, make: Callable[[], Service]) -> Service:
        if name not in self._running:
            self._running[name] = self._until.enter_context(make())
        return self._running[name]


def contests(_: RSession) -> Iterator[Contest]:
    with ExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory()))
        refuse_memory(folder)
        services = Services(folder, until)
        yield from _of_throughput(services)
        yield from _of_latency(services)
        yield from _of_starting(services)


def mlflow_contests(_: RSession) -> Iterator[Contest]:
    with ExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory()))
        services = Services(folder, until)
        yield _throughput(
            "without audit", "MLflow", lambda: services.ours(audit=False), services.mlflow, 1 / 15
        )


def _of_throughput(services: Services) -> Iterator[Contest]:
    plain, audited = (lambda: services.ours(audit=False)), (lambda: services.ours(audit=True))
    echo = "bare FastAPI echo"
    yield _throughput("without audit", echo, plain, services.echo, 1.0)
    yield _throughput("with durable audit", echo, audited, services.echo, 1 / 0.8)
    yield _throughput("with durable audit", "ours without", audited, plain, 1 / 0.8)
    yield _throughput("without audit", "naive service", plain, services.naive, 0.1)
    yield _cpu("without audit", echo, plain, services.echo)
    yield _cpu("with durable audit", echo, audited, services.echo)


def _throughput(
    how: str,
    peer: str,
    ours: Callable[[], Service],
    theirs: Callable[[], Service],
    goal: float,
) -> Contest:
    def seconds(service: Callable[[], Service]) -> float:
        return 1 / saturate(service(), _LOAD_SECONDS).requests_per_second

    return Contest(
        f"{_FULL_LOAD}, {how}: seconds a request",
        peer,
        lambda: seconds(ours),
        lambda: seconds(theirs),
        goal=goal,
    )


def _cpu(
    how: str, peer: str, ours: Callable[[], Service], theirs: Callable[[], Service]
) -> Contest:
    def seconds(service: Callable[[], Service]) -> float:
        return saturate(service(), _LOAD_SECONDS).cpu_seconds_per_request

    return Contest(
        f"the same, {how}: processor seconds a request",
        peer,
        lambda: seconds(ours),
        lambda: seconds(theirs),
    )


def _of_latency(services: Services) -> Iterator[Contest]:
    rate = saturate(services.ours(audit=False), _LOAD_SECONDS).requests_per_second / 2

    def seconds(service: Service) -> float:
        return p99_seconds(service, rate, _LOAD_SECONDS)

    yield Contest(
        f"99th percentile at {rate:.0f} requests/s, half of what ours takes",
        "bare FastAPI echo",
        lambda: seconds(services.ours(audit=False)),
        lambda: seconds(services.echo()),
        goal=1.5,
    )


def _of_starting(services: Services) -> Iterator[Contest]:
    ours, bare = services.our_own(audit=True), services.bare()

    def seconds(service: Service) -> float:
        try:
            return service.start()
        finally:
            service.stop()

    def megabytes(service: Service) -> float:
        with service:
            saturate(service, _LOAD_SECONDS)
            return service.resident_bytes / 1e6

    yield Contest(  # the store is made in the run that is not measured
        "from exec to the first prediction, with audit",
        "bare FastAPI echo",
        lambda: seconds(ours),
        lambda: seconds(bare),
        goal=1.5,
    )
    yield Contest(
        "resident memory after load, with audit",
        "bare FastAPI echo",
        lambda: megabytes(ours),
        lambda: megabytes(bare),
        unit="MB",
        goal=2.0,
    )


def _naive_model(folder: Path) -> Path:
    """Fit what the naive service loads; all the shipped cohort's values are known."""
    cohort = shipped_cohort()
    outcome = Surv.from_arrays(cohort.death, cohort.months)
    fitted = CoxPHSurvivalAnalysis(alpha=1.0, ties="efron").fit(cohort.numbers, outcome)
    joblib.dump(fitted, folder / "naive.joblib")
    return folder / "naive.joblib"


def _now() -> datetime:
    return datetime.now(UTC)
