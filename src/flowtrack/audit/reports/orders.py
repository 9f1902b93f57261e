"""What reports can be ordered: each an order as a value, which asks the ledger what it needs and builds the report.

Commands and addresses are made from `ORDERS`; whoever makes one gives a `Bench`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.blast import Blast, PlaceKind
from flowtrack.audit.consent_proof import ConsentProof as Proof
from flowtrack.audit.family import PagedQuestion
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books, Period, Situations
from flowtrack.audit.reports.access_request import AccessRequest, access_request
from flowtrack.audit.reports.breach import Breach, Incident, breach, exposed_by, incident_of, named_of
from flowtrack.audit.reports.consent_proof import ConsentProof, consent_proof
from flowtrack.audit.reports.frame import AnswerUsed, Report, known_by, used
from flowtrack.audit.reports.holding import held
from flowtrack.audit.reports.law_overlay import LawOverlay, law_overlay, touched_by_law
from flowtrack.audit.reports.monthly import Monthly, month_of, monthly
from flowtrack.audit.reports.ordering import Annex, Bench, Order, PeriodOrder, Purpose
from flowtrack.audit.reports.ropa import Ropa, ropa
from flowtrack.audit.reports.staff_access import USES_MAX, StaffAccess, staff_access
from flowtrack.audit.reports.transfers import TransferRegister, transfer_register
from flowtrack.audit.reports.whole import LISTED_MAX, whole
from flowtrack.audit.roles import COUNTERS, DESKS, EXAMINERS, Role
from flowtrack.audit.trail import Trail
from flowtrack.audit.transfers import Transfers
from flowtrack.domain.event import SERVICE_SOURCE, incident_subject
from flowtrack.domain.model import Identifier, Name, Subject
from flowtrack.errors import QuestionError

HOPS_MAX: Final = 8
"""Steps from a breached place that are followed."""
HELD_MAX: Final = 20
"""So many rows of what is overdue, and of unknown origin, a monthly report lists; the record lists all."""
ALERTS_MAX: Final = 20
"""So many alerts are listed, the worst; all are counted."""


def _a_month(text: str) -> str:
    try:
        month_of(text)
    except OverflowError:  # the last one: none follows it, and it has no end
        raise ValueError("there is no such month") from None
    return text


class AccessRequestOrder(Order):
    """Everything about one subject, and by when their request for access is to be answered (GDPR 15, PIPA 35)."""

    report: ClassVar[type[Report]] = AccessRequest
    roles: ClassVar[frozenset[Role]] = DESKS
    takes_purpose: ClassVar[Purpose] = "always"

    subject: Subject
    received_at: AwareDatetime | None = None
    """When the request came; left out, when the report is made."""
    as_of: AwareDatetime | None = None
    """What had happened by this instant."""
    known_at: AwareDatetime | None = None
    """What was known at this instant."""

    def make(self, bench: Bench) -> Report:
        """Ask for the subject's trail, which is written down, and build the report."""
        question = Trail(subject=self.subject, as_of=self.as_of, known_at=self.known_at)
        trail = bench.ledger.ask(question, asker=bench.asker)
        received_at = self.received_at or bench.now
        return access_request(bench.desk, trail, bench.registry(), received_at=received_at, terms=bench.terms)


