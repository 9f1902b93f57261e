"""Exposed subjects from the database: who is on the page by the order of the table, and then what is said of them."""

from __future__ import annotations

from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import under
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.cursors import SUBJECT, cursor_of, key_of
from flowtrack.audit.exposed import ExposedAnswer, ExposedSubject, ExposedSubjects
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us

_AT: Final = {"dataset": "dataset", "service": "service", "party": "recipient"}
_OF_CATEGORIES: Final = f"arrayExists(x -> {under('category', 'x')}, {{categories:Array(String)}})"
# What stands of a subject is never less than nothing, so the sum over all tells whether anything does.
_WHO: Final = """
SELECT toString(subject) AS who FROM flows WHERE {at} = {name:String} AND {which} AND {when} AND {behind}
GROUP BY subject HAVING sum(sign) > 0 ORDER BY subject LIMIT {rows:UInt32}
SETTINGS optimize_aggregation_in_order = 1"""
_HOW_MANY: Final = """
SELECT count() FROM
(
    SELECT subject FROM flows WHERE {at} = {name:String} AND {which} AND {when} GROUP BY subject HAVING sum(sign) > 0
)"""
_WHAT: Final = """
SELECT lower(replaceAll(toString(subject), '-', '')) AS who, arraySort(groupUniqArray(category)) AS categories,
       sum(stands) AS all_flows, min(at_us) AS first_us, max(at_us) AS last_us
FROM
(
    SELECT subject, category, toUnixTimestamp64Micro(happened_at) AS at_us, sum(sign) AS stands FROM flows
    WHERE {at} = {name:String} AND {which} AND {when} AND subject BETWEEN {first:UUID} AND {last:UUID}
    GROUP BY subject, category, at_us HAVING stands > 0
)
GROUP BY subject ORDER BY subject"""
_BEHIND: Final = "subject > {k0:UUID}"


def exposed_subjects(store: Store, question: ExposedSubjects, about: About) -> ExposedAnswer:
    """Give a page of the subjects whose data was in a place.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times, key = times_of(question), key_of(question, (SUBJECT,))
    parameters: dict[str, Any] = {**times.parameters, "name": question.name, "categories": question.categories}

    def filled(statement: str) -> str:
        which = _OF_CATEGORIES if question.categories else "1"
        behind = "1" if key is None else _BEHIND
        at = _AT[question.start]
        return (
            statement.replace("{at}", at)
            .replace("{which}", which)
            .replace("{when}", times.exact)
            .replace("{behind}", behind)
        )

    after = {} if key is None else {"k0": key[0]}
    who = [name for (name,) in store.rows(filled(_WHO), **parameters, **after, rows=question.limit + 1)]
    given = who[: question.limit]
    found = store.named(filled(_WHAT), **parameters, first=given[0], last=given[-1]) if given else []
    rows = [_exposed(row) for row in found]
    if len(who) > len(given):
        about = about.cut(None, cursor_of(question, [rows[-1].subject]))
    subjects = int(store.rows(filled(_HOW_MANY), **parameters)[0][0]) if key is None else None
    return ExposedAnswer(about=about, rows=rows, subjects=subjects)


def _exposed(row: dict[str, Any]) -> ExposedSubject:
    return ExposedSubject(
        subject=row["who"],
        categories=row["categories"],
        flows=row["all_flows"],
        first=from_us(row["first_us"]),
        last=from_us(row["last_us"]),
    )
