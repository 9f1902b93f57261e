"""What stands in each report, in order: facts, tables and pictures, named by the fields of its value.

Headings are words `report.<name>.<field>`, column heads `report_column.<column>`; a test holds that none is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from flowtrack.audit.reports.access_request import AccessRequest
from flowtrack.audit.reports.breach import Breach
from flowtrack.audit.reports.consent_proof import ConsentProof
from flowtrack.audit.reports.law_overlay import LawOverlay
from flowtrack.audit.reports.monthly import Monthly
from flowtrack.audit.reports.ropa import Ropa
from flowtrack.audit.reports.staff_access import StaffAccess
from flowtrack.audit.reports.transfers import TransferRegister


class Facts(NamedTuple):
    """Single values of the report, below each other."""

    name: str
    """Of the heading."""
    fields: tuple[str, ...]


class Table(NamedTuple):
    """A list of the report's, a row each."""

    name: str
    """The field, and the heading."""
    columns: tuple[str, ...]


class Group(NamedTuple):
    """A value of the report's that has fields of its own, below each other."""

    name: str
    """The field, and the heading."""
    fields: tuple[str, ...]


Section = Facts | Group | Table

DEADLINES: Final = Table(
    "deadlines", ("duty", "sources", "number", "unit", "own_number", "due_at", "left_days", "left_hours", "state")
)
_PERIOD: Final = ("since", "until", "known_at")
_DIFFERENCE: Final = ("what", "service", "recipient", "purpose", "category")

_HOLDING: Final = (
    Group("overstayed", ("held_against", "keep_days", "copies", "not_listed", "unexplained_not_listed")),
    Table("overdue", ("dataset", "service", "category", "copies", "first_due", "last_due")),
    Table(
        "unexplained",
        ("service", "category", "kind", "purposes", "recipients", "flows", "permitted", "first", "last", "came"),
    ),
)
"""What is held without good reason."""
_RELIED: Final = (
    *("happened_at", "kind", "category", "service", "purpose", "recipient", "verdict", "clauses"),
    *("reasons", "notice_version", "event_id"),
)
_ACCESS: Final = (
    *("happened_at", "actor", "actor_type", "role", "task", "session", "agreement", "subject"),
    *("service", "categories", "purpose"),
)