class BreachOrder(Order):
    """The pack for a breach: subjects, categories, recipients, and what is due by when (PIPA 34, GDPR 33 and 34)."""

    report: ClassVar[type[Report]] = Breach
    annex: ClassVar[str] = "subjects"
    roles: ClassVar[frozenset[Role]] = COUNTERS
    takes_purpose: ClassVar[Purpose] = "sometimes"

    incident: Identifier | None = None
    """Id of the incident's event, with `published_by`; or name one place, with `since`."""
    published_by: Name | None = None
    """The service that published the incident's event."""
    service: Name | None = None
    """The service that was breached."""
    dataset: Name | None = None
    """The dataset that was breached."""
    party: Name | None = None
    """The party that was breached."""
    since: AwareDatetime | None = None
    """When the breach began."""
    until: AwareDatetime | None = None
    """When it ended."""
    noticed_at: AwareDatetime | None = None
    """When it was noticed: from then on clocks run; left out, as the event says, or when the report is made."""
    external_access: bool = False
    """Somebody got in from outside against the law (PIPA 34(4), decree 40)."""
    known_at: AwareDatetime | None = None
    """What was known at this instant."""

    @model_validator(mode="after")
    def _is_one_place(self) -> BreachOrder:
        places = [each for each in (self.service, self.dataset, self.party) if each]
        by_event = self.incident is not None and self.published_by is not None and not places
        by_place = len(places) == 1 and self.since is not None and self.incident is None
        if not (by_event or by_place):
            raise ValueError("an incident with who published it, or one place with the instant since when")
        return self

    @property
    def needs_purpose(self) -> bool:
        """An incident is looked up as a subject is, and written down as that."""
        return self.incident is not None

    def make(self, bench: Bench) -> Report:
        """Find the incident, follow the data, and build the pack.

        Raises:
            QuestionError: the ledger has no such incident.
            StoreError: the ledger does not answer.
        """
        incident, others = self._incident(bench)
        question = Blast(
            start=incident.place,
            name=incident.name,
            since=incident.since,
            until=incident.until,
            known_at=self.known_at,
            hops_max=HOPS_MAX,
        )
        words = bench.words()
        reached = bench.ledger.ask(question, asker=bench.asker)
        named = named_of(reached.categories, incident.categories, words)
        if named != reached.categories:  # the incident was about some of what was there
            narrowed = {"categories": named or incident.categories, "known_at": known_by(reached)}
            reached = bench.ledger.ask(question.model_copy(update=narrowed), asker=bench.asker)
        return breach(
            bench.desk,
            incident,
            reached,
            bench.registry(),
            words,
            bench.terms,
            external_access=self.external_access,
            others=others,
        )

    def annex_of(self, report: Report) -> PagedQuestion[Any] | None:
        """Give the question that lists the subjects to be told."""
        return exposed_by(report.everybody) if isinstance(report, Breach) else None

    def with_annex(self, report: Report, annex: Annex) -> Report:
        """Say in the pack where the subjects are listed."""
        if not isinstance(report, Breach):
            return report
        told = {"listed": annex.rows, "annex": annex.name, "sha256": annex.sha256}
        return report.model_copy(update={"everybody": report.everybody.model_copy(update=told)})

    def _incident(self, bench: Bench) -> tuple[Incident, list[AnswerUsed]]:
        if self.incident is not None and self.published_by is not None:
            subject = incident_subject(f"{SERVICE_SOURCE}{self.published_by}", self.incident)
            trail = bench.ledger.ask(Trail(subject=subject, known_at=self.known_at), asker=bench.asker)
            found = incident_of(trail, self.published_by)
            if found is None:
                raise QuestionError(
                    "the ledger has no such incident",
                    where="incident",
                    help="give the event's id and the service that published it, or the place and since when",
                )
            noticed = self.noticed_at or found.noticed_at
            return found.model_copy(update={"noticed_at": noticed}), [used(trail.about)]
        places: list[tuple[PlaceKind, str | None]] = [
            ("service", self.service),
            ("dataset", self.dataset),
            ("party", self.party),
        ]
        place, name = next((place, name) for place, name in places if name)
        since = self.since or bench.now
        told = Incident(
            place=place,
            name=name,
            since=since,
            until=self.until,
            noticed_at=self.noticed_at or bench.now,
            categories=[],
        )
        return told, []


class ConsentProofOrder(Order):
    """Proof of a consent: record, notice, what it covered at an instant, each flow that relied on it (GDPR 7(1))."""

    report: ClassVar[type[Report]] = ConsentProof
    roles: ClassVar[frozenset[Role]] = DESKS
    takes_purpose: ClassVar[Purpose] = "always"

    subject: Subject
    record: Identifier
    """Id of the consent record."""
    at: AwareDatetime | None = None
    """The instant that it is proved for; left out, when the report is made."""
    known_at: AwareDatetime | None = None
    """What was known at this instant."""

    def make(self, bench: Bench) -> Report:
        """Ask for the record's proof, which is written down, and build the report.

        Raises:
            QuestionError: the subject has no such record.
            StoreError: the ledger does not answer.
        """
        question = Proof(subject=self.subject, record=self.record, known_at=self.known_at)
        answer = bench.ledger.ask(question, asker=bench.asker)
        return consent_proof(bench.desk, answer, bench.words(), at=self.at or bench.now)


class RopaOrder(PeriodOrder):
    """The record of processing activities from real traffic, beside what is declared (GDPR 30, PIPL 56)."""

    report: ClassVar[type[Report]] = Ropa
    roles: ClassVar[frozenset[Role]] = COUNTERS

    def make(self, bench: Bench) -> Report:
        """Ask for the situations of the period, and build the record."""
        met = bench.ledger.situations_met(Situations(**dict(self.period)))
        return ropa(bench.desk, met, held(bench, self.period), self.period, bench.registry(), bench.words())


