"""What a plain checkpoint leaves to the next owner of a partition.

Behind a transaction a decision is seen when the offset of its event is committed, and the commit's note tells the next
owner what was judged (`tracking.late`).  Behind a plain checkpoint decisions are seen before that: a worker that dies
in between leaves some that no note knows of.
"""

from __future__ import annotations

from collections.abc import Iterable

from flowtrack.tracking.records import Record
from flowtrack.wire.decisions import decode_tracked


def judged_beyond(decisions: Iterable[Record], committed: int) -> bool:
    """Whether events were judged that are not committed, so that what the last commit notes is not all.

    Args:
        decisions: what decisions/p holds.
        committed: the offset up to which events/p is committed.

    Raises:
        ContractError: a record is none that the checker writes.
    """
    found = (decode_tracked(record.value or b"") for record in decisions)
    return any(each.type == "decision" and each.offset >= committed for each in found)
