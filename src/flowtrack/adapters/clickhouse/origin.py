"""Unexplained origin, from sums by day; a few events of each are looked for in a bounded number of rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of, standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import About
from flowtrack.audit.origin import Origin, OriginAnswer, Unexplained, by_flows
from flowtrack.audit.paging import page_of

_FILTERS: Final = {name: name for name in ("service", "category", "kind", "recipient", "verdict")}
_USED: Final = "service, category, kind, dataset, recipient, purpose, verdict, toDate(happened_at) AS day"
_CAME: Final = "kind, service, recipient, category, toDate(happened_at) AS day"
_PUT: Final = "dataset, category, toDate(happened_at) AS day"
_EPOCH: Final = date(1970, 1, 1)
_NEVER: Final = "toDate('1970-01-01')"  # what a join gives where there is nothing to join
_ROWS: Final = f"""
SELECT f.service AS service, f.category AS category, kind, sum(f.flows) AS all_flows,
       sumIf(f.flows, verdict = 'permit') AS permitted, sumIf(f.flows, verdict = 'deny') AS denied,
       arraySort(groupUniqArray(purpose)) AS purposes,
       arraySort(groupUniqArrayIf(recipient, recipient != '')) AS recipients,
       arraySort(groupUniqArrayIf(f.dataset, f.dataset != '')) AS datasets, min(day) AS first, max(day) AS last,
       any(since) AS came
FROM ({{used}}) AS f
LEFT JOIN
(
    SELECT if(kind = 'collect', service, recipient) AS service, category, min(day) AS since
    FROM ({{came}}) GROUP BY service, category
) AS c ON f.service = c.service AND f.category = c.category
LEFT JOIN
(
    SELECT dataset, category, min(day) AS put FROM ({{put}}) GROUP BY dataset, category
) AS d ON f.dataset = d.dataset AND f.category = d.category
WHERE (since = {_NEVER} OR since > day) AND (put = {_NEVER} OR put > day)
GROUP BY service, category, kind SETTINGS max_threads = 2"""  # noqa: S608 - fixed texts

_ROWS_READ_MAX: Final = 500_000
# On the first of its days all that a row counts is unexplained, so events are looked for there; and in so many rows.
_SEEN: Final = f"""
SELECT subject, event_id, service, category, kind FROM flows
WHERE (service, category, kind, dataset, toDate(happened_at)) IN
      {{named:Array(Tuple(String, String, String, String, Date))}} AND sign > 0 AND {{when}} AND {{where}}
LIMIT {{each:UInt32}} BY service, category, kind
SETTINGS max_rows_to_read = {_ROWS_READ_MAX}, read_overflow_mode = 'break'"""  # noqa: S608 - fixed texts
_STANDING: Final = """
SELECT service, category, kind, event_id FROM flows
WHERE subject IN {subjects:Array(UUID)}
  AND (subject, event_id, category) IN {events:Array(Tuple(UUID, String, String))} AND {when} AND {where}
GROUP BY service, category, kind, event_id HAVING sum(sign) > 0 ORDER BY event_id"""


def origin(store: Store, question: Origin, about: About) -> OriginAnswer:
    """Give a page of flows whose origin nobody knows.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    used, ever = times_of(question), times_of(question.model_copy(update={"since": None}))
    where, filters = filters_of(question, _FILTERS, "kind IN ('use', 'share')")
    put = "dataset != '' AND kind IN ('store', 'collect')" if question.by_dataset else "0"
    statement = (
        _ROWS.replace("{used}", standing(_USED, used, where))
        .replace("{came}", standing(_CAME, ever, "kind IN ('collect', 'share')"))
        .replace("{put}", standing(_PUT, ever, put))
    )
    rows = [_row(row) for row in store.named(statement, **{**ever.parameters, **used.parameters}, **filters)]
    about, given = page_of(question, about, rows, by_flows)
    samples = _samples(store, question, given) if question.samples_max else {}
    return OriginAnswer(
        about=about,
        rows=[
            row.model_copy(update={"samples": samples.get((row.service, row.category, row.kind), [])}) for row in given
        ],
    )


def _row(row: dict[str, Any]) -> Unexplained:
    came = row["came"]
    named = {name: value for name, value in row.items() if name not in {"all_flows", "came"}}
    return Unexplained(**named, flows=row["all_flows"], came=came if came > _EPOCH else None, samples=[])


def _samples(store: Store, question: Origin, rows: list[Unexplained]) -> dict[tuple[str, str, str], list[str]]:
    """A few events of each row that stand at the question's times."""
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS)
    named = [
        (row.service, row.category, row.kind, dataset, row.first) for row in rows for dataset in ("", *row.datasets)
    ]
    if not named:
        return {}
    looked, asked = (each.replace("{when}", times.exact).replace("{where}", where) for each in (_SEEN, _STANDING))
    parameters = {**times.parameters, **filters}
    seen = store.rows(looked, **parameters, named=named, each=2 * question.samples_max)
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    if seen:
        events = sorted({(str(subject), event, category) for subject, event, _, category, _ in seen})
        subjects = sorted({subject for subject, _, _ in events})
        for service, category, kind, event in store.rows(asked, **parameters, subjects=subjects, events=events):
            if len(found[service, category, kind]) < question.samples_max:
                found[service, category, kind].append(event)
    return found
