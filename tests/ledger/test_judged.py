"""What packs say of situations: read from the database once, however many connections ask."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from flowtrack.adapters.clickhouse.judged import judgements_of
from flowtrack.adapters.clickhouse.received import TOLD
from flowtrack.adapters.clickhouse.store import Store
from tests.ledger.conftest import Asked

FIELD_BYTES: Final = 128 * 1024
"""What a server takes for one field of a form (its `http_max_field_value_size`)."""


def _judging(asked: Asked) -> Asked:
    """The queries for judgements among them."""
    return [each for each in asked if "FROM judgements" in each[0]]


def test_what_is_known_whole_of_a_situation_is_asked_once(store: Store, asked: Asked) -> None:
    """A judgement may come before its definition; once that is there, it is kept, by the embedded engine for all."""
    row: dict[str, list[Any]] = {
        "pack": ["p@1"],
        "situation": [7],
        "verdict": ["deny"],
        "severity": ["high"],
        **{name: [[name]] for name in ("rules", "clauses", "reasons", "notes", "gaps")},
    }
    assert judgements_of(store, [("p@1", 7)]) == {}
    asked.clear()
    for number, attributes in enumerate(["", "{}"]):
        store.insert("judgements", {**row, "attributes": [attributes], "recorded_at": [number]}, f"said {number}")
        (found,) = judgements_of(store, [("p@1", 7), ("p@1", 7)]).values()
        assert (found["severity"], found["gaps"], bool(found["defined"])) == ("high", ["gaps"], attributes != "")
    kept = judgements_of(store, [("p@1", 7)])
    assert [(name, row["severity"]) for name, row in kept.items()] == [(("p@1", 7), "high")]
    assert judgements_of(store, [("p@1", 7), ("p@1", 8)]) == kept
    assert [parameters["situations"] for _, parameters in _judging(asked)] == [[("p@1", 7)], [("p@1", 7)], [("p@1", 8)]]
    with Store(store.settings) as another:
        assert judgements_of(another, [("p@1", 7)]) == kept
    assert len(_judging(asked)) == (3 if store.settings.embedded else 4)


def test_judgements_that_are_asked_for_again_and_again_come_together(store: Store, asked: Asked) -> None:
    """After some questions all that is known whole is asked for at once; what is written later is found still."""

    def write(situations: range) -> None:
        many = len(situations)
        columns: dict[str, list[Any]] = {"pack": ["p@1"] * many, "situation": list(situations)}
        columns |= {"verdict": ["deny"] * many, "severity": ["low"] * many, "attributes": ["{}"] * many}
        columns |= {name: [[name]] * many for name in ("rules", "clauses", "reasons", "notes", "gaps")}
        store.insert("judgements", {**columns, "recorded_at": [1] * many}, f"from {situations.start}")

    write(range(100))
    for number in range(100):
        assert set(judgements_of(store, [("p@1", number)])) == {("p@1", number)}
    assert len(_judging(asked)) == 9  # seven times one, then all, and the one that was asked for
    write(range(100, 101))
    assert set(judgements_of(store, [("p@1", 3), ("p@1", 100)])) == {("p@1", 3), ("p@1", 100)}
    assert len(_judging(asked)) == 10


def test_what_is_asked_for_by_name_fits_what_a_server_takes(store: Store, asked: Asked) -> None:
    """No parameter is longer than 128 KiB, however many situations are missing, and however many subjects are told."""
    most = 2**64 - 1
    assert judgements_of(store, [("acme-of-somewhere@2026.11.1", most - number) for number in range(5_000)]) == {}
    lengths = [
        len(str(parameters["situations"])) for statement, parameters in _judging(asked) if "IN {sit" in statement
    ]
    assert len(lengths) > 1
    assert max(lengths) < FIELD_BYTES
    assert TOLD * len(f"'{UUID(int=most)}',") < FIELD_BYTES
