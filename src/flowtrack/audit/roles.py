"""Who may ask: roles of people, and what each of them is for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from flowtrack.domain.model import Contract

WHY_MAX: Final = 256
"""Characters of a purpose."""


class Role(StrEnum):
    """What somebody works as; a token or an account carries one or more."""

    AUDITOR = "auditor"
    """Examines everything, subjects included."""
    REGULATOR = "regulator"
    """An authority that examines: all that an auditor sees, but for who else asked."""
    SUBJECT_DESK = "subject_desk"
    """Answers people about themselves: one subject at a time."""
    CONTROLLER = "controller"
    """Answers for the processing: figures and parties, no subject."""
    OPERATOR = "operator"
    """Runs Flowtrack: completeness and books, neither subjects nor flows."""


EXAMINERS: Final = frozenset({Role.AUDITOR, Role.REGULATOR})
DESKS: Final = EXAMINERS | {Role.SUBJECT_DESK}
"""Who may ask about one subject."""
COUNTERS: Final = EXAMINERS | {Role.CONTROLLER}
"""Who may ask for what names no subject."""
EVERYBODY: Final = frozenset(Role)


class Asker(Contract):
    """Who asks, as what, and why: the log of questions keeps it."""

    who: str = Field(min_length=1, max_length=128)
    """An account; never a person's name."""
    role: Role = Role.AUDITOR
    why: str = Field(default="", max_length=WHY_MAX)
    """The purpose of the question, e.g. the number of a case; asked for where a subject is concerned."""
