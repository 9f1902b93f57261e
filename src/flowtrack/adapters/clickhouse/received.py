"""Who received, from the database: sums by day, and of one party the projection that is ordered by recipient."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from flowtrack.adapters.clickhouse.judged import judgements_of
from flowtrack.adapters.clickhouse.said import Named
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of, standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.cursors import COUNT, SUBJECT, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.audit.received import (
    Received,
    ReceivedAnswer,
    ReceivedRow,
    ReceivedSubjects,
    Recipient,
    RecipientAnswer,
)
from flowtrack.domain.instants import from_us

_FILTERS: Final = {"recipient": "recipient", "category": "category", "service": "service"}
_SHARES: Final = "kind = 'share'"
_COLUMNS: Final = "recipient, category, service, purpose, verdict, pack, situation, toDate(happened_at) AS day"

# What was received most first; the sums are over all pages.
_ROWS: Final = """
SELECT * FROM
(
    SELECT recipient, category, sum(flows) AS all_flows, sumIf(flows, verdict = 'deny') AS denied,
           sumIf(flows, verdict = 'indeterminate') AS indeterminate, arraySort(groupUniqArray(service)) AS services,
           arraySort(groupUniqArray(purpose)) AS purposes, min(day) AS first, max(day) AS last,
           groupUniqArray((pack, toUInt64(situation))) AS judged,
           groupUniqArrayArray(groupUniqArray(pack)) OVER () AS packs, groupUniqArray(category) OVER () AS categories,
           sum(all_flows) OVER () AS sum_flows, sum(denied) OVER () AS sum_denied,
           count() OVER () - row_number() OVER (ORDER BY all_flows DESC, recipient, category) AS behind
    FROM ({standing}) GROUP BY recipient, category
)
WHERE {after}
ORDER BY all_flows DESC, recipient, category LIMIT {rows:UInt32} SETTINGS max_threads = 2"""
_AFTER: Final = "(-toInt64(all_flows), recipient, category) > (-{k0:Int64}, {k1:String}, {k2:String})"
_KEY: Final = ("all_flows", "recipient", "category")
# How many people there are by the categories that the party has of them, categories as bits: the party's rows are read
# once. Of whom something was taken back, what stands is told row by row.
_SUBJECTS: Final = """
SELECT masks, countIf(NOT back), countIf(back), groupArrayIf(%d)(subject, back) FROM
(
    SELECT subject, [{masks}] AS masks, min(sign) < 0 AS back
    FROM flows WHERE kind = 'share' AND {where} AND {when} GROUP BY subject
)
GROUP BY masks SETTINGS max_threads = 2"""
_MASK: Final = """groupBitOr(transform(category, {{names{0}:Array(String)}},
           arrayMap(bit -> bitShiftLeft(toUInt64(1), bit), range(length({{names{0}:Array(String)}}))), toUInt64(0)))"""
BITS: Final = 64
TOLD: Final = 3_000
"""So many subjects of whom something was taken back are asked about by name, since a server takes 128 KiB for a
parameter (`http_max_field_value_size`); of more, all rows are read again."""
_ROW_BY_ROW: Final = """
SELECT categories, count() FROM
(
    SELECT groupArray(category) AS categories FROM
    (
        SELECT category, subject FROM flows WHERE kind = 'share' AND {where} AND {when} AND {whose}
        GROUP BY category, subject HAVING sum(sign) > 0
    )
    GROUP BY subject
)
GROUP BY categories SETTINGS max_threads = 2"""

# Which of a subject's instants stand is told flow by flow: one that was taken back is not its first.
_RECIPIENTS: Final = """
SELECT who, sum(flows) AS all_flows, sumIf(flows, verdict = 'deny') AS denied,
       arraySort(groupUniqArray(category)) AS categories, arraySort(groupUniqArray(service)) AS services,
       min(at_us) AS first_us, max(at_us) AS last_us
