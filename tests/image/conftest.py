"""One image for all tests, built from the Dockerfile as it is."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import TOOLS, Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"the image needs {', '.join(missing)}, which make test installs when root")
    if os.geteuid() != 0:
        pytest.skip("the image is built in a chroot, which needs root")
    engine = Engine(Path(tempfile.mkdtemp(prefix="image-")))
    try:
        engine.import_base()
        engine.build()
        yield engine
    finally:
        engine.remove()
