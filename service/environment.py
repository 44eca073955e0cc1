"""What the environment sets up; where something is wrong with it, a command ends."""

import sys
from typing import NoReturn

from pydantic import ValidationError
from pydantic_settings import SettingsError

from model.errors import SignatureKeyError
from model.signature import PublicKey
from service.keys import KeysError, KeyStore
from service.registry import Registry
from service.settings import Settings


def settings() -> Settings:
    """Return the settings of the environment; without, say what is wrong with them and exit."""
    try:
        return Settings()
    except ValidationError as error:
        for e in error.errors(include_input=False):
            name = "_".join(map(str, e["loc"])).upper()
            _say(f"HSCT2_{name}: {e['msg']}" if name else e["msg"])
        raise SystemExit(2) from None
    except SettingsError as error:
        _say(f"{error}; a list is written as JSON")
        raise SystemExit(2) from None


def load_registry(configured: Settings) -> Registry:
    """Load the models; of a signed folder, with the key that the settings name, or exit."""
    return Registry.load(configured.models, configured.default_model, _public_key(configured))


def key_store(configured: Settings) -> KeyStore:
    """Return the API keys, or exit where their file is none."""
    store = KeyStore(configured.api_keys)
    try:
        store.all()
    except KeysError as error:
        fail(str(error))
    return store


def _public_key(configured: Settings) -> PublicKey | None:
    if configured.public_key is None:
        return None
    try:
        return PublicKey.from_pem(configured.public_key.read_bytes())
    except OSError as error:
        fail(f"HSCT2_PUBLIC_KEY: the file cannot be read ({error.strerror})")
    except SignatureKeyError as error:
        fail(f"HSCT2_PUBLIC_KEY: {error}")


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit."""
    _say(message)
    raise SystemExit(1)


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
