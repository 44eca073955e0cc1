from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from service.audit.errors import StoreError
from service.audit.signing import PublicKeys, Signer, read_public_key


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path):
    file = tmp_path / "new" / "key.pem"
    first = Signer.of_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Signer.of_file(file).key_id == first.key_id
    assert read_public_key(file) == read_public_key(tmp_path / "new" / "key.pem.pub")
    assert sorted(path.name for path in file.parent.iterdir()) == ["key.pem", "key.pem.pub"]


def test_a_signature_counts_for_its_content_and_key_only(tmp_path: Path):
    one, other = Signer.new(), Signer.new()
    keys = PublicKeys([one.public_key, other.public_key])
    signature = one.sign(b"content")
    assert keys.verify(one.key_id, signature, b"content")
    assert not keys.verify(one.key_id, signature, b"another")
    assert not keys.verify(other.key_id, signature, b"content")
    assert not keys.verify("unknown", signature, b"content")
    assert not keys.verify(one.key_id, "no hexadecimal", b"content")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    Signer.of_file(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(StoreError, match="chmod 600"):
        Signer.of_file(tmp_path / "key")


def test_a_file_that_is_no_key_is_refused(tmp_path: Path):
    file = tmp_path / "key"
    file.write_bytes(b"nonsense")
    file.chmod(0o600)
    for read in (Signer.of_file, read_public_key):
        with pytest.raises(StoreError, match="does not hold"):
            read(file)
    key = generate_private_key(65537, 2048)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(StoreError, match="Ed25519"):
        Signer.of_file(file)
    with pytest.raises(StoreError, match="cannot be read"):
        read_public_key(tmp_path / "none")
    with pytest.raises(StoreError, match="cannot be written"):
        Signer.of_file(file / "below-a-file")
