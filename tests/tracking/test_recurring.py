"""What a checker remembers changes nothing: each decision is what a plain reading, deciding and writing gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.event import TYPES
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Basis
from flowtrack.policy.decide import Decider
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.sample.day import sample_day
from flowtrack.sample.options import SampleOptions
from flowtrack.tracking import recurring
from flowtrack.tracking.check import Checker
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.facts import facts_of, particulars_of
from tests.policy import world
from tests.tracking.checking import checker, event_record, records, rulebook, told

JUDGE = Judge(default_pack())


def plain(record: Record, decide: Callable[..., Any], history: tuple[Entry, ...]) -> Any:
    """The decision on an event, read whole, decided against the law and written field by field."""
    event = decode_event(record.value)
    data, kind = event.data, TYPES[event.type]
    verdict = decide(kind, event, as_of(history, instant_us(event.time)))
    decision = {
        "type": "decision",
        "event_id": event.id,
        "source": event.source,
        "subject": event.subject,
        "kind": kind,
        "happened_at": event.time,
        "received_at": datetime.fromtimestamp(record.timestamp_ms / 1_000, UTC),
        "service": event.source.removeprefix("/services/"),
        "purpose": data.purpose or "",
        "basis": data.basis or Basis.DEEMED_CONSENT,
        "recipient": data.recipient or "",
        "location": data.destination or data.location or "",
        "dataset": data.dataset or "",
        "epoch": "",
        "partition": record.partition,
        "offset": record.offset,
        "verdict": verdict.verdict,
        "pack": verdict.pack,
        "registry": verdict.registry,
        "revision": 0,
        "correlationid": event.correlationid or "",
        "categories": [
            {
                "category": each.category,
                "situation": each.judged.situation_id,
                **{name: getattr(each.judged, name) for name in ("verdict", "rules", "clauses", "severity")},
                **{name: getattr(each.judged, name) for name in ("reasons", "notes", "gaps")},
                "consent": each.consent,
            }
            for each in verdict.categories
        ],
        "facts": facts_of(data),
        "particulars": particulars_of(data),
    }
    return msgspec.json.decode(msgspec.json.encode(decision))


def written(outputs: Iterable[Any]) -> list[Any]:
    """The decisions among outputs, with their particulars where they have none, and without the suspicion."""
    found = [{"particulars": {}, **each} for each in told(outputs).decisions]
    return [{name: value for name, value in each.items() if name != "suspect"} for each in found]


def folded(consents: Iterable[Record]) -> dict[str, tuple[Entry, ...]]:
    """Histories of subjects, by the plain definition."""
    histories: dict[str, tuple[Entry, ...]] = {}
    for record in consents:
        consent = decode_consent(record.value)
        entry = entry_of(consent.id, instant_us(consent.time), consent.data)
        histories[consent.subject] = with_entry(histories.get(consent.subject, ()), entry)
    return histories


def test_a_sample_day_is_written_as_field_by_field() -> None:
    """Over a day, judged twice, every decision says what the plain way says."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    day = sample_day(SampleOptions(seed=3, events=4_000, subjects=300, day=date.fromisoformat(str(yesterday))))
    now_ms = int(datetime.now(UTC).timestamp()) * 1_000
    made = Checker(Rulebook([JUDGE.pack], [day.registry]), 1, lambda _: False)
    made.assigned(0, ())
    consents = [
        Record(Topic.CONSENTS, 0, offset, now_ms, each.key.encode(), each.value)
        for offset, each in enumerate(day.consents())
    ]
    events = [
        Record(Topic.EVENTS, 0, offset, now_ms + offset % 3, each.subject.encode(), each.value)
        for offset, each in enumerate(day.events())
    ]
    made.process(consents)
    decider = Decider([JUDGE], [day.registry])
    histories = folded(consents)
    expected = [
        plain(record, decider.decide, histories.get(json.loads(record.value or b"")["subject"], ()))
        for record in events
    ]
    for _ in range(2):
        assert written(made.process(events)) == expected


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([1, 100_000]))
def test_any_day_is_written_as_field_by_field(seed: int, limit: int) -> None:
    """Over days on which much recurs at few instants, also where every memo is emptied all the time."""
    random = Random(seed)
    consents = records([world.consent(random, number) for number in range(12)])
    shapes = [world.event(random) for _ in range(4)]
    messages = [
        _again(
            random, {**random.choice(shapes), "id": f'"e-{number}"', "correlationid": random.choice(('a"b', "한", ""))}
        )
        for number in range(60)
    ]
    decidable = [event_record(number, each) for number, each in enumerate(messages)]
    made = checker(rules=rulebook())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATA_MAX", "SEEN_MAX", "ANSWERS_MAX"):
            patch.setattr(recurring, name, limit)
        made.process(consents)
        found = written(made.process(decidable))
    histories = folded(consents)
    decider = Decider([JUDGE], [world.registry()])
    by_id = {each["offset"]: each for each in found}
    assert len(by_id) == len(found)
    for record in decidable:
        if record.offset in by_id:
            subject = json.loads(record.value or b"")["subject"]
            assert by_id[record.offset] == plain(record, decider.decide, histories.get(subject, ()))


