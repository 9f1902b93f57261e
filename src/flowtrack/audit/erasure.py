"""Erasure of a subject (GDPR 17, PIPA 36, PIPL 47): what goes, by when, and what proves it.

Rows are hidden from every question at once; their bytes go with the next clean-up, within a bound.  What is kept are
numbers without anybody in them, the offsets at which rows stood, and a proof: how many rows went, a hash over them, and
a salted hash of whose they were.  Whoever knows a pseudonym can find its proof; the proof tells nobody a pseudonym.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from flowtrack.audit.holds import Reason, refuse_named
from flowtrack.domain.model import Contract, Identifier, Subject

SUBJECTS_MAX = 1_000
"""The most subjects of one request: so many go in one statement."""


class Erase(Contract):
    """A request: these subjects, because of that.

    Raises:
        ValueError: the reason names one of them, and would keep what the erasure takes.
    """

    subjects: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=SUBJECTS_MAX)]
    reason: Reason

    @model_validator(mode="after")
    def _nobody_named(self) -> Self:
        refuse_named(self.reason, self.subjects)
        return self


class Erasure(Contract):
    """One subject's erasure, as far as it has come."""

    id: Identifier
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Whose it is: see `digest_of`."""
    salt: str
    state: Literal["asked", "hidden", "gone"]
    """`hidden`: no question finds the rows; `gone`: their bytes were looked for and are not there."""
    asked_at: AwareDatetime
    hidden_at: AwareDatetime | None = None
    gone_at: AwareDatetime | None = None
    due_at: AwareDatetime
    """By when the bytes must be gone."""
    asker: str
    reason: str
    rows: dict[str, int] = {}
    """Rows that went, by table; of `alerts` and `audit_log` those in which the reference to the subject was taken
    out."""
    rows_sha256: list[str] = []
    """SHA-256 over the rows of `flows` that went, one for each time that some did."""
    held: list[str] = []
    """Legal holds that kept rows back; those rows, and the consents that they rest on, are still there."""


class ErasureAnswer(Contract):
    """Erasures, the newest first."""

    erasures: list[Erasure]


class VacuumAnswer(Contract):
    """What a clean-up did."""

    came_in_late: int
    """Rows of subjects erased before that had come in since, and went now."""
    gone: int
    """Erasures that were proved now."""
    pending: int
    """Erasures whose bytes are still somewhere: the next clean-up looks again."""
    overdue: int
    """Pending ones that have passed their bound."""
    old_parts: int
    """Parts with what was taken out that the engine has not deleted yet."""


def digest_of(salt: str, subject: str) -> str:
    """Give the hash by which a subject's proof is found: SHA-256 of salt and pseudonym, in hex."""
    return hashlib.sha256(f"{salt}{subject}".encode()).hexdigest()
