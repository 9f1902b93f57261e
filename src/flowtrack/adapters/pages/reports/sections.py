"""What stands in each report, in order: facts, tables and pictures, named by the fields of its value.

Headings are words `report.<name>.<field>`, column heads `column.<column>`; a test holds that none is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from flowtrack.audit.reports.law_overlay import LawOverlay
from flowtrack.audit.reports.ropa import Ropa


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


Section = Facts | Table

_PERIOD: Final = ("since", "until", "known_at")
_DIFFERENCE: Final = ("what", "service", "recipient", "purpose", "category")

SECTIONS: Final[Mapping[str, tuple[Section, ...]]] = {
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
}
"""By the report's name."""
