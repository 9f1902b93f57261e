"""What an auditor can ask.

Every question about flows has two times: `as_of`, by when it must have happened, and `known_at`, by when we must have
known of it.  Left out, each means now.  With both set, an answer of last March can be given again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from flowtrack.domain.model import Contract, Subject


class TwoTimes(Contract):
    """Valid time and transaction time of a question."""

    as_of: AwareDatetime | None = None
    """Only what had happened by this instant."""
    known_at: AwareDatetime | None = None
    """Only what the ledger had recorded by this instant."""


class Trail(TwoTimes):
    """Where one subject's data went (GDPR 15(1): purposes, categories, recipients)."""

    subject: Subject


class Overview(TwoTimes):
    """All flows, counted."""

    parties_max: Annotated[int, Field(ge=1, le=1_000)] = 20


class AlertList(Contract):
    """Alerts in their latest state."""

    state: Literal["open", "resolved"] | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100


class Coverage(TwoTimes):
    """How often each rule decided."""


class Books(Contract):
    """What the ledger holds of each source partition."""

    holes_max: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Name at most so many ranges of missing offsets a partition; they are counted all the same."""


class DeadLetterList(Contract):
    """Messages that could not be taken, the newest first."""

    limit: Annotated[int, Field(ge=1, le=100_000)] = 50
