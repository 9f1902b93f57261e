"""Who asks: a bearer token in the header, or the session of a browser; nobody is anonymous."""

from __future__ import annotations

from typing import Final, Protocol

from fastapi import Request
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.concurrency import run_in_threadpool

from flowtrack.adapters.http.api.limits import Rate
from flowtrack.adapters.http.api.sessions import Sessions
from flowtrack.audit.accounts import Account
from flowtrack.errors import AccessError

BEARER: Final = HTTPBearer(auto_error=False, description="A static token, or one of the OpenID provider.")
_SAME_SITE: Final = frozenset({"", "same-origin", "none"})
_HELP: Final = "show a token: `Authorization: Bearer …`"


class Tokens(Protocol):
    """Knows tokens."""

    def account(self, token: str) -> Account | None:
        """Give whose token it is; None where it is not known here."""
        ...


class Identify:
    """Gives the account that a request comes from, and counts the request against its limit.

    Args:
        tokens: asked one after the other.
        sessions: of browsers.
        rate: of requests that are known; by account key.
        failures: of requests that are not; by address.
    """

    def __init__(self, tokens: tuple[Tokens, ...], sessions: Sessions, *, rate: Rate, failures: Rate) -> None:
        self._tokens = tokens
        self.sessions = sessions
        self._rate = rate
        self._failures = failures
        self.cookie = APIKeyCookie(name=sessions.cookie, auto_error=False, description="A browser's session.")

    async def __call__(self, request: Request) -> Account:
        """Give the account.

        Raises:
            AccessError: the request shows nothing that is known here.
            TooManyError: too many requests.
        """
        account = await self._account(request)
        self._rate.count(account.key)
        return account

    async def account(self, token: str, address: str) -> Account:
        """Give whose token it is.

        Args:
            token: as it was shown.
            address: from where: after too many wrong ones from there, wrong ones are told to wait. A right one is let
                in all the same, since many may come from one address, that of a proxy.

        Raises:
            AccessError: nobody's.
            TooManyError: too many wrong ones.
        """
        for tokens in self._tokens:
            account = await run_in_threadpool(tokens.account, token)
            if account is not None:
                return account
        self._failures.check(address)
        self._failures.count(address)
        raise AccessError("the token is not known here, or has expired", help=_HELP, known=False)

    async def _account(self, request: Request) -> Account:
        shown = request.headers.get("authorization", "")
        if shown:
            scheme, _, token = shown.partition(" ")
            if scheme.lower() != "bearer":
                raise AccessError("it takes a bearer token", help=_HELP, known=False)
            return await self.account(token.strip(), address_of(request))
        session = request.cookies.get(self.sessions.cookie, "")
        # A browser says where a request comes from; another site's must not use this one's session.
        if session and request.headers.get("sec-fetch-site", "") in _SAME_SITE:
            account = self.sessions.account(session)
            if account is not None:
                return account
        raise AccessError("who asks is not known", help=_HELP, known=False)


def address_of(request: Request) -> str:
    """Give the address that a request comes from: for limits only, it is kept nowhere."""
    return "" if request.client is None else request.client.host
