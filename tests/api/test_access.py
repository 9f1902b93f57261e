"""Who is let in: tokens, sessions, limits, and what surrounds every answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.adapters.http.api.tokens import make_token, read_tokens, revoke_token
from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.roles import Asker, Role
from flowtrack.errors import ConfigurationError, StoreError, StoreMemoryError, StoreUnavailableError
from tests.api.conftest import URL, Api

PROBLEM = "application/problem+json"
ADDRESSES = ["/v1", "/v1/violations", "/v1/violations/export", "/v1/openapi.json", "/metrics"]


class Refusing:
    """A ledger that cannot answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def ask(self, question: Question[Answer], *, asker: Asker) -> Answer:
        """Raise."""
        del question, asker
        raise self.error


class Waiting:
    """A ledger that answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def ask(self, question: Question[Answer], *, asker: Asker) -> Answer:
        """Wait."""
        del question, asker
        self.go.wait(30)
        raise StoreUnavailableError("gone", help="ask again")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "shown", ["", "Bearer ", "Bearer nonsense", "Bearer ft_000000000000_x", "Basic am86am8=", "Bearer é", "ft_x"]
)
def test_nobody_is_anonymous(shared: Api, address: str, shown: str) -> None:
    """Without a token that is known here, nothing is answered but that one is needed."""
    headers = [(b"authorization", shown.encode())] if shown else []
    response = shared.anonymous().get(address, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == PROBLEM
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_health_needs_no_token_and_says_nothing(make: Callable[..., Api]) -> None:
    """Whether it lives and is ready is everybody's to know; why not is not."""
    client = make().anonymous()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_metrics_are_for_who_runs_it(make: Callable[..., Api]) -> None:
    """Metrics take an operator's token or an auditor's, unless a setting opens them."""
    api = make()
    assert api.client(Role.OPERATOR).get("/metrics").status_code == 200
    assert api.client(Role.SUBJECT_DESK).get("/metrics").status_code == 403
    assert make(metrics_open=True).anonymous().get("/metrics").status_code == 200


def test_a_token_ends_when_it_is_taken_out_or_expires(api: Api, tmp_path: Path) -> None:
    """A token is kept as its hash only; taken out of the file, or expired, it is nobody's at once."""
    path = tmp_path / "tokens.json"
    client = api.client(Role.AUDITOR)
    secret = str(client.headers["authorization"]).rpartition("_")[2]
    assert client.get("/v1").status_code == 200
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert revoke_token(path, read_tokens(path).tokens[0].id)
    assert not revoke_token(path, "000000000000")
    assert client.get("/v1").status_code == 401
    now = datetime.now(UTC)
    old = make_token(path, who="jo", roles=(Role.AUDITOR,), made_at=now, expires_at=now - timedelta(seconds=1))
    assert api.anonymous().get("/v1", headers={"authorization": f"Bearer {old}"}).status_code == 401


def test_a_file_of_tokens_that_is_broken_lets_nobody_in(api: Api, tmp_path: Path) -> None:
    """Where the tokens cannot be read, nobody is let in, and no text of the file is said."""
    client = api.client(Role.AUDITOR)
    (tmp_path / "tokens.json").write_text('{"tokens": ["secret-of-mine"]}')
    response = client.get("/v1")
    assert response.status_code == 500
    assert "secret-of-mine" not in response.text


def test_a_browser_signs_in_with_a_token(api: Api, tmp_path: Path) -> None:
    """The form gives a cookie that no script reads and no other site sends; its session ends with the token."""
    client = api.anonymous()
    signed = client.post("/session", data={"token": api.token(Role.AUDITOR), "then": "/flows"}, follow_redirects=False)
    cookie = signed.headers["set-cookie"].lower()
    assert (signed.status_code, signed.headers["location"]) == (303, "/flows")
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert client.get("/v1").status_code == 200
    assert client.get("/v1", headers={"sec-fetch-site": "cross-site"}).status_code == 401
    client.post("/session/end", follow_redirects=False)
    assert client.get("/v1").status_code == 401
    client.post("/session", data={"token": api.token(Role.AUDITOR)}, follow_redirects=False)
    for kept in read_tokens(tmp_path / "tokens.json").tokens:
        revoke_token(tmp_path / "tokens.json", kept.id)
    assert client.get("/v1").status_code == 401


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/a\nb"])
def test_signing_in_leads_nowhere_else(shared: Api, then: str) -> None:
    """Whatever the form says, the browser stays on this site; a form of another site is refused."""
    form = {"token": shared.token(Role.AUDITOR), "then": then}
    client = shared.anonymous()
    assert client.post("/session", data=form, follow_redirects=False).headers["location"] == "/"
    other = client.post("/session", data=form, headers={"origin": "https://evil.example"}, follow_redirects=False)
    assert other.status_code == 403
    assert "set-cookie" not in other.headers


