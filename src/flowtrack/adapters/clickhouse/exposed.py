"""Exposed subjects from the database: who is on the page by the order of the table, and then what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flowtrack.adapters.clickhouse.recorded import where_recorded
from flowtrack.adapters.clickhouse.slices import PLACES, place_of, subject_at
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import Filters, under
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.cursors import SUBJECT, cursor_of, key_of
from flowtrack.audit.exposed import ExposedAnswer, ExposedSubject, ExposedSubjects
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us

# Only shares have a recipient: said here, the projection of shares answers, which is ordered by it.
_AT: Final = {
    "dataset": "dataset = {name:String}",
    "service": "service = {name:String}",
    "party": "kind = 'share' AND recipient = {name:String}",
}
_OF_CATEGORIES: Final = f"arrayExists(x -> {under('category', 'x')}, {{categories:Array(String)}})"
# What stands of a subject is never less than nothing, so the sum over all tells whether anything does.
_STANDING: Final = "SELECT subject FROM flows WHERE {which} AND {when} GROUP BY subject HAVING sum(sign) > 0"
# The first page and how many there are at once, since all are looked at.
_FIRST: Final = f"""
SELECT count(), arrayMap(x -> toString(x), groupArraySorted({{rows:UInt32}})(subject)) FROM ({_STANDING})
SETTINGS max_threads = 2, max_block_size = 65409"""  # noqa: S608 - fixed texts
_BEHIND: Final = """
SELECT toString(subject) FROM flows WHERE {which} AND {when} AND subject > {k0:UUID} AND subject <= {k1:UUID}
GROUP BY subject HAVING sum(sign) > 0 ORDER BY subject LIMIT {rows:UInt32}"""
_WHAT: Final = """
SELECT lower(replaceAll(toString(subject), '-', '')) AS who, arraySort(groupUniqArray(category)) AS categories,
       sum(stands) AS all_flows, min(at_us) AS first_us, max(at_us) AS last_us
FROM
(
    SELECT subject, category, toUnixTimestamp64Micro(happened_at) AS at_us, sum(sign) AS stands FROM flows
    WHERE {which} AND {when} AND subject BETWEEN {first:UUID} AND {last:UUID}
    GROUP BY subject, category, at_us HAVING stands > 0
)
GROUP BY subject ORDER BY subject"""
_WINDOW: Final = PLACES >> 10
_WIDER: Final = 4


def exposed_subjects(store: Store, question: ExposedSubjects, about: About) -> ExposedAnswer:
    """Give a page of the subjects whose data was in a place.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    key = key_of(question, (SUBJECT,))
    which = Filters(_which(question), {"name": question.name, "categories": question.categories})
    times = where_recorded(store, times_of(question), which)

    def asked(statement: str, **more: object) -> list[tuple[Any, ...]]:
        text = statement.replace("{which}", which.where).replace("{when}", times.exact)
        return store.rows(text, **times.parameters, **which.parameters, **more)

    subjects, who = None, list[str]()
    if key is None:
        subjects, who = asked(_FIRST, rows=question.limit + 1)[0]
    else:
        who = _behind(asked, str(key[0]), question.limit + 1)
    given = who[: question.limit]
    rows = [_exposed(row) for row in asked(_WHAT, first=given[0], last=given[-1])] if given else []
    if len(who) > len(given):
        # of whoever was asked for, not of the rows: an erasure may have come in between
        about = about.cut(None, cursor_of(question, [given[-1].replace("-", "")]))
    return ExposedAnswer(about=about, rows=rows, subjects=subjects)


def _which(question: ExposedSubjects) -> str:
    return f"{_AT[question.start]} AND {_OF_CATEGORIES}" if question.categories else _AT[question.start]


def _behind(asked: Callable[..., list[tuple[Any, ...]]], subject: str, rows: int) -> list[str]:
    """The next subjects in the ledger's order: looked for in ever more of it, since each look reads what it covers."""
    found: list[str] = []
    low, wide = place_of(subject), _WINDOW
    while len(found) < rows and low < PLACES - 1:
        high = min(low + wide, PLACES - 1)
        found += [who for (who,) in asked(_BEHIND, k0=subject_at(low), k1=subject_at(high), rows=rows - len(found))]
        low, wide = high, wide * _WIDER
    return found


def _exposed(row: tuple[Any, ...]) -> ExposedSubject:
    who, categories, flows, first_us, last_us = row
    return ExposedSubject(
        subject=who, categories=categories, flows=flows, first=from_us(first_us), last=from_us(last_us)
    )
