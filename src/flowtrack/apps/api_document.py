"""The OpenAPI document of the auditors' API, as `schemas/openapi.json` has it."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from flowtrack.adapters.http.api.app import build_api, document_of
from flowtrack.adapters.http.api.desk import Desk
from flowtrack.adapters.http.api.reports import Making
from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.apps.api import identify_by
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.lineage import Lineage, Vocabulary
from flowtrack.audit.roles import Asker
from flowtrack.audit.streams import FlowRows, Stream, StreamForm
from flowtrack.errors import StoreError

A = TypeVar("A", bound=Answer)


class _NoLedger:
    """Stands where a ledger would, while only its questions are described."""

    def ask(self, question: Question[A], *, asker: Asker) -> A:
        raise _absent(question, asker)

    def flows(self, question: FlowRows, form: StreamForm, *, asker: Asker) -> AbstractContextManager[Stream]:
        raise _absent(question, asker, form)

    def lineage_begins(self, question: Lineage, vocabulary: Vocabulary, *, asker: Asker) -> None:
        raise _absent(question, asker, vocabulary)


def document() -> dict[str, Any]:
    """Give the document."""
    ledger, settings = _NoLedger(), ApiSettings()
    desk = Desk(ledger, questions_max=1, waiting_max=0, exports_max=1, timeout_s=1.0)
    try:
        identify = identify_by(settings, Path())
        return document_of(build_api(settings, desk, identify, streams=ledger, reports=Making(_unmade, _unmade)))
    finally:
        desk.close()


def _unmade(*what: object) -> NoReturn:
    raise _absent(*what)


def _absent(*_: object) -> StoreError:
    return StoreError("there is no ledger here", help="run `flowtrack api`")


if __name__ == "__main__":
    text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
