"""Every family of questions by its name: commands, addresses and pages are made from this list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.blast import Blast, Withdrawal
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.coverage import Coverage
from flowtrack.audit.explanation import Explanation
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import Question
from flowtrack.audit.graph import Graph, SubjectGraph
from flowtrack.audit.hints import closest, did_you_mean
from flowtrack.audit.origin import Origin
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.overview import Overview
from flowtrack.audit.policy_history import PolicyHistory
from flowtrack.audit.received import Received, ReceivedSubjects
from flowtrack.audit.roles import Asker
from flowtrack.audit.trail import Trail
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.use import Use
from flowtrack.audit.violations import Violations
from flowtrack.domain.model import Contract
from flowtrack.errors import QuestionError

_ALL: Final[tuple[type[Question[Any]], ...]] = (
    Alerts,
    AuditLog,
    ConsentProof,
    Coverage,
    Explanation,
    Access,
    Overdue,
    Overview,
    PolicyHistory,
    Transfers,
    Received,
    ReceivedSubjects,
    Trail,
    Graph,
    SubjectGraph,
    Use,
    Blast,
    ExposedSubjects,
    Withdrawal,
    Origin,
    Violations,
)
_WORD: Final = re.compile(r"'([^']+)'")
FAMILIES: Final[dict[str, type[Question[Any]]]] = {question.family: question for question in _ALL}


_FORMS: Final = "instants are ISO 8601 with zone, subjects 32 hex digits"


class FamilyAsked(Contract):
    """A question on its way to another process."""

    asker: Asker
    question: dict[str, Any]


def family_of(name: str) -> type[Question[Any]]:
    """Give the question of a family.

    Raises:
        QuestionError: there is none of this name.
    """
    if name not in FAMILIES:
        meant = f"{did_you_mean(name, FAMILIES)} " if did_you_mean(name, FAMILIES) else ""
        every = ", ".join(sorted(FAMILIES))
        raise QuestionError("there is no such family of questions", help=f"{meant}ask one of {every}".strip())
    return FAMILIES[name]


def question_of(name: str, fields: Mapping[str, Any]) -> Question[Any]:
    """Make a question of a family from its fields.

    Raises:
        QuestionError: there is no such family, or fields are not right; names the fields, never what was in them.
    """
    family = family_of(name)
    try:
        return family.model_validate(fields)
    except ValidationError as error:
        faults = {".".join(map(str, fault["loc"])): fault for fault in error.errors(include_url=False)}
        wrong = sorted(faults)
        meant = "".join(_meant(family, name, faults[name]) for name in wrong)
        raise QuestionError(
            f"the question is not right in `{', '.join(wrong)}`",
            where=name,
            help=f"{meant}it takes {', '.join(sorted(family.model_fields))}; {_FORMS}",
            fields=wrong,
            meant={name: words for name in wrong if (words := _words_for(faults[name]))},
        ) from None


def _meant(family: type[Question[Any]], name: str, fault: ErrorDetails) -> str:
    """Ask whether a field of the family was meant, or one of a field's words; empty where none is close."""
    if name not in family.model_fields:
        said = did_you_mean(name, family.model_fields)
    else:
        words = _words_of(fault)
        said = did_you_mean(str(fault["input"]), words) or (f"`{name}` is one of {', '.join(words)};" if words else "")
    return f"{said} " if said else ""


def _words_of(fault: ErrorDetails) -> list[str]:
    """Give the words that a field takes; none where it takes anything."""
    return _WORD.findall(fault["ctx"]["expected"]) if fault["type"] in {"enum", "literal_error"} else []


def _words_for(fault: ErrorDetails) -> list[str]:
    """Give the words that may have been meant; where none is close, all that the field takes."""
    words = _words_of(fault)
    return closest(str(fault["input"]), words) or words
