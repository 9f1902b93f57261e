"""Which partition a subject's records stand on, the same for every topic and every producer."""

from __future__ import annotations

_DIGITS = 8  # 32 bits of a keyed hash: evenly spread, and cheap to parse


def partition_of(subject: str, partitions: int) -> int:
    """Give the partition of a subject's records.

    Every producer sets the partition explicitly, since the default partitioners of librdkafka and aiokafka disagree
    for most keys.

    Args:
        subject: the pseudonym, 32 hex digits.
        partitions: how many partitions the topic has, at least 1.

    Raises:
        ValueError: the first eight characters of `subject` are not hex digits.
    """
    return int(subject[:_DIGITS], 16) % partitions
