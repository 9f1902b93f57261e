"""The site: who may look, in which language, for what purpose; and any string in an address gives a clear page."""

from __future__ import annotations

import base64
import csv
import io
import re
from html import escape, unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrack.adapters.pages import rendering
from flowtrack.adapters.pages.rendering import Language
from flowtrack.adapters.pages.site import visit as visiting
from flowtrack.adapters.pages.site.visit import with_zone
from flowtrack.audit.explanation import Explanation
from flowtrack.audit.roles import Asker, Role
from flowtrack.sample import SampleOptions, sample_day
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking import rows as tables
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.checked import checked_records
from tests.ledger.day import subject_of
from tests.pages.conftest import Site

PAGES = (
    "/",
    "/alerts",
    "/policy",
    "/clause",
    "/violations",
    "/what-if",
    "/subject",
    "/recipient",
    "/service",
    "/export",
    "/audit-log",
    "/blast",
    "/origin",
    "/withdrawal",
    "/reports",
)
PARAMETERS = (
    "lang",
    "since",
    "until",
    "as_of",
    "known_at",
    "service",
    "recipient",
    "category",
    "clause",
    "after",
    "pack",
    "subject",
    "kind",
    "as_of_step",
    "hops_max",
    "first",
    "record",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_is_there_in_both_languages(site: Site, page: str, language: str) -> None:
    """Each page says its language, has one heading, and links to itself in the other language."""
    needed = {"/clause": {"clause": "3.1"}, "/export": {"family": "overview", "format": "csv"}}
    response = site.get(page, lang=language, **needed.get(page, {}))
    assert response.status_code == 200
    if page == "/export":
        assert response.text.startswith("day,")
        return
    assert f'<html lang="{language}">' in response.text
    assert response.text.count("<h1>") == 1
    assert f"lang={'en' if language == 'ko' else 'ko'}" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_links_carry_times_and_language(site: Site) -> None:
    """What the address says of language and times stands in every link to a page."""
    text = site.get("/violations", lang="ko", as_of="2026-03-02T09:01").text
    links = re.findall(r'href="(/[a-z-]*(?:\?[^"]*)?)"', text)
    assert len([link for link in links if "as_of=2026-03-02T09%3A01" in link and "lang=" in link]) > 8
    assert 'value="2026-03-02T09:01:00"' in text


def test_who_is_not_known_gets_the_form_to_sign_in(site: Site) -> None:
    """Without an account there is a form instead of the page, which leads back to it."""
    site.roles = ()
    response = site.get("/violations", service="shop")
    assert response.status_code == 401
    assert 'name="token"' in response.text
    assert 'value="/violations?service=shop"' in response.text


def test_who_may_not_see_a_page_is_told(site: Site) -> None:
    """A role that may not ask gets a page that says so, and nothing else."""
    site.roles = (Role.OPERATOR,)
    response = site.get("/violations")
    assert response.status_code == 403
    assert "No role of this account" in response.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(page=st.sampled_from(PAGES), name=st.sampled_from(PARAMETERS), text=st.text(max_size=60))
def test_any_string_gives_a_page(site: Site, page: str, name: str, text: str) -> None:
    """Whatever stands in a parameter: a page, or a page that says what is wrong, never a failure."""
    response = site.client.get(page, params={name: text})
    assert response.status_code < 500
    assert "<h1>" in response.text


@pytest.mark.parametrize("page", PAGES)
def test_the_ends_of_the_calendar_give_a_page(site: Site, page: str) -> None:
    """The first and the last instant that can be written mean before and after everything, in forms as well."""
    for name in ("since", "until", "as_of", "known_at"):
        for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            response = site.client.get(page, params={name: text})
            assert response.status_code < 500, (name, text)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>', "' OR 1=1 --", "{{7*7}}"])
def test_what_an_address_says_never_becomes_markup(site: Site, text: str) -> None:
    """A text of the address comes back escaped, or not at all."""
    for name in PARAMETERS:
        response = site.get("/violations", **{name: text})
        assert "<script>alert" not in response.text
        assert "<img src=x" not in response.text
        assert ">49<" not in response.text


SUBJECT = subject_of(1)


def test_a_subject_is_shown_for_a_purpose_only(site: Site) -> None:
    """Before a subject's trail comes the question why; the answer stands in the log of questions, and leads on."""
    asked = site.get("/subject", subject=SUBJECT, lang="en")
    assert 'name="why"' in asked.text
    assert not site.ledger.audit_log
    form = {"subject": SUBJECT, "why": "case 7", "then": f"/subject?subject={SUBJECT}&lang=en"}
    shown = site.client.post("/purpose", data=form)
    assert shown.status_code == 200
    assert "<svg" in shown.text
    assert {(line.asker, line.subject, line.why) for line in site.ledger.audit_log} == {("jo", SUBJECT, "case 7")}
    assert 'name="why"' in site.get("/subject", subject=subject_of(2)).text


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", ("Rules that nearly matched", "What kept it out", "would permit")), ("ko", ("거의 해당할 뻔한 규칙",))],
)
def test_a_decision_shows_what_nearly_permitted_it(language: str, said: tuple[str, ...]) -> None:
    """Beside what decided stand the rules that nearly matched, and the attribute that kept each of them out."""
    ledger = MemoryLedger()
    day = sample_day(SampleOptions(seed=7, events=1_000, subjects=200))
    LedgerWriter(ledger, "run").process(checked_records(day))
    asker = Asker(who="jo", why="case 7")
    denied = [row for row in ledger.tables[tables.FLOWS] if row["verdict"] == "deny"]
    answers = (
        ledger.ask(Explanation(subject=row["subject"], event=row["event_id"]), asker=asker).rows for row in denied
    )
    row = next(row for rows in answers for row in rows if any(near.effect == "permit" for near in row.nearly))
    subject = next(each["subject"] for each in denied if each["event_id"] == row.event_id)
    with (site := Site(ledger)).client:
        site.client.post("/purpose", data={"subject": subject, "why": "case 7", "then": "/what-if"})
        text = site.get("/decision", subject=subject, event=row.event_id, lang=language).text
    for one in (*said, row.nearly[0].id, escape(row.nearly[0].kept_out_by[0])):
        assert one in text


