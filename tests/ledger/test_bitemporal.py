"""The bitemporal law: whatever happened and whenever it was known, the ledger answers as a naive model does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books
from flowtrack.audit.trail import Trail
from flowtrack.domain.names import Kind, Verdict, worst
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.amend_rows import block_of_rows
from flowtrack.tracking.ledger import LedgerStore
from flowtrack.tracking.rows import COLUMNS, FLOWS, JUDGEMENTS, block_of, flow_rows, judgement_row
from tests.ledger.amending import Messages, Pipeline, changes, cut
from tests.ledger.conftest import ASKER, clock
from tests.ledger.counting import rules_hit
from tests.ledger.day import CATEGORIES, PACK, START, START_MS, category, decision, record, subject_of
from tests.policy import world

VERDICTS = (Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE)
PACKS = (PACK, "default@2")
MOMENTS = 6
"""Few instants, so that many things share one."""


class Answer(NamedTuple):
    """What is said of a flow from an instant of recording on."""

    known_ms: int
    verdict: Verdict
    pack: str
    consent: str
    revision: int = 0


class Flow(NamedTuple):
    """One category of an event, with every answer that was ever given, the latest last."""

    event: int
    subject: str
    happened_at: datetime
    kind: str
    recipient: str
    category: str
    answers: list[Answer]

    def at(self, as_of: datetime | None, known_at: datetime | None) -> Answer | None:
        """What was known of it then."""
        if as_of is not None and self.happened_at > as_of:
            return None
        known = [each for each in self.answers if known_at is None or _moment(each.known_ms) <= known_at]
        return known[-1] if known else None


class Question(NamedTuple):
    """The two times."""

    as_of: datetime | None
    known_at: datetime | None


def _moment(known_ms: int) -> datetime:
    return START + timedelta(milliseconds=known_ms - START_MS)


moments = st.integers(0, MOMENTS)
answers = st.tuples(st.sampled_from(VERDICTS), st.sampled_from(PACKS), st.sampled_from(("", "r-1", "r-2")))
events = st.fixed_dictionaries(
    {
        "subject": st.integers(0, 2),
        "happened": moments,
        "kind": st.sampled_from((Kind.SHARE, Kind.USE)),
        "recipient": st.sampled_from(("acme", "club")),
        "categories": st.lists(
            st.tuples(st.sampled_from(CATEGORIES[:3]), answers), min_size=1, max_size=2, unique_by=lambda each: each[0]
        ),
        "repeat": st.booleans(),
    }
)
amendments = st.tuples(st.integers(0, 30), answers)
"""Of which flow, and what stands instead."""
histories = st.lists(st.tuples(st.integers(0, 2), st.one_of(events, amendments)), min_size=1, max_size=25)
"""Steps, each so many milliseconds after the one before."""
questions = st.tuples(
    st.one_of(st.none(), moments.map(lambda each: START + timedelta(seconds=each, microseconds=7))),
    st.one_of(st.none(), st.integers(0, 40).map(lambda each: START + timedelta(milliseconds=each))),
)


class Model:
    """Facts in a list, and the rows that a sink writes of them."""

    def __init__(self, history: Iterable[tuple[int, Any]]) -> None:
        self.flows: list[Flow] = []
        self.rows: list[dict[str, Any]] = []
        at_ms = START_MS
        for number, (later_ms, step) in enumerate(history):
            at_ms += later_ms
            if isinstance(step, dict):
                self._event(number, at_ms, step)
            elif self.flows:
                self._amend(number, at_ms, self.flows[step[0] % len(self.flows)], step[1])

    def _event(self, number: int, at_ms: int, step: dict[str, Any]) -> None:
        parts = [category(name, verdict, consent) for name, (verdict, _, consent) in step["categories"]]
        made = decision(
            number,
            *parts,
            subject=subject_of(step["subject"]),
            kind=step["kind"],
            happened_at=START + timedelta(seconds=step["happened"], microseconds=7),
        )
        recipient = step["recipient"] if step["kind"] == Kind.SHARE else ""
        made = made.model_copy(update={"pack": step["categories"][0][1][1], "recipient": recipient})
        written = flow_rows(made, record(made, number, at_ms=at_ms))
        rows = [dict(zip(COLUMNS[FLOWS], row, strict=True)) for row in written]
        if step["repeat"]:
            self.rows += [{**row, "sign": 0} for row in rows]  # a service's repeat: kept, and counted nowhere
            return
        self.rows += rows
        for part in parts:
            first = Answer(at_ms, Verdict(part.verdict), made.pack, part.consent)
            self.flows.append(
                Flow(number, made.subject, made.happened_at, step["kind"], recipient, part.category, [first])
            )

    def _amend(self, number: int, at_ms: int, flow: Flow, answer: tuple[Verdict, str, str]) -> None:
        verdict, pack, consent = answer
        old = next(row for row in reversed(self.rows) if self._is_of(row, flow))
        known = {"recorded_at": at_ms, "decision_offset": number}
        part = category(flow.category, verdict)
        new = {"verdict": str(verdict), "pack": pack, "consent": consent, "situation": int(part.situation, 16)}
        self.rows += [
            {**old, **known, "sign": -1},
            {**old, **known, **new, "sign": 1, "revision": old["revision"] + 1},
        ]
        flow.answers.append(Answer(at_ms, verdict, pack, consent, len(flow.answers)))

    @staticmethod
    def _is_of(row: dict[str, Any], flow: Flow) -> bool:
        return (row["source_offset"], row["category"], row["sign"]) == (flow.event, flow.category, 1)

    def write(self, store: LedgerStore, random: Random) -> None:
        """Insert all rows, in blocks of any size; rows of one instant in any order."""
        judgements = [
            judgement_row(pack, category(name, verdict), START_MS)
            for pack in PACKS
            for name in CATEGORIES
            for verdict in VERDICTS
        ]
        store.insert(block_of(JUDGEMENTS, judgements), "judgements")
        at = 0
        while at < len(self.rows):
            size = random.randint(1, 9)
            store.insert(block_of_rows(FLOWS, self.rows[at : at + size]), f"{at}")
            at += size

    def standing(self, question: Question) -> list[tuple[Flow, Answer]]:
        """What stands at the two times."""
        found = ((flow, flow.at(*question)) for flow in self.flows)
        return [(flow, answer) for flow, answer in found if answer is not None]


def told(model: Model, question: Question) -> dict[str, Any]:
    """What the model answers."""
    standing = model.standing(question)
    by_event: dict[int, list[tuple[Flow, Answer]]] = defaultdict(list)
    for flow, answer in standing:
        by_event[flow.event].append((flow, answer))
    trails: dict[str, list[Any]] = defaultdict(list)
    kinds: Counter[tuple[str, str]] = Counter()
    for event, parts in by_event.items():
        flow, verdict = parts[0][0], str(worst([answer.verdict for _, answer in parts]))
        kinds[flow.kind, verdict] += 1
        said = sorted((f.category, str(a.verdict), a.consent, a.revision) for f, a in parts)
        known = max(answer.known_ms for _, answer in parts)
        trails[flow.subject].append((flow.happened_at, _moment(known), event, verdict, said))
    shares = [(flow, answer) for flow, answer in standing if flow.kind == Kind.SHARE]
    return {
        "trails": {subject: sorted(events) for subject, events in trails.items()},
        "kinds": dict(kinds),
        "categories": dict(Counter((flow.category, str(answer.verdict)) for flow, answer in standing)),
        "parties": {
            name: (
                sum(flow.recipient == name for flow, _ in shares),
                sum(flow.recipient == name and answer.verdict is Verdict.DENY for flow, answer in shares),
            )
            for name in {flow.recipient for flow, _ in shares}
        },
        "coverage": dict(
            Counter(
                (answer.pack, f"{answer.verdict}.{flow.category}", str(answer.verdict)) for flow, answer in standing
            )
        ),
        "events": len(by_event),
        "flows": len(standing),
    }


def asked(ledger: Ledger, question: Question) -> dict[str, Any]:
    """What a ledger answers, in the model's words."""
    times = {"as_of": question.as_of, "known_at": question.known_at}
    overview = ledger.ask(Overview(**times, events=True), asker=ASKER)
    trails = {}
    for number in range(3):
        subject = subject_of(number)
        events = [
            (
                event.happened_at,
                event.recorded_at,
                event.offset,
                event.verdict,
                sorted((part.category, part.verdict, part.consent, part.revision) for part in event.categories),
            )
            for event in ledger.ask(Trail(subject=subject, **times), asker=ASKER).rows
        ]
        assert [event[0] for event in events] == sorted(event[0] for event in events)
        if events:
            trails[subject] = sorted(events)
    return {
        "trails": trails,
        "kinds": {(each.kind, each.verdict): each.events for each in overview.by_kind},
        "categories": {(each.category, each.verdict): each.flows for each in overview.by_category},
        "parties": {each.recipient: (each.flows, each.denied) for each in overview.parties},
        "coverage": rules_hit(ledger, **times),
        "events": overview.events,
        "flows": overview.flows,
    }


