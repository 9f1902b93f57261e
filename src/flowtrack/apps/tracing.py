"""`flowtrack trace`: one subject's trail, in every form that answers have."""

from __future__ import annotations

import re
from pathlib import Path

from flowtrack.apps.answer_forms import form_of
from flowtrack.apps.ask_families import give, who_asks
from flowtrack.apps.ledger import open_ledger
from flowtrack.apps.questions import instant
from flowtrack.audit.trail import Trail
from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.errors import ConfigurationError


def show_trail(
    subject: str,
    data_dir: Path,
    *,
    as_of: str,
    known_at: str,
    why: str,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Show one subject's trail.

    Raises:
        ConfigurationError: the subject is no pseudonym, an instant is none, or two forms are asked for.
        StoreError: there is no ledger, or it does not answer.
    """
    form, path = form_of(as_json=as_json, as_csv=as_csv, parquet=None, output=output)
    question = Trail(
        subject=pseudonym(subject), as_of=instant("--as-of", as_of), known_at=instant("--known-at", known_at)
    )
    with open_ledger(data_dir) as ledger:
        give(ledger, question, who_asks(question, why), form, path, pages=False)


def pseudonym(text: str) -> str:
    """Give a pseudonym that an argument names.

    Raises:
        ConfigurationError: it is none.
    """
    if not re.fullmatch(SUBJECT_PATTERN, text):
        raise ConfigurationError(
            "the subject is no pseudonym of 32 hex digits",
            where="SUBJECT",
            help="make one from an identifier: flowtrack pseudonym --key-file FILE",
        )
    return text
