"""Who looks after the ledger in another process of this machine (`audit.keeper.Keeper`), asked over HTTP."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from flowtrack.adapters.http.client import refused, unreachable
from flowtrack.adapters.http.settings import ASKER_HEADER
from flowtrack.audit.copies import BackUp, BackupAnswer, Export, ExportManifest
from flowtrack.audit.erasure import Erase, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.audit.requests import Release, VacuumRequest
from flowtrack.audit.retention import Retain, RetentionAnswer

A = TypeVar("A", bound=BaseModel)

_TIMEOUT_S = 3_600.0  # a large ledger's clean-up rewrites gigabytes; who waits can end the command
_holds = TypeAdapter(list[PlacedHold])


class KeeperClient:
    """Asks the process that holds the store.

    Args:
        url: where it answers.
        token: of that process (`adapters.http.token`).
    """

    def __init__(self, url: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S, headers=headers, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def erase(self, request: Erase, *, asker: str) -> ErasureAnswer:
        """Hide subjects at once; their bytes go with the next clean-up."""
        return self._post("erase", request, asker, ErasureAnswer)

    def erasures(self) -> ErasureAnswer:
        """Give every erasure, with its proof."""
        return ErasureAnswer.model_validate_json(self._ask("GET", "erasures").content)

    def vacuum(self, *, asker: str, wait_s: float) -> VacuumAnswer:
        """Clean up: the bytes of what is hidden go, and that they are gone is proved."""
        return self._post("vacuum", VacuumRequest(wait_s=wait_s), asker, VacuumAnswer)

    def hold(self, hold: Hold, *, asker: str) -> PlacedHold:
        """Place a legal hold."""
        return self._post("hold", hold, asker, PlacedHold)

    def release(self, number: str, reason: str, *, asker: str) -> PlacedHold:
        """Release a legal hold."""
        return self._post("release", Release(hold=number, reason=reason), asker, PlacedHold)

    def holds(self) -> list[PlacedHold]:
        """Give every legal hold there ever was."""
        return _holds.validate_json(self._ask("GET", "holds").content)

    def retain(self, request: Retain, *, asker: str) -> RetentionAnswer:
        """Let go what a retention policy no longer keeps."""
        return self._post("retain", request, asker, RetentionAnswer)

    def back_up(self, request: BackUp, *, asker: str) -> BackupAnswer:
        """Copy the embedded store into a new folder, and prove that it can be put back."""
        return self._post("backup", request, asker, BackupAnswer)

    def export(self, request: Export, *, asker: str) -> ExportManifest:
        """Write rows of a table into a new folder, as Parquet."""
        return self._post("export", request, asker, ExportManifest)

    def _post(self, path: str, request: BaseModel, asker: str, answer: type[A]) -> A:
        headers = {ASKER_HEADER: asker, "content-type": "application/json"}
        response = self._ask("POST", path, content=request.model_dump_json(), headers=headers)
        return answer.model_validate_json(response.content)

    def _ask(
        self, method: str, path: str, *, content: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            response = self._http.request(method, f"/keep/{path}", content=content, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(str(self._http.base_url), error) from error
        if response.is_error:
            raise refused(response)
        return response
