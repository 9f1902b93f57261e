"""Every error that Flowtrack raises on purpose, as one tree.

::

    FlowtrackError
    ├── ContractError          a message, file or value breaks a contract (carries a NAMES code)
    ├── PackError              a policy pack is refused (names file, line and mend)
    ├── VocabularyError        a vocabulary is no directed acyclic graph, or a term is unknown
    ├── RegistryError          a registry contradicts itself
    ├── ConfigurationError     a setting is missing or wrong
    ├── QuestionError          a question to the ledger is not right; `where` names its field
    ├── BrokerError            Kafka answered, but not with what was needed
    ├── AccessError            who asks is not known, or may not ask this
    ├── StoreError             ClickHouse answered, but not with what was needed
    │   ├── StoreUnavailableError  nothing was written, and the same may work later
    │   └── StoreInDoubtError      whether it was written is not known
    ├── DeliveryError          an alert or an event could not be handed on
    └── RuntimeStateError      a port, a directory or a process is not in the state that is needed

Texts follow one style: lower case, no full stop, the offending thing in backquotes, then where it stood and what
to do.  No text ever carries the value of a personal field.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping, Sequence


class FlowtrackError(Exception):
    """What was wrong, where, and what to do about it.

    Args:
        what: the fact, in lower case without a full stop, the offending thing in backquotes.
        where: file and line, topic and offset, or field; empty where there is none.
        help: the next step for whoever reads it; empty only where nothing can be done.
    """

    def __init__(self, what: str, *, where: str = "", help: str = "") -> None:  # noqa: A002 - the word users read
        super().__init__(what)
        self.what = what
        self.where = where
        self.help = help

    def __str__(self) -> str:
        """All three parts in one line."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} (help: {self.help})" if self.help else text


class ContractError(FlowtrackError):
    """A message, file or value breaks a contract; `code` is one of the dead-letter codes of NAMES.

    Args:
        code: the dead-letter code, e.g. `missing_field`.
        field: dotted path of the offending field, without its value; empty where the whole message is meant.
    """

    def __init__(self, code: str, what: str, *, field: str = "", where: str = "", help: str = "") -> None:  # noqa: A002
        super().__init__(what, where=where, help=help)
        self.code = code
        self.field = field


class PackError(FlowtrackError):
    """A policy pack is refused as a whole; `problems` lists every fault found, not just the first."""

    def __init__(self, what: str, *, where: str = "", help: str = "", problems: tuple[PackError, ...] = ()) -> None:  # noqa: A002
        super().__init__(what, where=where, help=help)
        self.problems = problems


class VocabularyError(FlowtrackError):
    """A vocabulary is no directed acyclic graph, or a term is unknown."""


class RegistryError(FlowtrackError):
    """A registry contradicts itself, e.g. two validities of one entry overlap."""


class ConfigurationError(FlowtrackError):
    """A setting is missing or wrong."""


class QuestionError(FlowtrackError):
    """A question to the ledger is not right: an unknown family, a cursor of another question, a name nobody has.

    Args:
        fields: which fields of the question are meant; without them, `where` is one, or none is.
        meant: by field, words that may have been meant, or all that there are.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        help: str = "",  # noqa: A002 - the word users read
        fields: Sequence[str] = (),
        meant: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(what, where=where, help=help)
        self.fields = tuple(fields) or ((where,) if where else ())
        self.meant = dict(meant or {})


class AccessError(FlowtrackError):
    """Who asks has shown nothing that is known here, or may not ask this.

    Args:
        known: whether it is known who asks.
        roles: those that may, where the roles of whoever asks are what is wrong.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        help: str = "",  # noqa: A002 - the word users read
        known: bool = True,
        roles: Collection[str] = (),
    ) -> None:
        super().__init__(what, where=where, help=help)
        self.known = known
        self.roles = tuple(sorted(roles))


class BrokerError(FlowtrackError):
    """Kafka answered, but not with what was needed."""


class StoreError(FlowtrackError):
    """ClickHouse answered, but not with what was needed: doing the same again ends the same, until somebody acts."""


class StoreUnavailableError(StoreError):
    """Nothing was written, and the same may work later: wait, say so, do it again."""


class StoreMemoryError(StoreUnavailableError):
    """A question takes more memory than the engine may use: ask for less, or give it more."""


class StoreInDoubtError(StoreError):
    """Whether a write took effect is not known: read back before doing it again."""


class DeliveryError(FlowtrackError):
    """An alert or an event could not be handed on."""


class RuntimeStateError(FlowtrackError):
    """A port, a directory or a process is not in the state that is needed."""


def steps_to(error: BaseException) -> str:
    """Say where an error came from, in files and lines; not its text, which may quote a value."""
    steps = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{step.filename.rpartition('flowtrack/')[2]}:{step.lineno}" for step in steps)
