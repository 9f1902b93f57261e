"""The lineage graph of a ledger in memory."""

from __future__ import annotations

import json
from collections import defaultdict

from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.graph import Graph, GraphAnswer, SubjectGraph, SubjectGraphAnswer, nodes_of
from flowtrack.audit.graph_subject import Flow, subject_edges
from flowtrack.audit.graph_sums import Group, Source, by_flows, edges_of
from flowtrack.audit.paging import page_of
from flowtrack.domain.instants import instant_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import MOVING, View, attributes_of, day_of, verdicts

_FILTERS = ("service", "recipient", "dataset", "purpose", "verdict")


def graph(view: View, question: Graph, about: About) -> GraphAnswer:
    """Give a page of the whole graph."""
    asked = [
        row
        for row in view.flows(question)
        if under(row["category"], question.category)
        and all(getattr(question, name) in {None, row[name]} for name in _FILTERS)
    ]
    everything = view.flows(question.model_copy(update={"since": None}))
    sources = [
        Source(row["kind"], row["service"], row["recipient"], row["category"], day_of(row))
        for row in everything
        if row["kind"] in {"collect", "share"}
    ]
    services = frozenset(row["service"] for row in everything)
    about, edges = page_of(question, about, edges_of(_groups(view, asked), sources, services), by_flows)
    return GraphAnswer(about=about, rows=edges, nodes=nodes_of(edges))


def subject_graph(view: View, question: SubjectGraph, about: About) -> SubjectGraphAnswer:
    """Give one subject's graph."""
    since_us = 0 if question.since is None else instant_us(question.since)
    rows = view.flows(question.model_copy(update={"since": None}))
    edges, not_found = subject_edges(
        question.subject,
        [_flow(row) for row in rows if row["subject"] == question.subject and row["kind"] in MOVING],
        lambda flow: under(flow.category, question.category) and flow.at_us >= since_us,
    )
    return SubjectGraphAnswer(about=about, rows=edges, nodes=nodes_of(edges), not_found=not_found)


def _groups(view: View, rows: list[Row]) -> list[Group]:
    said = attributes_of(view)
    groups: dict[tuple[str, str, str, str, str, bool], list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] in MOVING:
            method = said.get((row["pack"], row["situation"]), {}).get("method")
            received = row["kind"] == "collect" and method == "received"
            names = (row["kind"], row["service"], row["recipient"], row["dataset"], row["category"])
            groups[(*names, received)].append(row)
    found = []
    for key, group in groups.items():
        counted, days = verdicts(group), [day_of(row) for row in group]
        by_verdict = (counted["permit"], counted["deny"], counted["indeterminate"])
        found.append(Group(*key, len(group), *by_verdict, min(days), max(days)))
    return found


def _flow(row: Row) -> Flow:
    facts, particulars = json.loads(row["facts"] or "{}"), json.loads(row["particulars"] or "{}")
    sender = facts.get("received_from", "") if row["kind"] == "collect" else ""
    names = ("event_id", "kind", "service", "recipient", "dataset", "category", "verdict")
    stems = tuple(particulars.get("derived_from", ()))
    return Flow._make((row["happened_at"], *(row[name] for name in names), sender, stems))