SECTIONS: Final[Mapping[str, tuple[Section, ...]]] = {
    AccessRequest.name: (
        Facts("request", ("subject", "received_at", "as_of", "known_at")),
        DEADLINES,
        Table("held", ("category", "kinds", "purposes", "services", "recipients", "flows", "denied", "first", "last")),
        Table("purposes", ("purpose", "basis", "reasons", "clauses", "categories", "flows", "denied")),
        Table(
            "recipients",
            (
                *("recipient", "type", "destinations", "categories", "purposes", "bases"),
                *("flows", "denied", "first", "last"),
            ),
        ),
        Table("origins", ("method", "received_from", "service", "categories", "flows", "first", "last")),
        Table("unexplained", ("service", "category", "kinds", "flows", "permitted", "first", "last")),
        Table(
            "kept",
            (
                *("dataset", "custodian", "location", "categories", "purposes", "retain_until", "overdue"),
                *("erased_at", "first", "last"),
            ),
        ),
        Table("consents", ("record", "record_kind", "record_state", "valid_from", "expires", "scope", "notice")),
        Table(
            "steps",
            (
                *("happened_at", "kind", "category", "service", "purpose", "basis", "recipient", "dataset"),
                *("location", "verdict", "clauses", "reasons", "consent"),
            ),
        ),
        Facts("more", ("by_hand",)),
    ),
    Breach.name: (
        Group("incident", ("place", "name", "since", "until", "noticed_at", "categories", "event_id", "published_by")),
        Facts("extent", ("subjects", "pairs", "subjects_threshold", "external_access")),
        Table(
            "deadlines",
            ("duty", "sources", "number", "unit", "due_at", "left_hours", "state", "applies", "why"),
        ),
        Group("everybody", ("listed", "annex", "sha256", "command", "address")),
        Table("categories", ("category", "identifying")),
        Table("recipients", ("name", "type", "country", "hops", "categories", "flows", "subjects")),
        Table("places", ("place_kind", "name", "hops", "categories", "flows", "subjects")),
        Table("contents", ("content", "sources", "section")),
    ),
    Ropa.name: (
        Facts("period", (*_PERIOD, "registry", "flows", "unread")),
        Table(
            "activities",
            (
                *("service", "controller", "purpose", "kinds", "bases", "categories", "recipients", "regions"),
                *("clauses", "flows", "denied"),
            ),
        ),
        Table(
            "recipients",
            ("recipient", "type", "country", "agreement", "categories", "purposes", "flows", "denied"),
        ),
        Table("undeclared", (*_DIFFERENCE, "flows", "permitted")),
        Table("unseen", _DIFFERENCE),
        *_HOLDING,
        Facts("more", ("by_hand",)),
    ),
    LawOverlay.name: (
        Facts("period", (*_PERIOD, "permitted", "concerned")),
        Table("findings", ("rule", "sources", "says", "flows", "events", "subjects", "sample_subjects")),
        Table(
            "resting",
            ("rules", "service", "kind", "purpose", "categories", "recipients", "reasons", "clauses", "flows"),
        ),
    ),
    ConsentProof.name: (
        Facts("proof", ("subject", "record", "record_kind", "at", "standing", "in_force", "notice")),
        Table("covered", ("dimension", "said", "names")),
        Table(
            "states",
            (
                *("record_state", "valid_from", "recorded_at", "expires", "method_said", "scope", "notice"),
                *("relied", "stands", "event_id"),
            ),
        ),
        Table("relied", _RELIED),
        Table("kept_out", _RELIED),
    ),
    TransferRegister.name: (
        Facts("period", (*_PERIOD, "home")),
        Table("countries", ("country", "recipients", "categories", "bases", "flows", "denied")),
        Table(
            "transfers",
            (
                *("country", "recipient", "type", "category", "purposes", "bases", "services"),
                *("flows", "denied", "subjects", "first", "last"),
            ),
        ),
        Facts("more", ("by_hand",)),
    ),
    StaffAccess.name: (
        Facts("period", (*_PERIOD, "people", "flows")),
        Table("deadlines", ("duty", "sources", "number", "unit", "due_at")),
        Table("staff", ("actor", "role", "flows", "denied", "subjects", "without_task", "without_session")),
        Table(
            "doings",
            (
                *("actor", "role", "service", "purpose", "categories", "flows", "not_permitted", "subjects"),
                *("tasks", "sessions", "first", "last"),
            ),
        ),
        Table("not_permitted", (*_ACCESS, "verdict", "clauses", "reasons")),
        Table("unexplained", _ACCESS),
        Group("listing", ("uses_read", "uses_listed", "command", "address")),
        Table("uses", (*_ACCESS, "verdict")),
    ),
    Monthly.name: (
        Facts("period", ("month", *_PERIOD, "events", "flows", "never_cited")),
        Table("verdicts", ("verdict", "flows")),
        Table("days", ("day", "permit", "deny", "indeterminate", "not_applicable", "flows")),
        Table("clauses", ("clause", "deny", "indeterminate", "reasons", "services")),
        Table("recipients", ("recipient", "flows", "denied")),
        Group("recipients_rest", ("count", "flows", "denied")),
        Table("streams", ("service", "category", "recipient", "flows", "not_denied", "denied")),
        Table("services", ("service", "flows", "denied")),
        Group("services_rest", ("count", "flows", "denied")),
        *_HOLDING,
        Table("alerts", ("alert_state", "severity", "alerts", "findings")),
        Table(
            "worst_alerts", ("title", "alert_state", "severity", "clauses", "reasons", "first_at", "last_at", "count")
        ),
        Group("books", ("judged", "dead", "missing", "both", "repeated_rows", "balanced")),
    ),
}
"""By the report's name."""
