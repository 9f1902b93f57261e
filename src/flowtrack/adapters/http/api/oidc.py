"""Bearer tokens of an OpenID provider: signed by its keys, made for us, not expired, with roles in a claim.

Source: RFC 9068 and OpenID Connect Core 1.0, section 3.1.3.7, for what is checked; OpenID Connect Discovery 1.0 for
where the keys are.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import httpx
import jwt
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError

from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.audit.accounts import Account
from flowtrack.audit.roles import Role
from flowtrack.errors import AccessError, FlowtrackError

KEY_PREFIX: Final = "oidc:"
"""Begins the key of an account that the provider vouches for."""
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_S = 30  # clocks differ
_TIMEOUT_S = 5.0
_KEYS_LAST_S = 300.0
_WHO_MAX = 128


class ProviderError(FlowtrackError):
    """The OpenID provider does not answer, or not with what is needed."""


class Provider:
    """Knows the tokens of an OpenID provider; its keys are fetched when first needed, and kept for five minutes.

    Args:
        settings: name the issuer, the audience and the roles; `oidc_issuer` must be set.
    """

    def __init__(self, settings: ApiSettings) -> None:
        # A URL of the settings has a slash at its end, also where none was written; both are compared without.
        self._issuer = str(settings.oidc_issuer).rstrip("/")
        self._audience = settings.oidc_audience
        self._jwks_url = str(settings.oidc_jwks_url or "")
        self._claim = settings.oidc_roles_claim.split(".")
        self._names = settings.oidc_roles or {str(role): str(role) for role in Role}
        self._keys: jwt.PyJWKClient | None = None
        self._lock = threading.Lock()

    def account(self, token: str) -> Account | None:
        """Give whose token it is; None where it is none of this provider's, or is not valid.

        Raises:
            AccessError: it is valid, and gives none of our roles.
            ProviderError: the provider's keys cannot be fetched.
        """
        claims = self._claims(token)
        if claims is None:
            return None
        who = claims["sub"]
        if not isinstance(who, str) or not 1 <= len(who) <= _WHO_MAX or not who.isprintable():
            return None
        roles = self._roles(claims)
        if not roles:
            raise AccessError("the token gives no role here", help="ask who runs the provider for a role")
        key = KEY_PREFIX + blake2b(who.encode(), digest_size=8).hexdigest()
        return Account(who=who, roles=roles, key=key, until=datetime.fromtimestamp(claims["exp"], UTC))

    def _claims(self, token: str) -> dict[str, Any] | None:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in _ALGORITHMS:  # before any key is asked for: never one that both sides share
                return None
            key = _key_of(self._signing_keys(), token)
            if key is None:
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError:
            return None
        return claims if str(claims["iss"]).rstrip("/") == self._issuer else None

    def _roles(self, claims: Mapping[str, Any]) -> tuple[Role, ...]:
        found: Any = claims
        for part in self._claim:
            found = found.get(part) if isinstance(found, Mapping) else None
        named = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
        ours = {self._names[name] for name in named if isinstance(name, str) and name in self._names}
        return tuple(role for role in Role if role in ours)

    def _signing_keys(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._keys is None:
                address = self._jwks_url or _discovered(self._issuer)
                self._keys = jwt.PyJWKClient(address, lifespan=_KEYS_LAST_S, timeout=_TIMEOUT_S)
            return self._keys


def _key_of(keys: jwt.PyJWKClient, token: str) -> jwt.PyJWK | None:
    """Give the key that a token says it is signed by; None where the provider has none of that name."""
    try:
        keys.get_jwk_set()  # of its own, so that a provider without any keys is told from one without this one
    except (jwt.PyJWTError, ValueError) as error:
        raise _away(type(error).__name__) from None
    try:
        return keys.get_signing_key_from_jwt(token)
    except (jwt.InvalidTokenError, PyJWKClientError) as error:
        if isinstance(error, PyJWKClientConnectionError):
            raise _away(type(error).__name__) from None
        return None
    except (jwt.PyJWTError, ValueError) as error:  # asked once more, since the key is new to us
        raise _away(type(error).__name__) from None


def _discovered(issuer: str) -> str:
    """Ask the provider where its keys are."""
    try:
        response = httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=_TIMEOUT_S).raise_for_status()
        said = response.json()
        named, address = str(said["issuer"]).rstrip("/"), str(said["jwks_uri"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise _away(type(error).__name__) from None
    if named != issuer:
        raise _away("it names another issuer")
    return address


def _away(why: str) -> ProviderError:
    return ProviderError(
        f"the OpenID provider's keys cannot be fetched: {why}",
        where="FLOWTRACK_API__OIDC_ISSUER",
        help="check that this machine reaches the provider, or set FLOWTRACK_API__OIDC_JWKS_URL",
    )
