"""Handing JSON to an HTTP server, with a bounded number of tries in a bounded time."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import stamina

from flowtrack.errors import DeliveryError

_ATTEMPTS = 3
_TRANSIENT = {408, 425, 429}  # answers that ask to come again; as do all from 500 on
_SERVER_FAULT = 500
_REFUSED = 400


class RefusedError(DeliveryError):
    """The receiver understood and said no: coming again with the same will not help, coming with less may."""


class Poster:
    """Posts JSON documents to one address.

    Args:
        url: where to; may hold credentials, which no error or log shows.
        who: the receiver's name in errors.
        timeout_s: for one `post`, all its tries and waits included.
        headers: sent along with each.
        transport: for tests; the network where None.
    """

    def __init__(
        self,
        url: str,
        *,
        who: str,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url
        self._who = who
        self._timeout_s = timeout_s
        self._client = httpx.Client(timeout=timeout_s / _ATTEMPTS, headers=headers, transport=transport)

    def post(self, document: object) -> None:
        """Post a document.

        Raises:
            RefusedError: the server refuses the document (a 4xx that does not ask to come again).
            DeliveryError: the server cannot be reached or fails.
        """
        try:
            for attempt in stamina.retry_context(
                on=_worth_another_try, attempts=_ATTEMPTS, timeout=self._timeout_s, wait_initial=0.05, wait_max=1.0
            ):
                with attempt:
                    self._client.post(self._url, json=document).raise_for_status()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            kind = DeliveryError if _worth_another_try(error) else RefusedError
            raise kind(
                f"{self._who} answers {status}",
                where=self._where(),
                help="look into its log"
                if kind is DeliveryError
                else "check its address, and the token if it asks for one",
            ) from error
        except httpx.HTTPError as error:
            raise DeliveryError(
                f"{self._who} cannot be reached: {type(error).__name__}",
                where=self._where(),
                help="check the address and that it runs",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _where(self) -> str:
        url = httpx.URL(self._url)
        return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"  # a path may be a secret


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= _SERVER_FAULT or status in _TRANSIENT or status < _REFUSED
    return isinstance(error, httpx.HTTPError)
