"""An event's data, taken apart for a decision, comes together again."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.facts import event_data
from flowtrack.wire.decode import EVENTS, decode_event
from flowtrack.wire.encode import encode
from flowtrack.wire.facts import decode_facts, decode_particulars, facts_of, particulars_of
from tests.wire import messages


@settings(max_examples=500)
@given(seed=st.integers(0, 2**64))
def test_round_trip(seed: int) -> None:
    """What a decision and its row keep of an event's data gives the data back, however it was read."""
    value = msgspec.json.encode(messages.event(Random(seed)))
    for read in (decode_event, lambda raw: EVENTS.read(raw, 1 << 20)):
        data = read(value).data
        facts, particulars = encode(facts_of(data)), encode(particulars_of(data))
        again = event_data(
            data.categories or [],
            data.purpose or "",
            data.recipient or "",
            data.dataset or "",
            decode_facts(facts),
            decode_particulars(particulars),
        )
        assert encode(again) == encode(EVENTS.read(value, 1 << 20).data)