@given(histories, st.lists(questions.map(lambda each: Question(*each)), min_size=1, max_size=4), st.randoms())
def test_the_ledger_in_memory_answers_as_the_model(
    history: list[tuple[int, Any]], times: list[Question], random: Random
) -> None:
    """For any history and any two times, trails, overview, coverage and totals are those of the naive model."""
    model, ledger = Model(history), MemoryLedger(clock)
    model.write(ledger, random)
    for question in times:
        assert asked(ledger, question) == told(model, question)
    assert ledger.books(Books()).flows == len(model.flows)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=histories,
    times=st.lists(questions.map(lambda each: Question(*each)), min_size=1, max_size=4),
    random=st.randoms(),
)
@pytest.mark.embedded
def test_the_database_answers_as_the_model(
    store: Store, history: list[tuple[int, Any]], times: list[Question], random: Random
) -> None:
    """For any history and any two times, the same, from rows that lie in parts of any size."""
    for table in (FLOWS, JUDGEMENTS):
        store.command(f"TRUNCATE TABLE {table}")
    model, ledger = Model(history), ClickHouseLedger(store, clock=clock)
    model.write(SinkStore(store), random)
    for question in times:
        assert asked(ledger, question) == told(model, question)
    assert ledger.books(Books()).flows == len(model.flows)


