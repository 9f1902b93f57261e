"""What recurs: the data of events, and the answers to events of the same data by subjects whose consents say the same.

The same service sends the same data, byte for byte, all day; what is an event's own are its id, its subject and its
times.  So a checker remembers data by its bytes, and each answer by the data and the subject's standing, with the
interval in which it holds.  An event like one before costs a few look-ups; everything else goes the whole way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowtrack.domain.event import TYPES, Event, EventData
from flowtrack.domain.names import Kind
from flowtrack.policy.decide import Answer, EventVerdict, Shape
from flowtrack.tracking.answers import finding_kind
from flowtrack.tracking.late import names_nobody
from flowtrack.tracking.standing import Standing
from flowtrack.tracking.wording import NO_PARTICULARS, DecisionWriter, Wording, derived_from, particulars
from flowtrack.wire.decode import EventOutline, decode_event, outline_of, without_derived
from flowtrack.wire.encode import encode
from flowtrack.wire.facts import facts_of

DATA_MAX = 20_000
"""Data remembered by its bytes, and as much by its content, before a table is emptied."""
SEEN_MAX = 100_000
"""Data of which it is remembered that it was met once, some 70 bytes each."""
NAMES_MAX = 4
"""Names of records that a wording is remembered with: a kilobyte each."""
ANSWERS_MAX = 200_000
"""Answers remembered, of all data, some 200 bytes each and a kilobyte for each different wording."""


class Said:
    """What there is to say of all events with certain data that get a certain verdict."""

    __slots__ = ("defined", "filled", "finding", "unnamed", "verdict", "wording")

    def __init__(self, kind: Kind, verdict: EventVerdict, wording: Wording) -> None:
        self.verdict = verdict
        self.wording = wording
        self.filled: dict[str, bytes] = {}
        """The wording with one record, by the record's name; of the first few names."""
        self.finding = finding_kind(kind, verdict)
        self.unnamed = names_nobody(verdict)
        self.defined = 0
        """In which count of aborted batches its situations were known to be defined."""

    def with_one(self, record: str) -> bytes:
        """The wording where one record carries every category; most of a platform's records share a few names."""
        known = self.filled.get(record)
        if known is None:
            known = self.wording.filled_with_one(record)
            if len(self.filled) < NAMES_MAX:
                self.filled[record] = known
        return known


NOWHERE, SEVERAL = -1, -2


class Remembered(NamedTuple):
    """What is said of a subject with a certain standing, and from when to when."""

    said: Said
    since_us: int
    until_us: int
    place: int
    """In the subject's history, of the record that carries every category; `NOWHERE` for none, or `SEVERAL`."""
    places: tuple[int, ...]
    """The same for each category."""


class Recurring:
    """Data of events that differ in what `Particulars` hold, at most, and what was answered to them."""

    __slots__ = ("answers", "data", "kept", "kind", "said", "shape", "source")

    def __init__(self, kind: Kind, source: str, data: EventData) -> None:
        self.kind = kind
        self.source = source
        self.data = data
        self.answers: dict[Standing, Remembered] = {}
        self.said: dict[int, Said] = {}
        """By the verdict's identity; what is said keeps the verdict alive."""
        self.shape: Shape | None = None
        """What answers of subjects with a standing that was not met yet; None where nothing does."""
        self.kept = False
        """Whether it outlives its event."""


