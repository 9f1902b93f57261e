"""Clause coverage from the database: situations come from sums by day, and each is matched with the rules once."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.whatif import situations, touched
from flowtrack.audit.coverage import Coverage, CoverageAnswer, cover, packs_among
from flowtrack.audit.family import About
from flowtrack.audit.groups import SituationsAnswer, TouchedAnswer
from flowtrack.audit.questions import Situations, Touched
from flowtrack.domain.instants import instant_us
from flowtrack.policy.pack import Pack

_EVER_US = 1 << 57  # some year 6500
_PACKS: Final = """
SELECT body FROM
(
    SELECT name, body, removed FROM documents
    WHERE kind = 'policy' AND recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')
    ORDER BY recorded_at DESC LIMIT 1 BY name
)
WHERE removed = 0 ORDER BY name"""


class _Groups(NamedTuple):
    """The store's flows in groups, for one answer."""

    store: Store
    about: About

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period."""
        return situations(self.store, question, self.about.completeness)

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        return touched(self.store, question, self.about.completeness)


def coverage(store: Store, question: Coverage, about: About) -> CoverageAnswer:
    """Give how often clauses and rules decided.

    Raises:
        StoreError: the database cannot answer.
    """
    return cover(_Groups(store, about), question, about, packs_known(store, question.known_at))


def packs_known(store: Store, known_at: datetime | None) -> dict[str, Pack]:
    """Give the packs that stood at an instant, by label; those of now without one.

    Raises:
        StoreError: the database cannot answer.
    """
    known = _EVER_US if known_at is None else instant_us(known_at)
    return packs_among(body for (body,) in store.rows(_PACKS, known_at=known))
