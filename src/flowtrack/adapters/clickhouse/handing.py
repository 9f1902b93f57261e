"""Decisions handed on as columns: one insert makes the rows of a batch.

What recurs of decisions goes over once a batch, as dictionaries, and each row refers to it; what is an event's own goes
over once a decision and is repeated here for each of its categories, by Arrow's own code.  The engine takes such
columns as they are, where taking JSON apart was half of its work (docs/decisions/fenced-plan.md has what was measured).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from flowtrack.tracking.parting import RECURRING, Common, Parted
from flowtrack.tracking.rows import COLUMNS, FLOWS, Row

FORMAT: Final = "ArrowStream"
_NUMBERS: Final = {"revision": pa.uint16(), "situation": pa.uint64()}
_MICROSECONDS: Final = pa.timestamp("us", "UTC")
_MILLISECONDS: Final = pa.timestamp("ms", "UTC")
_WORD: Final = "LowCardinality(String)"
_TYPES: Final = {
    **dict.fromkeys(RECURRING, _WORD),
    "revision": "UInt16",
    "situation": "UInt64",
    "subject": "String",
    "happened_at": "DateTime64(6, 'UTC')",
    "event_id": "String",
    "sign": "Int8",
    "recorded_at": "DateTime64(3, 'UTC')",
    "suspect": "UInt8",
    "correlation_id": "String",
    "particulars": "String",
    "epoch": _WORD,
    "source_partition": "UInt16",
    "source_offset": "UInt64",
    "decision_partition": "UInt16",
    "decision_offset": "UInt64",
}
STRUCTURE: Final = ", ".join(f"{name} {_TYPES[name]}" for name in COLUMNS[FLOWS])
"""The columns as they are read."""
INSERT: Final = f"INSERT INTO {FLOWS} ({', '.join(COLUMNS[FLOWS])})"
_VALUES: Final = ", ".join("toUUID(subject)" if name == "subject" else name for name in COLUMNS[FLOWS])


def reading(columns: pa.RecordBatch) -> dict[str, object]:
    """The settings under which columns are read, so that they come as one block.

    The engine makes a token of ours and the number of each block that it reads: a batch that is read in two blocks is
    not recognised as the same batch, or a part of it, read in one (found by trying, and held by tests/ledger).
    """
    return {"max_block_size": columns.num_rows + 1, "input_format_parallel_parsing": 0, "insert_null_as_default": 0}


def select(source: str) -> str:
    """The rows of a table function that reads `STRUCTURE`."""
    return f"SELECT {_VALUES} FROM {source}"  # noqa: S608 - texts of ours


def stream(columns: pa.RecordBatch) -> pa.Buffer:
    """Columns as they travel: one message, since each is read as a block."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_batch(columns)
    return sink.getvalue()


def columns_of(decisions: Sequence[Parted], repeats: Iterable[tuple[int, int]]) -> pa.RecordBatch:
    """The rows of decisions: one for each category of an event, the columns of `flows` in their order.

    Args:
        decisions: at least one.
        repeats: partition and offset of those that count nothing.
    """
    numbers: dict[Common, int] = {}
    which = [numbers.setdefault(each.common, len(numbers)) for each in decisions]
    starts: list[int] = [0]
    rows: list[Row] = []
    for common in numbers:
        rows += common.rows
        starts.append(len(rows))
    recurring = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pa.array(range(len(rows)), pa.int32()))
    taken = recurring.take(pa.array(which, pa.int32()))
    row, decision = taken.flatten(), pc.list_parent_indices(taken)
    found = {name: _spread(name, values, row) for name, values in zip(RECURRING, zip(*rows, strict=True), strict=True)}
    found |= {name: values.take(decision) for name, values in _own(decisions, frozenset(repeats)).items()}
    return pa.record_batch({name: found[name] for name in COLUMNS[FLOWS]})


def _spread(name: str, values: Sequence[Any], row: pa.Array) -> pa.Array:
    """A column of what recurs, with each row's value; words by reference."""
    if name in _NUMBERS:
        return pa.array(values, _NUMBERS[name]).take(row)
    words = pa.array(values, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(words.indices.take(row), words.dictionary)


def _own(decisions: Sequence[Parted], repeats: frozenset[tuple[int, int]]) -> dict[str, pa.Array]:
    """The columns of what is the events' own, a value a decision."""
    own = [each.own for each in decisions]
    records = [each.record for each in decisions]
    return {
        "subject": pa.array([each.subject for each in own], pa.string()),
        "happened_at": pa.array([each.happened_at for each in own], _MICROSECONDS),
        "event_id": pa.array([each.event_id for each in own], pa.string()),
        "sign": pa.array([int(not repeats or each.place not in repeats) for each in decisions], pa.int8()),
        "recorded_at": pa.array([each.timestamp_ms for each in records], _MILLISECONDS),
        "suspect": pa.array([each.suspect for each in own]).cast(pa.uint8()),
        "correlation_id": pa.array([each.correlationid for each in own], pa.string()),
        "particulars": pa.array([each.particulars for each in decisions], pa.string()),
        "epoch": pa.array([each.epoch for each in own], pa.string()).dictionary_encode(),
        "source_partition": pa.array([each.partition for each in own], pa.uint16()),
        "source_offset": pa.array([each.offset for each in own], pa.uint64()),
        "decision_partition": pa.array([each.partition for each in records], pa.uint16()),
        "decision_offset": pa.array([each.offset for each in records], pa.uint64()),
    }
