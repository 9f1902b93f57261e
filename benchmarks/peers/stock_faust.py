"""Faust as its documentation shows it: an agent over the topic, one `send` for each event, its own commits.

Usage: `python -m benchmarks.peers.stock_faust GROUP`.  At least once at best (docs/decisions/transactional-source.md).
"""

from __future__ import annotations

import os
import sys

import faust
from faust.types import StreamT

from benchmarks.peers.answer import announce, answering


def app_of(group: str) -> faust.App:
    """Give the app with its agent."""
    app = faust.App(
        group,
        broker=f"kafka://{os.environ['FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS']}",
        datadir=os.environ["FLOWTRACK_BENCH_STATE"],
        producer_compression_type="lz4",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    events = app.topic(
        "flowtrack.events", key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    target = app.topic(
        "flowtrack.amendments", key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    answer = answering()

    async def judge(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            await target.send(key=event.key, value=answer(event.value), partition=event.message.partition)

    app.agent(events, name="judge")(judge)

    async def ready(*_: object, **__: object) -> None:
        announce()

    app.on_partitions_assigned.connect(ready, weak=False)
    return app


if __name__ == "__main__":
    _app = app_of(sys.argv[1])
    sys.argv[1:] = ["worker", "--loglevel", "error", "--without-web"]
    _app.main()
