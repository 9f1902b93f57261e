"""A bound on what is in flight: the embedded broker keeps 5 MiB a partition and drops the oldest without a word.

The producer keeps account: what it has sent to a partition, less what every consumer group that matters has
committed.  One window is the whole account of its topic only while nobody else produces to it; with n producers,
give each an n-th of the bytes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets
from flowtrack.adapters.kafka.settings import KafkaSettings

_POLL_S = 0.02
_RECORD_OVERHEAD_BYTES = 80  # a record's own header, and its share of the batch's, at worst one batch a record
BYTES_MAX = 2 * 1024 * 1024  # well below the 5 MiB that the broker keeps, since it drops whole batches


class Window:
    """Bytes in flight, per partition of one topic; one producer's account.

    Args:
        settings: where the broker is.
        topic: what is produced to.
        groups: the consumer groups that must have committed a record before it stops counting.
        bytes_max: the bound, per partition. A record larger than that still goes, alone.
    """

    def __init__(self, settings: KafkaSettings, topic: str, groups: Sequence[str], bytes_max: int = BYTES_MAX) -> None:
        self.topic = topic
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._groups = [GroupOffsets(settings, group) for group in groups]
        self._log = LogOffsets(settings)
        self._places = [(topic, partition) for partition in self._log.partitions(topic)]
        self._next = {at[1]: end for at, end in self._log.ends(self._places).items()}
        # What a former life of this producer left in flight is of unknown size: it counts as a full window.
        self._sent = {p: deque([(end, bytes_max)] if end else []) for p, end in self._next.items()}
        self._bytes = {p: sum(size for _, size in sent) for p, sent in self._sent.items()}
        self._asked_s = float("-inf")

    def outstanding(self, partition: int) -> int:
        """Give the bytes in flight in a partition, as last known: never less than there are."""
        return self._bytes[partition]

    def admit(self, partition: int, size: int) -> bool:
        """Count a record of `size` bytes in, if there is room; asks the broker at most every 20 ms.

        Raises:
            BrokerError: the broker does not answer.
        """
        size += _RECORD_OVERHEAD_BYTES
        with self._lock:
            if not self._fits(partition, size):
                now_s = time.monotonic()
                if now_s - self._asked_s < _POLL_S:
                    return False
                self._release()
                self._asked_s = time.monotonic()
                if not self._fits(partition, size):
                    return False
            self._next[partition] += 1
            self._sent[partition].append((self._next[partition], size))
            self._bytes[partition] += size
            return True

    def wait(self, partition: int, size: int, abandoned: Callable[[], bool] = lambda: False) -> bool:
        """Count a record in, blocking until there is room; false when `abandoned` says so before.

        Raises:
            BrokerError: the broker does not answer.
        """
        pause = threading.Event()
        while not self.admit(partition, size):
            if abandoned():
                return False
            pause.wait(_POLL_S)
        return True

    async def wait_async(self, partition: int, size: int) -> None:
        """Count a record in, waiting until there is room.

        Raises:
            BrokerError: the broker does not answer.
        """
        while True:
            if self._fits(partition, size + _RECORD_OVERHEAD_BYTES):
                admitted = self.admit(partition, size)  # asks nobody, so it does not block the loop
            else:
                admitted = await asyncio.to_thread(self.admit, partition, size)
            if admitted:
                return
            await asyncio.sleep(_POLL_S)

    def close(self) -> None:
        """Close the connections."""
        for group in self._groups:
            group.close()

    def _fits(self, partition: int, size: int) -> bool:
        held = self._bytes[partition]
        return held + size <= self.bytes_max or not held

    def _release(self) -> None:
        """Take out what every group has committed."""
        committed = [group.committed(self._places) for group in self._groups]
        for place in self._places:
            done = min((offsets.get(place, 0) for offsets in committed), default=0)
            sent = self._sent[place[1]]
            while sent and sent[0][0] <= done:
                self._bytes[place[1]] -= sent.popleft()[1]