def test_a_decision_without_a_definition_says_so(site: Site) -> None:
    """Where the situation is not defined, the page says that it cannot tell what nearly matched."""
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    row = next(each for each in site.ledger.tables[tables.FLOWS] if each["subject"] == SUBJECT and each["category"])
    text = site.get("/decision", subject=SUBJECT, event=row["event_id"], lang="en").text
    assert "Which rules nearly matched cannot be said" in text


def test_sliders_lead_to_an_address_with_instants(site: Site) -> None:
    """Without any script the slider's form leads to the view at that instant; its last step is now."""
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    whole = site.get("/subject", subject=SUBJECT)
    bounds = dict(re.findall(r'name="(first|last)" value="([^"]+)"', whole.text))
    state = {"subject": SUBJECT, "as_of_step": "500", "known_at_step": "1000", **bounds}
    half = site.client.get("/subject", params=state)
    assert "as_of=2026-03-01T" in str(half.url)
    assert "known_at=" not in str(half.url)
    assert 'value="500"' in half.text or 'value="499"' in half.text or 'value="501"' in half.text
    assert half.text.count('id="step-') < whole.text.count('id="step-')


def test_a_blast_radius_names_who_is_to_be_told(site: Site) -> None:
    """From a service that shares, the parties that data got to are named and drawn."""
    text = site.get("/blast", start="service", name="shop", lang="en").text
    assert "Parties to be told" in text
    assert "/recipient?lang=en&amp;recipient=acme" in text
    assert "<svg" in text


