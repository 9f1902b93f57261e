"""Accounts: who has shown a token or signed in, and what each may ask."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import AwareDatetime, Field

from flowtrack.audit.family import Question
from flowtrack.audit.roles import WHY_MAX, Asker, Role
from flowtrack.domain.model import Contract
from flowtrack.errors import AccessError, QuestionError


class Account(Contract):
    """Who is there, and as what they may ask."""

    who: str = Field(min_length=1, max_length=128)
    """Never a person's name."""
    roles: tuple[Role, ...]
    key: str
    """Names the token or the session, e.g. for limits; not secret."""
    until: AwareDatetime | None = None
    """When what it has shown expires."""

    def role_for(self, family: type[Question[Any]]) -> Role | None:
        """Give the role in which it may ask questions of a family: the first that may; None where none may."""
        return self.role_among(family.roles)

    def role_among(self, roles: Collection[Role]) -> Role | None:
        """Give the first of its roles that is among some; None where none is."""
        return next((role for role in self.roles if role in roles), None)

    def asker(self, question: Question[Any], why: str = "") -> Asker:
        """Give who asks, as whom, and why.

        Raises:
            AccessError: none of its roles may ask this.
            QuestionError: the question needs a purpose, and none is given; or the purpose is too long.
        """
        return self.asker_among(question.roles, question.family, why, needs_purpose=question.needs_purpose)

    def asker_among(self, roles: Collection[Role], what: str, why: str = "", *, needs_purpose: bool) -> Asker:
        """Give who asks, where what is asked is for some roles.

        Args:
            roles: who may.
            what: is asked, by its name.
            why: it is asked.
            needs_purpose: it is not answered without saying why.

        Raises:
            AccessError: none of its roles is among them.
            QuestionError: the purpose is missing, or too long.
        """
        role = self.role_among(roles)
        if role is None:
            may = ", ".join(sorted(roles))
            raise AccessError("no role of this account may ask this", where=what, help=f"it takes {may}", roles=roles)
        why = why.strip()
        if needs_purpose and not why:
            raise QuestionError(
                "a question about people needs its purpose",
                where="why",
                help="say why you ask, e.g. a case's number",
            )
        if len(why) > WHY_MAX:
            raise QuestionError("the purpose is too long", where="why", help=f"use {WHY_MAX} characters at most")
        return Asker(who=self.who, role=role, why=why)
