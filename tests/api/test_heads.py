"""HEAD, and addresses that there are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from flowtrack.adapters.http.server import LoopbackServer
from flowtrack.audit.families import FAMILIES
from flowtrack.audit.roles import Role
from flowtrack.testing.ledger import MemoryLedger
from tests.api.conftest import Api, Flowing
from tests.api.test_questions import required

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROGRAMS = ("", "*/*", "application/json", "application/json, text/html;q=0.1", "application/problem+json")


@pytest.fixture(scope="module")
def served(shared: Api) -> Iterator[httpx.Client]:
    """A client that shows a token of every role, by a real connection."""
    headers = {"authorization": f"Bearer {shared.token(*Role)}", "flowtrack-purpose": "case 1"}
    with LoopbackServer(shared.app, 0) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        yield client


def addresses() -> list[str]:
    """One of every kind."""
    before = "2020-01-01T00:00:00Z"  # what is asked meanwhile stands in the audit log
    families = [
        f"/v1/{name}?{httpx.QueryParams({**required(family), 'until': before})}" for name, family in FAMILIES.items()
    ]
    wrong = ["/v1/violations?limit=0", "/v1/violations?after=e30", "/v1/gossip", "/gossip", "/session"]
    return ["/v1", "/v1/openapi.json", "/v1/reports", "/v1/reports/transfers", "/healthz", "/readyz", *families, *wrong]


@pytest.mark.parametrize("address", addresses())
def test_head_answers_what_get_does_without_content(served: httpx.Client, address: str) -> None:
    """Status and headers are those of GET, the length of its content among them; no content comes."""
    got, asked = served.get(address), served.head(address)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    varying = {"date", "retry-after"}
    told = [{name: value for name, value in each.headers.items() if name not in varying} for each in (got, asked)]
    assert told[0] == told[1]
    assert served.get("/healthz").json() == {"status": "ok"}  # the connection goes on


def test_head_needs_who_and_why_as_get_does(make: Callable[..., Api]) -> None:
    """Who is not known, may not, or does not say why, gets no headers of an answer; who does is written down."""
    ledger = MemoryLedger()
    api = make(ledger)
    assert api.anonymous().head("/v1/violations").status_code == 401
    assert api.client(Role.OPERATOR).head("/v1/violations").status_code == 403
    assert api.silent(Role.AUDITOR).head("/v1/violations").status_code == 400
    assert ledger.audit_log == []
    assert api.client(Role.AUDITOR).head("/v1/violations").status_code == 200
    assert [line.why for line in ledger.audit_log] == ["case 1"]


def test_head_of_an_export_begins_none(make: Callable[..., Api]) -> None:
    """It checks what GET checks and counts as one, but takes no place, reads no row and writes nothing down."""
    ledger, flowing = MemoryLedger(), Flowing(1)
    api = make(ledger, flowing, exports_max=1, exports_per_minute=4)
    client = api.client(Role.AUDITOR)
    with api.desk.exporting():
        asked = [client.head(f"/v1/{each}/export?format=csv") for each in ("flows", "violations")]
    assert [each.status_code for each in asked] == [200, 200]
    assert {each.headers["content-type"] for each in asked} == {"text/csv; charset=utf-8"}
    assert all("content-length" not in each.headers for each in asked)
    assert (flowing.closed, ledger.audit_log) == (0, [])
    assert client.head("/v1/flows/export?format=doc").status_code == 422
    client.head("/v1/flows/export")
    client.head("/v1/flows/export")
    assert client.head("/v1/flows/export").status_code == 429


def test_addresses_say_that_they_take_head(shared: Api) -> None:
    """Whoever comes with another method is told both; an address that takes forms only takes neither."""
    client = shared.client(Role.AUDITOR)
    assert client.delete("/v1/violations").headers["allow"] == "GET, HEAD"
    assert client.get("/session").headers["allow"] == "POST"
    assert client.head("/session").status_code == 405


@pytest.mark.parametrize("accept", PROGRAMS)
def test_programs_get_a_problem(paged: Api, accept: str) -> None:
    """Whoever does not ask for a page first gets a problem, with the hint of a family's name."""
    response = paged.anonymous().get("/v1/violation", headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert "`violations`" in response.json()["help"]
    assert "accept" in response.headers["vary"]


@pytest.mark.parametrize(
    ("language", "told"), [("ko-KR,ko;q=0.9,en;q=0.5", "없습니다"), ("en-GB", "There is no such thing"), ("", "There")]
)
@pytest.mark.parametrize("address", ["/hong-gildong", "/v1/hong-gildong", "/a/b/c", "//evil.example/", "/%5Cevil"])
def test_browsers_get_a_page_in_their_language(paged: Api, address: str, language: str, told: str) -> None:
    """A page with a way on, that repeats nothing of the address, and loads nothing from elsewhere."""
    headers = {"accept": BROWSER, "accept-language": language}
    response = paged.anonymous().get(f"http://127.0.0.1{address}?subject=hong&lang=", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert told in response.text
    assert 'href="/' in response.text
    assert "hong" not in response.text
    assert "evil" not in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert {"accept", "accept-language"} <= set(response.headers["vary"].split(", "))


def test_a_page_that_is_nearly_right_is_named(paged: Api) -> None:
    """A browser is led to the page that was probably meant; one that came to a form's address is told as much."""
    client = paged.anonymous()
    page = client.get("/violation?lang=en", headers={"accept": BROWSER})
    assert 'href="/violations?lang=en"' in page.text
    wrong = client.get("/session", headers={"accept": BROWSER})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert "There is no such thing" in wrong.text
