"""A checker and a sink in one hand, with a partition of decisions between them, for the tests of judging anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple, Protocol

from flowtrack.domain.decision import Amendment
from flowtrack.domain.event import TYPES, Event, missing_field
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.pack import Pack, default_pack
from flowtrack.policy.source import PackDocument
from flowtrack.tracking.amend import Amender
from flowtrack.tracking.amend_job import Sizes
from flowtrack.tracking.amend_rows import FlowRow, standing
from flowtrack.tracking.amend_rules import RuleLibrary
from flowtrack.tracking.amend_store import AmendStore, Scope
from flowtrack.tracking.check import Checker
from flowtrack.tracking.ledger import LedgerStore, LedgerWriter
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.tracking.rollout import PackVersion
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decisions import decode_amendment
from tests.ledger.day import START_MS
from tests.policy import world
from tests.rollout.scene import files_of
from tests.tracking.checking import records

END = 2**62
SMALL = Sizes(situations=3, engine_rows=5, judged_rows=4)
"""Steps so small that each change takes several."""
Answer = dict[tuple[str, str], tuple[str, int, str, str]]
"""Verdict, situation, consent and pack by event and category."""


class AmendedStore(LedgerStore, AmendStore, Protocol):
    """A store that the sink writes to and that can be judged anew."""


@cache
def the_pack() -> Pack:
    """The default pack, loaded once."""
    return default_pack()


class Pipeline:
    """Records in, a ledger out; each decision and marker at an offset and a millisecond of its own."""

    the_pack = the_pack()
    """In force from the start, beside the world's registry."""

    def __init__(self, store: AmendedStore, rulebook: Rulebook | None = None, epoch: str = "") -> None:
        self.store = store
        self._epoch = epoch
        self.rulebook = rulebook or rules_with_memory()
        self.library = RuleLibrary(packs=[the_pack()], documents=[world.registry()])
        self.log: list[Record] = []
        self.published: list[Output] = []
        self.found: list[Output] = []
        """Findings."""
        self._checker = Checker(self.rulebook, 1, lambda _: False, epoch=epoch)
        self._checker.assigned(0, ())
        self._written = 0
        self.writer = self.new_writer("run")

    def new_writer(self, run: str) -> LedgerWriter:
        """A sink that has just taken the partition over."""
        self.writer = LedgerWriter(self.store, run, Amender(self.store, self.library, epoch=self._epoch, sizes=SMALL))
        self.writer.assigned(0, ())
        return self.writer

    def learn(self, record: Record) -> None:
        """A record of a control topic, as both processes get it."""
        if record.topic == Topic.POLICIES:
            self.rulebook.take_policy(record)
        else:
            self.rulebook.take_registry(record)
        self.library.take(record)

    def check(self, batch: Sequence[Record]) -> None:
        """Judge a batch, and put what comes of it on the partition of decisions."""
        for output in self._checker.process(batch):
            if output.topic == Topic.FINDINGS:
                self.found.append(output)
            if output.topic == Topic.DECISIONS:
                offset = len(self.log)
                self.log.append(Record(Topic.DECISIONS, 0, offset, START_MS + offset, output.key, output.value))
        self._checker.committed()

    def sink(self, count: int | None = None) -> None:
        """Write the next records to the ledger, all there are unless said."""
        end = len(self.log) if count is None else min(len(self.log), self._written + count)
        self.published += self.writer.process(self.log[self._written : end])
        self.writer.committed()
        self._written = end

    @property
    def unsettled(self) -> bool:
        """Whether anything is left to write or to judge anew."""
        return self._written < len(self.log) or bool(self.writer.pending)

    def go_on(self) -> None:
        """Write a few records, or take the next step."""
        self.sink(7)

    def settle(self) -> None:
        """Write everything, and go on until nothing is left to be judged anew."""
        self.sink()
        while self.unsettled:
            self.go_on()

    def store_rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table of a ledger in memory, to be changed."""
        found: list[dict[str, Any]] = getattr(self.store, "tables")[table]  # noqa: B009 - of the memory ledger only
        return found

    def again(self, run: str) -> None:
        """Another sink, which is given everything from the start, as after the loss of its offsets."""
        self.new_writer(run)
        self._written = 0

    @property
    def amendments(self) -> list[Amendment]:
        """What was published."""
        return [decode_amendment(output.value or b"") for output in self.published]

    def rows(self) -> list[FlowRow]:
        """Every row of the world's subjects."""
        return self.store.flows_of(Scope(self._epoch, 0, END, 0), world.SUBJECTS)

    def rows_standing(self) -> list[FlowRow]:
        """The rows of the world's subjects that stand at the end."""
        return standing(self.rows(), END, 0)

    def answers(self) -> Answer:
        """What stands at the end."""
        return {
            (row["event_id"], row["category"]): (row["verdict"], row["situation"], row["consent"], row["pack"])
            for row in self.rows_standing()
        }


