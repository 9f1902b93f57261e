"""The sink process: decisions into the ledger, and the ledger's service beside it.

Both in one process, because only one process can hold the embedded store.
"""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.child import READY_FILE
from flowtrack.apps.groups import ALERTER_GROUP, SINK_GROUP
from flowtrack.apps.ledger_timer import kept
from flowtrack.apps.settings import HealthSettings, read
from flowtrack.errors import BrokerError
from flowtrack.tracking.records import Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings

_BATCH_RECORDS = 64_000  # few large parts are cheaper than many small ones
_BATCH_WAIT_S = 0.2  # an insert and its merges cost some 60 ms, however few rows; fresh within a second is the goal
_BATCH_WAIT_EMBEDDED_S = 0.05
_BATCH_RECORDS_EMBEDDED = 4_000  # on one machine with everything else: a quarter of the memory for a batch
# A batch makes a hundred thousand objects without cycles among few that have some: collected once or twice a batch,
# with all that is older once in fifty collections, it takes a twelfth less processor time.
_COLLECTOR = (50_000, 5, 10)
_ANSWER_WITHIN_S = 60.0  # beyond the store's own time: a slow store is waited for, the group's poll allows 300 s
_AT_ONCE = 6  # questions, exports among them: each has a connection of its own, and a share of two or three cores
_LAG_TIMEOUT_S = 2.0  # an answer may say that it does not know the lag; it must not wait for it


def run() -> int:
    """Write and answer until SIGTERM or SIGINT, and give the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
        RuntimeStateError: the port is taken, or another process holds the store.
        StoreError: the store does not answer, or its migrations are not those of this version.
        BrokerError: Kafka does not answer, or the topics are not as they have to be.
    """
    from flowtrack.adapters.clickhouse.amend import LedgerAmendments
    from flowtrack.adapters.clickhouse.cluster import refuse_split_partitions
    from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
    from flowtrack.adapters.clickhouse.pool import LedgerPool
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
    from flowtrack.adapters.clickhouse.sink import SinkStore
    from flowtrack.adapters.clickhouse.store import Store
    from flowtrack.adapters.http.server import LoopbackServer
    from flowtrack.adapters.http.service import build_app
    from flowtrack.adapters.http.settings import HttpSettings
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.adapters.kafka.window import Window
    from flowtrack.adapters.kafka.worker import run_worker
    from flowtrack.apps.rules import RulesRead
    from flowtrack.tracking.amend import Amender
    from flowtrack.tracking.amend_rules import RuleLibrary
    from flowtrack.tracking.ledger import SINK_TOPICS, LedgerWriter

    gc.set_threshold(*_COLLECTOR)
    kafka, clickhouse, http = read(KafkaSettings), read(ClickHouseSettings), read(HttpSettings)
    ready_file = os.environ.get(READY_FILE)
    with Store(clickhouse) as written, Store(clickhouse) as asked:
        written.migrate()
        refuse_split_partitions(written, clickhouse.cluster, kafka.partitions)
        amendments = LedgerAmendments(written)
        library = RuleLibrary(RulesRead(kafka), amendments)
        amender = Amender(amendments, library, epoch=kafka.epoch)
        writer = LedgerWriter(SinkStore(written), secrets.token_hex(8), amender)
        lag = lag_of(kafka)
        ledger = ClickHouseLedger(asked, clock=partial(datetime.now, UTC), lag=lag)
        many = LedgerPool(clickhouse, _AT_ONCE, clock=partial(datetime.now, UTC), lag=lag)
        app = build_app(ledger, many=many, reason=lambda: "" if writer.partitions else "no partition taken over yet")
        with many, kept(clickhouse, app, lag), LoopbackServer(app, http.port):
            return run_worker(
                "sink",
                kafka,
                writer,
                topics=SINK_TOPICS,
                group=SINK_GROUP,
                closing="planned",  # its work is in the store, not in a transaction
                windows=(Window(kafka, Topic.AMENDMENTS, (ALERTER_GROUP,)),) if kafka.embedded else (),
                answer_within_s=_ANSWER_WITHIN_S + clickhouse.timeout_s,
                batch_records_max=_BATCH_RECORDS_EMBEDDED if kafka.embedded else _BATCH_RECORDS,
                batch_wait_s=_BATCH_WAIT_EMBEDDED_S if kafka.embedded else _BATCH_WAIT_S,
                http_port=read(HealthSettings).port,
                ready_file=Path(ready_file) if ready_file else None,
            )


def lag_of(kafka: KafkaSettings) -> Callable[[], int | None]:
    """Give a function that tells how many records of decisions and dead letters the sink has not written yet."""
    import threading

    from flowtrack.adapters.kafka.lag import GroupOffsets, LogOffsets

    log, group = LogOffsets(kafka), GroupOffsets(kafka, SINK_GROUP)
    asking = threading.Lock()

    def lag() -> int | None:
        with asking:
            try:
                places = [
                    (str(topic), partition)
                    for topic in (Topic.DECISIONS, Topic.DEADLETTERS)
                    for partition in log.partitions(topic, _LAG_TIMEOUT_S)
                ]
                committed = group.committed(places, _LAG_TIMEOUT_S)
                starts, ends = log.starts(places, _LAG_TIMEOUT_S), log.ends(places, _LAG_TIMEOUT_S)
            except BrokerError:
                return None  # the answer says that it does not know
        return sum(max(0, ends[place] - committed.get(place, starts[place])) for place in places)

    return lag
