"""Copies of the ledger: backups, which can be put back, and exports, which can be read elsewhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from flowtrack.audit.questions import TwoTimes
from flowtrack.domain.model import Contract

FORMAT = 1
"""Of the manifests; another one is refused."""


class CopiedFile(Contract):
    """A file of a copy, by its path inside it."""

    path: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rows: int | None = None
    """Rows that it holds; None where it is a part of a backup."""


class BackUp(Contract):
    """A request: copy everything into a folder that is not there yet, on the machine that holds the ledger."""

    target: Annotated[str, Field(min_length=1, max_length=4096)]


class BackupManifest(Contract):
    """What a backup holds; written last, so that a backup without one broke off."""

    format: int
    taken_at: AwareDatetime
    database: str
    migrations: list[str]
    complete_up_to: AwareDatetime | None
    """Everything decided by this instant is in it; None where the ledger was empty."""
    tables: dict[str, int]
    """Rows by table, as they were counted in the backup after it was read back."""
    files: list[CopiedFile]


class BackupAnswer(Contract):
    """A backup that was taken, read back, and found whole."""

    target: str
    rows: int
    files: int
    bytes: int
    manifest_sha256: str
    """Of manifest.json: kept elsewhere, it proves that nobody has changed the backup since."""
    complete_up_to: AwareDatetime | None


class RestoreAnswer(Contract):
    """A backup that was put back."""

    source: str
    rows: int
    taken_at: AwareDatetime
    complete_up_to: AwareDatetime | None
    migrated: list[str]
    """Migrations that were applied to it."""
    erased_again: int
    """Rows that went, of subjects that had been erased after the backup was taken."""


class ExportTable(StrEnum):
    """What can be exported."""

    FLOWS = "flows"
    CONSENTS = "consents"
    JUDGEMENTS = "judgements"
    DEAD_LETTERS = "dead_letters"
    ALERTS = "alerts"
    DOCUMENTS = "documents"
    AUDIT_LOG = "audit_log"
    ERASED_COUNTS = "erased_counts"


class Export(TwoTimes):
    """A request: rows of a table as Parquet files, on the machine that holds the ledger.

    `since` and `until` are of the recording; `as_of` and `known_at` as in every question.
    """

    target: Annotated[str, Field(min_length=1, max_length=4096)]
    table: ExportTable = ExportTable.FLOWS
    since: AwareDatetime | None = None
    """Recorded at or after this instant."""
    until: AwareDatetime | None = None
    """Recorded before this instant."""
    with_subjects: bool = False
    """Whether pseudonyms are in it: whoever gets the files can follow people through them."""


class ExportManifest(Contract):
    """What an export holds; written last, so that an export without one broke off."""

    format: int
    exported_at: AwareDatetime
    request: Export
    columns: list[str]
    rows: int
    complete_up_to: AwareDatetime | None
    lag_records: int | None
    """Decisions that were not in the ledger yet; None where that is not known."""
    files: list[CopiedFile]
