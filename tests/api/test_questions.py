"""Questions over HTTP: as the ledger answers them, in pages that agree, to those who may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowtrack.audit.families import FAMILIES
from flowtrack.audit.family import PagedQuestion, Question, SubjectQuestion
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.violations import Violations
from flowtrack.testing.ledger import MemoryLedger
from tests.api.conftest import Api

PROBLEM = "application/problem+json"
HOSTILE = [
    "' OR 1=1 --",
    "}}{{7*7}}",
    "../../etc/passwd",
    "\u0000",
    "\U0001d4b3" * 50,
    "%00",
    "<script>",
    "{k0:Int64}",
    "a\nb",
]


def rows_of(response: Any) -> list[dict[str, Any]]:
    """The rows of an answer."""
    rows: list[dict[str, Any]] = response.json()["rows"]
    return rows


def test_every_family_has_its_address(shared: Api) -> None:
    """Each family of the list is asked at its own address and described; the list says who may ask."""
    client = shared.client(Role.AUDITOR)
    listed = client.get("/v1").json()["families"]
    paths = client.get("/v1/openapi.json").json()["paths"]
    assert [each["family"] for each in listed] == list(FAMILIES)
    assert all(each["allowed"] == (Role.AUDITOR in FAMILIES[each["family"]].roles) for each in listed)
    assert {f"/v1/{name}" for name in FAMILIES} | {f"/v1/{name}/export" for name in FAMILIES} <= set(paths)


def test_the_answer_is_the_ledgers(shared: Api, day: MemoryLedger) -> None:
    """What comes over HTTP is what the ledger answers."""
    response = shared.client(Role.AUDITOR).get("/v1/violations", params={"clause": "3.1", "limit": 5})
    expected = day.ask(Violations(clause="3.1", limit=5), asker=Asker(who="jo"))
    assert response.json() == expected.model_dump(mode="json")
    assert expected.rows


def test_links_lead_through_all_pages(shared: Api, day: MemoryLedger) -> None:
    """Following `rel=next` gives every row once, as known at one instant."""
    client, address = shared.client(Role.REGULATOR), "/v1/violations?limit=40"
    found, known = [], set()
    while address:
        response = client.get(address)
        found += rows_of(response)
        known.add(response.json()["about"]["question"]["known_at"])
        address = response.links.get("next", {}).get("url", "")
    whole = day.ask(Violations(limit=10_000), asker=Asker(who="jo"))
    assert found == [row.model_dump(mode="json") for row in whole.rows]
    assert len(found) > 40
    assert len(known) == 1


def test_an_address_that_is_nearly_right_gets_a_hint(shared: Api) -> None:
    """Whoever spells a family nearly right is asked whether it was meant; what is far from all gets no guess."""
    client = shared.client(Role.AUDITOR)
    said = {name: client.get(f"/v1/{name}").json() for name in ("violation", "gossip", "trials/export")}
    assert {each["status"] for each in said.values()} == {404}
    assert "did you mean `violations`" in said["violation"]["help"]
    assert "did you mean `trail`" in said["trials/export"]["help"]
    assert "help" not in said["gossip"]


def test_a_cursor_of_another_question_is_refused(shared: Api) -> None:
    """A cursor goes on with its own question only, and what is no cursor is said to be none."""
    client = shared.client(Role.AUDITOR)
    after = client.get("/v1/violations", params={"limit": 1}).json()["about"]["completeness"]["after"]
    assert client.get("/v1/violations", params={"limit": 1, "after": after}).status_code == 200
    for wrong in ({"after": after, "service": "shop"}, {"after": "e30"}, {"after": after[:-2]}):
        response = client.get("/v1/violations", params={"limit": 1, **wrong})
        assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
        assert response.json()["fields"][0]["field"] == "after"


def test_an_answer_that_has_not_changed_is_not_sent_again(shared: Api) -> None:
    """The tag of an answer, sent back, gives 304 without a body; that of another answer does not."""
    client = shared.client(Role.AUDITOR)
    first = client.get("/v1/violations", params={"limit": 3})
    tag = first.headers["etag"]
    again = client.get("/v1/violations", params={"limit": 3}, headers={"if-none-match": f'"x", {tag}'})
    for alike in (tag.removeprefix("W/"), "*"):
        assert client.get("/v1/violations", params={"limit": 3}, headers={"if-none-match": alike}).status_code == 304
    other = client.get("/v1/violations", params={"limit": 4}, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert other.status_code == 200
    assert first.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "times",
    [
        {"as_of": "2036-01-01T00:00:00Z"},
        {"known_at": "2036-01-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"since": "2030-01-01T00:00:00Z", "until": "2020-01-01T00:00:00Z"},
        {"as_of": "0001-01-01T00:00:00+14:00"},
        {"as_of": "9999-12-31T23:59:59-14:00"},
    ],
    ids=str,
)
def test_any_period_is_answered(shared: Api, times: dict[str, str]) -> None:
    """Instants of the future, ten years, a period that ends before it begins: an answer, or what is wrong with it."""
    client = shared.client(*Role, **{"flowtrack-purpose": "case 7"})
    for name, family in FAMILIES.items():
        response = client.get(f"/v1/{name}", params={**required(family), **times})
        assert response.status_code in {200, 400, 422}, response.text
        if response.status_code == 200:
            assert response.json()["about"]["completeness"]["complete_up_to"], name


def required(family: type[Question[Any]]) -> dict[str, str]:
    """What a family has to be asked with."""
    given = {"subject": "0" * 32, "start": "service"}
    return {name: given.get(name, "x") for name, field in family.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_any_text_is_a_value_and_no_more(shared: Api, text: str) -> None:
    """Whatever stands in a field is looked for or refused, and no refusal repeats it."""
    client = shared.client(*Role)
    for name, family in FAMILIES.items():
        texts = {field: text for field, said in family.model_fields.items() if "str" in str(said.annotation)}
        response = client.get(f"/v1/{name}", params={**required(family), **texts, "why": "case 7"})
        assert response.status_code < 500, response.text
        if response.status_code != 200:
            assert response.headers["content-type"] == PROBLEM
            assert text not in response.text


def test_each_role_asks_only_what_it_may(shared: Api) -> None:
    """A family answers the roles that it names, and refuses all others before anything is asked."""
    for name, family in FAMILIES.items():
        for role in Role:
            response = shared.client(role, **{"flowtrack-purpose": "case 7"}).get(
                f"/v1/{name}", params=required(family)
            )
            if response.status_code != 422:  # a family whose fields have to fit together, asked without them
                assert (response.status_code == 403) == (role not in family.roles), (name, role, response.text)


def test_a_question_that_touches_subjects_takes_a_purpose(make: Callable[..., Api]) -> None:
    """Without its purpose it is refused; with one, who asked it in which role and why stands in the audit log."""
    ledger = MemoryLedger()
    shared = make(ledger)
    client = shared.silent(Role.SUBJECT_DESK, Role.AUDITOR)
    for name, family in FAMILIES.items():
        if not (family.names_subjects or issubclass(family, SubjectQuestion)):
            continue
        whom = "0" * 32 if issubclass(family, SubjectQuestion) else ""
        params = required(family)
        assert client.get(f"/v1/{name}", params=params).json()["fields"][0]["field"] == "why"
        assert client.get(f"/v1/{name}", params={**params, "why": "  "}).status_code == 400
        assert client.get(f"/v1/{name}", params={**params, "why": "x" * 257}).status_code == 422
        assert ledger.audit_log == []
        client.get(f"/v1/{name}", params={**params, "why": "request 9"})
        client.get(f"/v1/{name}", params=params, headers=[(b"flowtrack-purpose", "요청 9".encode())])
        lines = [(line.asker, line.subject, line.why) for line in ledger.audit_log]
        assert lines == [("jo", whom, "request 9"), ("jo", whom, "요청 9")]
        assert {line.role for line in ledger.audit_log} <= {"subject_desk", "auditor"}
        ledger.audit_log.clear()


def test_unknown_parameters_are_refused_without_their_text(shared: Api) -> None:
    """A parameter that is not there is said to be none; its name, which may be anything, is not repeated."""
    response = shared.client(Role.AUDITOR).get(
        "/v1/violations", params={"jane.doe": "1", "limit": "0", "as_of": "yesterday"}
    )
    assert response.status_code == 422
    assert "jane" not in response.text
    assert "yesterday" not in response.text
    assert {each["field"] for each in response.json()["fields"]} == {"", "limit", "as_of"}


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/v1/violations?limit=1&limit=2&why=a", "limit"),
        ("/v1/violations?service=shop&service=desk", "service"),
        ("/v1/violations/export?category=a&category=b", "category"),
        ("/v1/flows/export?subjects=true&subjects=false", "subjects"),
        ("/v1/violations?why=a&why=b", "why"),
        ("/v1/reports/monthly?month=2026-03&month=2026-04", "month"),
        ("/v1/violations?service=%ff", ""),
        ("/v1/violations?service=%ed%a0%80", ""),
    ],
)
def test_what_was_not_understood_whole_is_refused(shared: Api, address: str, field: str) -> None:
    """Of a parameter that stands twice, one would be dropped; of bytes that are no text, a sign would be asked for."""
    response = shared.client(Role.AUDITOR).get(address)
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert [each["field"] for each in response.json().get("fields", [])] == ([field] if field else [])


def test_a_list_may_be_said_item_by_item(shared: Api) -> None:
    """A parameter that is a list stands as often as it has items."""
    asked = "/v1/blast?start=service&name=shop&categories=provided&categories=location"
    response = shared.client(Role.AUDITOR).get(asked)
    assert response.status_code == 200
    assert response.json()["about"]["question"]["categories"] == ["provided", "location"]


def test_nobody_is_sent_elsewhere(shared: Api) -> None:
    """A slash too many is told, not redirected: an address made here would name http, and the token follow it."""
    response = shared.client(Role.AUDITOR).get("/v1/violations/", follow_redirects=False)
    assert (response.status_code, "location" in response.headers) == (404, False)
    assert "did you mean `violations`" in response.json()["help"]


def test_pages_are_those_that_are_said_to_be(shared: Api) -> None:
    """The list says of each family whether its rows come in pages."""
    listed = {each["family"]: each["pages"] for each in shared.client(Role.AUDITOR).get("/v1").json()["families"]}
    assert listed == {name: issubclass(family, PagedQuestion) for name, family in FAMILIES.items()}