def test_a_withdrawal_shows_what_the_record_carried(site: Site) -> None:
    """From a subject's consent record a link leads to the places where its data was, in both languages."""
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    link = re.search(r'href="(/withdrawal\?[^"]+)"', site.get("/subject", subject=SUBJECT).text)
    assert link
    assert site.get(unescape(link[1])).status_code == 200
    for language, said in (("en", "Flows that relied on it"), ("ko", "이 동의에 근거한 처리")):
        text = site.get("/withdrawal", subject=SUBJECT, record="r-1", lang=language).text
        assert said in text
        assert "/recipient?" in text
        assert "acme" in text


def test_a_recipient_links_to_what_it_rests_on(site: Site) -> None:
    """What a party was denied links to the violations, with the same times."""
    text = site.get("/recipient", recipient="acme", since="2026-03-02").text
    assert "/violations?since=2026-03-02" in text
    assert "<svg" in text
    assert "/subject?since=2026-03-02" in text


def test_lists_that_name_subjects_take_a_purpose(site: Site) -> None:
    """Without one there is its form instead of violations, and no samples of them elsewhere; said once, it holds."""
    site.client.cookies.clear()
    before = len(site.ledger.audit_log)
    asked = site.get("/violations", service="shop")
    assert 'action="/purpose"' in asked.text
    assert "/decision?" not in asked.text
    assert "/subject?subject=" not in site.get("/recipient", recipient="acme").text
    assert len(site.ledger.audit_log) == before
    form = {"subject": "", "why": "case 9", "then": "/violations"}
    assert "/subject?subject=" in site.client.post("/purpose", data=form).text
    assert "/subject?subject=" in site.get("/recipient", recipient="acme").text
    assert {line.why for line in site.ledger.audit_log[before:]} == {"case 9"}


def test_a_form_of_another_site_is_not_taken(site: Site) -> None:
    """A purpose that another site's form sends is refused."""
    kept = dict(site.client.cookies)
    form = {"subject": "0" * 32, "why": "case 7", "then": "/"}
    assert site.client.post("/purpose", data=form, headers={"origin": "http://else"}).status_code == 403
    assert site.client.post("/purpose", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert dict(site.client.cookies) == kept


@pytest.mark.parametrize("said", ["[" * 3_000, '["", "\\ud800"]', "[1, 2]", '{"": 1}', "\\"])
def test_a_purpose_kept_by_the_browser_may_be_anything(site: Site, said: str) -> None:
    """What a browser sends for the purpose that it kept is one, or none was said: it is asked for again."""
    site.client.cookies.clear()
    site.client.cookies.set("flowtrack_purpose", base64.urlsafe_b64encode(said.encode()).decode())
    response = site.get("/violations")
    assert response.status_code == 200
    assert 'action="/purpose"' in response.text


@pytest.mark.parametrize("form", [{}, {"subject": "x", "why": "y"}, {"subject": "0" * 32, "why": " "}])
def test_a_purpose_that_is_not_right_is_refused(site: Site, form: dict[str, str]) -> None:
    """Without a subject or a reason nothing is kept, and a page says what is missing."""
    kept = dict(site.client.cookies)
    response = site.client.post("/purpose", data=form)
    assert response.status_code == 400
    assert dict(site.client.cookies) == kept


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("2026-03-02", "2026-03-02T00:00Z"),
        ("2026-03-02T09:00", "2026-03-02T09:00Z"),
        ("2026-03-02T09:00:00+09:00", "2026-03-02T09:00:00+09:00"),
        ("2026-03-02T09:00:00.5Z", "2026-03-02T09:00:00.5Z"),
        ("whenever", "whenever"),
    ],
)
def test_instants_without_a_zone_are_in_utc(typed: str, taken: str) -> None:
    """A browser's field gives no zone: it is UTC, as the field says."""
    assert with_zone(typed) == taken


