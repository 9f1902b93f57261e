"""Flows of a period with what their situation says of them: purpose, basis, verdict, clauses, reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from flowtrack.audit.groups import Judgement, SituationFlows, SituationsAnswer

_NOTHING: dict[str, Any] = {}


class Group(NamedTuple):
    """Flows of one service, recipient and category in one situation."""

    flows: SituationFlows
    judged: Judgement | None
    attributes: dict[str, Any]
    """The situation; empty where its definition is not known."""

    def said(self, name: str) -> str:
        """What the situation says of itself, as text; empty where it says nothing."""
        value = self.attributes.get(name, "")
        return "" if value in {"none", "any"} else str(value)

    @property
    def reasons(self) -> list[str]:
        """Why it was permitted, or was not."""
        return [] if self.judged is None else [*self.judged.reasons, *self.judged.gaps]

    @property
    def clauses(self) -> list[str]:
        """By which clauses of the policy."""
        return [] if self.judged is None else self.judged.clauses


def groups_of(answer: SituationsAnswer) -> Iterator[Group]:
    """Join flows with their situations; events that name no category are left out."""
    judged = {(each.pack, each.situation): each for each in answer.judgements}
    for flows in answer.flows:
        if not flows.category:
            continue
        found = judged.get((flows.pack, flows.situation))
        yield Group(flows, found, _NOTHING if found is None or not found.attributes else _read(found.attributes))


@lru_cache(maxsize=16_384)
def _read(attributes: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(attributes)
    return read
