"""What all reports share: who asked when, which answers they are made of, and the articles that they quote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

from pydantic import AwareDatetime

from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.family import About, Answer
from flowtrack.audit.reports.laws import Source, sources_of
from flowtrack.audit.roles import Asker
from flowtrack.domain.model import Contract
from flowtrack.policy.pack import Bilingual, Pack

DISCLAIMER: Final = Bilingual(
    en=(
        "Made from the ledger by a program. It is no legal advice: whether an article applies, and how, is for counsel "
        "to say. Under each article stands whether its text was compared."
    ),
    ko=(
        "이 보고서는 원장에서 프로그램으로 작성되었으며 법률 자문이 아닙니다. 조문의 적용 여부와 방법은 "
        "법률 전문가가 판단해야 합니다. 각 조문에는 원문 대조 여부를 표시하였습니다."
    ),
)


class AnswerUsed(Contract):
    """An answer that a report is made of: asked again by its id's question, it is the same."""

    family: str
    id: str
    """Empty for the few questions that are of no family."""
    complete_up_to: AwareDatetime | None
    lag_records: int | None
    truncated: bool
    left_out: int | None
    excerpt: bool = False
    """The report shows only its first rows, and says so; what it counts is of all."""


class Quoted(Contract):
    """A clause of the policy, in its own words."""

    clause: str
    text: Bilingual
    pack: str


class Named(Contract):
    """What a name of the vocabulary means."""

    name: str
    title: Bilingual


class Head(Contract):
    """What every report says of itself."""

    report: str
    made_at: AwareDatetime
    who: str
    role: str
    why: str
    answers: list[AnswerUsed]
    complete: bool
    """Whether every answer is whole: nothing truncated but what the report shows an excerpt of."""
    names: list[Named]
    """Of the categories and purposes in it."""
    clauses: list[Quoted]
    sources: list[Source]
    disclaimer: Bilingual = DISCLAIMER


class Report(Contract):
    """A report; `model_dump_json` of it is the machine-readable report."""

    name: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]
    """Of the articles that it always quotes."""

    head: Head


class Desk(Contract):
    """What a report is made by: who asks, when, and the packs that speak of what is in it."""

    model_config = Contract.model_config | {"arbitrary_types_allowed": True}

    made_at: AwareDatetime
    asker: Asker
    packs: Mapping[str, Pack]
    """By label, as `flowtrack.apps.ledger_packs` finds them."""

    def head(
        self,
        report: type[Report],
        answers: Sequence[AnswerUsed],
        *,
        names: Iterable[str] = (),
        clauses: Iterable[str] = (),
        sources: Iterable[str] = (),
    ) -> Head:
        """Give what a report says of itself.

        Args:
            report: which one.
            answers: it is made of.
            names: of categories and purposes that it speaks of.
            clauses: that it cites.
            sources: ids of articles that it quotes beside those it always quotes.
        """
        return Head(
            report=report.name,
            made_at=self.made_at,
            who=self.asker.who,
            role=self.asker.role,
            why=self.asker.why,
            answers=list(answers),
            complete=not any(each.truncated and not each.excerpt for each in answers),
            names=list(self._named(names)),
            clauses=list(self._quoted(clauses)),
            sources=sources_of({*report.sources, *sources}),
        )

    def _named(self, names: Iterable[str]) -> Iterator[Named]:
        for name in sorted({*names} - {""}):
            title = next((pack.titles[name] for pack in self._newest() if name in pack.titles), None)
            if title is not None:
                yield Named(name=name, title=title)

    def _quoted(self, clauses: Iterable[str]) -> Iterator[Quoted]:
        for clause in sorted({*clauses} - {""}):
            pack = next((pack for pack in self._newest() if clause in pack.clauses), None)
            if pack is not None:
                words = pack.clauses[clause]
                yield Quoted(clause=clause, text=Bilingual(en=words.en, ko=words.ko), pack=pack.label)

    def _newest(self) -> list[Pack]:
        return sorted(self.packs.values(), key=lambda pack: (pack.effective_from, pack.label), reverse=True)


def known_by(answer: Answer) -> datetime | None:
    """Give the instant to which an answer's knowledge was pinned, so that another is asked as of the same."""
    known = answer.about.question.get("known_at")
    return None if known is None else datetime.fromisoformat(known)


def used(about: About, *, excerpt: bool = False) -> AnswerUsed:
    """Say of an answer that a report is made of it, or that it shows an excerpt of it."""
    complete = about.completeness
    return AnswerUsed(
        family=about.family,
        id=about.id,
        complete_up_to=complete.complete_up_to,
        lag_records=complete.lag_records,
        truncated=complete.truncated,
        left_out=complete.left_out,
        excerpt=excerpt,
    )


def used_whole(what: str, complete: CompleteUpTo) -> AnswerUsed:
    """Say the same of an answer that is of no family; such answers are never truncated."""
    return AnswerUsed(
        family=what,
        id="",
        complete_up_to=complete.complete_up_to,
        lag_records=complete.lag_records,
        truncated=False,
        left_out=0,
    )