FROM
(
    SELECT lower(replaceAll(toString(subject), '-', '')) AS who, category, service, verdict,
           toUnixTimestamp64Micro(happened_at) AS at_us, sum(sign) AS flows
    FROM flows WHERE kind = 'share' AND {where} AND {when} AND {after}
    GROUP BY subject, category, service, verdict, at_us HAVING flows > 0
)
GROUP BY who ORDER BY who LIMIT {rows:UInt32}"""
_AFTER_SUBJECT: Final = "toString(subject) > toString({k0:UUID})"


def received(store: Store, question: Received, about: About) -> ReceivedAnswer:
    """Count what parties received, by category.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times, key = times_of(question), key_of(question, (COUNT, str, str))
    where, filters = filters_of(question, _FILTERS, _SHARES)
    parameters = {**times.parameters, **filters, **_numbered(key)}
    statement = _ROWS.replace("{standing}", standing(_COLUMNS, times, where))
    found = store.named(statement.replace("{after}", "1" if key is None else _AFTER), **parameters, rows=question.limit)
    clauses = judgements_of(store, {pair for row in found for pair in row["judged"]})
    subjects, everybody = None, None
    if question.recipient is not None:
        subjects, everybody = _subjects(store, question, found[0]["categories"] if found else [])
    if found and found[-1]["behind"]:
        about = about.cut(found[-1]["behind"], cursor_of(question, [found[-1][name] for name in _KEY]))
    return ReceivedAnswer(
        about=about.judged_by(found[0]["packs"] if found else [], []),
        rows=[_row(row, clauses, None if subjects is None else subjects.get(row["category"], 0)) for row in found],
        flows=found[0]["sum_flows"] if found else 0,
        denied=found[0]["sum_denied"] if found else 0,
        subjects=everybody,
    )


def received_subjects(store: Store, question: ReceivedSubjects, about: About) -> RecipientAnswer:
    """Give a page of the subjects whose data a party received.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times, key = times_of(question), key_of(question, (SUBJECT,))
    where, filters = filters_of(question, _FILTERS)
    statement = _RECIPIENTS.replace("{where}", where).replace("{when}", times.exact)
    found = store.named(
        statement.replace("{after}", "1" if key is None else _AFTER_SUBJECT),
        **times.parameters,
        **filters,
        **_numbered(key),
        rows=question.limit + 1,
    )
    given = found[: question.limit]
    if len(found) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1]["who"]]))
    rows = [
        Recipient(
            subject=row["who"],
            flows=row["all_flows"],
            denied=row["denied"],
            categories=row["categories"],
            services=row["services"],
            first=from_us(row["first_us"]),
            last=from_us(row["last_us"]),
        )
        for row in given
    ]
    return RecipientAnswer(about=about, rows=rows)


def _subjects(store: Store, question: Received, names: list[str]) -> tuple[dict[str, int], int]:
    """How many people's data one party received: by category, and in all.

    Args:
        store: open.
        question: of one party.
        names: the categories that flows to it stand of.
    """
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS)
    asked: dict[str, Any] = {**times.parameters, **filters}

    def filled(statement: str) -> str:
        return statement.replace("{where}", where).replace("{when}", times.exact)

    chunks = [names[first : first + BITS] for first in range(0, len(names), BITS)]
    masks = ", ".join(_MASK.format(number) for number in range(len(chunks)))
    given = {f"names{number}": chunk for number, chunk in enumerate(chunks)}
    found = store.rows(filled(_SUBJECTS % TOLD).replace("{masks}", masks), **asked, **given)
    counted = [(_named(bits, chunks), subjects) for bits, subjects, _, _ in found]
    left = sum(back for *_, back, _ in found)
    if left > TOLD:
        counted = store.rows(filled(_ROW_BY_ROW).replace("{whose}", "1"), **asked)
    elif left:
        asked["subjects"] = [subject for *_, backs in found for subject in backs]
        counted += store.rows(filled(_ROW_BY_ROW).replace("{whose}", "subject IN {subjects:Array(UUID)}"), **asked)
    by_category: Counter[str] = Counter()
    for categories, subjects in counted:
        by_category.update(dict.fromkeys(categories, subjects))
    return by_category, sum(subjects for _, subjects in counted)


def _named(masks: list[int], chunks: list[list[str]]) -> list[str]:
    """The categories whose bits are set."""
    return [
        name for mask, names in zip(masks, chunks, strict=True) for bit, name in enumerate(names) if mask >> bit & 1
    ]


def _numbered(key: list[str | int] | None) -> dict[str, Any]:
    return {} if key is None else {f"k{place}": part for place, part in enumerate(key)}


def _row(row: dict[str, Any], judgements: dict[Named, dict[str, Any]], subjects: int | None) -> ReceivedRow:
    return ReceivedRow(
        recipient=row["recipient"],
        category=row["category"],
        flows=row["all_flows"],
        denied=row["denied"],
        indeterminate=row["indeterminate"],
        subjects=subjects,
        services=row["services"],
        purposes=row["purposes"],
        clauses=sorted(
            {clause for pair in row["judged"] if pair in judgements for clause in judgements[pair]["clauses"]}
        ),
        first=row["first"],
        last=row["last"],
    )
