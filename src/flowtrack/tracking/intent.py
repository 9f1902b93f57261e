"""What a sink is about to write, said before it writes: so that whoever takes over knows what to look for.

The intent stands in the metadata of the commit that precedes the insert, in a transaction fenced by the group's
generation.  docs/decisions/fenced-plan.md has the protocol, and what each of its rules prevents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from flowtrack.tracking.records import Output, Processor, Record


class Intent(NamedTuple):
    """Leave to write a batch.

    Args:
        token: names the batch, unlike any other; the blocks of the batch are inserted under tokens made of it, the
            same whoever inserts them.
        deadline_ms: of the wall clock, in milliseconds since the epoch: an insert that comes later is refused by the
            store, since by then somebody else may have taken over.  Counted from before the last fenced commit.
    """

    token: str
    deadline_ms: int


class Promise(NamedTuple):
    """What a commit says of the batch that follows: of its partition, the records from its offset to `end`.

    Args:
        token: of the batch.
        end: the offset behind the batch's last record of the partition.
    """

    token: str
    end: int

    def text(self) -> str:
        """Give the promise in some 40 characters."""
        return f"{self.token}@{self.end}"

    @classmethod
    def read(cls, text: str) -> Promise | None:
        """Read a promise; None where it is none."""
        token, _, end = text.rpartition("@")
        return cls(token, int(end)) if token and end.isdecimal() else None


class PlannedProcessor(Processor, Protocol):
    """A processor whose effects are outside of Kafka, and that says before each batch what it is about to do."""

    def work(self, records: Sequence[Record], intent: Intent) -> list[Output]:
        """Work through a batch, and give what is to be published with the next commit."""
        ...

    def redo(self, partition: int, records: Sequence[Record], intent: Intent) -> list[Output]:
        """See to it that a partition's share of an earlier batch, of whatever owner, is done, and done once.

        Args:
            partition: of decisions.
            records: all of the share, in order; none of another batch.
            intent: with the earlier batch's token.
        """
        ...
