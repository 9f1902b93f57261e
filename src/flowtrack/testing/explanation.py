"""Why an event was judged as it was, in a ledger in memory."""

from __future__ import annotations

from flowtrack.audit.explanation import Explanation, ExplanationAnswer, explained, steps_of
from flowtrack.audit.family import About
from flowtrack.audit.trail import Trail
from flowtrack.testing.coverage import packs_known
from flowtrack.testing.trail import trail
from flowtrack.testing.view import View


def explanation(view: View, question: Explanation, about: About) -> ExplanationAnswer:
    """Give why an event was judged as it was."""
    steps = steps_of(question, trail(view, Trail(**question.model_dump(exclude={"event"})), about).rows)
    definitions = {
        (pack, f"{number:016x}"): row["attributes"]
        for (pack, number), row in view.judgements().items()
        if row["attributes"]
    }
    return explained(about, steps, definitions, packs_known(view, question.known_at) if steps else {})
