"""Where snapshots are kept."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class SnapshotSettings(BaseSettings):
    """Snapshots of consent state, read from `FLOWTRACK_STATE__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_STATE__", extra="ignore", frozen=True)

    dir: Path | None = None
    """A folder of the worker's own that outlives it, e.g. a volume; without one the consents are folded anew from
    their topic at every start."""
