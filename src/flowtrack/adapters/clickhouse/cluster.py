"""Whether a cluster of servers is as the ledger needs it."""

from __future__ import annotations

from typing import Any, Protocol

from flowtrack.errors import ConfigurationError

_SHARDS = "SELECT shard_num, any(shard_weight) FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num"
_WHERE = "FLOWTRACK_CLICKHOUSE__CLUSTER"


class Asked(Protocol):
    """What is needed of a store."""

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run a query."""
        ...


def refuse_split_partitions(store: Asked, cluster: str, partitions: int) -> None:
    """Refuse a cluster on which the rows of one Kafka partition would rest on several shards.

    A pseudonym's first 32 bits choose both its partition and its shard, each by the remainder.  So every partition is
    on one shard, and an insert is one block, when the number of partitions is a multiple of the number of shards.

    Args:
        store: open, on a server of the cluster.
        cluster: its name; with none there is nothing to refuse.
        partitions: of the decisions' topic.

    Raises:
        ConfigurationError: no such cluster, shards of different weights, or a number that does not divide.
        StoreError: the server does not answer.
    """
    if not cluster:
        return
    found = store.rows(_SHARDS, cluster=cluster)
    weights, shards = {weight for _, weight in found}, len(found)
    if not shards:
        raise ConfigurationError(
            f"the server knows no cluster `{cluster}`",
            where=_WHERE,
            help="name one of its system.clusters, or add it to remote_servers on every server",
        )
    if len(weights) > 1:
        raise ConfigurationError(
            f"shards of `{cluster}` have different weights",
            where=_WHERE,
            help="give all the same weight: which shard a subject is on must follow from its pseudonym alone",
        )
    if partitions % shards:
        raise ConfigurationError(
            f"`{partitions}` partitions do not divide among `{shards}` shards",
            where=_WHERE,
            help="use a cluster whose number of shards divides FLOWTRACK_KAFKA__PARTITIONS",
        )