class Recurrences:
    """Reads events, and remembers the data that was met twice: what is one event's own floods no table."""

    def __init__(self) -> None:
        self._by_bytes: dict[tuple[str, str, bytes], tuple[Recurring, bytes]] = {}
        self._by_content: dict[tuple[Any, ...], Recurring] = {}
        self._seen: set[int] = set()
        self._answers = 0

    @property
    def data_count(self) -> int:
        """How many data are remembered, by their bytes and by their content."""
        return len(self._by_bytes) + len(self._by_content)

    @property
    def answers_count(self) -> int:
        """How many answers and wordings are remembered."""
        return self._answers

    def read(self, value: bytes | None) -> tuple[EventOutline, bytes, Recurring, bytes]:
        """An event with its subject's bytes, what recurs of its data, and how its decision ends (`particulars`).

        Raises:
            ContractError: as `decode_event`.
        """
        found = outline_of(value)
        if found is None:
            event = decode_event(value)
            return event, bytes.fromhex(event.subject), self._recurring(event), particulars(event.data)
        outline, subject, key = found
        known = self._by_bytes.get(key) or self._read_data(value, key)
        return outline, subject, known[0], known[1]

    def remember(self, recurring: Recurring, standing: Standing, answer: Answer, writer: DecisionWriter) -> Remembered:
        """Keep an answer, unless it holds for its own instant only.

        Args:
            recurring: what it is about.
            standing: of whom it is given; its records are places.
            answer: to be kept.
            writer: words a verdict that was not met with this data before.
        """
        if self._answers >= ANSWERS_MAX:
            self.forget()
        verdict = answer.verdict
        said = recurring.said.get(id(verdict))
        if said is None:
            said = recurring.said[id(verdict)] = Said(
                recurring.kind, verdict, writer.wording(recurring.kind, recurring.source, recurring.data, verdict)
            )
            self._answers += recurring.kept
        places = tuple(int(record) if record else NOWHERE for record in answer.records or ("",))
        place = places[0] if len(set(places)) == 1 else SEVERAL
        remembered = Remembered(said, answer.since_us, answer.until_us, place, places)
        if answer.until_us - answer.since_us > 1:
            recurring.answers[standing] = remembered
            self._answers += recurring.kept
        return remembered

    def forget(self) -> None:
        """Forget all answers, and with them the data: other rules hold."""
        self._by_bytes.clear()
        self._by_content.clear()
        self._answers = 0

    def _read_data(self, value: bytes | None, key: tuple[str, str, bytes]) -> tuple[Recurring, bytes]:
        """What recurs of data that was not met before, byte for byte, or only with another origin."""
        cut = without_derived(key[2])
        if cut is not None:
            key = (key[0], key[1], cut[0])
            known = self._by_bytes.get(key)
            if known is not None and known[1] is NO_PARTICULARS:
                return known[0], derived_from(cut[1])
        event = decode_event(value)
        recurring, ending = self._recurring(event), particulars(event.data)
        if cut is None or ending == derived_from(cut[1]):
            self._keep(key, recurring, ending if cut is None else NO_PARTICULARS)
        return recurring, ending

    def _keep(self, key: tuple[str, str, bytes], recurring: Recurring, ending: bytes) -> None:
        if self._was_met(key):
            if len(self._by_bytes) >= DATA_MAX:
                self._by_bytes.clear()
            self._by_bytes[key] = (recurring, ending)
            recurring.kept = True

    def _recurring(self, event: Event) -> Recurring:
        """What recurs of an event that was decoded."""
        content = _content(event)
        known = self._by_content.get(content)
        if known is None:
            known = Recurring(TYPES[event.type], event.source, event.data)
            if self._was_met(content):
                if len(self._by_content) >= DATA_MAX:
                    self._by_content.clear()
                self._by_content[content] = known
                known.kept = True
        return known

    def _was_met(self, key: Any) -> bool:  # noqa: ANN401 - whatever tells data apart
        """Whether this was asked before; one of 2^64 is taken for another, which is remembered too early, no more."""
        number = hash(key)
        if number in self._seen:
            return True
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen.add(number)
        return False


def _content(event: Event) -> tuple[Any, ...]:
    """All that answers and their wording depend on: equal contents recur, whatever else is an event's own."""
    data = event.data
    actor = data.actor
    return (
        event.type,
        event.source,
        encode(facts_of(data)),
        data.purpose,
        data.recipient,
        data.dataset,
        data.reference,
        data.retain_until,
        None if actor is None else (actor.agreement, actor.session),
        None if data.categories is None else tuple(data.categories),
    )
