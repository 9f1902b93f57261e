"""Reports over HTTP: who may have which, for what purpose, in which language and form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.reports.orders import ORDERS
from flowtrack.audit.roles import Asker, Role
from tests.api.conftest import Api
from tests.reports.day import ANNA, ledger
from tests.reports.pages import Page
from tests.reports.test_reports import FIELDS

PROBLEM = "application/problem+json"
PURPOSE = {"flowtrack-purpose": "case 7"}


def asked(name: str) -> dict[str, str]:
    """The fields of a report, as an address says them."""
    return {key: value if isinstance(value, str) else value.isoformat() for key, value in FIELDS[name].items()}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_report_comes_in_both_languages_and_as_a_value(shared: Api, name: str, language: str) -> None:
    """As HTML a report is a whole document in its language, as JSON its value, with who asked in which role and why."""
    client = shared.client(Role.AUDITOR, **PURPOSE)
    document = client.get(f"/v1/reports/{name}", params={**asked(name), "format": "html", "lang": language})
    assert (document.status_code, document.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in document.headers["content-security-policy"]
    assert document.headers["cache-control"] == "private, no-store"
    page = Page(document.text)
    assert page.faults == []
    assert page.of("html") == [{"lang": language}]
    value = client.get(f"/v1/reports/{name}", params=asked(name))
    assert value.headers["content-type"] == "application/json"
    head = value.json()["head"]
    assert (head["report"], head["who"], head["role"], head["why"]) == (name, "jo", "auditor", "case 7")


@pytest.mark.parametrize("name", ORDERS)
def test_only_its_roles_may_have_a_report(shared: Api, name: str) -> None:
    """Every role that an order names gets the report, every other one is refused."""
    for role in Role:
        given = shared.client(role, **PURPOSE).get(f"/v1/reports/{name}", params=asked(name))
        assert given.status_code == (200 if role in ORDERS[name].roles else 403), role
        if given.status_code == 403:
            assert given.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("name", ORDERS)
def test_reports_that_name_people_need_a_purpose(shared: Api, name: str) -> None:
    """Without a purpose a report that names people is refused with what is missing; the others are not."""
    given = shared.silent(Role.AUDITOR).get(f"/v1/reports/{name}", params=asked(name))
    needed = name in {"access-request", "consent-proof", "staff-access", "law-overlay", "breach"}
    assert given.status_code == (400 if needed else 200)
    if needed:
        assert [each["field"] for each in given.json()["fields"]] == ["why"]


def test_counts_alone_need_no_purpose(shared: Api) -> None:
    """Where an order asks for nobody by name, no purpose is needed."""
    client = shared.silent(Role.AUDITOR)
    assert client.get("/v1/reports/law-overlay", params={"count_subjects": "false"}).status_code == 200
    place = {"service": "shop", "since": "2026-03-01T00:00:00Z"}
    assert client.get("/v1/reports/breach", params=place).status_code == 200


@pytest.mark.parametrize("name", ["access-request", "consent-proof", "breach"])
def test_reports_about_a_subject_are_written_down(shared: Api, name: str) -> None:
    """The log of questions has who had the report made, in which role and why."""
    role = Role.REGULATOR
    client = shared.client(role, **{"flowtrack-purpose": f"case {name}"})
    assert client.get(f"/v1/reports/{name}", params=asked(name)).status_code == 200
    log = ledger().ask(AuditLog(limit=10_000), asker=Asker(who="jo", why="test")).rows
    assert {(line.who, line.role) for line in log if line.why == f"case {name}"} == {("jo", role)}


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("monthly", {}, 422),
        ("monthly", {"month": "2026-13"}, 422),
        ("monthly", {"month": "9999-12"}, 422),
        ("monthly", {"month": "2026-03", "lang": "fr"}, 422),
        ("monthly", {"month": "2026-03", "format": "pdf"}, 422),
        ("monthly", {"month": "2026-03", "colour": "red"}, 422),
        ("access-request", {"subject": "anna"}, 422),
        ("access-request", {"subject": ANNA, "received_at": "9999-12-31T23:00:00Z"}, 400),
        ("breach", {}, 400),
        ("breach", {"incident": "never", "published_by": "shop"}, 400),
        ("breach", {"service": "shop", "party": "acme", "since": "2026-03-01T00:00:00Z"}, 400),
        ("ropa", {"since": "2026-03-01"}, 422),
        ("consent-proof", {"subject": ANNA, "record": "never"}, 400),
    ],
)
def test_orders_that_are_not_right_are_refused(shared: Api, name: str, fields: dict[str, str], status: int) -> None:
    """What is wrong with an order is the client's to mend, and is said without repeating what was sent."""
    given = shared.client(Role.AUDITOR, **PURPOSE).get(f"/v1/reports/{name}", params=fields)
    assert given.status_code == status
    assert given.headers["content-type"] == PROBLEM
    assert not any(value in given.text for value in fields.values() if len(value) > 8)


def test_the_list_says_what_can_be_ordered(shared: Api) -> None:
    """Each report is listed with its roles and fields, and whether this account may have it."""
    listed: list[dict[str, Any]] = shared.client(Role.SUBJECT_DESK).get("/v1/reports").json()["reports"]
    assert [each["report"] for each in listed] == list(ORDERS)
    assert {each["report"] for each in listed if each["allowed"]} == {"access-request", "consent-proof"}
    for each in listed:
        assert [field["name"] for field in each["fields"]] == list(ORDERS[each["report"]].model_fields)
    (month, known_at) = next(each["fields"] for each in listed if each["report"] == "monthly")
    assert (month["kind"], month["required"]) == ("text", True)
    assert (known_at["kind"], known_at["required"]) == ("instant", False)
    assert shared.anonymous().get("/v1/reports").status_code == 401
    assert shared.client(Role.AUDITOR).get("/v1/reports/nothing").status_code == 404


def test_a_report_takes_the_place_of_a_question(make: Callable[..., Api]) -> None:
    """A report that takes too long is given up as a question is."""
    given = make(timeout_s=1e-6).client(Role.AUDITOR).get("/v1/reports/monthly", params=asked("monthly"))
    assert (given.status_code, given.headers["content-type"]) == (504, PROBLEM)