@settings(max_examples=10)  # each has rules that have met nothing
@given(st.integers(0, 2**32))
def test_what_was_known_then_is_what_a_ledger_says_that_heard_no_more(seed: int) -> None:
    """With late consents, packs and registry: asked as known at an instant, it answers as if the log ended there."""
    random = Random(seed)
    learned, pipeline = changes(random, 2), Pipeline(MemoryLedger(clock))
    for number, batch in enumerate(cut(random, Messages.of(random, 6, 12).shuffled(random))):
        if number % 3 == 1 and learned:
            pipeline.learn(learned.pop())
        pipeline.check(batch)
        pipeline.sink(random.randint(1, 9))
    pipeline.settle()
    for end in random.sample(range(len(pipeline.log)), 3):
        heard = Pipeline(MemoryLedger(clock))
        heard.library = pipeline.library
        heard.new_writer("run")
        heard.log = pipeline.log[: end + 1]
        heard.settle()
        for as_of in (None, world.instant(random.randrange(world.INSTANTS))):
            then = Question(as_of, _moment(pipeline.log[end].timestamp_ms))
            assert answered(pipeline, then) == answered(heard, Question(as_of, None))


def answered(pipeline: Pipeline, question: Question) -> list[Any]:
    """What the ledger of a pipeline says of everybody, without when it was asked and how far it has come."""
    ledger, times = pipeline.store, {"as_of": question.as_of, "known_at": question.known_at}
    assert isinstance(ledger, MemoryLedger)
    trails = [ledger.ask(Trail(subject=subject, **times), asker=ASKER) for subject in world.SUBJECTS]
    overview = ledger.ask(Overview(**times, events=True), asker=ASKER)
    said = [each.model_dump(exclude={"about", "completeness"}) for each in (*trails, overview)]
    return [*said, rules_hit(ledger, **times)]
