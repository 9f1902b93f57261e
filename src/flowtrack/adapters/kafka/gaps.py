"""What retention took before it was read: recorded where dead letters are, and told like them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flowtrack.domain.names import DeadLetterCode
from flowtrack.errors import ContractError
from flowtrack.tracking.answers import Place, dead_letter
from flowtrack.tracking.records import Gap, Output, Record, Topic


def _now() -> datetime:
    return datetime.now(UTC)


class GapRecorder:
    """Makes the records of a gap: a dead letter at its first offset that names the last, and its finding.

    The ledger then holds one offset of the gap, so `reconcile` goes on to show the others as missing, as they are.

    Args:
        epoch: see `KafkaSettings.epoch`.
        clock: gives the instant at which the gap was met, which is all that is known of when its records came.
    """

    def __init__(self, epoch: str, clock: Callable[[], datetime] = _now) -> None:
        self._epoch = epoch
        self._clock = clock

    def __call__(self, gap: Gap) -> list[Output]:
        """Give the outputs for a gap; they are committed together with the offset behind it."""
        met_at = self._clock()
        record = Record(gap.topic, gap.partition, gap.first, int(met_at.timestamp() * 1_000), None, None)
        fault = ContractError(
            DeadLetterCode.RECORDS_LOST,
            f"offsets {gap.first} to {gap.end - 1} ({gap.end - gap.first} records at most) were deleted by retention "
            "before they were read",
            help="have their services publish that time again, and give the topic a longer retention or the workers "
            "more room",
        )
        letter, finding = dead_letter(record, Place(self._epoch, record, met_at), fault)
        key = str(gap.partition).encode()
        return [
            Output(Topic.DEADLETTERS, gap.partition, key, letter),
            Output(Topic.FINDINGS, gap.partition, key, finding),
        ]
