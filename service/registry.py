"""The artifacts that are served."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from model import artifact
from model.artifact import MANIFEST, Artifact
from model.errors import ArtifactError, Hsct2Error
from model.signature import PublicKey


class UnknownModelError(Hsct2Error):
    """No served model has this name."""


class ReloadError(Hsct2Error):
    """The folder of models cannot replace what is served."""


@dataclass(frozen=True)
class Source:
    """Where artifacts come from, and whose signature they must carry, if any."""

    folder: Path
    public_key: PublicKey | None = None


@dataclass(frozen=True)
class Registry:
    """The artifacts of a folder; a request keeps the registry that it found.

    Attributes
    ----------
    artifacts : by ``id@version``
    refused : reasons, by folder name
    default : ``id`` or ``id@version`` of the model that answers unless another is named
    source : where they were loaded from
    places : the folder name of each artifact, by ``id@version``
    """

    artifacts: Mapping[str, Artifact]
    refused: Mapping[str, str]
    default: str
    source: Source | None = None
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, default: str, public_key: PublicKey | None = None) -> "Registry":
        """Load every folder that holds a manifest; what is off is refused with its reason."""
        artifacts: dict[str, Artifact] = {}
        refused: dict[str, str] = {}
        places: dict[str, str] = {}
        for place in sorted(path.parent for path in folder.glob(f"*/{MANIFEST}")):
            try:
                loaded = artifact.load(place, public_key)
            except ArtifactError as error:
                refused[place.name] = str(error)
                continue
            name = f"{loaded.manifest.id}@{loaded.manifest.version}"
            if name in artifacts:
                refused[place.name] = "another folder holds the same model and version"
            else:
                artifacts[name], places[name] = loaded, place.name
        return cls(artifacts, refused, default, Source(folder, public_key), places)

    def reloaded(self) -> "Registry":
        """Return what the folder holds now, and of what is refused in it the old artifact.

        An artifact whose folder is gone is withdrawn.

        Raises
        ------
        ReloadError
            If the default model would no longer be served.
        """
        if self.source is None:
            raise ReloadError("these models were not loaded from a folder")
        found = Registry.load(self.source.folder, self.default, self.source.public_key)
        artifacts, refused = dict(found.artifacts), dict(found.refused)
        places = dict(found.places)
        for name, place in self.places.items():
            if name in artifacts or place in found.places.values():
                continue
            if place in refused or (self.source.folder / place).is_dir():
                reason = refused.get(place, f"{MANIFEST} is not there")
                refused[place] = f"{reason}; {name} is served as it was loaded before"
                artifacts[name], places[name] = self.artifacts[name], place
        merged = replace(found, artifacts=artifacts, refused=refused, places=places)
        if not merged.is_ready:
            raise ReloadError(f"the default model {self.default} is not in the folder")
        return merged

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
