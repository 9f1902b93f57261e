"""Quix Streams: a dataframe over the topic, applied and sent on; at least once, a commit for each 8,000 events.

Usage: `python -m benchmarks.peers.quix_loop GROUP`, in an environment of its own (benchmarks/peers/lineup.py makes it):
Quix Streams pins clients that Flowtrack does not want.
"""

from __future__ import annotations

import os
import sys

from quixstreams import Application  # type: ignore[import-not-found]  # lives in an environment of its own

from benchmarks.peers.answer import announce, answering


def main(group: str) -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=os.environ["FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS"],
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=8_000,
        commit_interval=0.5,
        loglevel="ERROR",
        producer_extra_config={"compression.type": "lz4", "linger.ms": 5},
        state_dir=os.environ["FLOWTRACK_BENCH_STATE"],
        use_changelog_topics=False,
    )
    events = app.topic("flowtrack.events", key_deserializer="bytes", value_deserializer="bytes")
    target = app.topic("flowtrack.amendments", key_serializer="bytes", value_serializer="bytes")
    app.dataframe(events).apply(answering()).to_topic(target)
    announce()
    app.run()


if __name__ == "__main__":
    main(sys.argv[1])