class Messages(NamedTuple):
    """Consents and events, in no order."""

    consents: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @classmethod
    def of(cls, random: Random, consents: int, events: int, first: int = 0) -> Messages:
        """So many of the world's, events numbered from the first on."""
        found: list[dict[str, Any]] = []
        while len(found) < events:
            message = world.event(random, len(found) + first)
            event = Event.model_validate(message)
            if missing_field(TYPES[event.type], event.data) is None:
                found.append({**message, "sequence": f"1.{len(found)}"})
        return cls([world.consent(random, number) for number in range(consents)], found)

    def shuffled(self, random: Random) -> list[Record]:
        """In any order, as records of their topics."""
        messages = [*self.consents, *self.events]
        random.shuffle(messages)
        return records(messages)

    def in_order(self) -> list[Record]:
        """All consents before all events."""
        return records([*self.consents, *self.events])


def more_events(seed: int, count: int, first: int) -> list[Record]:
    """Events that follow others, from an offset on."""
    found = records(Messages.of(Random(seed), 0, count, first).events)
    return [record._replace(offset=record.offset + first) for record in found]


def cut(random: Random, items: Sequence[Record]) -> Iterable[Sequence[Record]]:
    """Batches of any size."""
    at = 0
    while at < len(items):
        size = random.randint(1, 6)
        yield items[at : at + size]
        at += size


_STRICTER = """
@id("no-recommendation")
@clause("3.1")
@reason("no_rule_permits")
@severity("high")
forbid (principal, action, resource)
when { context.purpose in Purpose::"recommendation" };
"""
_ACCEPTED: dict[bytes, PackVersion] = {}
"""Packs are validated once for all tests."""


@cache
def pack_change(version: str, since: int, *, stricter: bool = False, wider: bool = False) -> bytes:
    """A version of the default pack from one of the world's instants on, as its record's value.

    Args:
        version: of the pack.
        since: number of the instant.
        stricter: with a rule more, so that the same situations are judged otherwise.
        wider: with a category more, so that events resolve to other situations.
    """
    files = files_of(version, world.iso(since))
    if stricter:
        files["policy/rules.cedar"] += _STRICTER
    if wider:
        files["vocabulary/category.yaml"] += "\nunheard.of: {parents: [provided], title: {en: Unheard of}}\n"
    document = PackDocument(name="default", version=version, effective_from=world.instant(since), files=files)
    return document.model_dump_json().encode()


@cache
def registry_change(version: str, since: int, what: str) -> bytes:
    """The world's registry with one thing changed from an instant on, as its record's value."""
    sections = world.registry().model_dump(mode="json", by_alias=True, exclude_none=True)
    if what == "ghost service":
        sections["services"]["ghost"] = {"controller": "platform", "regions": ["KR", "NO"], "since": world.iso(since)}
    elif what == "ghost party":
        sections["parties"]["ghost"] = {"type": "partner", "since": world.iso(since)}
    elif what == "no orders":
        del sections["orders"]
    else:
        del sections["parties"]["travelclub"]
    return RegistryDocument.model_validate({**sections, "version": version}).model_dump_json(exclude_none=True).encode()


def rules_with_memory() -> Rulebook:
    """The default pack and the world's registry; packs that another test published are known to be valid."""
    return Rulebook([the_pack()], [world.registry()], accepted=_ACCEPTED)


def changes(random: Random, count: int) -> list[Record]:
    """So many changes of rules and registry, as records of their topics."""
    found: list[Record] = []
    offsets = {Topic.POLICIES: 0, Topic.REGISTRY: 0}
    for number in range(2, count + 2):
        topic = random.choice((Topic.POLICIES, Topic.REGISTRY))
        since = random.randrange(world.INSTANTS)
        if topic == Topic.POLICIES:
            key, value = f"default:{number}", pack_change(str(number), since, **random.choice(_PACKS))
        else:
            what = random.choice(("ghost service", "ghost party", "no orders", "travelclub gone"))
            key, value = f"world:{number}", registry_change(str(number), since, what)
        found.append(Record(topic, 0, offsets[topic], START_MS, key.encode(), value))
        offsets[topic] += 1
    return found


_PACKS: tuple[dict[str, bool], ...] = ({}, {"stricter": True}, {"stricter": True}, {"wider": True})
