"""Every setting, read once at start from the environment."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.addresses import AddressError, base_url, checked_address, secure_address
from service.algorithms import Algorithm

SHIPPED_MODELS = Path(__file__).parent.parent / "model" / "artifacts"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?$")]
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
    auth: Literal["none", "api-key", "jwt"] = Field(
        "none",
        description="Who may call: `none` (loopback only), `api-key`, sent as `X-API-Key`, or"
        " `jwt`, sent as `Authorization: Bearer`.",
    )
    api_keys: Path = Field(
        Path("var/api-keys.json"),
        description="File of hashed API keys, written by `python -m service keys`.",
    )
    audit_url: str = Field(
        "sqlite:///var/audit.db",
        description="Where every prediction is stored before it is sent: `sqlite:///PATH`,"
        " `postgresql://...`, or `off`.",
    )
    audit_key: Path = Field(
        Path("var/audit-key.pem"),
        description="Private key (Ed25519) that signs the audit chains; made where there is none.",
    )
    jwt_issuer: str = Field(
        "", description="Issuer (`iss`) of the tokens; with `HSCT2_AUTH=jwt` it must be set."
    )
    jwt_audience: str = Field(
        "",
        description="Audience (`aud`) that the tokens must name, this service; with"
        " `HSCT2_AUTH=jwt` it must be set.",
    )
    jwt_jwks_url: str = Field(
        "",
        description="Address of the issuer's key set (JWKS), https except on loopback; with"
        " `HSCT2_AUTH=jwt` it must be set.",
    )
    jwt_allowed_hosts: list[str] = Field(
        default_factory=list,
        description="JSON list of the hosts that key sets may be fetched from; with"
        " `HSCT2_AUTH=jwt` it must hold the one of `HSCT2_JWT_JWKS_URL`.",
    )
    jwt_algorithms: list[Algorithm] = Field(
        default_factory=lambda: list(get_args(Algorithm)),
        min_length=1,
        description="JSON list of the signature algorithms that are accepted.",
    )
    jwt_single_use: bool = Field(
        True,
        description="Whether a token is good for one call (its `jti` is required, and refused"
        " when it was seen before); `false` where callers use one until it expires.",
    )
    jwt_max_lifetime_seconds: int = Field(
        3_600, ge=60, le=86_400, description="Longest lifetime of a token, seconds."
    )
    public_url: str = Field(
        "",
        pattern=r"^(https?://[a-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?)?$",
        description="Address by which others reach the service, as `https://risk.example/hsct2`,"
        " without a slash at the end; in links, and as audience of CDS Hooks tokens.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="JSON list of `Host` names that are answered beside loopback names; empty:"
        " any. With `HSCT2_AUTH=none` only loopback names are.",
    )
    max_body_bytes: int = Field(
        65_536, ge=1_024, description="Largest body of a single prediction, bytes."
    )
    max_chart_bytes: int = Field(
        16_777_216,
        ge=1_024,
        description="Largest chart, or batch of charts, sent or read from a FHIR server, bytes; ten"
        " thousand Observations fit into the default.",
    )

    cds_issuers: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object of the CDS Hooks clients that may call: the `iss` of their tokens,"
        " and the one address of their key set (`jku`). With it `/cds-services/...` asks for such"
        " a token, whatever `HSCT2_AUTH` is, and `HSCT2_PUBLIC_URL` must be set.",
    )
    cds_fhir_servers: list[str] = Field(
        default_factory=list,
        description="JSON list of base URLs of FHIR servers that a CDS client may name to have"
        " a chart read from, https except on loopback; empty: none.",
    )
    cds_fetch_seconds: float = Field(
        5, gt=0, le=60, description="Longest time that reading one chart may take, seconds."
    )
    cds_missing_ecog: Literal["card", "none"] = Field(
        "card",
        description="Whether a CDS Hooks card names ECOG where only it is missing (`card`), or"
        " there is none (`none`).",
    )

    max_json_batch_bytes: int = Field(
        16 * 2**20,
        ge=1_024,
        description="Largest batch as a JSON array, bytes; it is held in memory.",
    )
    max_ndjson_batch_bytes: int = Field(
        2**30, ge=1_024, description="Largest batch as NDJSON, bytes."
    )
    max_csv_batch_bytes: int = Field(2**30, ge=1_024, description="Largest batch as CSV, bytes.")
    max_arrow_batch_bytes: int = Field(
        2**32, ge=1_024, description="Largest batch as an Arrow stream, bytes."
    )
    max_parquet_batch_bytes: int = Field(
        64 * 2**20,
        ge=1_024,
        le=64 * 2**20,
        description="Largest batch as Parquet, bytes; it is held in memory.",
    )
    max_batches: int = Field(
        4, ge=1, description="Batches that are served at once; further ones are told to retry."
    )

    requests_per_minute: int = Field(
        0, ge=0, description="Calls that one caller may make in a minute; 0: no limit."
    )
    max_in_flight: int = Field(
        256, ge=1, description="Requests that are served at once; further ones are told to retry."
    )
    body_seconds: float = Field(
        30, gt=0, description="Longest wait for a body, seconds; a second more for every 16 KiB."
    )
    cors_origins: list[Origin] = Field(
        default_factory=list,
        description="JSON list of origins whose pages may call, as `https://ehr.example`; empty:"
        " none.",
    )
    public_key: Path | None = Field(
        None,
        description="PEM file of an Ed25519 public key; with it, only models that its private key"
        " signed are served.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        description="Time after SIGTERM, seconds, in which calls are answered while `/readyz` says"
        " 503, for a load balancer to turn away.",
    )
    shutdown_seconds: int = Field(
        20, ge=1, description="Longest time that requests in flight then have to finish, seconds."
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
                " HSCT2_AUTH=api-key or jwt to be reached from elsewhere"
            )
        return self

    @property
    def stores_predictions(self) -> bool:
        """Whether predictions are stored before they are sent."""
        return self.audit_url != "off"

    @model_validator(mode="after")
    def _able_to_verify_tokens(self) -> "Settings":
        """Refuse to ask for tokens without knowing whose, for whom, and where their keys are."""
        if self.auth != "jwt":
            return self
        needed = ("jwt_issuer", "jwt_audience", "jwt_jwks_url", "jwt_allowed_hosts")
        missing = [_PREFIX + name.upper() for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"HSCT2_AUTH=jwt needs {', '.join(missing)}")
        try:
            checked_address(self.jwt_jwks_url, self.jwt_allowed_hosts)
        except AddressError as error:
            raise ValueError(f"HSCT2_JWT_JWKS_URL: {error}") from None
        return self

    @model_validator(mode="after")
    def _able_to_serve_cds(self) -> "Settings":
        """Refuse addresses that nothing may be fetched from, and tokens for no known address."""
        if self.cds_issuers and not self.public_url:
            raise ValueError("HSCT2_CDS_ISSUERS needs HSCT2_PUBLIC_URL: it is in their tokens")
        try:
            for url in self.cds_issuers.values():
                secure_address(url)
        except AddressError as error:
            raise ValueError(f"HSCT2_CDS_ISSUERS: of an address, {error}") from None
        try:
            for url in self.cds_fhir_servers:
                base_url(url)
        except AddressError as error:
            raise ValueError(f"HSCT2_CDS_FHIR_SERVERS: of an address, {error}") from None
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
