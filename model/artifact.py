"""The artifact: a folder with a fitted model, its manifest, its card and its report.

What the model file holds stands in `model.plain_model`. Nothing in a folder depends
on the time at which it was written.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from model import plain_values
from model.analysis import Analysis
from model.card import ModelCard
from model.errors import ArtifactError
from model.manifest import FORMAT_VERSION, Manifest
from model.plain_model import from_plain, to_plain
from model.prediction import PrognosticModel
from model.signature import PublicKey

MANIFEST = "manifest.json"
MODEL = "model.joblib"
CARD = "MODEL_CARD.md"
CARD_JSON = "card.json"
REPORT = "report.html"
SIGNATURE = "manifest.sig"


@dataclass(frozen=True)
class Documents:
    """What people and programs read of a model.

    Attributes
    ----------
    card : the model card, Markdown
    card_json : the same card as a `model.card.ModelCard` in JSON
    report : the report, one HTML page
    """

    card: str
    card_json: str
    report: str


@dataclass(frozen=True)
class Artifact:
    """A loaded artifact.

    Attributes
    ----------
    manifest : what is said of the model
    sha256 : digest of the manifest, which holds the digests of all other files
    model : what predictions are computed from
    analysis : what the report and card were rendered from
    documents : report and card
    """

    manifest: Manifest
    sha256: str
    model: PrognosticModel
    analysis: Analysis
    documents: Documents


def save(
    folder: Path,
    manifest: Manifest,
    model: PrognosticModel,
    analysis: Analysis,
    documents: Documents,
) -> Artifact:
    """Write an artifact folder, replacing an older one only when the new is complete.

    `manifest.files` is filled in here.
    """
    files = {
        MODEL: plain_values.dump(to_plain(model, analysis)),
        CARD: documents.card.encode(),
        CARD_JSON: documents.card_json.encode(),
        REPORT: documents.report.encode(),
    }
    digests = {name: _sha256(content) for name, content in files.items()}
    complete = manifest.model_copy(update={"files": digests})
    files[MANIFEST] = (complete.model_dump_json(indent=2) + "\n").encode()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in files.items():
        (partial / name).write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return Artifact(complete, _sha256(files[MANIFEST]), model, analysis, documents)


def load(folder: Path, public_key: PublicKey | None = None) -> Artifact:
    """Read an artifact folder; with a public key, only if that key's signature is there.

    Raises
    ------
    ArtifactError
        If anything is off: a missing or altered file, another format version,
        a value that is not plain or not finite, a covariate that is not ours, a
        card of another model, no signature or one that is not the public key's.
    """
    manifest_bytes = _read(folder, MANIFEST)
    if public_key is not None:
        public_key.verify(_read(folder, SIGNATURE), manifest_bytes)
    manifest = _manifest(manifest_bytes)
    contents = {name: _read(folder, name) for name in (MODEL, CARD, CARD_JSON, REPORT)}
    for name, content in contents.items():
        if manifest.files.get(name) != _sha256(content):
            raise ArtifactError(f"{name} is not the file that the manifest describes (SHA-256)")
    if set(manifest.files) != set(contents):
        raise ArtifactError("the manifest lists files that an artifact does not have")
    model, analysis = from_plain(plain_values.load(contents[MODEL]))
    if list(model.cox.design.names) != manifest.covariates:
        raise ArtifactError("the model's covariates are not those of its manifest")
    documents = Documents(*(_text(contents, name) for name in (CARD, CARD_JSON, REPORT)))
    _check_card(documents.card_json, manifest)
    return Artifact(manifest, _sha256(manifest_bytes), model, analysis, documents)


def _text(contents: dict[str, bytes], name: str) -> str:
    try:
        return contents[name].decode()
    except UnicodeDecodeError:
        raise ArtifactError(f"{name} is not UTF-8 text") from None


def _check_card(text: str, manifest: Manifest) -> None:
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError:
        raise ArtifactError(f"{CARD_JSON} is not a model card") from None
    said = (card.id, card.version, card.notice, card.cohort)
    if said != (manifest.id, manifest.version, manifest.notice, manifest.cohort):
        raise ArtifactError(f"{CARD_JSON} is the card of another model")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{name} cannot be read ({error.strerror})") from None


def _manifest(content: bytes) -> Manifest:
    version = re.search(rb'"format_version"\s*:\s*(\d{1,9})\b', content)
    if version and int(version[1]) != FORMAT_VERSION:
        raise ArtifactError(
            f"the artifact has format version {int(version[1])}; this reads {FORMAT_VERSION}"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) or "the whole" for e in error.errors()})
        raise ArtifactError(f"{MANIFEST} is not valid: {', '.join(fields)}") from None
