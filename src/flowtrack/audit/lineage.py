"""The flows of a period between all places, told day by day in the terms of other tools, in constant memory.

They are counted as the lineage graph counts them, all as of what was known when the first question was answered, and
name no subject.  `Telling` asks nobody itself: whoever exports asks its questions one by one, wherever the ledger is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from flowtrack.audit.exports import flows_of_edges
from flowtrack.audit.family import ROWS_MAX, About, Answer, Question, identity_of
from flowtrack.audit.graph import Graph, GraphAnswer
from flowtrack.audit.overview import Overview, OverviewAnswer
from flowtrack.audit.questions import Instant
from flowtrack.audit.roles import EXAMINERS, Role
from flowtrack.domain.model import Name
from flowtrack.wire.lineage import Flow
from flowtrack.wire.openlineage import run_events
from flowtrack.wire.prov import prov_document


class Vocabulary(StrEnum):
    """In whose terms flows are told."""

    OPENLINEAGE = "openlineage"
    """Run events, two for each edge of a day, one a line."""
    PROV = "prov"
    """PROV-JSON documents, one for each page of a day, one a line."""


class Lineage(Question[Answer]):
    """Which flows were there between all places, day by day?

    Told as OpenLineage run events or PROV-JSON documents, one a line; no subject is named.
    """

    family: ClassVar[str] = "lineage"
    answer: ClassVar[type[Answer]] = Answer
    roles: ClassVar[frozenset[Role]] = EXAMINERS

    since: Instant
    service: Name | None = None
    """Only flows of this one."""
    recipient: Name | None = None
    """Only what this party received."""


class Telling:
    """Leads through a period: which question comes next, and what an answer tells.

    Args:
        asked: which period.
        vocabulary: in whose terms.
    """

    def __init__(self, asked: Lineage, vocabulary: Vocabulary) -> None:
        self._asked = asked
        self._write = documents_of if vocabulary is Vocabulary.PROV else runs_of
        self._days: Iterator[date] = iter(())
        # the days on which anything flowed at all: a period may be long, and mostly empty
        self.question: Question[Any] | None = Overview(**_narrowed(asked))
        """To be asked next; None at the end."""
        self.about: About | None = None
        """Of the whole, once the first question is answered."""

    def take(self, answer: Answer) -> Iterator[str]:
        """Give the lines that an answer to `question` makes, and go on to the next one."""
        if isinstance(answer, OverviewAnswer):
            self._begin(answer)
            return iter(())
        if not isinstance(answer, GraphAnswer) or not isinstance(self.question, Graph):
            raise TypeError(type(answer).__name__)
        after = answer.about.completeness.after
        self.question = self.question.model_copy(update={"after": after}) if after else self._next_day()
        return self._write(flows_of_edges(answer.rows))

    def _begin(self, answer: OverviewAnswer) -> None:
        known = answer.about.question.get("known_at")
        pinned = None if known is None else datetime.fromisoformat(known)
        self._asked = self._asked.model_copy(update={"known_at": pinned})
        question = self._asked.model_dump(mode="json", exclude_none=True)
        said = {"id": identity_of(self._asked), "family": self._asked.family, "question": question}
        self.about = answer.about.model_copy(update=said)
        self._days = iter(sorted({row.day for row in answer.rows}))
        self.question = self._next_day()

    def _next_day(self) -> Graph | None:
        day = next(self._days, None)
        if day is None:
            return None
        begin = datetime.combine(day, time.min, UTC)
        end = begin + timedelta(days=1)
        within = {"since": max(begin, self._asked.since), "until": min(end, self._asked.until or end)}
        return Graph(**{**_narrowed(self._asked), **within}, limit=ROWS_MAX)


def _narrowed(asked: Lineage) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Lineage.model_fields}


def runs_of(flows: Iterable[Flow]) -> Iterator[str]:
    """Give OpenLineage run events, one a line."""
    return (_line(event) for event in run_events(flows))


def documents_of(flows: Iterable[Flow]) -> Iterator[str]:
    """Give one PROV-JSON document of these flows, on a line; nothing where there are none."""
    told = list(flows)
    if told:
        yield _line(prov_document("", told))


def _line(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
