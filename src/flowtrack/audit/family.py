"""What all families of questions share: two times, a period, a page; and what each answer says of itself.

A family is one kind of question, in a module of its own: a `Question` with its filters, an `Answer` with its rows.
`flowtrack.audit.families` lists them; whoever can answer has one method for all, `audit.ledger.Ledger.ask`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field, SerializeAsAny

from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.questions import Instant, TwoTimes
from flowtrack.audit.roles import COUNTERS, Role
from flowtrack.domain.model import Contract, Subject

_ID_BYTES = 16

ROWS_MAX = 10_000
"""Of one page; more comes as further pages, or as an export."""


class Versions(Contract):
    """By what the rows of an answer were judged."""

    packs: list[str] = []
    """`name@version`, in order."""
    registries: list[str] = []


class Completeness(CompleteUpTo):
    """How far the ledger had come when it answered, and how much of the answer is given."""

    truncated: bool = False
    """There is more than the rows given."""
    left_out: int | None = 0
    """How many rows are not given; None where that was not counted."""
    after: str = ""
    """Asks for the next page when the same question carries it; empty on the last."""


class About(Contract):
    """What an answer says of itself."""

    id: str
    """Of the question with its times pinned: asked again with this `known_at`, it has this id and these rows."""
    family: str
    question: dict[str, Any]
    """As it was answered: `known_at` is set to what the ledger knew then."""
    completeness: Completeness
    versions: Versions = Versions()
    hints: list[str] = []
    """Names in the question that were never seen, and what may have been meant; in answers without rows."""
    meant: dict[str, list[str]] = {}
    """The same for programs: fields whose names were never seen, and names close to them, the closest first."""

    def judged_by(self, packs: Sequence[str], registries: Sequence[str]) -> About:
        """Say the versions that the rows were judged by."""
        named = Versions(packs=sorted({*packs} - {""}), registries=sorted({*registries} - {""}))
        return self.model_copy(update={"versions": named})

    def cut(self, left_out: int | None, after: str = "") -> About:
        """Say that rows are left out: how many, and how the next page is asked for."""
        told = {"truncated": left_out is None or left_out > 0, "left_out": left_out, "after": after}
        return self.model_copy(update={"completeness": self.completeness.model_copy(update=told)})


class Answer(Contract):
    """What every answer carries; a family narrows `rows` to its own, and may add more beside them."""

    about: About
    rows: SerializeAsAny[Sequence[Contract]]
    """The answer's main table: what `--csv`, `--parquet` and exports give."""


A = TypeVar("A", bound=Answer)


class Question(TwoTimes, Generic[A]):
    """A question of one family, with the times that every question has."""

    family: ClassVar[str]
    """Its name in commands and addresses."""
    answer: ClassVar[type[Answer]]
    """What it is answered with."""
    roles: ClassVar[frozenset[Role]] = COUNTERS
    """Who may ask it."""
    by_clock: ClassVar[bool] = False
    """What is known is known since the clock said so, and not since the ledger recorded it."""
    names_subjects: ClassVar[bool] = False
    """Its rows show pseudonyms, whomever it is about."""

    since: Instant | None = None
    """Only what happened at this instant or later."""
    until: Instant | None = None
    """Only what happened before this instant."""

    @property
    def whom(self) -> str | None:
        """The subject that it is about."""
        return None

    @property
    def needs_purpose(self) -> bool:
        """Whether whoever asks has to say why."""
        return self.written_down

    @property
    def written_down(self) -> bool:
        """Whether it touches subjects: then the audit log has it before it is answered."""
        return self.names_subjects or self.whom is not None


class SubjectQuestion(Question[A]):
    """A question about one subject: it is written down, with who asks and why."""

    subject: Subject

    @property
    def whom(self) -> str | None:
        """The subject that it is about."""
        return self.subject


class PagedQuestion(Question[A]):
    """A question whose rows come in pages that agree with each other, from what was known at one instant."""

    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 100
    """So many rows at most."""
    after: Annotated[str, Field(max_length=2_048)] = ""
    """Where the page before ended: `about.completeness.after` of its answer."""


def identity_of(question: Question[A]) -> str:
    """Give the id of a question whose times are pinned: 32 hex digits, whoever asks and on whichever page."""
    said = question.model_dump(mode="json", exclude={"after"}, exclude_none=True)
    canonical = json.dumps([question.family, said], sort_keys=True, separators=(",", ":"))
    return blake2b(canonical.encode(), digest_size=_ID_BYTES).hexdigest()


def about(question: Question[A], complete: CompleteUpTo) -> About:
    """Give what an answer says of itself, for a question whose times are pinned."""
    return About(
        id=identity_of(question),
        family=question.family,
        question=question.model_dump(mode="json", exclude_none=True),
        completeness=Completeness(complete_up_to=complete.complete_up_to, lag_records=complete.lag_records),
    )
