"""Why an event was judged as it was, from the database: the subject's rows by key, and the situations they name."""

from __future__ import annotations

from typing import Final

from flowtrack.adapters.clickhouse.coverage import packs_known
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.trail import trail
from flowtrack.audit.explanation import Explanation, ExplanationAnswer, explained, steps_of
from flowtrack.audit.family import About
from flowtrack.audit.trail import Trail

_DEFINITIONS: Final = """
SELECT pack, situation, attributes FROM judgements
WHERE pack IN {packs:Array(String)} AND situation IN {situations:Array(UInt64)} AND attributes != ''
ORDER BY recorded_at DESC LIMIT 1 BY pack, situation"""


def explanation(store: Store, question: Explanation, about: About) -> ExplanationAnswer:
    """Give why an event was judged as it was.

    Raises:
        StoreError: the database cannot answer.
    """
    asked = Trail(**question.model_dump(exclude={"event"}))
    steps = steps_of(question, trail(store, asked, about).rows)
    definitions: dict[tuple[str, str], str] = {}
    if steps:
        packs = sorted({step.pack for step in steps})
        situations = sorted({int(each.situation, 16) for step in steps for each in step.categories})
        found = store.rows(_DEFINITIONS, packs=packs, situations=situations)
        definitions = {(pack, f"{number:016x}"): text for pack, number, text in found}
    return explained(about, steps, definitions, packs_known(store, question.known_at) if steps else {})
