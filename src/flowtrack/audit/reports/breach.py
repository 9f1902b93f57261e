"""The pack for a breach: whose data, which, when, who got it, and what is due by when (PIPA 34, GDPR 33 and 34)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.blast import BlastAnswer, PlaceKind, Reached
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.reports.frame import AnswerUsed, Desk, Report, used
from flowtrack.audit.reports.terms import Deadline, Terms, due_in
from flowtrack.audit.reports.whole import ways_to_all
from flowtrack.audit.trail import TrailAnswer
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Kind
from flowtrack.domain.registry import Registry
from flowtrack.domain.vocabulary import Vocabularies

_CONTENTS: Final = (
    ("what_leaked", ["gdpr.33.3", "pipa.34.1", "pipl.57"], "categories"),
    ("when_and_how", ["gdpr.33.3", "pipa.34.1", "pipl.57"], "incident"),
    ("how_many", ["gdpr.33.3"], "incident"),
    ("who_got_it", ["gdpr.33.3"], "recipients"),
    ("consequences", ["gdpr.33.3", "pipl.57"], ""),
    ("how_to_limit_damage", ["pipa.34.1", "pipl.57"], ""),
    ("measures", ["gdpr.33.3", "pipa.34.1", "pipl.57"], ""),
    ("contact", ["gdpr.33.3", "pipa.34.1", "pipl.57"], ""),
    ("rights", ["pipa.34.1"], ""),
)
"""What a notice must tell, by which articles, and the section that tells it; empty where no ledger knows."""


class Incident(Contract):
    """What happened, as far as it is known."""

    place: PlaceKind
    name: str
    since: AwareDatetime
    """Data that was there from this instant on."""
    until: AwareDatetime | None
    """The end of the incident; None where it goes on."""
    noticed_at: AwareDatetime
    """From when on clocks run."""
    categories: list[str]
    """That were reached; empty for all."""
    event_id: str = ""
    """Of the incident's event; empty where there is none."""
    published_by: str = ""


class Exposed(Contract):
    """A category of data that was in the place."""

    category: str
    identifying: bool
    """PIPA calls it uniquely identifying, by the setting."""


class Downstream(Contract):
    """A place that the data got to."""

    kind: str
    name: str
    type: str
    """Of a party, as the registry has it."""
    country: str
    hops: int
    categories: list[str]
    flows: int
    subjects: int


class Everybody(Contract):
    """How the subjects to be told are got, one by one: a pack is read by more people than may see them."""

    question: dict[str, Any]
    """To `exposed-subjects`, as known at the instant of this pack: it gives as many subjects as the pack counts."""
    command: str
    """That gives all of them as CSV."""
    address: str
    """That does over HTTP, below the API's own; both ask for a purpose and are written down."""
    listed: int | None = None
    """How many stand in the annex; None where none was written."""
    annex: str = ""
    """Name of the file that was written with this pack."""
    sha256: str = ""
    """Of that file."""


class Told(Contract):
    """Something that a notice must tell."""

    content: str
    """Code; its words stand with the page's."""
    sources: list[str]
    section: str
    """Of this report; empty where somebody must write it."""


class Breach(Report):
    """A breach, as far as the ledger knows."""

    name: ClassVar[str] = "breach"
    sources: ClassVar[tuple[str, ...]] = (
        *("gdpr.33.1", "gdpr.33.3", "gdpr.34.1", "pipa.34.1", "pipa.34.2", "pipa.34.4"),
        *("pipa_decree.39", "pipa_decree.39-3", "pipa_decree.40", "pipl.57"),
    )

    incident: Incident
    subjects: int
    """Whose data came to the place before the breach ended."""
    pairs: int
    """Of a subject and a category."""
    subjects_threshold: int
    external_access: bool
    everybody: Everybody
    deadlines: list[Deadline]
    categories: list[Exposed]
    recipients: list[Downstream]
    places: list[Downstream]
    """Services and datasets; the breached one has no step behind it."""
    contents: list[Told]


def breach(
    desk: Desk,
    incident: Incident,
    blast: BlastAnswer,
    registry: Registry,
    words: Vocabularies,
    terms: Terms,
    *,
    external_access: bool = False,
    others: Iterable[AnswerUsed] = (),
) -> Breach:
    """Build the pack.

    Args:
        desk: who makes it, and when.
        incident: what happened.
        blast: where data got to from the breached place.
        registry: that says what parties are.
        words: vocabularies: what lies under what.
        terms: hours and thresholds.
        external_access: whether somebody got in from outside against the law, as far as is known.
        others: answers that it was made of besides.
    """
    named = named_of(blast.categories, incident.categories, words)
    identifying = [each for each in named if any(words.category.is_a(each, above) for above in terms.pipa_identifying)]
    down = [_downstream(each, registry, desk.made_at) for each in blast.rows]
    return Breach(
        head=desk.head(
            Breach,
            [*others, used(blast.about)],
            names={*named, *(name for each in blast.rows for name in each.categories)},
            clauses=["6.5"],
        ),
        incident=incident,
        subjects=blast.subjects,
        pairs=blast.pairs,
        subjects_threshold=terms.pipa_breach_subjects,
        external_access=external_access,
        everybody=_everybody(incident, blast.about.question),
        deadlines=_deadlines(incident, desk.made_at, terms, blast.subjects, identifying, external=external_access),
        categories=[Exposed(category=each, identifying=each in identifying) for each in named],
        recipients=[each for each in down if each.kind == "party"],
        places=[each for each in down if each.kind != "party"],
        contents=[Told(content=code, sources=by, section=section) for code, by, section in _CONTENTS],
    )


