"""What an auditor can ask.

Every question about flows has two times: `as_of`, by when it must have happened, and `known_at`, by when we must have
known of it.  Left out, each means now.  With both set, an answer of last March can be given again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from flowtrack.audit.roles import Asker
from flowtrack.domain.decision import SituationId
from flowtrack.domain.model import Contract

_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)


def _in_calendar(moment: datetime) -> datetime:
    """Keep a day from the ends of the calendar: an instant there may have no name in UTC, and none follows the last."""
    return min(max(moment, _FIRST), _LAST)


Instant = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
"""Any instant that a question may name; `0001-01-01` and `9999-12-31` are understood as before and after everything."""


class TwoTimes(Contract):
    """Valid time and transaction time of a question."""

    as_of: Instant | None = None
    """Only what had happened by this instant."""
    known_at: Instant | None = None
    """Only what the ledger had recorded by this instant."""


class Period(Contract):
    """What happened between two instants, as far as it was known at a third."""

    since: Instant | None = None
    """Only what happened at this instant or later."""
    until: Instant | None = None
    """Only what happened before this instant."""
    known_at: Instant | None = None
    """Only what the ledger had recorded by this instant."""


class Situations(Period):
    """The situations of a period, with the services, recipients and categories that were in them."""


class Shapes(Period):
    """The flows of some packs, grouped by all that resolving them anew looks at."""

    packs: Annotated[list[str], Field(min_length=1, max_length=1_000)]
    """`name@version` of the packs that judged them."""
    edges_us: Annotated[list[int], Field(max_length=1_000_000)] = []
    """Instants, in microseconds and in order, at which registries change: no group reaches across one."""


class Changed(Contract):
    """Groups of flows that change in one way."""

    name: Annotated[int, Field(ge=0)]
    """By which the answer speaks of this change."""
    situation_keys: list[int] = []
    """Of groups that `Situations` gave."""
    shape_keys: list[int] = []
    """Of groups that `Shapes` gave."""


class Touched(Period):
    """Whom and what some groups of flows touch."""

    changes: list[Changed]
    situations: list[SituationId]
    """Of all these groups: only their rows are looked at."""
    edges_us: list[int] = []
    """As in the question that gave the shapes."""
    samples_max: Annotated[int, Field(ge=1, le=100)] = 3
    asker: Asker | None = None
    """Who wants subjects to be named: then a few are, and the log of questions has it; without, none is named."""

    @property
    def line(self) -> dict[str, object]:
        """What the log of questions keeps of it, where subjects are named."""
        said = self.model_dump(mode="json", include={"since", "until", "known_at", "samples_max"}, exclude_none=True)
        return {**said, "changes": len(self.changes), "situations": len(self.situations)}


class Orphans(Contract):
    """What the ledger refers to and does not have."""

    samples_max: Annotated[int, Field(ge=1, le=100)] = 3


class Books(Contract):
    """What the ledger holds of each source partition."""

    holes_max: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Name at most so many ranges of missing offsets a partition; they are counted all the same."""


class DeadLetterList(Contract):
    """Messages that could not be taken, the newest first."""

    limit: Annotated[int, Field(ge=1, le=100_000)] = 50
