"""Where the ledger's service listens."""

from __future__ import annotations

from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

HOST: Final = "127.0.0.1"
"""The only interface it listens on."""
ASKER_HEADER: Final = "x-flowtrack-asker"
"""Names who asks, for the audit log."""
ABOUT_HEADER: Final = "x-flowtrack-about"
"""What rows in bulk say of themselves, as JSON."""
ROWS_HEADER: Final = "x-flowtrack-rows"
"""How many rows come."""


class HttpSettings(BaseSettings):
    """The service, read from `FLOWTRACK_HTTP__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_HTTP__", extra="ignore", frozen=True)

    port: int = Field(default=8470, ge=0, le=65_535)
    """Port on the loopback interface: whoever may use this machine may ask. 0 takes any that is free."""