def test_a_forged_session_is_none(api: Api) -> None:
    """A cookie that another key has signed, or none has, is nobody's."""
    import jwt

    claims = {"aud": "flowtrack-session", "exp": 2**40, "account": {"who": "jo", "roles": ["auditor"], "key": "x"}}
    for cookie in (jwt.encode(claims, b"k" * 32, "HS256"), jwt.encode(claims, "", "none"), "x.y.z", ""):
        client = TestClient(api.app, base_url=URL, cookies={"flowtrack": cookie})
        assert client.get("/v1").status_code == 401


def test_too_many_requests_are_told_to_wait(make: Callable[..., Api]) -> None:
    """Beyond its limit a token is answered 429 with the time to wait; another token is not touched."""
    api = make(rate_per_minute=3)
    busy, other = api.client(Role.AUDITOR), api.client(Role.AUDITOR)
    statuses = [busy.get("/v1").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert 1 <= int(busy.get("/v1").headers["retry-after"]) <= 60
    assert other.get("/v1").status_code == 200


def test_guessing_is_slowed_down(api: Api) -> None:
    """After many wrong tokens, an address is told to wait instead of being looked at."""
    client = api.anonymous()
    statuses = {client.get("/v1", headers={"authorization": f"Bearer {n}"}).status_code for n in range(40)}
    assert statuses == {401, 429}


def test_guessing_keeps_nobody_else_out(api: Api) -> None:
    """Many may come from one address, that of a proxy: whoever shows a right token is let in, whatever others show."""
    wrong, right = api.anonymous(), api.client(Role.AUDITOR)
    while wrong.get("/v1", headers={"authorization": "Bearer wrong"}).status_code != 429:
        assert right.get("/v1").status_code == 200
    assert right.get("/v1").status_code == 200
    signed = wrong.post("/session", data={"token": api.token(Role.AUDITOR)}, follow_redirects=False)
    assert (signed.status_code, "set-cookie" in signed.headers) == (303, True)


def test_limits_hold_when_many_ask_at_once(make: Callable[..., Api]) -> None:
    """Forty requests at once of one token, by real connections, get as many answers as the limit has, and no more."""
    api = make(rate_per_minute=15, exports_per_minute=3)
    headers = {"authorization": f"Bearer {api.token(Role.AUDITOR)}", "flowtrack-purpose": "case 1"}
    with LoopbackServer(api.app, 0) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        addresses = ["/v1/violations?limit=1", "/v1", "/v1/violations/export"] * 14
        with ThreadPoolExecutor(20) as threads:
            statuses = Counter(threads.map(lambda address: client.get(address).status_code, addresses))
    assert set(statuses) <= {200, 429, 503}
    assert statuses[200] + statuses[503] <= 15
    assert statuses[429] >= len(addresses) - 15


def test_exports_have_a_limit_of_their_own(make: Callable[..., Api]) -> None:
    """Exports are counted apart from other requests."""
    client = make(exports_per_minute=1).client(Role.AUDITOR)
    assert [client.get("/v1/violations/export").status_code for _ in range(2)] == [200, 429]
    assert client.get("/v1/violations").status_code == 200


def test_a_slow_answer_is_given_up(make: Callable[..., Api]) -> None:
    """What takes too long is 504; while it goes on it keeps its place, and beyond all places it is 503."""
    ledger = Waiting()
    client = make(ledger, timeout_s=0.05, questions_max=1, waiting_max=1).client(Role.AUDITOR)
    try:
        assert client.get("/v1/violations").status_code == 504
        assert client.get("/v1/violations").status_code == 504
    finally:
        ledger.go.set()


def test_too_many_questions_at_once_are_refused(make: Callable[..., Api]) -> None:
    """A question that is given up keeps its place until it ends; one beyond all places is told to come again."""
    ledger = Waiting()
    client = make(ledger, timeout_s=0.05, questions_max=1, waiting_max=0).client(Role.AUDITOR)
    try:
        assert client.get("/v1/violations").status_code == 504
        refused = client.get("/v1/violations")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:flowtrack:problem:busy")
        assert refused.headers["retry-after"]
    finally:
        ledger.go.set()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailableError("secret", where="http://secret", help="secret"), 503),
        (StoreMemoryError("secret", where="http://secret", help="secret"), 503),
        (StoreError("secret"), 503),
        (ConfigurationError("secret"), 500),
        (ValueError("secret"), 500),
        (RuntimeError("secret"), 500),
    ],
    ids=lambda each: type(each).__name__,
)
def test_errors_say_nothing_of_the_inside(make: Callable[..., Api], error: Exception, status: int) -> None:
    """Whatever goes wrong inside, the answer is a problem that tells none of its text."""
    response = make(Refusing(error)).client(Role.AUDITOR).get("/v1/violations")
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    assert "secret" not in response.text
    assert ("memory" in response.text) == isinstance(error, StoreMemoryError)
    assert bool(response.headers.get("retry-after")) == (status == 503 and not isinstance(error, StoreMemoryError))


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/v1/gossip", 404), ("POST", "/v1/violations", 405), ("GET", "/docs", 404), ("DELETE", "/session", 405)],
)
def test_every_error_is_a_problem(shared: Api, method: str, address: str, status: int) -> None:
    """Addresses and methods that there are not are problems, too."""
    response = shared.client(Role.AUDITOR).request(method, address)
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    assert response.json()["status"] == status


