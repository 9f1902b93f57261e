"""A sample day as a value: repeatable, in order, valid by contract."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.consent import ConsentRecord
from flowtrack.domain.event import Event
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind
from flowtrack.errors import ConfigurationError, ContractError
from flowtrack.sample import SampleDay, SampleOptions, sample_day
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.encode import encode_consent, encode_event
from flowtrack.wire.keys import consent_key


def _tiny(seed: int, day: date = date(2026, 3, 2)) -> SampleOptions:
    """The smallest day."""
    return SampleOptions(seed=seed, events=1_000, subjects=200, day=day)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    """A day follows from its options alone."""
    options = _tiny(seed)
    one, other = sample_day(options), sample_day(options)
    assert one.items == other.items
    assert one.truth == other.truth
    assert one.registry == other.registry


def test_another_seed_gives_another_day() -> None:
    """Seeds differ, and no id of one day occurs in the other."""
    one, other = (sample_day(_tiny(seed)) for seed in (1, 2))
    assert not {item.event_id for item in one.items} & {item.event_id for item in other.items}
    assert not {item.subject for item in one.items} & {item.subject for item in other.items}


def test_items_stand_in_the_order_of_time(full_day: SampleDay) -> None:
    """One stream, and no record before an earlier one."""
    times = [item.time_us for item in full_day.items]
    assert times == sorted(times)


def test_the_day_lasts_from_midnight_to_midnight_in_seoul(full_day: SampleDay) -> None:
    """Events keep to the day, a flow begun late may run over by minutes; consents reach back two months at most."""
    start = full_day.options.start_us
    assert start == instant_us(datetime(2026, 3, 1, 15, tzinfo=UTC))
    assert all(start <= item.time_us < start + 25 * 3_600_000_000 for item in full_day.events())
    assert all(start - 61 * 86_400_000_000 <= item.time_us for item in full_day.consents())


def test_every_record_is_valid_by_contract(small_day: SampleDay) -> None:
    """The models accept every record, and what they write means the same."""
    for item in small_day.items:
        if item.consent:
            record = ConsentRecord.model_validate_json(item.value, strict=True)
            assert decode_consent(encode_consent(record)) == decode_consent(item.value)
            assert item.key == consent_key(record.subject, record.data.record, record.id)
        else:
            event = Event.model_validate_json(item.value, strict=True)
            assert decode_event(encode_event(event)) == decode_event(item.value)
            assert item.key == event.subject


def test_an_item_says_what_its_message_says(full_day: SampleDay) -> None:
    """Time, service, subject, kind and id beside the bytes are those in the bytes."""
    for item in full_day.items:
        message = decode_consent(item.value) if item.consent else decode_event(item.value)
        assert (item.event_id, item.subject, item.time_us) == (message.id, message.subject, instant_us(message.time))
        assert message.source == f"/services/{item.service}"
        assert message.type == f"flowtrack.{item.kind}.v1"


def test_sequences_rise_in_each_service(full_day: SampleDay) -> None:
    """A service numbers its events without a hole; a repeat has the number of what it repeats."""
    numbers = defaultdict(list)
    for item in full_day.events():
        epoch, number = (decode_event(item.value).sequence or "").split(".")
        assert epoch == "1"
        numbers[item.service].append(int(number))
    for listed in numbers.values():
        assert sorted(set(listed)) == list(range(1, max(listed) + 1))
        assert listed == sorted(listed)


def test_repeats_are_those_of_the_truth(full_day: SampleDay) -> None:
    """An id occurs twice where the truth says so, with the same bytes, and nowhere else."""
    counts = Counter(item.event_id for item in full_day.items)
    twice = {event_id for event_id, count in counts.items() if count == 2}
    assert twice == set(full_day.truth.repeats)
    assert max(counts.values()) == 2
    values = {item.value for item in full_day.items if item.event_id in twice}
    assert len(values) == len(twice)


def test_the_day_is_as_large_as_asked(full_day: SampleDay) -> None:
    """About as many events, subjects, services and parties as the options say, and all kinds of events."""
    options = full_day.options
    events = list(full_day.events())
    assert abs(len(events) - options.events) < 100
    assert {item.kind for item in events} == {kind.value for kind in Kind}
    assert len({item.subject for item in full_day.consents()}) == options.subjects
    assert full_day.registry.services is not None
    assert full_day.registry.parties is not None
    assert len(full_day.registry.services) == options.services
    assert len(full_day.registry.parties) == options.parties
    assert {item.service for item in events} >= set(full_day.registry.services) - {"backup", "preferences"}


def test_a_few_people_are_very_active(full_day: SampleDay) -> None:
    """The busiest tenth has between a third and nine tenths of the events."""
    counts = sorted(Counter(item.subject for item in full_day.events()).values(), reverse=True)
    busiest = sum(counts[: len(counts) // 10]) / sum(counts)
    assert 1 / 3 < busiest < 0.9


def test_people_sleep(full_day: SampleDay) -> None:
    """Between two and five at night happens less than a fifth of what happens between eight and eleven."""
    start, hour = full_day.options.start_us, 3_600_000_000
    hours = Counter((item.time_us - start) // hour for item in full_day.events())
    assert sum(hours[h] for h in (2, 3, 4)) * 5 < sum(hours[h] for h in (20, 21, 22))


def test_bad_messages_are_bad(small_day: SampleDay) -> None:
    """Each bad message is refused with the code that the truth gives; a wrong partition is all that is wrong of one."""
    for bad in small_day.truth.bad_messages:
        if bad.code == "wrong_partition":
            assert decode_event(bad.value).subject == bad.subject
            assert bad.partition_shift == 1
            continue
        with pytest.raises(ContractError) as refusal:
            decode_event(bad.value)
        assert refusal.value.code == bad.code
    assert len({bad.code for bad in small_day.truth.bad_messages}) >= 5


def test_another_day_moves_everything() -> None:
    """The day asked for is the day told."""
    moved = sample_day(_tiny(1, date(2026, 7, 1)))
    assert {decode_event(item.value).time.date() for item in moved.events()} <= {date(2026, 6, 30), date(2026, 7, 1)}


@pytest.mark.parametrize("least", ["events", "subjects", "services", "parties"])
def test_a_day_that_cannot_hold_everything_is_refused(least: str) -> None:
    """Too small a size is refused, and named."""
    with pytest.raises(ConfigurationError, match=f"1 {least} is too small"):
        replace(SampleOptions(), **{least: 1})  # type: ignore[arg-type]  # each of the four is a number


def test_progress_is_told() -> None:
    """Whoever waits is told how far the day is."""
    told: list[tuple[int, int]] = []
    sample_day(_tiny(1), progress=lambda done, total: told.append((done, total)))
    assert told
    assert told[-1] == (1_000, 1_000)


def test_a_full_day_is_made_quickly() -> None:
    """50,000 events take less than three CPU seconds."""
    began = time.process_time()
    sample_day(SampleOptions(seed=9))
    assert time.process_time() - began < 3
