"""Every setting, read once at start from the environment."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SHIPPED_MODELS = Path(__file__).parent.parent / "model" / "artifacts"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PREFIX = "HSCT2_"
_OF_KUBERNETES = "HSCT2_RISK_"  # set in every pod beside a Service named hsct2-risk


class Settings(BaseSettings):
    """The service's settings, ``HSCT2_`` and the name in capitals; unknown ones are refused."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    models: Path = Field(
        SHIPPED_MODELS,
        description="Folder of artifacts, one folder each; default the shipped models.",
    )
    default_model: str = Field(
        "hsct2-os", description="Model that answers where a call names none: `id` or `id@version`."
    )
    auth: Literal["none", "api-key"] = Field(
        "none",
        description="Who may call: `none` (loopback only) or `api-key`, sent as `X-API-Key`.",
    )
    api_keys: Path = Field(
        Path("var/api-keys.json"),
        description="File of hashed API keys, written by `python -m service keys`.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="JSON list of `Host` names that are answered beside loopback names; empty:"
        " any. With `HSCT2_AUTH=none` only loopback names are.",
    )
    max_body_bytes: int = Field(
        65_536, ge=1_024, description="Largest body of a single prediction, bytes."
    )

    @model_validator(mode="before")
    @classmethod
    def _only_known_ones(cls, values: Any) -> Any:
        """Refuse a mistyped name: pydantic-settings itself reads past it."""
        names = sorted(n for n in map(str.upper, os.environ) if n.startswith(_PREFIX))
        known = {_PREFIX + field.upper() for field in cls.model_fields}
        unknown = [n for n in names if n not in known and not n.startswith(_OF_KUBERNETES)]
        if unknown:
            raise ValueError(f"there is no setting {', '.join(unknown)}")
        return values

    @model_validator(mode="after")
    def _open_to_nobody_else(self) -> "Settings":
        """Refuse to be reached from elsewhere while nobody is asked who they are."""
        if self.auth == "none" and not self.is_loopback:
            raise ValueError(
                "HSCT2_AUTH=none serves loopback only: set HSCT2_HOST=127.0.0.1, or"
                " HSCT2_AUTH=api-key to be reached from elsewhere"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def answered_hosts(self) -> tuple[str, ...]:
        """The `Host` names that are answered; empty means any.

        Loopback names always are: a health check uses them, and a page of another
        site that reaches them has no key.
        """
        if self.auth == "none":
            return LOOPBACK_NAMES
        named = tuple(host.lower() for host in self.allowed_hosts)
        return (*named, *LOOPBACK_NAMES) if named else ()