def test_it_answers_to_its_own_names_only(make: Callable[..., Api]) -> None:
    """A request under another name, as by a page that points its own name here, is refused."""
    api = make(hosts="audit.example")
    client = api.client(Role.AUDITOR)
    statuses = {
        host: client.get("/v1", headers={"host": host}).status_code
        for host in (
            "127.0.0.1:8480",
            "localhost",
            "[::1]:8480",
            "audit.example",
            "AUDIT.example:443",
            "evil.example",
            "",
        )
    }
    assert {host for host, status in statuses.items() if status != 200} == {"evil.example", ""}
    assert {statuses["evil.example"], statuses[""]} == {421}


@pytest.mark.parametrize("address", ["/v1", "/v1/gossip", "/healthz"])
def test_browsers_are_told_to_be_careful(shared: Api, address: str) -> None:
    """Each answer carries the headers that keep a browser from running, framing, storing or sharing it."""
    headers = shared.client(Role.AUDITOR).get(address, headers={"origin": "https://evil.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "192.0.2.1"},
        {"host": "192.0.2.1", "certificate_file": "a.pem"},
        {"oidc_issuer": "https://id.example"},
        {"oidc_roles": "theirs=nobody"},
        {"key_file": "k.pem"},
    ],
    ids=str,
)
def test_settings_that_would_open_it_are_refused(wrong: dict[str, Any]) -> None:
    """Beyond the loopback it takes TLS, or the word that a proxy has it; a provider takes an audience."""
    with pytest.raises(ValueError, match="validation error"):
        ApiSettings(**wrong)


def test_settings_beyond_the_loopback() -> None:
    """With a certificate, or behind a proxy, it may listen elsewhere."""
    assert ApiSettings(host="192.0.2.1", certificate_file=Path("c.pem"), key_file=Path("k.pem")).tls
    assert not ApiSettings(host="192.0.2.1", plain_http=True).on_loopback
    assert ApiSettings(host="::1").on_loopback


def counted(api: Api, name: str, **labels: str) -> float:
    """What a metric says now."""
    said = api.client(Role.OPERATOR).get("/metrics").text
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [
        line for line in said.splitlines() if line.startswith(f"{name}{{") and all(each in line for each in wanted)
    ]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_requests_are_counted_by_family_and_status(api: Api) -> None:
    """Each request counts under its family and status, with its time; an answer that is cut counts as such."""
    labels = {"family": "received", "status": "200"}
    before = counted(api, "flowtrack_api_requests_total", **labels)
    took = counted(api, "flowtrack_api_seconds_count", family="received")
    cut = counted(api, "flowtrack_api_answers_cut_total", family="received")
    client = api.client(Role.AUDITOR)
    assert client.get("/v1/received").status_code == 200
    assert client.get("/v1/received?limit=1").json()["about"]["completeness"]["truncated"]
    assert client.get("/v1/received?limit=none").status_code == 422
    assert counted(api, "flowtrack_api_requests_total", **labels) == before + 2
    assert counted(api, "flowtrack_api_seconds_count", family="received") == took + 3
    assert counted(api, "flowtrack_api_answers_cut_total", family="received") == cut + 1


def test_metrics_name_nobody_and_nothing_that_was_asked(api: Api) -> None:
    """Whatever stands in an address, a parameter or a token, no label repeats it."""
    client = api.client(Role.AUDITOR, Role.SUBJECT_DESK)
    for address in ("/hong-gildong", "/v1/hong-gildong", f"/v1/trail?subject={'5f' * 16}", "/v1/received?service=hong"):
        client.get(address)
    said = api.client(Role.OPERATOR).get("/metrics").text
    assert "hong" not in said
    assert "5f5f" not in said
    assert 'family="none",status="404"' in said
    assert 'who="jo"' not in said
