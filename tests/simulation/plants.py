"""Realistic faults, each a small change of the real logic, to show that the simulator would notice it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.instants import BEGINNING_US
from flowtrack.errors import ContractError, StoreError
from flowtrack.testing.broker import MemoryBroker, MemoryMember, Place
from flowtrack.tracking.alerter import Alerter
from flowtrack.tracking.check import Checker
from flowtrack.tracking.draft import Draft, Situation
from flowtrack.tracking.intent import Intent
from flowtrack.tracking.late import LateKnowledge, Note
from flowtrack.tracking.ledger import Held, LedgerStore, LedgerWriter
from flowtrack.tracking.records import Output, Record
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.tracking.snapshot import Snapshot, decoded
from flowtrack.tracking.state import PartitionState
from flowtrack.wire.keys import parse_consent_key
from tests.simulation import disks
from tests.simulation.planned import PlannedWorker
from tests.simulation.worker import Steps, Worker
from tests.simulation.world import Logic


class _CommitsBeforeInserting(LedgerWriter):
    """The sink commits its offsets, then writes."""

    _later: Sequence[Record] = ()

    def process(self, records: Sequence[Record]) -> list[Output]:
        self._later = records
        return []

    def committed(self) -> None:
        super().process(self._later)


class _MarksBeforeInserting(LedgerWriter):
    """What is in a batch counts as held before it is written, and stays so when writing fails."""

    def _write(self, draft: Draft, intent: Intent) -> list[Output]:
        held, situations = dict(self._held), draft.situations
        try:
            return super()._write(draft, intent)
        except StoreError:
            self._kept = (held, situations)
            raise

    _kept: tuple[dict[int, dict[str, Held]], dict[Situation, bool]] | None = None

    def aborted(self) -> None:
        super().aborted()
        if self._kept is not None:
            self._held, self._situations = self._kept
            self._kept = None


class _NeverLooks(LedgerWriter):
    """What the ledger holds already is not asked."""

    def _drop_repeats(self, draft: Draft) -> None:
        pass


class _ReusesTokens(LedgerWriter):
    """Every life of the sink counts its tokens from one."""

    def __init__(self, store: LedgerStore, run: str) -> None:
        super().__init__(store, run[:4])


class _ForgetsToUndo(Checker):
    """An aborted batch leaves its traces in the state."""

    def aborted(self) -> None:
        for state in self._states.values():
            state.keep()
        super().aborted()


class _AnnouncesOnce(Checker):
    """A situation that was defined in an aborted batch is not defined again."""

    def aborted(self) -> None:
        self._newly_defined.clear()
        super().aborted()


class _KeepsRevokedState(Checker):
    """A partition that comes back is taken up where it was left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left: dict[int, PartitionState] = {}

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        super().assigned(partition, history)
        if partition in self._left:
            self._states[partition] = self._left[partition]

    def revoked(self, partition: int) -> None:
        self._left[partition] = self._states[partition]
        super().revoked(partition)


class _IgnoresTombstones(Checker):
    """An erased consent record still counts."""

    def _fold(self, state: PartitionState, record: Record) -> tuple[str, int | None, ConsentRecord | None]:
        if record.value is not None:
            return super()._fold(state, record)
        subject, _, _ = parse_consent_key(record.key or b"")
        self._check_partition(subject, record)
        return subject, None, None


class _SharesNumbers(Checker):
    """Producers' numbers are remembered for all partitions together."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._all: dict[tuple[str, str], int] = {}

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        super().assigned(partition, history)
        self._states[partition]._numbers = self._all


class _WritesDeadLettersOnce(Checker):
    """A dead letter is not written again when its batch comes again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._buried: set[tuple[str, int, int]] = set()

    def _dead(self, record: Record, error: ContractError, outputs: list[Output]) -> None:
        if record[:3] not in self._buried:
            self._buried.add(record[:3])
            super()._dead(record, error, outputs)


class _ForgetsTakeovers(Checker):
    """A new owner takes it that nothing was judged before it."""

    def __init__(self, rulebook: Rulebook, partitions: int, *_: object, **__: object) -> None:
        super().__init__(rulebook, partitions, lambda _: False)


