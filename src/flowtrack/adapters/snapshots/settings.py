"""Where snapshots are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SnapshotSettings(BaseSettings):
    """Snapshots of consent state, read from `FLOWTRACK_STATE__...`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTRACK_STATE__", extra="ignore", frozen=True)

    dir: Path | None = None
    """A folder of the worker's own that outlives it, e.g. a volume; without one the consents are folded anew from
    their topic at every start."""
    histories: Literal["memory", "disk"] = "memory"
    """Where consent histories stand: all in memory with a snapshot in `dir`, or in an embedded store there, for more
    subjects than memory holds."""
    age_max_hours: float = Field(default=23.0, gt=0)
    """A snapshot whose last record is older is not used: `delete.retention.ms` of the consents topic, which is how long
    a tombstone stays for certain, less a margin.  What was erased after the snapshot may have left no sign."""
    recent_subjects: int = Field(default=100_000, ge=1)
    """With `disk`: subjects of each partition that are kept at hand."""

    @model_validator(mode="after")
    def _disk_has_a_folder(self) -> Self:
        if self.histories == "disk" and self.dir is None:
            raise ValueError("FLOWTRACK_STATE__HISTORIES=disk needs FLOWTRACK_STATE__DIR")
        return self
