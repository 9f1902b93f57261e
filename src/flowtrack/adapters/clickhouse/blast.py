"""Blast radius from the database: along sums by day first, then subject by subject; of a withdrawal, one subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.blast import (
    Blast,
    BlastAnswer,
    Moved,
    PlaceKind,
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
SELECT kind, service, recipient, dataset, category, min(day), max(day), sum(flows)
FROM ({standing})
GROUP BY kind, service, recipient, dataset, category"""
_MOVES: Final = "kind IN ('store', 'collect', 'use', 'share') AND (dataset != '' OR recipient != '')"

# Only shares have a recipient: said here, the projection `shares` answers, which is ordered by it.
_AT: Final = {
    "dataset": "dataset = {name:String}",
    "service": "service = {name:String}",
    "party": "(kind = 'share' AND recipient = {name:String})",
}
_START: Final = "SELECT category, flows FROM ({standing})"
_HELD: Final = "happened_at < fromUnixTimestamp64Micro({held_until:Int64}, 'UTC')"
# Of whom what was at the start, by category.
_PAIRS: Final = """
SELECT subject, category FROM flows WHERE {at} AND category IN {categories:Array(String)} AND {when} AND {held}
GROUP BY subject, category HAVING sum(sign) > 0"""
_AFFECTED: Final = f"SELECT uniqExact(subject), count() FROM ({_PAIRS}) SETTINGS max_threads = 2"  # noqa: S608 - fixed texts
# Rows at the start, and those that moved on from where data may have got to.
_LATER: Final = "happened_at >= fromUnixTimestamp64Micro({follow:Int64}, 'UTC')"
_CANDIDATES: Final = f"""FROM flows
    PREWHERE category IN {{categories:Array(String)}}
         AND ({{at}}
              OR (kind IN ('store', 'collect', 'share') AND service IN {{services:Array(String)}}
                  OR kind IN ('use', 'share') AND dataset IN {{datasets:Array(String)}})
                 AND {_LATER})
    WHERE {{when}}"""
_PLACES: Final = """arrayFilter(x -> x.2 != '', [
    if({at} AND was_there, ('start', 'start'), ('', '')),
    if(later AND kind IN ('store', 'collect') AND service IN {services:Array(String)}, ('dataset', dataset), ('', '')),
    if(later AND kind IN ('use', 'share') AND dataset IN {datasets:Array(String)}, ('service', service), ('', '')),
    if(later AND kind = 'share' AND service IN {services:Array(String)}, ('party', recipient), ('', ''))
])"""
# Where these are few, all are held at once, so that the table is looked through once.
_AT_ONCE: Final = f"""
SELECT place.1, place.2, sum(its_flows), uniqExact(subject), count()
FROM
(
    SELECT subject, category, move.1 AS place, sum(move.2) AS its_flows
    FROM
    (
        WITH {{held}} AS was_there, {_LATER} AS later
        SELECT subject, category, sumIf(sign, {{at}} AND was_there) AS there,
               groupArrayArray(arrayMap(x -> (x, sign), {_PLACES})) AS moves
        {_CANDIDATES}
        GROUP BY subject, category HAVING there > 0
    )
    ARRAY JOIN moves AS move
    GROUP BY subject, category, place HAVING its_flows > 0
)
GROUP BY place SETTINGS max_threads = 2"""  # noqa: S608 - fixed texts
ROW_BYTES: Final = 1_000
"""Of what the engine may use, for each of these rows; a row takes a quarter of it, and others ask at the same time."""
# Else the rows of these subjects and categories first, and only then what they say; where they are looked for is cut
# down by names and times before, since those are compared faster than a subject.
_REACHED: Final = f"""
SELECT place.1, place.2, sum(its_flows), uniqExact(subject), uniqExact((subject, category))
FROM
(
    SELECT subject, category, kind, service, recipient, dataset, {{held}} AS was_there, {_LATER} AS later,
           sum(sign) AS its_flows
    {_CANDIDATES} AND (subject, category) IN ({_PAIRS})
    GROUP BY subject, category, kind, service, recipient, dataset, was_there, later HAVING its_flows > 0
)
ARRAY JOIN {_PLACES} AS place
GROUP BY place SETTINGS max_threads = 2"""  # noqa: S608 - fixed texts
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
    there = _START.replace("{standing}", standing("category", held, _AT[question.start]))
    found_there = dict(store.rows(there, **held.parameters, name=question.name))
    categories = sorted(name for name in found_there if under_any(name, question.categories))
    start = Place(question.start, question.name)
    found, moved = _candidates(store, question, times, categories)
    candidates = moved + sum(found_there[name] for name in categories)
    counted = _counted(store, question, times, categories, found, candidates)
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


def _counted(
    store: Store, question: Blast, times: Times, categories: list[str], found: Mapping[Place, Arrival], candidates: int
) -> dict[Place, tuple[int, int, int]]:
    """Flows, subjects, and pairs of subject and category, by place: exactly, from the rows."""
    asked: dict[str, Any] = {**times.parameters, "name": question.name, "categories": categories}
    if question.until is not None:
        asked["held_until"] = instant_us(question.until)
    if len(found) <= 1:  # it did not get anywhere: who is affected is all there is to count
        ((subjects, pairs),) = store.rows(_filled(_AFFECTED, question, times), **asked)
        return {_BEGIN: (pairs, subjects, pairs)} if pairs else {}
    counts = store.rows(
        _filled(_AT_ONCE if candidates * ROW_BYTES <= store.settings.memory_bytes_max else _REACHED, question, times),
        **asked,
        follow=0 if question.since is None else instant_us(question.since),
        services=_names(found, "service"),
        datasets=_names(found, "dataset"),
    )
    return {Place(kind, name): (flows, subjects, pairs) for kind, name, flows, subjects, pairs in counts}


def _names(found: Iterable[Place], kind: PlaceKind) -> list[str]:
    return sorted(place.name for place in found if place.kind == kind)


def _filled(statement: str, question: Blast, times: Times) -> str:
    held = "1" if question.until is None else _HELD
    return statement.replace("{at}", _AT[question.start]).replace("{when}", times.exact).replace("{held}", held)


def _candidates(store: Store, question: Blast, times: Times, categories: list[str]) -> tuple[dict[Place, Arrival], int]:
    """The places that data may have got to, and how many flows were steps from or to one of them, by sums of days."""
    where = f"{_MOVES} AND category IN {{categories:Array(String)}}"  # of others nothing was at the start
    statement = _STEPS.replace("{standing}", standing(_STEP_COLUMNS, times, where))
    moved = [
        (steps_of(kind, service, recipient, dataset), category, first, last, flows)
        for kind, service, recipient, dataset, category, first, last, flows in store.rows(
            statement, **times.parameters, categories=categories
        )
    ]
    steps = [Step(*ends, category, first, last) for each, category, first, last, _ in moved for ends in each]
    start = Place(question.start, question.name)
    since = date.min if question.since is None else question.since.astimezone(UTC).date()
    found = spread(start, categories, steps, since, question.hops_max)
    flows = sum(flows for each, *_, flows in moved if any(found.keys() & ends for ends in each))
    return found, flows
