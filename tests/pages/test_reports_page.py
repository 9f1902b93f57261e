"""The page of reports: a form for each that whoever looks may have, and the document that it opens."""

from __future__ import annotations

import re

import pytest

from flowtrack.adapters.pages.rendering import Language, words
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.reports.ordering import fields_of
from flowtrack.audit.reports.orders import ORDERS
from flowtrack.audit.roles import Asker, Role
from tests.pages.conftest import Site
from tests.reports.day import ANNA, ledger
from tests.reports.pages import Page
from tests.reports.test_reports import FIELDS

BOTH = [(name, language) for name in ORDERS for language in Language]


def filled(name: str, **more: str) -> dict[str, str]:
    """A form as a browser sends it: all fields, instants without a zone, those left out empty."""
    form = {each.name: "false" if each.kind == "flag" else "" for each in fields_of(ORDERS[name])}
    said = {
        key: value if isinstance(value, str) else f"{value:%Y-%m-%dT%H:%M:%S}" for key, value in FIELDS[name].items()
    }
    return {"report": name, **form, **said, "why": "case 7", "lang": "en", **more}


@pytest.mark.parametrize("language", Language)
def test_there_is_a_form_for_each_report(site: Site, language: Language) -> None:
    """Each form has the fields of its order under words of the language, and nothing but a button sends it."""
    text = site.get("/reports", lang=language).text
    shown = [form for form in re.findall(r"<form class=.*?</form>", text, re.DOTALL) if 'name="report"' in form]
    forms = {form.partition('name="report" value="')[2].partition('"')[0]: form for form in shown}
    assert list(forms) == list(ORDERS)
    t = words(language)
    for name, form in forms.items():
        assert 'method="post"' in form
        names = re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', form)
        assert 'name="form" value="json"' in form
        assert names == ["report", *ORDERS[name].model_fields, "why", "lang"]
        assert all(t(f"ordering.{field}") in form for field in ORDERS[name].model_fields)
    assert t("report.monthly.title") in text


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_a_form_opens_the_document(site: Site, name: str, language: Language) -> None:
    """Whatever report is ordered: a whole document in the language that the form says, which loads nothing."""
    response = site.client.post("/reports", data=filled(name, lang=language))
    assert response.status_code == 200, response.text
    page = Page(response.text)
    assert page.faults == []
    assert page.of("html") == [{"lang": str(language)}]
    assert "case 7" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ORDERS)
def test_a_form_gives_the_same_report_as_json(site: Site, name: str) -> None:
    """Its second button keeps the machine-readable report as a file: the value that the document shows."""
    response = site.client.post("/reports", data=filled(name, form="json"))
    assert response.status_code == 200
    assert response.headers["content-disposition"].startswith(f'attachment; filename="flowtrack-{name}-')
    assert ORDERS[name].report.model_validate_json(response.text).head.why == "case 7"


def test_forms_are_shown_and_taken_by_role(site: Site) -> None:
    """A subject desk sees two forms, an operator none; what is sent without its form is refused."""
    site.roles = (Role.SUBJECT_DESK,)
    assert re.findall(r'name="report" value="([^"]+)"', site.get("/reports").text) == [
        "access-request",
        "consent-proof",
    ]
    assert site.client.post("/reports", data=filled("monthly")).status_code == 403
    site.roles = (Role.OPERATOR,)
    assert "<form class=" not in site.get("/reports").text.partition("<main")[2]
    site.roles = ()
    assert site.get("/reports").status_code == 401
    assert site.client.post("/reports", data=filled("monthly")).status_code == 401


def test_a_report_about_a_person_takes_a_purpose_and_is_written_down(site: Site) -> None:
    """Without a purpose there is no document; with one, the log of questions has it, and no address has the subject."""
    missing = site.client.post("/reports", data=filled("access-request", why=" "))
    assert missing.status_code == 400
    assert ANNA not in str(missing.url)
    assert f'value="{ANNA}"' in missing.text
    given = site.client.post("/reports", data=filled("access-request", why="case of the page"))
    assert ANNA not in str(given.url)
    log = ledger().ask(AuditLog(limit=10_000), asker=Asker(who="jo", why="test")).rows
    assert [(line.who, line.subject) for line in log if line.why == "case of the page"] == [("jo", ANNA)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"report": "nothing"},
        {"lang": "fr"},
        {"month": ""},
        {"month": "<script>alert(1)</script>"},
        {"known_at": "whenever"},
        {"why": "x" * 300},
    ],
)
def test_a_form_that_is_not_right_gets_a_page_that_says_so(site: Site, wrong: dict[str, str]) -> None:
    """What is wrong is named above the form, which keeps what was typed, and never becomes markup."""
    response = site.client.post("/reports", data=filled("monthly", **wrong))
    assert response.status_code == 400
    assert "<h1>" in response.text
    assert 'role="alert"' in response.text
    assert "<script>alert" not in response.text
    if "report" not in wrong:
        assert 'name="why" value="' in response.text.partition('<option value="ko"')[0]


def test_a_form_that_is_refused_keeps_what_was_typed(site: Site) -> None:
    """In the page's language, with the field under its own name and the wrong value there to be mended."""
    response = site.client.post("/reports?lang=ko", data=filled("monthly", month="March", why="case 8"))
    form = response.text.partition('id="monthly"')[2].partition("</section>")[0]
    assert "월 (예: 2026-03)" in form.partition("</dl>")[0]
    assert "2026-03처럼" in form
    assert 'value="March"' in form
    assert 'value="case 8"' in form
    assert "case 8" not in response.text.replace(form, "")


def test_a_purpose_is_asked_for_where_an_order_takes_one(site: Site) -> None:
    """It has to be there where every order of a report names people; else the label says when."""
    text = site.get("/reports", lang="en").text
    for name, order in ORDERS.items():
        form = text.partition(f'name="report" value="{name}"')[2].partition("</form>")[0]
        why = form.partition(words(Language.EN)("purpose.why"))[2].partition("</label>")[0]
        assert (" required" in why) == (order.takes_purpose == "always"), name
        assert ("may be left empty" in why) == (order.takes_purpose == "never"), name
        assert ("needed only" in why) == (order.takes_purpose == "sometimes"), name


def test_the_register_of_transfers_names_no_option_of_a_command() -> None:
    """A document is read by people who never saw a command line."""
    for language in Language:
        assert "--" not in words(language)("about.transfers.period")


def test_a_form_of_another_site_makes_no_report(site: Site) -> None:
    """Another site cannot have a report made in the name of whoever is signed in."""
    response = site.client.post("/reports", data=filled("monthly"), headers={"origin": "http://else"})
    assert response.status_code == 403
