"""The lineage graph from the database: the whole from sums by day, a subject's from its rows."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of, standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.graph import Graph, GraphAnswer, SubjectGraph, SubjectGraphAnswer, nodes_of
from flowtrack.audit.graph_subject import Flow, subject_edges
from flowtrack.audit.graph_sums import Group, Source, by_flows, edges_of
from flowtrack.audit.paging import page_of
from flowtrack.domain.instants import instant_us
from flowtrack.wire.facts import decode_facts, decode_particulars

_FILTERS: Final = {name: name for name in ("service", "recipient", "dataset", "category", "purpose", "verdict")}
_RECEIVED: Final = """
kind = 'collect' AND toUInt64(situation) IN
(SELECT situation FROM judgements WHERE JSONExtractString(attributes, 'method') = 'received') AS received"""
_COLUMNS: Final = (
    *("kind", "service", "recipient", "dataset", "category", "verdict", "toDate(happened_at) AS day"),
    _RECEIVED,
)
_MOVING: Final = "kind IN ('collect', 'use', 'share', 'store')"
_GROUPS: Final = """
SELECT kind, service, recipient, dataset, category, received, sum(flows), sumIf(flows, verdict = 'permit'),
       sumIf(flows, verdict = 'deny'), sumIf(flows, verdict = 'indeterminate'), min(day), max(day)
FROM ({standing}) GROUP BY kind, service, recipient, dataset, category, received
SETTINGS max_threads = 2"""
_SOURCES: Final = """
SELECT kind, service, recipient, category, min(day) FROM ({standing}) GROUP BY kind, service, recipient, category"""
# What stands is told here: planning a group over so many columns takes as long as reading a few parts.
_OF_SUBJECT: Final = """
SELECT toUnixTimestamp64Micro(happened_at) AS at_us, event_id, kind, service, recipient, dataset, category, verdict,
       if(kind = 'collect', facts, '') AS said, particulars, epoch, source_partition, source_offset, sign
FROM flows WHERE subject = {subject:UUID} AND {when} AND {moving} SETTINGS optimize_use_projections = 0"""


def graph(store: Store, question: Graph, about: About) -> GraphAnswer:
    """Give a page of the whole graph.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    where, filters = filters_of(question, _FILTERS, _MOVING)
    times = times_of(question)
    statement = _GROUPS.replace("{standing}", standing(_COLUMNS, times, where))
    found = store.rows(statement, **times.parameters, **filters)
    groups = [Group._make((*row[:5], bool(row[5]), *row[6:])) for row in found]
    about, edges = page_of(question, about, edges_of(groups, *_around(store, question)), by_flows)
    return GraphAnswer(about=about, rows=edges, nodes=nodes_of(edges))


def subject_graph(store: Store, question: SubjectGraph, about: About) -> SubjectGraphAnswer:
    """Give one subject's graph.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question.model_copy(update={"since": None}))
    statement = _OF_SUBJECT.replace("{when}", times.exact).replace("{moving}", _MOVING)
    signs: Counter[tuple[Any, ...]] = Counter()
    for *flow, sign in store.rows(statement, **times.parameters, subject=question.subject):
        signs[tuple(flow)] += sign
    since_us = None if question.since is None else instant_us(question.since)
    edges, not_found = subject_edges(
        question.subject,
        (_flow(row) for row, sign in signs.items() if sign > 0),
        lambda flow: under(flow.category, question.category) and (since_us is None or flow.at_us >= since_us),
    )
    return SubjectGraphAnswer(about=about, rows=edges, nodes=nodes_of(edges), not_found=not_found)


def _around(store: Store, question: Graph) -> tuple[list[Source], frozenset[str]]:
    """Where data may have come from, and all services: whatever the question narrows the flows to."""
    times = times_of(question.model_copy(update={"since": None}))
    columns = "kind, service, recipient, category, toDate(happened_at) AS day"
    came = _SOURCES.replace("{standing}", standing(columns, times, "kind IN ('collect', 'share')"))
    sources = [Source._make(row) for row in store.rows(came, **times.parameters)]
    services = store.rows(standing("service", times), **times.parameters)
    return sources, frozenset(name for name, _ in services)


def _flow(row: tuple[Any, ...]) -> Flow:
    said, particulars = row[8], row[9]
    sender = (decode_facts(said.encode()).received_from or "") if said else ""
    stems = (decode_particulars(particulars.encode()).derived_from or []) if particulars else []
    return Flow._make((*row[:8], sender, tuple(stems)))