class TransfersOrder(PeriodOrder):
    """The register of transfers abroad: what went to which country and party (GDPR 44, PIPA 28-8, PIPL 38, 39)."""

    report: ClassVar[type[Report]] = TransferRegister
    roles: ClassVar[frozenset[Role]] = COUNTERS

    home: Name | None = None
    """This country is home; left out, the regions of the platform's and its affiliates' services are."""

    def make(self, bench: Bench) -> Report:
        """Ask for the transfers of the period, page by page, and build the register."""
        question = Transfers(**dict(self.period), home=self.home)
        return transfer_register(bench.desk, whole(bench.ledger, question, bench.asker), self.period)


class StaffAccessOrder(PeriodOrder):
    """The review of staff access: who used whose data, for which task, from which session (PIPA 28, GDPR 32(4))."""

    report: ClassVar[type[Report]] = StaffAccess
    roles: ClassVar[frozenset[Role]] = EXAMINERS
    takes_purpose: ClassVar[Purpose] = "always"

    actor: Identifier | None = None
    """Only this person: the id that the service gives them."""
    service: Name | None = None
    """Only at this service."""
    uses_max: Annotated[int, Field(ge=0, le=LISTED_MAX)] = USES_MAX
    """So many uses are listed one by one, the newest; the summary and what was not permitted are of all."""

    def make(self, bench: Bench) -> Report:
        """Ask for the uses of the period, page by page, and build the review."""
        question = Access(**dict(self.period), actor=self.actor, service=self.service)
        answer = whole(bench.ledger, question, bench.asker)
        return staff_access(bench.desk, answer, self.period, bench.terms, uses_max=self.uses_max)


class MonthlyOrder(Order):
    """What happened in a month, how it was judged, what went wrong, and how complete the books are, with pictures."""

    report: ClassVar[type[Report]] = Monthly
    roles: ClassVar[frozenset[Role]] = COUNTERS

    month: Annotated[str, AfterValidator(_a_month)]
    """The month, in UTC: 2026-03."""
    known_at: AwareDatetime | None = None
    """What was known at this instant."""

    def make(self, bench: Bench) -> Report:
        """Ask for overview, situations, alerts and books, and build the report."""
        since, until = month_of(self.month)
        ledger: Ledger = bench.ledger
        times: dict[str, Any] = {"since": since, "until": until, "known_at": self.known_at}
        return monthly(
            bench.desk,
            self.month,
            ledger.ask(Overview(**times, events=True), asker=bench.asker),
            ledger.situations_met(Situations(**times)),
            ledger.ask(Alerts(limit=ALERTS_MAX), asker=bench.asker),
            ledger.books(Books(holes_max=0)),
            held(bench, Period(**times), rows_max=HELD_MAX),
        )


class LawOverlayOrder(PeriodOrder):
    """Verdicts that rest on deemed consent, which GDPR, PIPA or PIPL would not accept by itself."""

    report: ClassVar[type[Report]] = LawOverlay
    roles: ClassVar[frozenset[Role]] = EXAMINERS
    takes_purpose: ClassVar[Purpose] = "sometimes"

    count_subjects: bool = True
    """Count whom each finding touches: that reads every row of the flows found, the rest is made of sums."""

    @property
    def needs_purpose(self) -> bool:
        """Where subjects are counted, some are named as samples."""
        return self.count_subjects

    def make(self, bench: Bench) -> Report:
        """Ask for the situations of the period and whom the findings touch, and build the report."""
        met = bench.ledger.situations_met(Situations(**dict(self.period)))
        packs = list(bench.packs.values())
        questions = touched_by_law(met, self.period, packs, bench.asker) if self.count_subjects else []
        touched = [bench.ledger.touched(question) for question in questions]
        return law_overlay(bench.desk, met, touched, self.period)


ORDERS: Final[dict[str, type[Order]]] = {
    order.report.name: order
    for order in (
        *(AccessRequestOrder, BreachOrder, RopaOrder, ConsentProofOrder, TransfersOrder, StaffAccessOrder),
        *(LawOverlayOrder, MonthlyOrder),
    )
}
"""By the name of the report."""


def order_of(name: str, fields: Mapping[str, Any]) -> Order:
    """Make an order from its fields; left out and empty are the same."""
    return ORDERS[name].model_validate({key: value for key, value in fields.items() if value not in {None, ""}})
