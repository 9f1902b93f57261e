"""A worker process that copies records, for tests that kill and freeze it.

Usage: copying_worker.py BOOTSTRAP EMBEDDED SOURCE TARGET GROUP INSTANCE READY_FILE CONTROL_TOPIC

COPYING_STUCK_AFTER_S shortens the watchdog's patience; COPYING_UNREAD_BYTES bounds what the target may hold unread;
COPYING_HTTP_PORT serves /readyz.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from unittest import mock

from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.window import Window
from flowtrack.adapters.kafka.worker import run_worker
from flowtrack.tracking.records import Output, Record

BATCH_RECORDS = 200  # small, so that there are many instants to die at


class Copying:
    """Writes `partition@offset` of each record, in front of it the number of control records seen."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.rules = 0
        self.moment = threading.Event()

    def resume_from(self, partition: int, committed: int) -> int:  # noqa: ARG002 - the protocol's
        """Hold no state."""
        return 0

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        """Hold no state."""

    def revoked(self, partition: int) -> None:
        """Hold no state."""

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Copy, taking a moment over it, so that there is a middle to be killed in."""
        self.moment.wait(0.005)
        return [
            Output(self.target, r.partition, r.key, b"%d:%d@%d" % (self.rules, r.partition, r.offset)) for r in records
        ]

    def note(self, partition: int) -> str:  # noqa: ARG002 - the protocol's
        """Hold no state."""
        return ""

    def committed(self) -> None:
        """Hold no state."""

    def aborted(self) -> None:
        """Hold no state."""

    def rule(self, _record: Record) -> None:
        """Count a control record."""
        self.rules += 1


def main(arguments: Sequence[str]) -> int:
    """Run the worker with test topics instead of our own."""
    bootstrap, embedded, source, target, group, instance, ready, control = arguments
    processor = Copying(target)
    settings = KafkaSettings(bootstrap_servers=bootstrap, embedded=bool(int(embedded)), instance=instance)
    unread_bytes = int(os.environ.get("COPYING_UNREAD_BYTES", "0"))
    windows = [Window(settings, target, ["nobody"], unread_bytes)] if unread_bytes else []
    with mock.patch("flowtrack.adapters.kafka.worker.check_topics"):
        return run_worker(
            "copying",
            settings,
            processor,
            topics=[source],
            group=group,
            control_handlers={control: processor.rule},
            ready_file=Path(ready),
            batch_records_max=BATCH_RECORDS,
            batch_wait_s=0.01,
            windows=windows,
            http_port=int(os.environ["COPYING_HTTP_PORT"]) if "COPYING_HTTP_PORT" in os.environ else None,
            stuck_after_s=float(os.environ.get("COPYING_STUCK_AFTER_S", "60")),
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
