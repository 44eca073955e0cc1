"""Doing the parts of a job: here, in processes of this machine, or on a Dask cluster."""

import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from service.batch.ahead import ahead
from service.batch.errors import BatchError
from service.batch.job import Done, Job
from service.batch.parts import Part

OnRows = Callable[[int], None]
_PIECES_AHEAD = 32
"""As many as are predicted while a part is synced; together some 50 MB."""

_LOSSES_ALLOWED = 10
"""How often a part is begun again where the worker that had it is lost."""


def run_here(job: Job, parts: Sequence[Part], on_rows: OnRows) -> Iterator[Done]:
    """Do the parts one after the other; a thread predicts while those before are written."""
    with ahead(job.predicted(parts), _PIECES_AHEAD) as pieces:
        yield from job.keep(pieces, on_rows)


def run_in_processes(
    job: Job, parts: Sequence[Part], workers: int, on_rows: OnRows
) -> Iterator[Done]:
    """Do the parts in processes of their own, each with one thread.

    Raises
    ------
    BatchError
        If a process was killed; what is done is kept.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy pyarrow's locks
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for future in as_completed([pool.submit(job.predict, part) for part in parts]):
                done = future.result()
                on_rows(done.rows)
                yield done
        except BrokenProcessPool:
            raise BatchError("a worker was killed; start again to go on") from None


def run_on_cluster(
    job: Job, parts: Sequence[Part], address: str, on_rows: OnRows
) -> Iterator[Done]:
    """Do the parts on a Dask cluster whose workers see the same files.

    A part whose worker is lost is done by another. It is kept under its name only when it is
    whole, so that done twice it counts once.

    Raises
    ------
    BatchError
        If the package is missing or the cluster cannot be reached.
    """
    if importlib.util.find_spec("distributed") is None:
        raise BatchError(
            "--cluster needs the package distributed: pip install 'distributed>=2026.8'"
        )
    distributed: Any = importlib.import_module("distributed")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except OSError:
        raise BatchError(f"{address}: no Dask scheduler answers") from None
    with client:
        if any(threads > 1 for threads in client.nthreads().values()):
            raise BatchError("a worker has several threads; start workers with --nthreads 1")
        # Not scattered: what is scattered is lost with the worker that holds it.
        futures = [
            client.submit(job.predict, part, pure=False, retries=_LOSSES_ALLOWED) for part in parts
        ]
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                done: Done = future.result()
                on_rows(done.rows)
                yield done
        except distributed.KilledWorker:
            raise BatchError("too many workers were lost; start again to go on") from None