def _again(random: Random, message: dict[str, Any]) -> bytes:
    """The event by another subject at another instant, of another origin; written closely, as services do."""
    data = dict(message["data"])
    if random.random() < 0.4:
        data["derived_from"] = [f"e{random.randrange(9)}"]
    message = {**message, "subject": random.choice(world.SUBJECTS), "data": data}
    message["time"] = world.iso(random.randrange(world.INSTANTS))
    data = {name: value for name, value in data.items() if value is not None}
    return json.dumps({**message, "data": data}, separators=(",", ":"), ensure_ascii=False).encode()


def _sizes(made: Checker) -> tuple[int, int]:
    found = made.recurrences
    return found.data_count, found.answers_count


@pytest.mark.parametrize(
    "own",
    [
        {"derived_from": ["event-{}"]},
        {"reference": "order-{}", "basis": "law"},
        {"actor": {"type": "staff", "role": "agent", "session": "session-{}"}},
        {"actor": {"type": "staff", "role": "agent", "task": "task-{}"}},
    ],
)
def test_what_is_one_events_own_floods_no_table(own: dict[str, Any]) -> None:
    """Ids that never recur leave the tables as they are after the first few events."""
    made = checker(rules=rulebook())
    sizes = []
    for number in range(40):
        data = {"categories": ["provided.name"], "purpose": "service.provide"}
        data |= json.loads(json.dumps(own).replace("{}", str(number)))
        message = {**world.event(Random(1), number, at=3), "type": "flowtrack.use.v1", "source": "/services/shop"}
        value = json.dumps({**message, "data": data}, separators=(",", ":")).encode()
        made.process([event_record(number, value)])
        sizes.append(_sizes(made))
    assert sizes[5] == sizes[-1]
    assert sizes[-1][0] <= 2


def test_other_rules_are_asked_anew() -> None:
    """Once the registry has changed, nothing that was remembered is answered."""
    rules = rulebook()
    made = checker(rules=rules)
    message = {**world.event(Random(1), at=3), "type": "flowtrack.use.v1", "source": "/services/newcomer"}
    message["data"] = {"categories": ["provided.name"], "purpose": "service.provide"}
    batch = [event_record(number, {**message, "id": f"e{number}"}) for number in range(3)]
    before = [each["verdict"] for each in told(made.process(batch)).decisions]
    document = world.registry("2").model_dump(mode="json", exclude_none=True, by_alias=True)
    document["services"]["newcomer"] = {"controller": "platform", "regions": ["KR"]}
    rules.take_registry(Record(Topic.REGISTRY, 0, 0, 0, b"world:2", json.dumps(document).encode()))
    after = [each["verdict"] for each in told(made.process(batch)).decisions]
    assert before == ["indeterminate"] * 3
    assert after == ["deny"] * 3