class _TakesNotesForAll(Checker):
    """What the last commit notes is taken for all that was judged, also behind a plain checkpoint."""

    def __init__(self, *args: Any, seen_early: bool, **kwargs: Any) -> None:
        del seen_early
        super().__init__(*args, **kwargs)


class _ForgetsOthersWithASnapshot(Checker):
    """Who restores a snapshot takes it that everything judged before was judged by itself."""

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        restored = self._restored.get(partition)
        super().assigned(partition, history)
        if restored is not None and restored.cursor:
            self._states[partition]._judged_to_us = BEGINNING_US


class _CountsAgain(Alerter):
    """Findings of an aborted batch stay counted."""

    def aborted(self) -> None:
        self._notices.clear()


class _RecallsNothing(Alerter):
    """A new alerter begins from nothing."""

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        self._recalled = True
        super().assigned(partition, history)


class _TellsEarly(Alerter):
    """Somebody hears of an alert before it is durable."""

    def process(self, records: Sequence[Record]) -> list[Output]:
        outputs = super().process(records)
        notices = list(self._notices.values())
        self._notices.clear()
        if notices:
            self._hand_on(notices)
        return outputs


class _AsksTooEarly(Worker):
    """A new owner asks for committed offsets while a transaction holds some."""

    def begins(self, places: Sequence[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 0) | self._broker.committed(self.job.group, places, stable=False)


class _LoadsNoState(Worker):
    """A new owner goes on without the consents that were applied before."""

    def history(self, partition: int, begins: Mapping[Place, int]) -> Sequence[Record]:
        del partition, begins
        return ()


class _ReadsWhatIsAborted(Worker):
    """Consumers read uncommitted records."""

    committed_only = False


class _ForgetsToRewind(Worker):
    """After an undone batch the next one is fetched."""

    def _rewind(self) -> Steps:
        self._held = []
        yield from ()


class _RedoesNothing(PlannedWorker):
    """A new owner takes what was promised for done."""

    def _read_share(self, place: Place) -> list[Record]:
        del place
        return []


class _HasAllTheTime(PlannedWorker):
    """An insert may come as late as it likes."""

    def _deadline_ms(self) -> int:
        return 1 << 60


class _RedoesUnderItsOwnToken(LedgerWriter):
    """Whoever redoes a share names the blocks anew."""

    def redo(self, partition: int, records: Sequence[Record], intent: Intent) -> list[Output]:
        return super().redo(partition, records, intent._replace(token=f"{self._run}:{intent.token}"))


class _NeverLooksBeforeARedo(LedgerWriter):
    """A share that is redone goes under a token of its own at once."""

    def redo(self, partition: int, records: Sequence[Record], intent: Intent) -> list[Output]:
        return self._write(self._drafted(records), intent._replace(token=f"{intent.token}:{partition}"))


class _FencesNobody(MemoryBroker):
    """Whoever has been given up may still commit."""

    def _check_generation(self, member: MemoryMember) -> None:
        pass


class Patch(NamedTuple):
    """A method or function put in another's place."""

    where: object
    name: str
    method: Callable[..., Any]


_reaches_back = PartitionState.reaches_back
_add = PartitionState.add


def _strictly_before(self: PartitionState, subject: str, effect_us: int) -> bool:
    """A marker only for what happened well after the consent took effect, not at its very instant."""
    return _reaches_back(self, subject, effect_us + 60_000_001)  # judged events may be kept to the minute


def _from_the_new_instant(self: PartitionState, subject: str, entry: Any) -> int:
    """A record that replaces another counts from its own instant on."""
    _add(self, subject, entry)
    return int(entry.valid_from_us)


_late_assigned, _late_markers = LateKnowledge.assigned, LateKnowledge.markers


def _marks_nothing(self: LateKnowledge) -> list[Output]:
    """Changed rules hold from now on, and nobody is told."""
    _late_markers(self)
    return []


def _owes_nothing(_self: LateKnowledge) -> None:
    """The markers of an aborted batch are taken for written."""


def _takes_its_own_edition(self: LateKnowledge, partition: int, notes: Iterable[str], *, resumed: bool) -> None:
    """A new owner takes it that the last one knew the rules that it knows."""
    _late_assigned(self, partition, notes, resumed=resumed)
    self._owed[partition] = []


def _notes_no_horizon(self: Note) -> str:
    """What was judged last is not handed on."""
    at = self.position
    return f"{at.policies}.{at.registry}.{at.fingerprint}.{BEGINNING_US}.{self.unnamed_us}"


def _without_a_checksum(data: bytes) -> Snapshot:
    """A snapshot is taken as it is found."""
    body = data[: -len(_CHECKSUM)]
    return decoded(body + blake2b(body, digest_size=len(_CHECKSUM)).digest())


_CHECKSUM = bytes(16)


class Plant(NamedTuple):
    """A planted fault, and where it shows."""

    what: str
    logic: Logic
    transactional: bool = True
    patch: Patch | None = None
    rules: bool = False
    disks: bool = False


def plants() -> Iterator[Plant]:
    """All of them."""
    yield Plant("commits before inserting", Logic(writer=_CommitsBeforeInserting), transactional=False)
    yield Plant("marks as held before inserting", Logic(writer=_MarksBeforeInserting))
    yield Plant("never looks what is there", Logic(writer=_NeverLooks), transactional=False)
    yield Plant("uses tokens of an earlier life", Logic(writer=_ReusesTokens), transactional=False)
    yield Plant("forgets to undo", Logic(checker=_ForgetsToUndo))
    yield Plant("announces situations once", Logic(checker=_AnnouncesOnce))
    yield Plant("keeps revoked state", Logic(checker=_KeepsRevokedState))
    yield Plant("ignores tombstones", Logic(checker=_IgnoresTombstones))
    yield Plant("shares producers' numbers", Logic(checker=_SharesNumbers))
    yield Plant("writes dead letters once", Logic(checker=_WritesDeadLettersOnce))
    yield Plant("forgets what others judged", Logic(checker=_ForgetsTakeovers))
    yield Plant("takes notes for all", Logic(checker=_TakesNotesForAll), transactional=False)
    yield Plant("counts aborted findings", Logic(alerter=_CountsAgain))
    yield Plant("recalls no alerts", Logic(alerter=_RecallsNothing))
    yield Plant("tells before the commit", Logic(alerter=_TellsEarly))
    yield Plant("asks for offsets too early", Logic(worker=_AsksTooEarly))
    yield Plant("loads no state", Logic(worker=_LoadsNoState))
    yield Plant("reads what is aborted", Logic(worker=_ReadsWhatIsAborted))
    yield Plant("forgets to rewind", Logic(worker=_ForgetsToRewind))
    yield Plant("takes promises for done", Logic(sink=_RedoesNothing))
    yield Plant("inserts without a deadline", Logic(sink=_HasAllTheTime))
    yield Plant("redoes under its own token", Logic(writer=_RedoesUnderItsOwnToken))
    yield Plant("redoes without looking", Logic(writer=_NeverLooksBeforeARedo))
    yield Plant("fences no zombie", Logic(broker=_FencesNobody))
    yield Plant("marks with < for <=", Logic(), patch=Patch(PartitionState, "reaches_back", _strictly_before))
    yield Plant("forgets what was replaced", Logic(), patch=Patch(PartitionState, "add", _from_the_new_instant))
    yield Plant("marks no change of rules", Logic(), patch=Patch(LateKnowledge, "markers", _marks_nothing), rules=True)
    yield Plant("takes markers for written", Logic(), patch=Patch(LateKnowledge, "aborted", _owes_nothing), rules=True)
    own = Patch(LateKnowledge, "assigned", _takes_its_own_edition)
    yield Plant("takes its own edition for the last owner's", Logic(), patch=own, rules=True)
    yield Plant("hands no horizon on", Logic(), patch=Patch(Note, "text", _notes_no_horizon), rules=True)
    yield Plant("forgets others with a snapshot", Logic(checker=_ForgetsOthersWithASnapshot), disks=True)
    yield Plant("takes spoilt snapshots", Logic(), patch=Patch(disks, "decoded", _without_a_checksum), disks=True)
