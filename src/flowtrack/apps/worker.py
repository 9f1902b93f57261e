"""One worker as a process: `flowtrack worker KIND`, and `python -m flowtrack.apps.worker KIND` under a supervisor."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module

from flowtrack.apps.child import EX_CONFIG, hold_lifeline
from flowtrack.errors import ConfigurationError, FlowtrackError, PackError, RegistryError, VocabularyError

_EX_SOFTWARE = 70
_OF_NO_USE = (ConfigurationError, PackError, RegistryError, VocabularyError)


class WorkerKind(StrEnum):
    """The workers, each a module of `flowtrack.apps` with a function `run`."""

    CHECKER = "checker"
    SINK = "sink"
    ALERTER = "alerter"


def run(kind: WorkerKind) -> int:
    """Work until SIGTERM or SIGINT, and give the exit status.

    Raises:
        FlowtrackError: the worker cannot start.
    """
    from flowtrack.apps.logs import configure

    configure(kind)
    status: int = import_module(f"flowtrack.apps.{kind}").run()
    return status


def main() -> int:
    """Work under a supervisor: end with it, and let it know by the exit status whether to start this again."""
    hold_lifeline()
    try:
        return run(WorkerKind(sys.argv[1]))
    except FlowtrackError as error:
        import structlog

        structlog.get_logger(__name__).error("worker cannot run", error=error.what, where=error.where, help=error.help)
        return EX_CONFIG if isinstance(error, _OF_NO_USE) else _EX_SOFTWARE


if __name__ == "__main__":
    raise SystemExit(main())
