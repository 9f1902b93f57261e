"""How the auditors' HTTP API is reached, by whom, and within which bounds."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flowtrack.audit.roles import Role

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ApiSettings(BaseSettings):
    """The API, read from `FLOWTRACK_API__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_API__", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    """The interface that it listens on."""
    port: int = Field(default=8480, ge=0, le=65_535)
    """0 takes any port that is free."""
    hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names, separated by commas, under which it may be addressed beside those of the loopback interface."""
    certificate_file: Path | None = None
    """Its TLS certificate, with the chain (PEM)."""
    key_file: Path | None = None
    """The certificate's private key (PEM)."""
    plain_http: bool = False
    """Listen without TLS on more than the loopback interface: only behind a proxy that has TLS."""
    tokens_file: Path | None = None
    """Static tokens, hashed; without it, `state/api-tokens.json` of the data directory."""
    oidc_issuer: HttpUrl | None = None
    """Take bearer tokens of this OpenID provider."""
    oidc_audience: str = ""
    """What its tokens must be made for."""
    oidc_jwks_url: HttpUrl | None = None
    """Its keys; without it, the address that its discovery document names."""
    oidc_roles_claim: str = "roles"
    """The claim that lists roles; dots lead into objects, e.g. `realm_access.roles`."""
    oidc_roles: Annotated[dict[str, str], NoDecode] = {}
    """Names of the provider for our roles, e.g. `grp-audit=auditor,grp-dpo=controller`; without it, they are ours."""
    session_s: float = Field(default=8 * 3_600.0, ge=60, le=7 * 86_400)
    """A browser stays signed in for so long."""
    session_key_file: Path | None = None
    """Signs sessions, 32 bytes or more; without it, a key of this process, whose sessions end with it."""
    rate_per_minute: int = Field(default=600, ge=1)
    """Requests of one token or session."""
    exports_per_minute: int = Field(default=10, ge=1)
    """Exports of one token or session."""
    questions_max: int = Field(default=8, ge=1, le=256)
    """So many questions are answered at once."""
    waiting_max: int = Field(default=64, ge=0)
    """So many more may wait for that."""
    exports_max: int = Field(default=2, ge=1)
    """So many exports run at once."""
    export_stall_s: float = Field(default=60.0, gt=0, le=86_400)
    """An export is ended when its client takes so long for 256 KiB of it."""
    timeout_s: float = Field(default=30.0, gt=0)
    """A question that takes longer is given up."""
    metrics_open: bool = False
    """Show /metrics without a token."""

    @field_validator("hosts", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}

    @model_validator(mode="after")
    def _whole(self) -> ApiSettings:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate and key belong together")
        if not (self.on_loopback or self.tls or self.plain_http):
            raise ValueError("beyond the loopback interface it takes a certificate, or plain_http behind a proxy")
        if self.oidc_issuer is not None and not self.oidc_audience:
            raise ValueError("an OpenID provider's tokens are for many: name the audience")
        if unknown := set(self.oidc_roles.values()) - set(Role):
            raise ValueError(f"there is no role {', '.join(sorted(unknown))}")
        return self

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS itself."""
        return self.certificate_file is not None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def addressed_as(self) -> frozenset[str]:
        """Every name, without port, under which a request may address it."""
        return frozenset({*_LOOPBACK, *self.hosts, *([self.host] if self.on_loopback else [])})
