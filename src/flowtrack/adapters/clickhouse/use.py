"""What data is used for, from sums by day; the basis is that of the situations that they name."""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of, standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import About
from flowtrack.audit.paging import page_of
from flowtrack.audit.use import Use, UseAnswer, UseRow, by_flows

# A situation's number says its basis, whatever the pack. An expression on the projection's own columns keeps the
# projection; to join first is to group by situation and day, three times the time (docs/decisions/basis-of-use.md).
_BASIS: Final = """
transform(toUInt64(situation),
          (SELECT arrayPushBack(groupArray(number), toUInt64(0)) FROM ({bases})),
          (SELECT arrayPushBack(groupArray(basis_), '') FROM ({bases})), '') AS its_basis""".replace(
    "{bases}",
    "SELECT situation AS number, JSONExtractString(any(attributes), 'basis') AS basis_ FROM judgements"
    " WHERE attributes != '' GROUP BY situation ORDER BY situation",
)
_COLUMNS: Final = (
    *("service", "purpose", "category", "kind", "recipient", "dataset", "verdict", "toDate(happened_at) AS day"),
    _BASIS,
)
_FILTERS: Final = {
    **{name: name for name in ("service", "purpose", "category", "kind", "recipient", "dataset", "verdict")},
    "basis": "its_basis",
}
_ROWS: Final = """
SELECT service, purpose, its_basis AS basis, category, arraySort(groupUniqArray(kind)) AS kinds,
       arraySort(groupUniqArrayIf(recipient, recipient != '')) AS recipients,
       arraySort(groupUniqArrayIf(dataset, dataset != '')) AS datasets, sum(flows) AS all_flows,
       sumIf(flows, verdict = 'permit') AS permitted, sumIf(flows, verdict = 'deny') AS denied,
       sumIf(flows, verdict = 'indeterminate') AS indeterminate, min(day) AS first, max(day) AS last
FROM ({standing}) GROUP BY service, purpose, its_basis, category SETTINGS max_threads = 2"""


def use(store: Store, question: Use, about: About) -> UseAnswer:
    """Give a page of what data is used for.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS, "kind IN ('collect', 'use', 'share', 'store')")
    statement = _ROWS.replace("{standing}", standing(_COLUMNS, times, where))
    found = store.named(statement, **times.parameters, **filters)
    rows = [UseRow(flows=row.pop("all_flows"), **row) for row in map(dict, found)]
    about, given = page_of(question, about, rows, by_flows)
    return UseAnswer(about=about, rows=given)
