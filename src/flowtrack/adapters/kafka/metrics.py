"""What a worker tells Prometheus about its source."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_LABELS = ("worker",)

BATCHES = Counter("flowtrack_source_batches_total", "Batches closed.", _LABELS)
RECORDS = Counter("flowtrack_source_records_total", "Records in closed batches.", (*_LABELS, "topic"))
OUTPUTS = Counter("flowtrack_source_outputs_total", "Records written by closed batches.", _LABELS)
TRANSACTIONS = Counter("flowtrack_source_transactions_total", "Kafka transactions committed.", _LABELS)
ABORTS = Counter("flowtrack_source_aborts_total", "Batches undone; their records came again.", _LABELS)
REBALANCES = Counter("flowtrack_source_rebalances_total", "Changes of the partitions that this worker owns.", _LABELS)
QUARANTINED = Counter("flowtrack_source_quarantined_total", "Records that the processor could not work.", _LABELS)
LOST = Counter("flowtrack_source_lost_total", "Offsets that retention took before they were read.", _LABELS)
OVERTAKEN = Counter(
    "flowtrack_source_state_waits_exceeded_total", "Batches that began before the state topic was read up.", _LABELS
)
LAG_RECORDS = Gauge("flowtrack_source_lag_records", "Records behind the log's end.", (*_LABELS, "topic"))
PARTITIONS = Gauge("flowtrack_source_partitions", "Partitions that this worker owns.", _LABELS)
BATCH_SECONDS = Histogram(
    "flowtrack_source_batch_seconds",
    "From a batch's last record read to its close.",
    _LABELS,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
