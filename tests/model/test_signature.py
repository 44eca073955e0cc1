"""Signed artifacts: with a public key, what is unsigned or altered is not loaded."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from model import artifact
from model.artifact import CARD, CARD_JSON, MANIFEST, MODEL, REPORT, SIGNATURE
from model.errors import ArtifactError, SignatureKeyError
from model.signature import PrivateKey, PublicKey
from tests.model import artifacts
from training import signing
from training.__main__ import app

NOT_THIS_KEY = "the signature is not the configured key's over this manifest"


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return PrivateKey.new()


@pytest.fixture(scope="module")
def public(key: PrivateKey) -> PublicKey:
    return PublicKey.from_pem(key.public_pem)


@pytest.fixture(scope="module")
def signed(key: PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "test-os"
    artifacts.save(folder)
    signing.sign(folder, key)
    return folder


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "copy"))


def reason(folder: Path, public: PublicKey) -> str:
    with pytest.raises(ArtifactError) as refused:
        artifact.load(folder, public)
    return str(refused.value)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sign", *map(str, arguments)])
    return done.exit_code, done.output.replace("\n", " ")


def test_a_signed_artifact_is_loaded_with_and_without_its_key(
    signed: Path, public: PublicKey
) -> None:
    assert artifact.load(signed, public).sha256 == artifact.load(signed).sha256


def test_signing_adds_one_file_and_alters_no_other(key: PrivateKey, tmp_path: Path) -> None:
    artifacts.save(tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    signing.sign(tmp_path / "a", key)
    after = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert len(after.pop(SIGNATURE)) == 64
    assert after == before


def test_the_same_key_signs_the_same_manifest_alike(
    key: PrivateKey, signed: Path, folder: Path
) -> None:
    signing.sign(folder, key)
    assert (folder / SIGNATURE).read_bytes() == (signed / SIGNATURE).read_bytes()


def test_an_unsigned_artifact_is_refused(folder: Path, public: PublicKey) -> None:
    (folder / SIGNATURE).unlink()
    assert reason(folder, public) == f"{SIGNATURE} cannot be read (No such file or directory)"
    artifact.load(folder)


def test_the_signature_of_another_key_is_refused(folder: Path, public: PublicKey) -> None:
    signing.sign(folder, PrivateKey.new())
    assert reason(folder, public) == NOT_THIS_KEY


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\0" * 63, b"\0" * 65, b"zebedee"])
def test_what_is_no_signature_is_refused(content: bytes, folder: Path, public: PublicKey) -> None:
    (folder / SIGNATURE).write_bytes(content)
    assert reason(folder, public) == NOT_THIS_KEY


@pytest.mark.parametrize("name", [MODEL, CARD, CARD_JSON, REPORT])
def test_a_file_altered_together_with_its_digest_is_refused(
    name: str, folder: Path, public: PublicKey
) -> None:
    content = (folder / name).read_bytes()
    artifacts.put(folder, name, content + b" ")
    assert reason(folder, public) == NOT_THIS_KEY


@pytest.mark.parametrize("name", [MODEL, CARD, CARD_JSON, REPORT])
def test_a_file_altered_alone_is_refused_by_its_digest(
    name: str, folder: Path, public: PublicKey
) -> None:
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert reason(folder, public).startswith(f"{name} is not the file")


def test_every_single_bit_of_manifest_and_signature_counts(folder: Path, public: PublicKey) -> None:
    for name in (MANIFEST, SIGNATURE):
        sound = (folder / name).read_bytes()
        for at in {0, len(sound) // 2, len(sound) - 1}:
            altered = bytearray(sound)
            altered[at] ^= 1
            (folder / name).write_bytes(altered)
            assert reason(folder, public) == NOT_THIS_KEY
        (folder / name).write_bytes(sound)
    artifact.load(folder, public)


def test_the_signature_of_another_artifact_is_refused(
    key: PrivateKey, folder: Path, public: PublicKey, tmp_path: Path
) -> None:
    other = artifacts.PROVENANCE.model_copy(update={"version": "1.0.1"})
    artifacts.save(tmp_path / "other", other)
    signing.sign(tmp_path / "other", key)
    shutil.copy(tmp_path / "other" / SIGNATURE, folder)
    assert reason(folder, public) == NOT_THIS_KEY


def test_what_is_off_is_not_signed(key: PrivateKey, folder: Path) -> None:
    (folder / SIGNATURE).unlink()
    (folder / CARD).write_text("altered", encoding="utf-8")
    with pytest.raises(ArtifactError, match="SHA-256"):
        signing.sign(folder, key)
    assert not (folder / SIGNATURE).exists()


def test_a_key_of_another_kind_or_none_is_refused() -> None:
    for other in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        private = other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(SignatureKeyError, match="not an Ed25519 key"):
            PrivateKey.from_pem(private)
        with pytest.raises(SignatureKeyError, match="not an Ed25519 key"):
            PublicKey.from_pem(public)
    with pytest.raises(SignatureKeyError, match="not a private key"):
        PrivateKey.from_pem(b"zebedee")
    with pytest.raises(SignatureKeyError, match="not a public key"):
        PublicKey.from_pem(b"zebedee")


def test_a_key_with_a_password_is_refused_with_the_reason() -> None:
    locked = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(SignatureKeyError, match="without a password"):
        PrivateKey.from_pem(locked)


def test_a_private_key_is_no_public_key(key: PrivateKey) -> None:
    with pytest.raises(SignatureKeyError, match="not a public key"):
        PublicKey.from_pem(key.private_pem)


def test_the_command_makes_a_key_for_its_owner_and_signs_with_it(
    folder: Path, tmp_path: Path
) -> None:
    (folder / SIGNATURE).unlink()
    file = tmp_path / "key.pem"
    code, said = run("--new-key", file)
    assert code == 0, said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    code, said = run(folder, "--key", file)
    assert code == 0, said
    assert "test-os 1.0.0 is signed" in said
    artifact.load(folder, PublicKey.from_pem(signing.public_file(file).read_bytes()))


def test_the_command_never_writes_over_a_key(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    run("--new-key", file)
    before = file.read_bytes()
    code, said = run("--new-key", file)
    assert (code, file.read_bytes()) == (1, before)
    assert "key.pem: the key cannot be written (File exists)" in said


def test_a_key_that_others_may_read_is_not_used(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    run("--new-key", file)
    file.chmod(0o640)
    code, said = run(folder, "--key", file)
    assert code == 1
    assert "key.pem: others than its owner may read it: chmod 600" in said


@pytest.mark.parametrize("arguments", [[], ["--key", "a", "--new-key", "b"], ["--key", "a"]])
def test_the_command_says_what_it_needs(arguments: list[str]) -> None:
    code, said = run(*arguments)
    assert code == 1
    assert "give an artifact and --key FILE, or --new-key FILE" in said


def test_openssl_makes_keys_for_us_and_verifies_what_they_signed(
    folder: Path, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"

    def call(*arguments: object) -> str:
        command = [openssl, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    call("genpkey", "-algorithm", "ed25519", "-out", private)
    private.chmod(0o600)
    call("pkey", "-in", private, "-pubout", "-out", public)
    code, said = run(folder, "--key", private)
    assert code == 0, said
    artifact.load(folder, PublicKey.from_pem(public.read_bytes()))
    verified = call(
        *("pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"),
        *("-in", folder / MANIFEST, "-sigfile", folder / SIGNATURE),
    )
    assert "Signature Verified Successfully" in verified
