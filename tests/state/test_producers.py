"""Producers' numbers: what may be a repeat, also after a batch was undone and where there are too many producers."""

from __future__ import annotations

import pytest

from flowtrack.domain.instants import BEGINNING_US
from flowtrack.tracking import state as state_module
from flowtrack.tracking.packing import Packing
from flowtrack.tracking.standing import Standings
from flowtrack.tracking.state import PartitionState


@pytest.fixture
def state() -> PartitionState:
    """A partition that nobody judged before."""
    return PartitionState(Packing(), Standings(), judged_to_us=BEGINNING_US, histories={})


def _ask(state: PartitionState, *sequences: str | None) -> list[bool]:
    return [state.is_suspect("/services/shop", sequence, 5) for sequence in sequences]


def test_a_number_that_does_not_rise_is_suspect(state: PartitionState) -> None:
    """The first of a producer, no number and one not above the last are suspects, within a batch and across batches."""
    assert _ask(state, "1.1", "1.2", "1.2", "1.1", "2.3", "2.4") == [True, False, True, True, True, False]
    state.keep()
    assert _ask(state, "1.2", "1.3", None, "1", "1.", "x.y", "2.5") == [True, False, True, True, True, True, False]


def test_an_undone_batch_takes_its_numbers_back(state: PartitionState) -> None:
    """The same events come again and are judged alike."""
    _ask(state, "1.1")
    state.keep()
    first = _ask(state, "1.2", "1.3", "3.1")
    state.undo()
    assert _ask(state, "1.2", "1.3", "3.1") == first == [False, False, True]


def test_too_many_producers_are_forgotten(state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was forgotten may repeat anything, so from then on all are suspects; undone, the numbers are back."""
    monkeypatch.setattr(state_module, "PRODUCERS_MAX", 3)
    _ask(state, "1.1", "2.1", "3.1")
    state.keep()
    assert _ask(state, "1.2", "4.1", "5.1", "6.1", "7.1", "1.3") == [False, True, True, True, True, True]
    state.undo()
    assert _ask(state, "1.2", "2.1") == [True, True]
    state.keep()
    assert _ask(state, "1.1", "3.2") == [True, True]
