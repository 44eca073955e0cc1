"""What changes while the service runs: its models, and whether it is about to stop."""

import asyncio
from collections.abc import Mapping

import structlog
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from service.metrics import Metrics
from service.registry import Registry, ReloadError


class ReloadedModels(BaseModel):
    """What is served after a reload, and what was refused."""

    model_config = ConfigDict(frozen=True)

    models: list[str]
    refused: dict[str, str]


class Lifecycle:
    """Replaces the models of an app, one reload after the other.

    Attributes
    ----------
    draining : whether the service is told to stop, so that it is no longer ready
    """

    def __init__(self, app: FastAPI, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("models")
        self.draining = False

    async def reload(self) -> ReloadedModels:
        """Read the folder of models in a thread, then put the new registry in place at once.

        Raises
        ------
        ReloadError
            If the default model would no longer be served; everything stays as it was.
        """
        async with self._turn:
            before: Registry = self._app.state.registry
            try:
                registry = await asyncio.to_thread(before.reloaded)
            except ReloadError as error:
                self._metrics.reloaded(accepted=False)
                self._log.error("models not reloaded", reason=str(error))
                raise
            self._app.state.registry = registry
            self._metrics.reloaded(accepted=True)
        self._report(before, registry)
        return ReloadedModels(models=list(registry.artifacts), refused=dict(registry.refused))

    def _report(self, before: Registry, now: Registry) -> None:
        self._log.info(
            "models reloaded",
            added=_digests(now, but=before),
            removed=_digests(before, but=now),
            refused=dict(now.refused),
        )


def _digests(registry: Registry, but: Registry) -> Mapping[str, str]:
    others = {artifact.sha256 for artifact in but.artifacts.values()}
    return {
        name: artifact.sha256
        for name, artifact in registry.artifacts.items()
        if artifact.sha256 not in others
    }