def incident_of(trail: TrailAnswer, published_by: str) -> Incident | None:
    """Give the incident that an event told of, from the trail of its own subject; None where there is none.

    Args:
        trail: of `domain.event.incident_subject`.
        published_by: the service.
    """
    for row in trail.rows:
        if row.kind != Kind.INCIDENT or row.particulars.interval_from is None:
            continue
        places: list[tuple[PlaceKind, str | None]] = [
            ("dataset", row.dataset),
            ("party", row.facts.party),
            ("service", row.facts.service),
        ]
        place, name = next(((kind, name) for kind, name in places if name), ("service", row.service))
        return Incident(
            place=place,
            name=name or row.service,
            since=row.particulars.interval_from,
            until=row.particulars.interval_to,
            noticed_at=row.particulars.noticed_at or row.happened_at,
            categories=[part.category for part in row.categories if part.category],
            event_id=row.event_id,
            published_by=published_by,
        )
    return None


def exposed_by(everybody: Everybody) -> ExposedSubjects:
    """Give the question that lists the subjects of a pack."""
    return ExposedSubjects.model_validate(everybody.question)


def _everybody(incident: Incident, asked: Mapping[str, Any]) -> Everybody:
    """Say how those are listed whom the blast radius counted.

    Args:
        incident: what happened.
        asked: the question of the blast radius, with its knowledge pinned.
    """
    categories, known_at = asked.get("categories") or [], asked.get("known_at")
    until = None if incident.until is None else incident.until.isoformat()
    said = {"start": incident.place, "name": incident.name, "until": until, "known_at": known_at}
    told: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if categories:
        told["categories"] = categories
    ways = ways_to_all(ExposedSubjects.family, told, ("start", "name"))
    return Everybody(question=told, command=ways.command, address=ways.address)


def named_of(found: list[str], wanted: list[str], words: Vocabularies) -> list[str]:
    """Give the categories that an incident names, of those that were in the place; all where it names none."""
    if not wanted:
        return sorted(found)
    return sorted(each for each in found if any(words.category.is_a(each, above) for above in wanted))


def _downstream(each: Reached, registry: Registry, now: datetime) -> Downstream:
    holding = registry.parties.at(each.name, instant_us(now)) if each.kind == "party" else None
    return Downstream(
        kind=each.kind,
        name=each.name,
        type="" if holding is None else holding.entry.type,
        country="" if holding is None else holding.entry.country or "",
        hops=each.hops,
        categories=each.categories,
        flows=each.flows,
        subjects=each.subjects,
    )


def _deadlines(
    incident: Incident, now: datetime, terms: Terms, subjects: int, identifying: list[str], *, external: bool
) -> list[Deadline]:
    began = incident.noticed_at
    met = {
        "subjects_threshold": subjects >= terms.pipa_breach_subjects,
        "identifying": bool(identifying),
        "external_access": external,
    }
    why = [code for code, holds in met.items() if holds]
    gdpr, pipa = terms.gdpr_breach_hours, terms.pipa_breach_hours
    authority = due_in("gdpr_authority", ["gdpr.33.1", "gdpr.33.3"], began, now, hours=gdpr)
    told = due_in("pipa_subjects", ["pipa.34.1", "pipa_decree.39"], began, now, hours=pipa)
    reported = due_in("pipa_authority", ["pipa.34.4", "pipa_decree.40"], began, now, hours=pipa)
    possible = due_in("pipa_possible", ["pipa.34.2", "pipa_decree.39-3"], began, now, hours=pipa)
    return [
        _said(authority, "unless_risk_unlikely"),
        _said(due_in("gdpr_subjects", ["gdpr.34.1"], began, now), "where_high_risk"),
        _said(told, "every_leak"),
        _said(possible, "where_only_possible"),
        _said(reported, *(why or ["below_thresholds"]), applies=bool(why)),
        _said(due_in("pipl_both", ["pipl.57"], began, now), "every_leak"),
    ]


def _said(due: Deadline, *why: str, applies: bool = True) -> Deadline:
    return due.model_copy(update={"applies": applies, "why": list(why)})
