"""The embedded broker: librdkafka's mock cluster, for a Flowtrack that needs nothing but pip.

It speaks enough of Kafka's protocol for producers, consumers, consumer groups and offset commits, keeps at most
5 MiB a partition (the oldest records vanish silently: see `window`), and forgets everything with its process.
Transactions only seem to work there, so workers close their batches by checkpoint instead (see `closing`).

The C functions are librdkafka's public test interface (rdkafka_mock.h).  They are called directly, rather than by
the setting `test.mock.num.brokers`, since only so the three seconds can be taken out that every first member of a
consumer group waits for others.
"""

from __future__ import annotations

import ctypes
import secrets
import threading
from collections.abc import Callable
from typing import Self

from confluent_kafka import cimpl

from flowtrack.errors import RuntimeStateError

_RD_KAFKA_PRODUCER = 0
_ERROR_BYTES = 512
PARTITION_BYTES_KEPT = 5 * 1024 * 1024  # fixed in librdkafka's rdkafka_mock.c


class EmbeddedBroker:
    """A broker inside this process, on a free port of the loopback interface.

    Args:
        epoch: names this life of the broker; offsets of one epoch mean nothing in another.
    """

    def __init__(self, epoch: str | None = None) -> None:
        self.epoch = epoch if epoch is not None else secrets.token_hex(4)
        self._handle: int | None = None
        self._cluster: int | None = None

    def start(self) -> str:
        """Start the broker and give its address, `host:port`.

        Raises:
            RuntimeStateError: it runs already, or this build of librdkafka has no mock cluster.
        """
        if self._cluster is not None:
            raise RuntimeStateError("the embedded broker runs already", help="stop it first")
        library = _library()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        configuration = library.rd_kafka_conf_new()
        # Nothing above an error: it would complain that it has no bootstrap servers, which it is.
        library.rd_kafka_conf_set(configuration, b"log_level", b"3", error, _ERROR_BYTES)
        self._handle = library.rd_kafka_new(_RD_KAFKA_PRODUCER, configuration, error, _ERROR_BYTES)
        if not self._handle:
            raise RuntimeStateError(f"librdkafka does not start: {error.value.decode()}", where="embedded broker")
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            raise RuntimeStateError(
                "librdkafka could not open a port for its mock cluster",
                where="embedded broker",
                help="look for a limit on sockets or for a missing loopback interface",
            )
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        address: bytes = library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def stop(self) -> None:
        """Stop the broker and forget all its records; harmless when it does not run."""
        if self._cluster is not None:
            _library().rd_kafka_mock_cluster_destroy(self._cluster)
            self._cluster = None
        if self._handle is not None:
            _library().rd_kafka_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(ready: Callable[[str], None], stop: threading.Event, *, epoch: str | None = None) -> None:
    """Run an embedded broker until `stop` is set: the main loop of its process.

    Args:
        ready: is told the address once connections are accepted.
        stop: ends the broker.
        epoch: see `EmbeddedBroker`.
    """
    broker = EmbeddedBroker(epoch)
    try:
        ready(broker.start())
        stop.wait()
    finally:
        broker.stop()


def _library() -> ctypes.CDLL:
    """Load the librdkafka that confluent-kafka brings, with the signatures of what is called here."""
    library = ctypes.CDLL(cimpl.__file__)  # symbols are looked up in what it is linked to, too
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
    }
    for name, (result, arguments) in signatures.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise RuntimeStateError(
                f"this build of librdkafka has no `{name}`",
                where="embedded broker",
                help="use a real Kafka: set FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS",
            ) from error
        function.restype, function.argtypes = result, arguments
    return library
