"""Connections to the embedded engine and to servers, and the settings under which statements run there."""

from __future__ import annotations

import logging
import re
from tempfile import NamedTemporaryFile
from typing import Any

import clickhouse_connect
import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client

from flowtrack.adapters.clickhouse import handing
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.errors import StoreError

OLDEST_SERVER = (26, 7)
"""The first version that has projections with a condition (STORE.md)."""
INSERT_ROWS_MAX = 1 << 20
"""The most rows of one insert: as many as make one block for certain."""
_ONE_BLOCK = {
    # A retry is recognised by its token only if it falls into the same blocks, and a block is what is written whole
    # or not at all: so everything that could cut an insert is pinned beyond its size.
    "async_insert": 0,
    "max_insert_block_size": INSERT_ROWS_MAX,
    "min_insert_block_size_rows": INSERT_ROWS_MAX,
    "min_insert_block_size_bytes": 1 << 30,
    "max_insert_threads": 1,
    "max_threads": 1,
}
SORTED = {"max_block_size": 1 << 18, "prefer_external_sort_block_bytes": 0}
"""Of what an insert selects in order: the sort gives blocks of so many rows, whatever the parts it was read from."""
_ON_A_SERVER = {
    "insert_deduplicate": 1,  # an administrator's profile may have it off
    "wait_end_of_query": 1,  # no answer before it is done, so that 200 means written
}
_EMBEDDED_SESSION = {
    "max_threads": 1,  # each thread keeps buffers of its own; who shares the machine with a broker wants them small
    "max_block_size": 16384,  # a query's working set is a few blocks
    "log_queries": 0,
}
_CLUSTER_SESSION = {
    "select_sequential_consistency": 1,  # what a quorum has is seen, or the replica says that it has not caught up
    "insert_quorum_parallel": 0,  # without which the setting above does nothing
    "fallback_to_stale_replicas_for_distributed_queries": 0,
    "skip_unavailable_shards": 0,  # never silently partial
    "distributed_product_mode": "global",  # a table of all shards inside a subquery means all shards
    "optimize_skip_unused_shards": 1,  # one subject is on one shard
}
_VERSION = re.compile(r"(\d+)\.(\d+)")

# The client logs what it cannot send, with the value in it; the error that it raises becomes ours, without.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL + 1)
_log = structlog.get_logger(__name__)


def connect(settings: ClickHouseSettings) -> Client:
    """Connect to what the settings name; sessions are off, so that any replica behind a balancer may answer.

    Raises:
        ConfigurationError: the password file cannot be read.
        StoreError: the server is older than what the schema needs.
        ClickHouseError: of the client; callers turn it into ours (`faults`).
    """
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(settings.data_dir),
            chdb_options=settings.engine_options(),
            settings=dict(_EMBEDDED_SESSION),
        )
    client = clickhouse_connect.get_client(**_of_server(settings))
    try:
        _refuse_older(client.server_version or "", settings.address)
    except StoreError:
        client.close()
        raise
    return client


def insert_settings(
    settings: ClickHouseSettings, token: str, *, read_back: bool, deadline_ms: int = 0
) -> dict[str, Any]:
    """Give the settings of an insert: one block, there wholly or not at all, once under its token.

    On a cluster the answer comes when a quorum of the replicas has it.

    Args:
        settings: where the store is.
        token: see `Store.insert`.
        read_back: whether the writer asks the table what it holds.  Then, on a cluster, its inserts come one after the
            other: only so can a read be asked to see all of them (`select_sequential_consistency`).
        deadline_ms: see `Store.insert`.
    """
    given: dict[str, Any] = {**_ONE_BLOCK, "insert_deduplication_token": token}
    if deadline_ms:
        given["log_comment"] = str(deadline_ms)  # what the tables' constraint `in_time` reads
    if not settings.embedded:
        given |= _ON_A_SERVER
    if settings.cluster:
        given |= {
            "distributed_foreground_insert": 1,
            "insert_quorum": settings.insert_quorum,
            "insert_quorum_parallel": 0 if read_back else 1,
            "insert_quorum_timeout": settings.timeout_s * 500,  # ms: the server gives up before its client does
        }
    return given


def hand_on(client: Client, settings: ClickHouseSettings, columns: pa.RecordBatch, given: dict[str, Any]) -> None:
    """Insert decisions (`handing.columns_of`): the embedded engine reads them from a file, a server from the request.

    Raises:
        ClickHouseError: of the client; callers turn it into ours (`faults`).
    """
    structure = handing.STRUCTURE.replace("'", "\\'")
    stream = handing.stream(columns)
    if not settings.embedded:
        source = handing.select(f"input('{structure}')")
        client.command(f"{handing.INSERT} {source} FORMAT {handing.FORMAT}", data=stream.to_pybytes(), settings=given)
        return
    with NamedTemporaryFile(suffix=".arrow") as file:
        file.write(stream)
        file.flush()
        source = handing.select(f"file('{file.name}', '{handing.FORMAT}', '{structure}')")
        # spelt out: the client would otherwise set and reset each setting by a statement of its own
        clause = ", ".join(f"{name} = '{value}'" for name, value in given.items())
        client.command(f"{handing.INSERT} SETTINGS {clause} {source}")


def _of_server(settings: ClickHouseSettings) -> dict[str, Any]:
    parts = settings.server
    secret = settings.secret()
    given: dict[str, Any] = {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (8443 if parts.scheme == "https" else 8123),
        "proxy_path": parts.path,
        "username": settings.user,
        "password": secret,
        "compress": False if settings.compression == "none" else settings.compression,
        "connect_timeout": settings.connect_timeout_s,
        "send_receive_timeout": settings.timeout_s,
        "autogenerate_session_id": False,
        "client_name": "flowtrack",
        "dedicated_pool": True,  # closed with its client, and no TLS settings of another one
        "settings": dict(_CLUSTER_SESSION) if settings.cluster else {},
    }
    if parts.scheme == "https":
        given["verify"] = settings.verify
        if not settings.verify:
            _log.warning("the server's certificate is not checked: for tests only", server=settings.address)
        if settings.ca_file is not None:
            given["ca_cert"] = str(settings.ca_file)
        if settings.certificate_file is not None:
            given["client_cert"] = str(settings.certificate_file)
            given["client_cert_key"] = None if settings.key_file is None else str(settings.key_file)
            given["tls_mode"] = "strict" if secret else "mutual"  # with a password, both are shown
    return given


def _refuse_older(version: str, address: str) -> None:
    match = _VERSION.match(version)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_SERVER:
        needed = ".".join(map(str, OLDEST_SERVER))
        raise StoreError(
            f"the server is ClickHouse `{version}`, and the ledger needs {needed} or newer",
            where=address,
            help=f"upgrade it: projections with a condition came with {needed}",
        )
