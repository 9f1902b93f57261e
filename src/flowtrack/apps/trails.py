"""A subject's trail as a tree: what happened when, how it was judged, by which clause, on which consent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flowtrack.apps.clauses import ClauseText
from flowtrack.apps.screen import Node
from flowtrack.audit.trail import TrailAnswer, TrailCategory, TrailConsent, TrailEvent

_PLAIN = {"permit", "not_applicable"}  # verdicts whose clauses are named, but not spelt out


def tree_of(trail: TrailAnswer, texts: Mapping[str, ClauseText], *, steps_max: int = 0) -> Node:
    """Give a trail as a tree, in the order in which things happened.

    Args:
        trail: the ledger's answer.
        texts: what clauses say; those that deny are spelt out.
        steps_max: show at most so many steps, those that did not pass and their neighbours first; 0 shows all.
    """
    seen: set[tuple[str, str]] = set()
    steps: list[tuple[datetime, Node]] = []
    for event in trail.rows:
        steps.append((event.happened_at, _event(event, texts, repeated=(event.service, event.event_id) in seen)))
        seen.add((event.service, event.event_id))
    steps += [(each.valid_from, _consent(each)) for each in trail.consents]
    steps.sort(key=lambda step: step[0])
    shown = _chosen([node for _, node in steps], steps_max)
    left_out = len(steps) - len(shown)
    whose = trail.about.question["subject"]
    title = f"subject {whose}: {len(trail.rows)} events, {len(trail.consents)} consent records (times are UTC)"
    rest = [Node(f"… and {left_out} more")] if left_out else []
    return Node(title, children=[*shown, *rest])


def _chosen(steps: list[Node], steps_max: int) -> list[Node]:
    """Choose steps to show: around those that did not pass, else the first."""
    if not steps_max or len(steps) <= steps_max:
        return steps
    bad = [place for place, node in enumerate(steps) if node.mark in {"deny", "indeterminate"}] or [0]
    near = sorted(range(len(steps)), key=lambda place: (min(abs(place - each) for each in bad), place))
    return [steps[place] for place in sorted(near[:steps_max])]


def _event(event: TrailEvent, texts: Mapping[str, ClauseText], *, repeated: bool) -> Node:
    whom = f" → {event.recipient}" if event.recipient else ""
    where = f" in {event.location}" if event.location else ""
    what = (
        f"{_time(event.happened_at)}  {event.kind} by {event.service}{whom}{where} for {event.purpose or 'no purpose'}"
    )
    again = "  (told again by the service)" if repeated else ""
    return Node(what + again, mark=event.verdict, children=list(_judgements(event, texts)))


def _judgements(event: TrailEvent, texts: Mapping[str, ClauseText]) -> Iterator[Node]:
    """Give one node for all categories that were judged alike."""
    alike: dict[tuple[object, ...], list[TrailCategory]] = {}
    for each in event.categories:
        key = (each.verdict, *map(tuple, (each.clauses, each.reasons, each.gaps)), each.consent)
        alike.setdefault(key, []).append(each)
    for group in alike.values():
        first = group[0]
        why = ", ".join([*first.reasons, *first.gaps])
        clauses = f"  § {', '.join(first.clauses)}" if first.clauses else ""
        record = f" on record {first.consent}" if first.consent else ""
        text = f"{', '.join(each.category for each in group)}: {why}{record}{clauses}"
        below = []
        if first.verdict not in _PLAIN:
            below = [Node(f"§ {clause}  {texts[clause].short()}") for clause in first.clauses if clause in texts]
        yield Node(text, mark=first.verdict, children=below)


def _consent(consent: TrailConsent) -> Node:
    scope = ""
    if consent.scope is not None:
        given = consent.scope.model_dump(mode="json", exclude_none=True)
        scope = ": " + ", ".join(f"{name} {_term(value)}" for name, value in given.items())
    return Node(f"{_time(consent.valid_from)}  {consent.kind} {consent.record} {consent.state}{scope}", mark="§")


def _term(value: object) -> str:
    if isinstance(value, dict):
        return " + ".join(_term(each) for each in value.values())
    return " and ".join(map(_term, value)) if isinstance(value, list) else str(value)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
