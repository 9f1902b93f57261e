"""What judging anew needs of a ledger; the database and the ledger in memory both have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from flowtrack.domain.history import Entry
from flowtrack.tracking.amend_rows import FlowRow
from flowtrack.tracking.rows import Block


class Scope(NamedTuple):
    """The rows that a marker can touch: of one partition, judged before it, of events since it reaches back."""

    epoch: str
    partition: int
    """Of decisions, as all that follows."""
    offset: int
    """Of the marker; rows of its own are part of the scope."""
    since_us: int


class Span(NamedTuple):
    """A part of the subjects, in the store's own order: after one, up to and with another."""

    after: str
    """32 hex digits; empty for the beginning."""
    upto: str


class Seen(NamedTuple):
    """A situation that rows of a scope are in, with what was said of it."""

    pack: str
    registry: str
    situation: int
    era: int
    """How many of the asked instants lay before the event or at it."""
    verdict: str
    """Of the rows."""
    reasons: list[str]
    attributes: str
    """JSON of the situation; empty where its definition is not known, or its judgement is not that of the rows."""


class Change(NamedTuple):
    """What new rules say instead of a situation, of events in [since, until)."""

    pack: str
    registry: str
    situation: int
    verdict_before: str
    since_us: int
    until_us: int
    new_pack: str
    new_registry: str
    verdict: str
    keeps_consent: bool
    """Whether the answer still rests on the consent record that the row names; else on none."""


class Job(NamedTuple):
    """How far judging anew has come for a marker that touches many subjects."""

    epoch: str
    partition: int
    offset: int
    recorded_at_ms: int
    marker: bytes
    """JSON of `Marker`."""
    cursor: str
    """The last subject that is done with; empty for none."""
    done: bool
    steps: int
    """Rises with every note: the highest counts."""


class AmendStore(Protocol):
    """Reads what stands and writes what stands instead; every method raises StoreError where the store does not."""

    def flows_of(self, scope: Scope, subjects: Collection[str]) -> list[FlowRow]:
        """Give every row of some subjects in a scope: all revisions, retractions too, those without weight not."""
        ...

    def flows_in(self, scope: Scope, span: Span, situations: Sequence[int] | None) -> list[FlowRow]:
        """Give the same of a span of subjects; with `situations`, only rows in one of them."""
        ...

    def brought_in(self, scope: Scope, span: Span) -> list[FlowRow]:
        """Give every row of the events for which the marker brought another verdict, situation or consent."""
        ...

    def judgements(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], FlowRow]:
        """Give what packs say of situations, by pack and number: at least severity, clauses, reasons and gaps."""
        ...

    def span_end(self, scope: Scope, after: str, rows: int) -> str:
        """Give the subject up to which a scope has so many rows after another subject; empty where none is left."""
        ...

    def histories(self, scope: Scope, subjects: Collection[str]) -> dict[str, tuple[Entry, ...]]:
        """Give subjects' consents as they were applied before the marker, in the order of effect."""
        ...

    def seen(self, scope: Scope, instants_us: Sequence[int]) -> list[Seen]:
        """Give the situations of a scope, apart by the era that the instants cut."""
        ...

    def rewrite(
        self,
        scope: Scope,
        span: Span,
        changes: Sequence[Change],
        recorded_at_ms: int,
        token: str,
        deadline_ms: int = 0,
    ) -> None:
        """Retract and assert anew, as one block, the rows that stand before the marker and that the changes name.

        Again under the same token adds nothing; after the deadline it is refused (`tracking.intent.Intent`).
        """
        ...

    def insert(self, block: Block, token: str, deadline_ms: int = 0) -> None:
        """Insert a block, wholly or not at all; again under the same token adds nothing, after the deadline nothing."""
        ...

    def jobs(self, epoch: str) -> list[Job]:
        """Give every job in its latest state, those that are done too."""
        ...

    def note_job(self, job: Job) -> None:
        """Write down how far a job has come."""
        ...
