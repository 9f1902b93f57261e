"""Small requests of those who look after the ledger, as they go over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowtrack.audit.holds import Reason
from flowtrack.domain.model import Contract, Identifier

VACUUM_WAIT_S_MAX = 600.0
"""The longest that a clean-up waits for old parts to be deleted; what is not proved by then, the next one proves."""


class VacuumRequest(Contract):
    """A request: clean up."""

    wait_s: Annotated[float, Field(ge=0, le=VACUUM_WAIT_S_MAX)]


class Release(Contract):
    """A request: release a hold, because of that."""

    hold: Identifier
    reason: Reason
