"""buildah and podman on a machine with no daemon and no registry, with a store of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.ports import free_port
from tests.server import ROOT, Server

TOOLS = ("buildah", "podman", "runc", "debootstrap")
BASE = "localhost/python:3.12-slim"
IMAGE = "localhost/hsct2-risk:test"
USER = 10001
RESTRICTED = (
    "--network=host",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:mode=1777",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
)
_DEBIAN = "bookworm"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Engine:
    """Images and containers in a folder; `remove` leaves nothing of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = ("--root", f"{folder}/store", "--runroot", f"{folder}/run")

    def buildah(self, *arguments: str) -> str:
        return run("buildah", "--storage-driver", "overlay", *self._store, *arguments)

    def podman(self, *arguments: str) -> str:
        return run(*self.podman_command(*arguments))

    def podman_command(self, *arguments: str) -> Sequence[str]:
        """Return a command of podman's."""
        where = ("--storage-driver", "overlay", *self._store, "--tmpdir", f"{self._folder}/tmp")
        without_systemd = ("--cgroup-manager", "cgroupfs", "--events-backend", "file")
        return ("podman", *where, *without_systemd, "--runtime", "runc", *arguments)

    def import_base(self) -> None:
        """Take for the base image a Debian with Python: the real one is out of reach here.

        It has Debian's Python, not 3.12 (the locks are for either), and is kept in ``build/``.
        """
        archive = ROOT / "build" / f"base-{_DEBIAN}.tar"
        if not archive.exists():
            root = self._folder / "base"
            packages = "--include=python3-minimal,python3-venv"
            run("debootstrap", "--variant=minbase", packages, _DEBIAN, str(root), seconds=400)
            (root / "usr/bin/python").symlink_to("python3")
            archive.parent.mkdir(exist_ok=True)
            partial = archive.with_suffix(f".{os.getpid()}")
            unneeded = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./dev/*")
            excluded = [f"--exclude={path}" for path in unneeded]
            run("tar", "-C", str(root), *excluded, "-cf", str(partial), ".")
            partial.replace(archive)
            shutil.rmtree(root)
        self.podman("import", str(archive), BASE)

    def build(self) -> None:
        """Build the Dockerfile as it is, with this machine's way to PyPI and npm.

        The way is mounted while commands run: no layer and no variable holds it.
        """
        mounts = {
            _written(self._folder / "pip.conf", pip_settings()): "/etc/pip.conf",
            _written(self._folder / "npmrc", npm_settings()): "/root/.npmrc",
        }
        if _CERTIFICATES.exists():
            mounts[_CERTIFICATES] = str(_CERTIFICATES)
        volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
        options = ("--isolation=chroot", "--pull-never", "--format=docker", "--layers=false")
        self.buildah("bud", *options, *volumes, "--tag", IMAGE, str(ROOT))

    def bytes_of(self, image: str) -> int:
        """Return the size of an image's files."""
        [inspected] = json.loads(self.podman("image", "inspect", image))
        size: int = inspected["Size"]
        return size

    def remove(self) -> None:
        """Remove every container and image, and the folder."""
        self.podman("rm", "--all", "--force", "--time=0")
        self.podman("rmi", "--all", "--force")
        shutil.rmtree(self._folder, ignore_errors=True)


def run(*command: str, seconds: float = 300) -> str:
    """Run a command to its end; return what it printed.

    Raises
    ------
    AssertionError
        If it failed, with the end of what it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def pip_settings() -> str:
    """Return where this machine's pip gets distributions, as a configuration file."""
    names = ("index-url", "extra-index-url", "trusted-host", "proxy")
    lines = ["[global]", f"cert = {_CERTIFICATES}" if _CERTIFICATES.exists() else ""]
    for name in names:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
            capture_output=True,
            text=True,
            check=False,
        )
        places = [place for place in done.stdout.split() if not place.startswith(("file:", "/"))]
        if places:
            lines.append(f"{name} = {' '.join(places)}")
    return "\n".join(lines) + "\n"


def npm_settings() -> str:
    """Return where this machine's npm gets packages, as a configuration file."""
    lines = [f"cafile={_CERTIFICATES}" if _CERTIFICATES.exists() else ""]
    npm = shutil.which("npm")
    if npm:
        registry = run(npm, "config", "get", "registry").strip()
        lines.append(f"registry={registry}")
    return "\n".join(lines) + "\n"


def _written(file: Path, content: str) -> Path:
    file.write_text(content)
    return file


class Container(Server):
    """The service in a container, restricted as in ``deploy/compose.yaml``."""

    def __init__(self, engine: Engine, log_file: Path, *options: str, **settings: object) -> None:
        super().__init__(log_file)
        self.port = free_port()
        self.name = f"hsct2-{self.port}"
        self.settings = {"port": self.port, **settings}
        self._engine = engine
        self._options = options

    def __enter__(self) -> Self:
        variables = [f"--env=HSCT2_{name.upper()}={v}" for name, v in self.settings.items()]
        command = self._engine.podman_command(
            "run", f"--name={self.name}", *RESTRICTED, *variables, *self._options, IMAGE
        )
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.port = self._port()
        self.address = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._engine.podman("stop", "--time=10", self.name)
        self._process.wait(timeout=30)

    def signal(self, number: int) -> None:
        """Send a signal to the service, the container's first process."""
        self._engine.podman("kill", f"--signal={number}", self.name)

    def python(self, program: str) -> str:
        """Run a program with the image's Python, in the container."""
        return self._engine.podman("exec", self.name, "/venv/bin/python", "-c", program)

    def check_health(self) -> str:
        """Run the image's health check once, and return the engine's verdict."""
        self._engine.podman("healthcheck", "run", self.name)
        template = "{{.State.Health.Status}}"
        return self._engine.podman("inspect", "--format", template, self.name).strip()

    def kernel_status(self) -> dict[str, str]:
        """Return what the kernel says of the service's process, from ``/proc/PID/status``."""
        pid = self._engine.podman("inspect", "--format", "{{.State.Pid}}", self.name).strip()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
