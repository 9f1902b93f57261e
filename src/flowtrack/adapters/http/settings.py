"""Where the ledger's service listens."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class HttpSettings(BaseSettings):
    """The service, read from `FLOWTRACK_HTTP__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_HTTP__", extra="ignore", frozen=True)

    port: int = Field(default=8600, ge=0, le=65_535)
    """Port on the loopback interface: whoever may use this machine may ask. 0 takes any that is free."""
