"""Blast radius from the database: along sums by day first, then subject by subject; of a withdrawal, one subject."""

from __future__ import annotations

from datetime import UTC, date
from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.blast import (
    Blast,
    BlastAnswer,
    Moved,
    State,
    Withdrawal,
    WithdrawalAnswer,
    downstream,
)
from flowtrack.audit.categories import under_any
from flowtrack.audit.family import About
from flowtrack.audit.spread import Arrival, Place, Step, reached_of, spread, steps_of
from flowtrack.domain.instants import instant_us

_STEP_COLUMNS: Final = "kind, service, recipient, dataset, category, toDate(happened_at) AS day"
_STEPS: Final = """
SELECT kind, service, recipient, dataset, category, min(day), max(day)
FROM ({standing})
GROUP BY kind, service, recipient, dataset, category"""
_MOVES: Final = "kind IN ('store', 'collect', 'use', 'share') AND (dataset != '' OR recipient != '')"

_AT: Final = {"dataset": "dataset", "service": "service", "party": "recipient"}
_START: Final = "SELECT DISTINCT category FROM ({standing})"
_HELD: Final = "happened_at < fromUnixTimestamp64Micro({held_until:Int64}, 'UTC')"
# The rows of these subjects and categories first, and only then what they say; where they are looked for is cut down
# by names before, since a name is compared faster than a subject.
_REACHED: Final = """
SELECT place.1 AS place_kind, place.2 AS place_name, sum(its_flows), uniqExact(subject), uniqExact((subject, category))
FROM
(
    SELECT subject, category, kind, service, recipient, dataset, {held} AS was_there,
           happened_at >= fromUnixTimestamp64Micro({follow:Int64}, 'UTC') AS later, sum(sign) AS its_flows
    FROM flows
    WHERE category IN {categories:Array(String)} AND {when}
      AND (dataset IN {datasets:Array(String)} OR service IN {services:Array(String)} OR {at} = {name:String})
      AND (subject, category) IN
      (
          SELECT subject, category FROM flows WHERE {at} = {name:String} AND {when} AND {held}
          GROUP BY subject, category HAVING sum(sign) > 0
      )
    GROUP BY subject, category, kind, service, recipient, dataset, was_there, later HAVING its_flows > 0
)
ARRAY JOIN arrayFilter(x -> x.2 != '', [
    if({at} = {name:String} AND was_there, ('start', 'start'), ('', '')),
    if(later AND kind IN ('store', 'collect') AND service IN {services:Array(String)}, ('dataset', dataset), ('', '')),
    if(later AND kind IN ('use', 'share') AND dataset IN {datasets:Array(String)}, ('service', service), ('', '')),
    if(later AND kind = 'share' AND service IN {services:Array(String)}, ('party', recipient), ('', ''))
]) AS place
GROUP BY place_kind, place_name SETTINGS max_threads = 2"""
_BEGIN: Final = Place("start", "start")

# Of a record that came again under its ids the last state counts, as for the checker.
_STATES: Final = """
SELECT toUnixTimestamp64Micro(valid_from) AS valid_us, state, toUnixTimestamp64Micro(expires) AS expires_us FROM
(
    SELECT event_id, state, valid_from, expires FROM consents
    WHERE subject = {subject:UUID} AND record = {record:String}
      AND toUnixTimestamp64Milli(recorded_at) * 1000 <= {known:Int64}
    ORDER BY recorded_at DESC, decision_offset DESC LIMIT 1 BY event_id
)
WHERE valid_us <= {as_of:Int64}"""
_FOR_EVER: Final = (1 << 63) - 1
_MOVED: Final = """
SELECT toUnixTimestamp64Micro(happened_at) AS at_us, service, recipient, dataset, category, verdict, consent
FROM flows WHERE subject = {subject:UUID} AND kind IN ('collect', 'use', 'share', 'store') AND {when}
GROUP BY at_us, service, recipient, dataset, category, verdict, consent, epoch, source_partition, source_offset
HAVING sum(sign) > 0"""


def blast(store: Store, question: Blast, about: About) -> BlastAnswer:
    """Follow data from one place.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question.model_copy(update={"since": None, "until": None}))
    held = times_of(question.model_copy(update={"since": None}))
    at = _AT[question.start]
    there = _START.replace("{standing}", standing("category", held, f"{at} = {{name:String}}"))
    found_there = (name for (name,) in store.rows(there, **held.parameters, name=question.name))
    categories = sorted(name for name in found_there if under_any(name, question.categories))
    start = Place(question.start, question.name)
    found = _candidates(store, question, times, categories)
    places = {kind: sorted(place.name for place in found if place.kind == kind) for kind in ("service", "dataset")}
    until = {} if question.until is None else {"held_until": instant_us(question.until)}
    statement = _REACHED.replace("{at}", at).replace("{when}", times.exact).replace("{held}", _HELD if until else "1")
    counted = {
        Place(kind, name): (flows, subjects, pairs)
        for kind, name, flows, subjects, pairs in store.rows(
            statement,
            **times.parameters,
            **until,
            name=question.name,
            categories=categories,
            follow=0 if question.since is None else instant_us(question.since),
            services=places["service"],
            datasets=places["dataset"],
        )
    }
    _, subjects, pairs = counted.pop(_BEGIN, (0, 0, 0))
    rows = reached_of(start, subjects, found, {place: count[:2] for place, count in counted.items()})
    return BlastAnswer(
        about=about,
        rows=rows,
        subjects=subjects,
        pairs=pairs,
        categories=categories,
        notify=sorted(row.name for row in rows if row.notify),
    )


def withdrawal(store: Store, question: Withdrawal, about: About) -> WithdrawalAnswer:
    """Give what is downstream of a consent record.

    Raises:
        StoreError: the database cannot answer.
    """
    states = store.rows(
        _STATES,
        subject=question.subject,
        record=question.record,
        as_of=_FOR_EVER if question.as_of is None else instant_us(question.as_of),
        known=_FOR_EVER if question.known_at is None else instant_us(question.known_at),
    )
    times = times_of(question)
    moved = store.rows(_MOVED.replace("{when}", times.exact), **times.parameters, subject=question.subject)
    return downstream(about, question, [State._make(row) for row in states], [Moved._make(row) for row in moved])


def _candidates(store: Store, question: Blast, times: Times, categories: list[str]) -> dict[Place, Arrival]:
    """The places that data may have got to, by sums of days."""
    statement = _STEPS.replace("{standing}", standing(_STEP_COLUMNS, times, _MOVES))
    steps = [
        Step(source, target, category, first, last)
        for kind, service, recipient, dataset, category, first, last in store.rows(statement, **times.parameters)
        for source, target in steps_of(kind, service, recipient, dataset)
    ]
    start = Place(question.start, question.name)
    since = date.min if question.since is None else question.since.astimezone(UTC).date()
    return spread(start, categories, steps, since, question.hops_max)
