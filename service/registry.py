"""The artifacts that are served."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model import artifact
from model.artifact import Artifact
from model.errors import ArtifactError, Hsct2Error


class UnknownModelError(Hsct2Error):
    """No served model has this name."""


@dataclass(frozen=True)
class Registry:
    """The artifacts of a folder.

    Attributes
    ----------
    artifacts : by ``id@version``
    refused : reasons, by folder name
    default : ``id`` or ``id@version`` of the model that answers unless another is named
    """

    artifacts: Mapping[str, Artifact]
    refused: Mapping[str, str]
    default: str

    @classmethod
    def load(cls, folder: Path, default: str) -> "Registry":
        """Load every folder that holds a manifest; what is off is refused with its reason."""
        artifacts: dict[str, Artifact] = {}
        refused: dict[str, str] = {}
        for place in sorted(path.parent for path in folder.glob("*/manifest.json")):
            try:
                loaded = artifact.load(place)
            except ArtifactError as error:
                refused[place.name] = str(error)
                continue
            name = f"{loaded.manifest.id}@{loaded.manifest.version}"
            if name in artifacts:
                refused[place.name] = "another folder holds the same model and version"
            else:
                artifacts[name] = loaded
        return cls(artifacts, refused, default)

    def resolve(self, name: str | None) -> Artifact:
        """Return a model by ``id@version``, or the newest version by ``id``.

        Raises
        ------
        UnknownModelError
            If no such model is served.
        """
        wanted = name or self.default
        if wanted in self.artifacts:
            return self.artifacts[wanted]
        versions = [a for a in self.artifacts.values() if a.manifest.id == wanted]
        if not versions:
            raise UnknownModelError("no such model is served")
        return max(versions, key=lambda a: _ordering(a.manifest.version))

    @property
    def is_ready(self) -> bool:
        """Whether a call that names no model can be answered."""
        try:
            self.resolve(None)
        except UnknownModelError:
            return False
        return True


def _ordering(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
