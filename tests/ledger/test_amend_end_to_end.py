"""Any interleaving of consents, rules and events ends in the ledger of ordered input."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.testing.ledger import MemoryLedger
from tests.ledger.amending import Messages, Pipeline, changes, cut

seeds = st.integers(0, 2**32)


@given(seeds)
def test_late_consents_end_in_the_ledger_of_ordered_input(seed: int) -> None:
    """However late consents come, and however the batches of both workers are cut, the same answers stand."""
    random = Random(seed)
    messages = Messages.of(random, 8, 10)
    late, ordered = Pipeline(MemoryLedger()), Pipeline(MemoryLedger())
    for batch in cut(random, messages.shuffled(random)):
        late.check(batch)
        if random.random() < 0.6:
            late.sink(random.randint(1, 12))
    late.settle()
    ordered.check(messages.in_order())
    ordered.settle()
    assert late.answers() == ordered.answers()
    assert not ordered.published


@given(seeds)
def test_a_sink_that_begins_anew_finds_nothing_left_to_write(seed: int) -> None:
    """Given everything again, in other cuts, it adds no row, and publishes the same amendments once more."""
    random = Random(seed)
    messages = Messages.of(random, 8, 10)
    pipeline = Pipeline(MemoryLedger())
    for batch in cut(random, messages.shuffled(random)):
        pipeline.check(batch)
        pipeline.sink(random.randint(1, 12))
    pipeline.settle()
    before, published = pipeline.rows(), sorted(pipeline.published)
    pipeline.published.clear()
    pipeline.again("second")
    for _ in range(3):
        pipeline.sink(random.randint(1, 9))
    pipeline.settle()
    assert pipeline.rows() == before
    assert sorted(pipeline.published) == published


@settings(max_examples=15)  # each has rules that have met nothing
@given(seeds)
def test_late_rules_end_in_the_ledger_of_ordered_input(seed: int) -> None:
    """Packs and registry documents that come in between and reach back: the same answers stand as if known at once."""
    random = Random(seed)
    messages, learned = Messages.of(random, 6, 12), changes(random, 3)
    late, ordered = Pipeline(MemoryLedger()), Pipeline(MemoryLedger())
    batches = [list(batch) for batch in cut(random, messages.shuffled(random))]
    for change in learned:
        ordered.learn(change)
    places = sorted(random.choices(range(len(batches)), k=len(learned)))
    for number, batch in enumerate(batches):
        while places and places[0] == number:
            places.pop(0)
            late.learn(learned[len(learned) - len(places) - 1])
        late.check(batch)
        if random.random() < 0.6:
            late.sink(random.randint(1, 12))
    late.settle()
    ordered.check(messages.in_order())
    ordered.settle()
    assert late.answers() == ordered.answers()
    assert not ordered.published
