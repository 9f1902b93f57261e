"""How the ledger is looked after: `FLOWTRACK_LEDGER__…`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_DAY_S = 86_400.0


class LedgerSettings(BaseSettings):
    """Bounds and times of erasure."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_LEDGER__", extra="ignore", frozen=True)

    vacuum_every_s: float = Field(default=3_600.0, ge=1, le=_DAY_S)
    """A sink that holds the embedded store cleans up so often; on a server, `flowtrack ledger vacuum` by a schedule."""
    gone_within_s: float = Field(default=_DAY_S, ge=60, le=90 * _DAY_S)
    """The bound on the time from asking for an erasure to its bytes being gone."""
    erase_on_events_of: Annotated[tuple[str, ...], NoDecode] = ()
    """Services, separated by commas: an `erase` event of one of these, naming no category, erases the subject here."""

    @field_validator("erase_on_events_of", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @property
    def gone_within(self) -> timedelta:
        """The bound, as a time."""
        return timedelta(seconds=self.gone_within_s)
