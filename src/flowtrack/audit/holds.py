"""Legal holds: what must be kept whatever retention or an erasure would take (GDPR 17(3)(e), PIPA 36(1) proviso).

A hold is told by what it covers; each part that is left out does not restrict.  It keeps rows from retention and from
erasure alike, until it is released; both are written down with who and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from flowtrack.domain.model import Contract, Identifier, Name, Subject

Reason = Annotated[str, Field(min_length=1, max_length=500)]
"""Why something is done, for the record; never anything personal."""


def refuse_named(reason: str, subjects: Iterable[str]) -> None:
    """Refuse a reason that names a subject: it is kept when everything else about the subject is gone.

    Raises:
        ValueError: it does.
    """
    if any(subject in reason.lower() for subject in subjects):
        raise ValueError("the reason names a subject, and is kept for good: name the case or the request instead")


class Hold(Contract):
    """What is to be kept, and why.

    Raises:
        ValueError: it covers everything, its period ends before it begins, or the reason names the subject.
    """

    reason: Reason
    subject: Subject | None = None
    category: Name | None = None
    """With all that hangs under it by name: `provided` holds `provided.email` too."""
    service: Name | None = None
    since: AwareDatetime | None = None
    """Only what happened at or after this instant."""
    until: AwareDatetime | None = None
    """Only what happened before this instant."""

    @model_validator(mode="after")
    def _narrow(self) -> Self:
        if not any((self.subject, self.category, self.service, self.since, self.until)):
            raise ValueError("a hold names a subject, a category, a service or a period")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("a hold's period ends after it begins")
        refuse_named(self.reason, () if self.subject is None else (self.subject,))
        return self

    def covers_subject(self, subject: str) -> bool:
        """Whether it may cover rows of this subject."""
        return self.subject is None or self.subject == subject


class PlacedHold(Contract):
    """A hold as the ledger keeps it."""

    id: Identifier
    hold: Hold | None
    """None where it covered a subject alone, was released, and the subject has been erased since."""
    placed_at: AwareDatetime
    placed_by: str
    released_at: AwareDatetime | None = None
    released_by: str = ""
    released_why: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it still holds."""
        return self.released_at is None
