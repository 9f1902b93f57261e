"""Decisions handed on as they came: the engine takes the JSON apart, one insert makes the rows of a batch.

Of each decision, Python only puts in front what the record knows: where it stood, when it was appended, and the sign.
What the engine takes apart it also checks: it refuses the insert where a field that every decision has is missing, or
a name is not known, so that a decision of another version is never taken for one with empty fields.  What it costs
stands in docs/decisions/fenced-plan.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from flowtrack.domain.names import Kind, Verdict
from flowtrack.tracking.records import Record
from flowtrack.tracking.rows import COLUMNS, FLOWS

_PARSING: Final = {
    "input_format_max_block_size_bytes": 1 << 32,  # (see `parsing`)
    "input_format_parallel_parsing": 0,  # one thread, one block
    "input_format_json_read_objects_as_strings": 1,  # facts and particulars stay the text that they are
    "input_format_skip_unknown_fields": 1,  # what rows do not hold: rules and reasons stand with the situations
    "insert_null_as_default": 0,  # what is missing is refused, not taken for 0
    "date_time_input_format": "best_effort",  # RFC 3339
}


def _names(enum: type[StrEnum]) -> str:
    """An engine's type that only knows these names, and the empty one for a field that is missing."""
    values = ", ".join(f"'{each.value}' = {number}" for number, each in enumerate(enum, 1))
    return f"Enum8('' = 0, {values})"


_KIND, _VERDICT = _names(Kind), _names(Verdict)
_WORD = "LowCardinality(String)"
STRUCTURE: Final = f"""
decision_partition UInt16, decision_offset UInt64, recorded_at DateTime64(3, 'UTC'), sign Int8,
event_id String, subject UUID, kind {_KIND}, happened_at Nullable(DateTime64(6, 'UTC')), service {_WORD},
purpose {_WORD}, basis {_WORD}, recipient {_WORD}, location {_WORD}, dataset {_WORD}, epoch {_WORD},
partition Nullable(UInt16), offset Nullable(UInt64), verdict {_VERDICT}, pack {_WORD}, registry {_WORD},
revision Nullable(UInt16), suspect Nullable(Bool), correlationid String,
categories Array(Tuple(category String, situation String, verdict {_VERDICT}, consent String)),
facts String, particulars String"""
"""The fields that rows are made of."""

_WHOLE = """throwIf(event_id = '' OR subject = toUUID('00000000-0000-0000-0000-000000000000') OR kind = ''
    OR service = '' OR verdict = '' OR pack = '' OR happened_at IS NULL OR partition IS NULL OR offset IS NULL
    OR revision IS NULL OR suspect IS NULL
    OR arrayExists(x -> x.category = '' OR length(x.situation) != 16 OR x.verdict = '', categories))"""
# An event that names no category has one row, so that no offset is without; one that names it twice has one flow of it.
_EACH = "arrayJoin(if(empty(categories), [('', '', verdict, '')], arrayDistinct(categories)))"
_COLUMNS: Final = {
    "category": "each.1",
    "revision": "assumeNotNull(revision)",
    "verdict": "each.3",
    "situation": "reinterpretAsUInt64(reverse(unhex(each.2)))",
    "consent": "each.4",
    "suspect": "assumeNotNull(suspect)",
    "happened_at": "assumeNotNull(happened_at)",
    "correlation_id": "correlationid",
    "facts": "if(facts = '{}', '', facts)",
    "particulars": "if(particulars = '{}', '', particulars)",
    "source_partition": "assumeNotNull(partition)",
    "source_offset": "assumeNotNull(offset)",
}
INSERT: Final = f"INSERT INTO {FLOWS} ({', '.join(COLUMNS[FLOWS])})"
_VALUES = ", ".join(f"{_COLUMNS.get(name, name)} AS {name}_" for name in COLUMNS[FLOWS])


def parsing(decisions: bytes) -> dict[str, object]:
    """The settings under which decisions (`lines`) are read, so that they come as one block.

    The engine makes a token of ours and the number of each block that it reads: a batch that is read in two blocks is
    not recognised as the same batch, or a part of it, read in one (found by trying, and held by tests/ledger).  As
    large as needed and no larger, since room for so many rows is made at once.
    """
    return {**_PARSING, "max_block_size": decisions.count(b"\n") + decisions.count(b'"situation":"') + 1}


def select(source: str) -> str:
    """The rows of decisions that a table function gives (of `STRUCTURE`)."""
    text = f"SELECT {_VALUES} FROM (SELECT *, {_EACH} AS each FROM {source} WHERE NOT {_WHOLE})"  # noqa: S608 - texts of ours
    return " ".join(text.split())  # one line: it travels in a URL


def lines(decisions: Sequence[Record], repeats: Iterable[tuple[int, int]]) -> bytes:
    """Decisions as the engine reads them, a line each, with what their records know in front.

    Args:
        decisions: records whose values are JSON objects.
        repeats: partition and offset of those that count nothing.
    """
    repeated = frozenset(repeats)
    parts = []
    for _, partition, offset, recorded_ms, _, value, *_ in decisions:
        sign = 0 if repeated and (partition, offset) in repeated else 1
        second, milli = divmod(recorded_ms, 1000)
        parts.append(
            b'{"decision_partition":%d,"decision_offset":%d,"recorded_at":"%d.%03d","sign":%d,'
            % (partition, offset, second, milli, sign)
        )
        parts.append((value or b"{}")[1:])
        parts.append(b"\n")
    return b"".join(parts)
