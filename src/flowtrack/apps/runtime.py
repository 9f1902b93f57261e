"""An embedded Flowtrack: broker, store, checker and alerter as processes of one machine, under one supervisor.

Started in the order in which each is needed, and ended in the order in which data flows, so that what was published
is judged and written before the broker forgets it.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from flowtrack.apps.directory import DataDirectory, Running
from flowtrack.apps.documents import Document, default_pack_document, is_vouched_for, publish, signed_document
from flowtrack.apps.ports import HOST, check_free
from flowtrack.apps.progress import DRAINED, Progress
from flowtrack.apps.supervisor import Part, Supervisor
from flowtrack.apps.worker import WorkerKind
from flowtrack.errors import BrokerError, RuntimeStateError
from flowtrack.tracking.records import Output, Topic

if TYPE_CHECKING:
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.domain.consent import ConsentRecord
    from flowtrack.policy.signing import PublicKeys

_log = structlog.get_logger(__name__)

BROKER = "broker"
"""The part that cannot be replaced: what it holds dies with it."""
API = "api"
"""The part that answers auditors."""
_READY_S = 60.0  # opening a store on a cold machine takes up to ten seconds, reading its consents some more
_STOP_S = 15.0  # a worker finishes the batch in hand
_STORE_BYTES_MAX = 400 * 1024 * 1024


class Runtime:
    """The processes of an embedded Flowtrack; use it as a context, so that none is left behind.

    Args:
        directory: held by this process.
        port: of the loopback interface, for the ledger service.
        api_port: of the loopback interface, for the auditors' API and pages; without it, they do not run.
        documents: registries and packs to publish before the first event is judged; packs are signed here, by the
            directory's own key, so that the checker takes no others.
        env: further settings for the processes.
    """

    def __init__(
        self,
        directory: DataDirectory,
        *,
        port: int,
        api_port: int | None = None,
        documents: Sequence[Document] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self.supervisor = Supervisor(directory.logs)
        self._directory = directory
        self._port = port
        self._api_port = api_port
        self._documents = list(documents)
        self._env = dict(env or {})
        self._kafka: KafkaSettings | None = None
        self._signing_key = directory.state / "policy.pem"

    def __enter__(self) -> Self:
        self.supervisor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.__exit__(kind, error, trace)

    @property
    def kafka(self) -> KafkaSettings:
        """How the embedded broker is reached.

        Raises:
            RuntimeStateError: it is not started yet.
        """
        if self._kafka is None:
            raise RuntimeStateError("the embedded broker is not started", help="call `start` first")
        return self._kafka

    @property
    def ledger_url(self) -> str:
        """Where the ledger service answers."""
        return f"http://{HOST}:{self._port}"

    @property
    def signing_key(self) -> Path:
        """The private key that packs for this Flowtrack are signed with."""
        return self._signing_key

    def start(self) -> None:
        """Start the processes; those that load something big load it side by side.

        Raises:
            RuntimeStateError: the port is taken, or a process does not start.
        """
        check_free(self._port)
        if self._api_port is not None:
            check_free(self._api_port)
        existing = any(self._directory.store.iterdir())
        signed, default = self._sign()
        self._start_broker()
        self._start(WorkerKind.SINK)
        documents = signed
        if existing:  # the checker begins with what the store holds, so it has to wait for it
            self.supervisor.wait_ready(WorkerKind.SINK, _READY_S)
            documents = self._restored() + documents
        if not any(document.topic == Topic.POLICIES for document in documents):
            documents.append(default)
        publish(self.kafka, (document.output() for document in documents))
        self._start(WorkerKind.CHECKER)
        self._start(WorkerKind.ALERTER)
        self._start_api()

    def wait_ready(self) -> Running:
        """Wait until every process is ready, and give where they are reached.

        Raises:
            RuntimeStateError: one does not become ready.
        """
        for kind in WorkerKind:
            self.supervisor.wait_ready(kind, _READY_S)
        api = "" if self._api_port is None else self.supervisor.wait_ready(API, _READY_S)
        return Running(os.getpid(), self.epoch, self.kafka.bootstrap_servers, self.ledger_url, api)

    def drain(self, timeout_s: float) -> bool:
        """Let what has been published be judged, told and written, and end the workers; the broker stays.

        Args:
            timeout_s: for all of it; what is not done by then is lost with the broker, and said so in the log.

        Returns:
            Whether nothing was left undone.
        """
        deadline_s = time.monotonic() + timeout_s
        done = True
        with Progress(self.kafka) as progress:
            for kind, kinds in DRAINED.items():
                try:
                    settled = progress.settle(deadline_s - time.monotonic(), kinds=kinds, look=self.supervisor.check)
                except (BrokerError, RuntimeStateError) as error:
                    _log.error("cannot drain", worker=kind, error=str(error))
                    settled = False
                if not settled:
                    _log.error("records are left undone", worker=kind)
                done = self.supervisor.stop(kind, _STOP_S) and settled and done
        return done

    def _restored(self) -> list[Document]:
        """Publish the consents that the ledger holds, and give its documents, in the order in which they came."""
        from flowtrack.adapters.http.client import LedgerClient

        topics = {"policy": Topic.POLICIES, "registry": Topic.REGISTRY}
        with LedgerClient(self.ledger_url) as ledger:
            count = publish(self.kafka, map(self._consent, ledger.consents_all()))
            _log.info("consents restored from the ledger", records=count, epoch=self.epoch)
            found = sorted(ledger.documents(), key=lambda each: each.recorded_at)
        documents = [Document(topics[each.kind], each.name, each.body.encode()) for each in found]
        # the ledger keeps what was published, also what the checker refused
        taken = [document for document in documents if is_vouched_for(document, self._keys())]
        if len(taken) < len(documents):
            _log.warning("packs that nobody vouches for are left out", packs=len(documents) - len(taken))
        return taken

    def _sign(self) -> tuple[list[Document], Document]:
        """The documents given, and the default pack, signed by the directory's own key."""
        from flowtrack.apps.keys import own_key
        from flowtrack.policy.signing import read_signing_key

        self._signing_key = own_key(self._directory.state)
        key = read_signing_key(self._signing_key)
        return [signed_document(document, key) for document in self._documents], default_pack_document(key)

    def _public_keys(self) -> list[Path]:
        """The files of the keys whose packs are taken: the operator's, and the directory's own."""
        from flowtrack.apps.keys import PolicySettings, public_half
        from flowtrack.apps.settings import read

        return [*read(PolicySettings).public_keys, public_half(self._signing_key)]

    def _keys(self) -> PublicKeys:
        from flowtrack.policy.signing import PublicKeys

        return PublicKeys.of_files(self._public_keys())

    def _consent(self, record: ConsentRecord) -> Output:
        from flowtrack.wire.encode import encode_consent
        from flowtrack.wire.keys import consent_key
        from flowtrack.wire.partition import partition_of

        key = consent_key(record.subject, record.data.record, record.id)
        partition = partition_of(record.subject, self.kafka.partitions)
        return Output(Topic.CONSENTS, partition, key.encode(), encode_consent(record))

    def _start_broker(self) -> None:
        from flowtrack.adapters.kafka.settings import KafkaSettings
        from flowtrack.adapters.kafka.topics import create_topics

        argv = (sys.executable, "-m", "flowtrack.apps.broker")
        self.supervisor.start(Part(BROKER, argv, {"FLOWTRACK_KAFKA__EPOCH": self.epoch}, vital=True))
        address = self.supervisor.wait_ready(BROKER, _READY_S)
        self._kafka = KafkaSettings(bootstrap_servers=address, embedded=True, epoch=self.epoch)
        create_topics(self._kafka)

    def _start_api(self) -> None:
        if self._api_port is None:
            return
        env = {
            "FLOWTRACK_DATA_DIR": str(self._directory.path.resolve()),
            "FLOWTRACK_CLICKHOUSE__URL": "",
            "FLOWTRACK_HTTP__PORT": str(self._port),  # where the process that holds the store is asked
            "FLOWTRACK_API__HOST": HOST,
            "FLOWTRACK_API__PORT": str(self._api_port),
            "MALLOC_ARENA_MAX": "2",
            **self._env,
        }
        self.supervisor.start(Part(API, (sys.executable, "-m", "flowtrack.apps.api"), env))

    def _start(self, kind: WorkerKind) -> None:
        env = {
            "FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "FLOWTRACK_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT",
            "FLOWTRACK_KAFKA__EMBEDDED": "true",
            "FLOWTRACK_KAFKA__EPOCH": self.epoch,
            "FLOWTRACK_POLICY__PUBLIC_KEYS": ",".join(str(path.resolve()) for path in self._public_keys()),
            "FLOWTRACK_CLICKHOUSE__URL": "",
            "FLOWTRACK_CLICKHOUSE__DATA_DIR": str(self._directory.store.resolve()),
            "FLOWTRACK_HTTP__PORT": str(self._port),
            "FLOWTRACK_STATE__DIR": str(self._directory.state.resolve()),
            # librdkafka and the engine take and give back much memory; fewer arenas keep less of it for nobody.
            "MALLOC_ARENA_MAX": "2",
            **self._env,
        }
        self.supervisor.start(Part(kind, (sys.executable, "-m", "flowtrack.apps.worker", str(kind)), env))
