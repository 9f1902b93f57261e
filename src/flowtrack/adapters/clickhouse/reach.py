"""Where data got to from one place."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.groups import ReachAnswer
from flowtrack.audit.questions import Reach
from flowtrack.audit.spread import Arrival, Place, Step, reached_of, spread, steps_of
from flowtrack.domain.instants import instant_us

_STEP_COLUMNS = "kind, service, recipient, dataset, category, toDate(happened_at) AS day"
_STEPS: Final = """
SELECT kind, service, recipient, dataset, category, min(day), max(day)
FROM ({standing})
WHERE kind IN ('store', 'collect', 'use', 'share') AND (dataset != '' OR recipient != '')
GROUP BY kind, service, recipient, dataset, category SETTINGS max_threads = 2"""

_AT = {"dataset": "dataset", "service": "service", "recipient": "recipient"}
_START = "SELECT category FROM ({standing})"
# The rows of these subjects and categories first, and only then what they say; where they are looked for is cut down
# by names before, since a name is compared faster than a subject.
_REACHED = """
SELECT place.1 AS place_kind, place.2 AS place_name, sum(its_flows), uniqExact(subject), uniqExact((subject, category))
FROM
(
    SELECT subject, category, kind, service, recipient, dataset,
           happened_at >= fromUnixTimestamp64Micro({follow:Int64}, 'UTC') AS later, sum(sign) AS its_flows
    FROM flows
    WHERE category IN {categories:Array(String)} AND {when}
      AND (dataset IN {datasets:Array(String)} OR service IN {services:Array(String)} OR {at} = {name:String})
      AND (subject, category) IN
      (
          SELECT subject, category FROM flows WHERE {at} = {name:String} AND {when}
          GROUP BY subject, category HAVING sum(sign) > 0
      )
    GROUP BY subject, category, kind, service, recipient, dataset, later HAVING its_flows > 0
)
ARRAY JOIN arrayFilter(x -> x.2 != '', [
    if({at} = {name:String}, ('start', 'start'), ('', '')),
    if(later AND kind IN ('store', 'collect') AND service IN {services:Array(String)}, ('dataset', dataset), ('', '')),
    if(later AND kind IN ('use', 'share') AND dataset IN {datasets:Array(String)}, ('service', service), ('', '')),
    if(later AND kind = 'share' AND service IN {services:Array(String)}, ('recipient', recipient), ('', ''))
]) AS place
GROUP BY place_kind, place_name SETTINGS max_threads = 2"""

_BEGIN = Place("start", "start")


def reach(store: Store, question: Reach, completeness: CompleteUpTo) -> ReachAnswer:
    """Follow data from one place: along sums by day first, then subject by subject."""
    times = times_of(question)
    at = _AT[question.start]
    parameters = {**times.parameters, "name": question.name}
    held = _START.replace("{standing}", standing("category", times, f"{at} = {{name:String}}"))
    categories = [category for (category,) in store.rows(held, **parameters)]
    start = Place(question.start, question.name)
    found = _candidates(store, question, start, categories)
    places = {kind: sorted(place.name for place in found if place.kind == kind) for kind in ("service", "dataset")}
    counted = {
        Place(kind, name): (flows, subjects, pairs)
        for kind, name, flows, subjects, pairs in store.rows(
            _REACHED.replace("{at}", at).replace("{when}", times.exact),
            **parameters,
            categories=categories,
            follow=instant_us(question.since),
            services=places["service"],
            datasets=places["dataset"],
        )
    }
    _, subjects, pairs = counted.pop(_BEGIN, (0, 0, 0))
    by_place = {place: (flows, whose) for place, (flows, whose, _) in counted.items()}
    return ReachAnswer(
        subjects=subjects, pairs=pairs, reached=reached_of(start, subjects, found, by_place), completeness=completeness
    )


def _candidates(store: Store, question: Reach, start: Place, categories: list[str]) -> dict[Place, Arrival]:
    """The places that data may have got to, by sums of days."""
    times = times_of(question)
    rows = store.rows(_STEPS.replace("{standing}", standing(_STEP_COLUMNS, times)), **times.parameters)
    steps = [
        Step(source, target, category, first, last)
        for kind, service, recipient, dataset, category, first, last in rows
        for source, target in steps_of(kind, service, recipient, dataset)
    ]
    return spread(start, categories, steps, question.since.astimezone(UTC).date(), question.hops_max)
