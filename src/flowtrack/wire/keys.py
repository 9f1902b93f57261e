"""Keys of consent records on the compacted consents topic.

A key is `subject:record:event id`, each unique, so that compaction keeps the whole history; a record without a value
under the same key (a tombstone) erases that one state.  Colons and percent signs in ids are percent-encoded, so that a
key has one reading only.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from flowtrack.domain.model import SUBJECT_PATTERN
from flowtrack.domain.names import DeadLetterCode
from flowtrack.errors import ContractError

_SUBJECT: Final = re.compile(SUBJECT_PATTERN)
_ID_MAX: Final = 256
"""As `Identifier` of flowtrack.domain.model."""


def consent_key(subject: str, record: str, event_id: str) -> str:
    """The key of one state of one consent record."""
    return f"{subject}:{_escaped(record)}:{_escaped(event_id)}"


def parse_consent_key(key: bytes) -> tuple[str, str, str]:
    """Subject, record and event id of a key; only what `consent_key` writes is read.

    Raises:
        ContractError: `bad_subject` when the subject is no pseudonym, else `bad_field`; field `key`.
    """
    # What is not UTF-8 becomes a character that no written key has, and differs in the last comparison
    parts = key.decode(errors="replace").split(":")
    if len(parts) != 3:  # noqa: PLR2004 - subject, record, event id
        _refuse(DeadLetterCode.BAD_FIELD, "the key has not three parts")
    subject, record, event_id = parts[0], _plain(parts[1]), _plain(parts[2])
    if not _SUBJECT.fullmatch(subject):
        _refuse(DeadLetterCode.BAD_SUBJECT, "the key begins with no pseudonym")
    if not (0 < len(record) <= _ID_MAX and 0 < len(event_id) <= _ID_MAX):
        _refuse(DeadLetterCode.BAD_FIELD, "an id in the key is empty or too long")
    if consent_key(subject, record, event_id).encode() != key:
        _refuse(DeadLetterCode.BAD_FIELD, "the key holds bytes that are not written here")
    return subject, record, event_id


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A")


def _plain(text: str) -> str:
    return text.replace("%3A", ":").replace("%25", "%")


def _refuse(code: DeadLetterCode, what: str) -> NoReturn:
    help_ = "key consent records as `subject:record:event id`, colons in ids as %3A, percent signs as %25"
    raise ContractError(code.value, what, field="key", help=help_)
