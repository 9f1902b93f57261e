"""Bearer tokens of an OpenID provider, whose keys come from a real HTTP server."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.api.conftest import Api

AUDIENCE = "flowtrack"


class Provider:
    """An OpenID provider with its keys.

    Args:
        port: where it answers.
    """

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.rsa = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.served: list[str] = []
        self.away = False
        self.broken: bytes | None = None  # instead of its keys

    def keys(self) -> list[dict[str, Any]]:
        """Its public keys."""
        rsa_key = RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True)
        ec_key = ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True)
        return [{**rsa_key, "kid": "rsa", "use": "sig"}, {**ec_key, "kid": "ec", "use": "sig"}]

    def token(self, *, kid: str = "rsa", key: Any = None, algorithm: str = "", **claims: Any) -> str:
        """Make a token; claims that are None are left out."""
        now = datetime.now(UTC)
        said = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "account-7",
            "exp": now + timedelta(minutes=5),
            "realm_access": {"roles": ["grp-audit", "unknown"]},
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        signing: Any = key if key is not None else {"rsa": self.rsa, "ec": self.ec}[kid]
        return jwt.encode(said, signing, algorithm or {"rsa": "RS256", "ec": "ES256"}[kid], headers={"kid": kid})


def _shared_secret(token: str, secret: bytes) -> str:
    """A token whose header says that a secret both sides know has signed it, signed by what everybody knows."""
    body = token.split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rsa"}).encode()).rstrip(b"=").decode()
    signed = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that answers on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answering.served.append(self.path)
            where = {"issuer": answering.issuer, "jwks_uri": f"{answering.issuer}/keys"}
            documents: dict[str, Any] = {
                "/.well-known/openid-configuration": where,
                "/keys": {"keys": answering.keys()},
            }
            body = json.dumps(documents.get(self.path, {})).encode()
            if self.path == "/keys" and answering.broken is not None:
                body = answering.broken
            self.send_response(503 if answering.away else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is inherited
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    answering = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield answering
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(make: Callable[..., Api], provider: Provider) -> Api:
    """An API that takes the provider's tokens."""
    return make(
        oidc_issuer=provider.issuer,
        oidc_audience=AUDIENCE,
        oidc_roles_claim="realm_access.roles",
        oidc_roles="grp-audit=auditor,grp-desk=subject_desk",
    )


def asked(api: Api, token: str, address: str = "/v1/violations") -> int:
    """The status that a token is answered with."""
    headers = {"authorization": f"Bearer {token}", "flowtrack-purpose": "test"}
    return api.anonymous().get(address, headers=headers).status_code


@pytest.mark.parametrize("kid", ["rsa", "ec"])
def test_a_token_of_the_provider_is_taken(api: Api, provider: Provider, kid: str) -> None:
    """A valid token gives the roles that its claim names; keys are fetched once for many."""
    assert [asked(api, provider.token(kid=kid)) for _ in range(3)] == [200, 200, 200]
    assert provider.served == ["/.well-known/openid-configuration", "/keys"]


def test_roles_are_those_of_the_claim(api: Api, provider: Provider) -> None:
    """A role of the claim allows what it may, and no more; a token without one of ours is refused."""
    assert asked(api, provider.token(realm_access={"roles": ["grp-desk"]})) == 403
    for none in ({"roles": ["auditor"]}, {"roles": "grp-nobody"}, {"roles": {"grp-audit": 1}}, "grp-audit", None):
        assert asked(api, provider.token(realm_access=none), "/v1") == 403, none
    assert asked(api, provider.token(realm_access={"roles": "other grp-audit"})) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": "a\nb"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_us_is_nobodys(api: Api, provider: Provider, claims: dict[str, Any]) -> None:
    """Another audience or issuer, expired, not yet valid, of nobody: refused, though the signature is right."""
    assert asked(api, provider.token(**claims)) == 401


def test_a_forged_token_is_nobodys(api: Api, provider: Provider) -> None:
    """Signed by another key, by the public key as a shared secret, by none, or changed afterwards: refused."""
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    public = provider.rsa.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    good = provider.token()
    head, body, signature = good.split(".")
    forged = [
        provider.token(key=other),
        _shared_secret(provider.token(), public),
        provider.token(key="", algorithm="none"),
        f"{head}.{body[:-2]}AA.{signature}",
        f"{head}.{body}.",
        "a.b.c",
        good.replace(".", "_"),
    ]
    assert [asked(api, token) for token in forged] == [401] * len(forged)
    assert asked(api, good) == 200


def test_a_provider_that_is_away_is_said(api: Api, provider: Provider) -> None:
    """Without the provider's keys no token can be checked: 503, until it answers."""
    provider.away = True
    assert asked(api, provider.token()) == 503
    provider.away = False
    assert asked(api, provider.token()) == 200


def test_guesses_of_others_keep_nobody_out_and_ask_the_provider_little(api: Api, provider: Provider) -> None:
    """After many tokens by keys that there are not, wrong ones wait, a right one does not, and keys were read twice."""
    assert asked(api, provider.token()) == 200
    wrong = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    guesses = [provider.token(kid=f"k{n}", key=wrong, algorithm="RS256") for n in range(40)]
    assert {asked(api, token) for token in guesses} == {401, 429}
    assert asked(api, provider.token()) == 200
    assert provider.served.count("/keys") <= 2


def test_a_session_ends_with_the_providers_token(api: Api, provider: Provider) -> None:
    """A browser that signs in with a token of the provider stays signed in no longer than that is valid."""
    signed = api.anonymous().post("/session", data={"token": provider.token()}, follow_redirects=False)
    ends_s = int(signed.headers["set-cookie"].lower().split("max-age=")[1].split(";")[0])
    assert 0 < ends_s <= 300


@pytest.mark.parametrize("broken", [b"", b"\xff", b"[]", b"7", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "none"}]}'])
def test_keys_that_are_none_are_no_fault_of_the_token(api: Api, provider: Provider, broken: bytes) -> None:
    """Where the provider answers with what are no keys, tokens cannot be checked: 503, and not 500 or a refusal."""
    provider.broken = broken
    assert asked(api, provider.token()) == 503
    provider.broken = None
    assert asked(api, provider.token()) == 200
