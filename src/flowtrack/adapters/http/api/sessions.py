"""Sessions of browsers: a token is shown once, and a signed cookie that no script can read stands for it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import jwt
from fastapi import Response
from pydantic import ValidationError

from flowtrack.audit.accounts import Account

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "flowtrack-session"


class Sessions:
    """Makes sessions, and reads them.

    Args:
        key: signs them; 32 bytes or more.
        clock: for their end.
        lasts: so long.
        secure: whether the browser comes by TLS.
        still: says whether an account that a session stands for is still as it was; see `account`.
    """

    def __init__(
        self,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        lasts: timedelta,
        secure: bool,
        still: Callable[[Account], Account | None],
    ) -> None:
        self._key = key
        self._clock = clock
        self._lasts = lasts
        self._secure = secure
        self._still = still
        # A browser takes a name with this beginning only by TLS, from this very host, for the whole of it.
        self.cookie = "__Host-flowtrack" if secure else "flowtrack"

    def begin(self, response: Response, account: Account) -> None:
        """Give a browser the session of an account; it ends with what the account has shown."""
        now = self._clock()
        ends = min(now + self._lasts, account.until or datetime.max.replace(tzinfo=UTC))
        claims = {
            "aud": _AUDIENCE,
            "exp": ends,
            "account": account.model_dump(mode="json"),
        }
        response.set_cookie(
            self.cookie,
            jwt.encode(claims, self._key, algorithm=_ALGORITHM),
            max_age=int((ends - now).total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """Let a browser forget its session."""
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict")

    def account(self, cookie: str) -> Account | None:
        """Give the account of a session; None where it is none of ours, has ended, or its token is gone."""
        try:
            claims = jwt.decode(
                cookie,
                self._key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["exp", "aud"], "verify_exp": False},
            )
            if claims["exp"] <= self._clock().timestamp():
                return None
            return self._still(Account.model_validate(claims["account"]))
        except (jwt.InvalidTokenError, ValidationError, KeyError, TypeError):
            return None