def picture_links(text: str) -> list[str]:
    """The addresses of a page's pictures as files."""
    return [unescape(each) for each in re.findall(r'href="([^"]+)" download', text)]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_each_picture_comes_as_a_file(site: Site, language: str) -> None:
    """As SVG that needs no page and leads nowhere, and its numbers as CSV; with the state of the view."""
    links = picture_links(site.get("/", lang=language, since="2020-01-01T00:00").text)
    assert len(links) == 4
    for link in links:
        assert "since=2020-01-01T00%3A00" in link
        file = site.client.get(link)
        assert file.status_code == 200
        assert "attachment" in file.headers["content-disposition"]
        if "form=svg" in link:
            root = ET.fromstring(file.text)  # noqa: S314 - our own output
            assert root.find("{http://www.w3.org/2000/svg}style") is not None
            assert "<a " not in file.text
            assert "stripes)" in file.text
            assert ("거부" if language == "ko" else "denied") in file.text
        else:
            rows = list(csv.reader(io.StringIO(file.text)))
            assert len(rows) > 1
            assert len({len(row) for row in rows}) == 1


def test_a_picture_that_is_not_there_is_told(site: Site) -> None:
    """An unknown picture or form is a page that says so; whoever has not said a purpose is asked for it first."""
    assert site.get("/", picture="mona-lisa").status_code == 400
    assert site.get("/", picture="sankey", form="exe").status_code == 400
    subject = subject_of(0)
    asked = site.get("/subject", subject=subject, picture="timeline", form="svg")
    assert asked.status_code == 200
    assert 'name="why"' in asked.text


def test_a_fault_in_a_template_is_a_page(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever looks gets a page that says so in their language; the log says where, and nothing of what was asked."""
    whole = rendering.render

    def faulty(template: str, language: Language, **values: object) -> str:
        if template != "site/refused.html":
            raise ZeroDivisionError(f"hong {values['visit'].said}")  # type: ignore[attr-defined]  # a visit
        return whole(template, language, **values)

    monkeypatch.setattr(visiting, "render", faulty)
    for language, told in (("ko", "페이지를 만들 수 없습니다"), ("en", "The page cannot be shown")):
        page = site.get("/alerts", service="hong", lang=language)
        assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
        assert told in page.text
        assert "content-security-policy" in page.headers
    said = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in said
    assert "hong" not in said


def test_a_fault_in_every_template_is_still_a_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the page that tells of it can be made, a few words of HTML do."""

    def faulty(*_: object, **__: object) -> str:
        raise KeyError("hong")

    monkeypatch.setattr(visiting, "render", faulty)
    page = site.get("/alerts")
    assert page.status_code == 500
    assert page.text.startswith("<!doctype html>")
    assert "hong" not in page.text


def test_alerts_say_what_happened_and_what_late_knowledge_made_of_them(site: Site) -> None:
    """In the page's language, by words and not by codes; one of them says how much came late and was lifted since."""
    row = site.ledger.tables[tables.ALERTS][-1]
    row |= {"what": "denied", "service": "ads", "recipient": "broker", "reasons": ["consent_withdrawn"]}
    row |= {"count": 12, "amended": 7, "lifted": 3, "changed": "default@2"}
    listed = site.get("/alerts", lang="ko").text
    assert "허용되지 않음: ads → broker" in listed
    assert "동의 철회됨" in listed
    shown = site.get("/alerts", lang="en", identity=row["identity"]).text
    assert (
        "It counts 12 findings: 7 came by judging anew what became known late, and 3 have been lifted since." in shown
    )
    assert "default@2" in shown
    assert 'href="/alerts?lang=en"' in shown


@pytest.mark.parametrize(("language", "told"), [("ko", "고칠 점이"), ("en", "have to be mended first")])
def test_a_pack_that_is_refused_is_told_with_all_that_is_wrong(site: Site, language: str, told: str) -> None:
    """Whoever hands in a pack with faults sees where each is and what to do, and no page that blames the API."""
    files = [("files", ("p/pack.yaml", b"name: x", "text/yaml")), ("files", ("p/clauses.yaml", b"][", "text/yaml"))]
    page = site.client.post("/what-if", params={"lang": language}, files=files)
    assert page.status_code == 400
    assert told in page.text
    assert "clauses.yaml" in page.text
    assert "schema.cedarschema" in page.text
