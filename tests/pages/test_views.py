"""What a view says of itself: why it is empty, what is left out, what was meant, and what else there is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from fastapi import Request

from flowtrack.adapters.pages import rendering
from flowtrack.adapters.pages.rendering import Language
from flowtrack.adapters.pages.site import places, whatif
from flowtrack.adapters.pages.site.subject import drawn
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.roles import Role
from flowtrack.audit.trail import TrailConsent
from flowtrack.audit.whatif import ChangeBy, WhatIfAnswer
from flowtrack.errors import StoreError, StoreMemoryError, StoreUnavailableError
from flowtrack.policy.pack import default_pack
from tests.pages.conftest import Site
from tests.pages.test_site import SUBJECT


def test_a_record_that_is_not_known_is_told_from_one_that_has_not_ended(site: Site) -> None:
    """A consent record that nobody ever heard of is called unknown, and not one that still stands."""
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    unknown = site.get("/withdrawal", subject=SUBJECT, record="r-nowhere", lang="en").text
    assert "No such record of this subject is known." in unknown
    assert "No such record" not in site.get("/withdrawal", subject=SUBJECT, record="r-1", lang="en").text


@pytest.mark.parametrize(("language", "said"), [("ko", "기록된 적이 없습니다"), ("en", "was never seen")])
def test_a_name_never_seen_links_to_those_that_may_have_been_meant(site: Site, language: str, said: str) -> None:
    """In the language of the page, and with the whole view: the link shows what the right name would have shown."""
    for page, wrong in (("/recipient", {"recipient": "acne"}), ("/blast", {"start": "party", "name": "acne"})):
        text = site.get(page, lang=language, since="2026-03-01", **wrong).text
        assert said in text
        found = re.search(r'href="([^"]+)">acme</a>', text)
        assert found
        assert "since=2026-03-01" in found[1]
        assert said not in site.get(unescape(found[1])).text


def test_an_empty_view_says_what_may_keep_all_out_and_how_to_see_it(site: Site) -> None:
    """What a period or a filter leaves empty says so, and leads to the view without them; what it is about stays."""
    text = site.get("/recipient", recipient="acme", since="2020-01-01", until="2020-01-02", lang="en").text
    assert 'href="/recipient?recipient=acme&amp;lang=en">Look without them' in text
    empty = site.get("/", since="2020-01-01", until="2020-01-02", lang="en").text
    assert "may keep it out" in empty
    assert "<svg" not in empty
    assert "<thead>" not in empty
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    then = site.get("/subject", subject=SUBJECT, known_at="2020-01-01", lang="en").text
    assert "at these times, nothing is known of this pseudonym" in then


def test_a_page_of_many_says_that_its_picture_is_of_this_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are left out, the numbers in the picture are not those of the whole answer, and it says so."""
    assert "Picture and table are of this page" not in site.get("/recipient", lang="en").text
    monkeypatch.setattr(places, "_ROWS", 1)
    assert "Picture and table are of this page" in site.get("/recipient", lang="en").text


def test_those_affected_by_a_breach_are_listed_for_who_may_see_them(site: Site) -> None:
    """The blast radius links to the list of subjects, with the purpose that was said; without one it does not."""
    found = re.search(
        r'href="(/v1/exposed-subjects/export[^"]+)"', site.get("/blast", start="service", name="shop").text
    )
    assert found
    assert {"name=shop", "start=service", "format=csv", "why=case+1"} <= {*unescape(found[1]).split("?")[1].split("&")}
    site.client.cookies.clear()
    assert "exposed-subjects/export" not in site.get("/blast", start="service", name="shop").text


def test_lists_cut_short_open_by_keyboard() -> None:
    """The first few names stand there, the others behind a summary: none in a title that only a mouse finds."""
    made = rendering.environment().from_string(
        '{% from "site/pieces.html" import few %}{% call(each) few(t, names, 2) %}<b>{{ each }}</b>{% endcall %}'
    )
    text = made.render(t=rendering.words(Language.EN), names=["a", "b", "c", "d"])
    assert re.findall("<b>(.)</b>", text) == ["a", "b", "c", "d"]
    assert "<summary>+2" in text
    assert "title=" not in text


def test_records_of_one_kind_have_a_line_each() -> None:
    """A consent that was withdrawn does not hide behind another that stands: each has its line in the timeline."""
    at = datetime(2026, 3, 1, tzinfo=UTC)

    def state(record: str, said: str) -> TrailConsent:
        begun = {"event_id": record, "valid_from": at, "recorded_at": at, "expires": None}
        more = {"scope": None, "notice": None, "method": "", "country": ""}
        return TrailConsent.model_validate({"record": record, "kind": "consent", "state": said, **begun, **more})

    request = Request({"type": "http", "query_string": b"lang=en", "headers": [], "path": "/subject", "method": "GET"})
    visit = Visit(request, "subject", None, None)  # type: ignore[arg-type]  # it asks nothing
    both = drawn(visit, [], [state("one", "given"), state("two", "withdrawn")])
    assert {str(row[2]) for row in both.rows} == {"consent: one", "consent: two"}
    assert {str(row[2]) for row in drawn(visit, [], [state("one", "given")]).rows} == {"consent"}


def test_numbers_lead_to_what_they_count(site: Site) -> None:
    """What was denied, and what could not be judged, lead to lists of those alone, with the filters of the view."""
    text = site.get("/", lang="en", purpose="service.provide", since="2026-03-02").text
    for verdict in ("deny", "indeterminate"):
        found = re.search(rf'href="(/violations[^"]*verdict={verdict})"', text)
        assert found
        assert {"purpose=service.provide", "since=2026-03-02"} <= {*re.split(r"[?&;]", unescape(found[1]))}
        rows = site.get(unescape(found[1])).text.count("/decision?")
        assert rows == int(re.search(rf'verdict={verdict}">([0-9,]+)</a>', text)[1].replace(",", ""))  # type: ignore[index]


@pytest.mark.parametrize("categories", [[], ["provided.phone"], ["provided.phone", "provided.name"]])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_answers_whose_question_has_lists_can_be_exported(site: Site, form: str, categories: list[str]) -> None:
    """The addresses under a page give its rows, also of a question with a list, be it empty."""
    named = {"format": form, "family": "blast", "start": "service", "name": "shop", "categories": categories}
    text = site.client.get("/export", params={**named, "known_at": "2026-12-01T00:00Z"})
    assert text.status_code == 200
    found = re.search(
        rf'href="(/export[^"]+format={form}[^"]*)"', site.get("/blast", start="service", name="shop").text
    )
    assert found
    assert site.get(unescape(found[1])).status_code == 200


@pytest.mark.parametrize(("language", "said"), [("ko", "목적: service"), ("en", "purpose: service")])
def test_what_a_consent_covers_is_written_in_words(site: Site, language: str, said: str) -> None:
    """The scope of a record is read dimension by dimension, not as it travels."""
    site.client.post("/purpose", data={"subject": SUBJECT, "why": "case 7", "then": "/what-if"})
    text = site.get("/subject", subject=SUBJECT, lang=language).text
    assert said in text
    assert "&#34;purpose&#34;" not in text


@pytest.mark.parametrize(
    ("language", "label", "how", "again"),
    [("ko", "시작 (포함)", "시각은 UTC", "처음부터 다시"), ("en", "From (included)", "times are UTC", "Begin anew")],
)
def test_a_view_that_is_refused_says_so_in_the_page_s_words(
    site: Site, language: str, label: str, how: str, again: str
) -> None:
    """The field as its form calls it, how it is written, and the form with all that was typed; no name of a program."""
    response = site.get("/violations", lang=language, since="whenever", service="shop")
    assert response.status_code == 400
    main = response.text.partition("<main")[2].partition("</main>")[0]
    told = main.partition('<dl class="refusal"')[2].partition("</dl>")[0]
    assert label in told
    assert how in told
    assert "since" not in re.sub(r"<[^>]*>", "", main)
    assert 'name="since" value="whenever"' in main
    assert 'aria-invalid="true"' in main
    assert 'name="service" value="shop"' in main
    assert 'lang="en"' not in main
    assert f'name="lang" value="{language}"' in main
    assert again in response.text


def test_an_unknown_clause_links_to_the_one_that_was_meant(site: Site) -> None:
    """With the state of the view kept."""
    response = site.get("/clause", clause="3.11", lang="ko", since="2026-03-01")
    assert response.status_code == 400
    link = re.search(r'href="(/clause\?[^"]+)"', response.text.partition('<dl class="refusal"')[2])
    assert link
    assert "since=2026-03-01" in link[1]
    assert site.get(unescape(link[1])).status_code == 200


def test_a_word_that_is_none_links_to_those_there_are(site: Site) -> None:
    """What a field may say stands behind links, in the page's words."""
    text = site.get("/alerts", state="opne", lang="ko").text
    assert re.search(r'<a href="/alerts\?[^"]*state=open[^"]*">열림</a>', text)


@pytest.mark.parametrize(("language", "role"), [("ko", "감사자"), ("en", "auditor")])
def test_who_may_not_see_a_page_is_told_who_may(site: Site, language: str, role: str) -> None:
    """The roles that it takes, in the page's language."""
    site.roles = (Role.OPERATOR,)
    response = site.get("/violations", lang=language)
    assert response.status_code == 403
    main = response.text.partition("<main")[2]
    assert role in main
    assert (language == "ko") == ("no role" not in main.casefold())


@pytest.mark.parametrize(
    ("language", "error", "told"),
    [
        ("ko", StoreMemoryError, "메모리"),
        ("en", StoreMemoryError, "more memory"),
        ("ko", StoreUnavailableError, "잠시 뒤에"),
        ("en", StoreUnavailableError, "in a moment"),
    ],
)
def test_what_to_do_without_an_answer_depends_on_why(
    site: Site, monkeypatch: pytest.MonkeyPatch, language: str, error: type[StoreError], told: str
) -> None:
    """To wait helps where the ledger is away, and not where the answer takes too much memory."""

    def failing(*_: object, **__: object) -> None:
        raise error("it did not work")

    monkeypatch.setattr(site.ledger, "ask", failing)
    page = site.get("/blast", start="dataset", name="crm", lang=language)
    assert (page.status_code, told in page.text) == (503, True)


def test_a_purpose_that_is_too_long_is_kept_in_its_form(site: Site) -> None:
    """What was typed is there to be mended, with what is wrong beside it."""
    form = {"subject": "", "why": "w" * 300, "then": "/violations?lang=ko"}
    response = site.client.post("/purpose?lang=ko", data=form)
    assert response.status_code == 400
    assert "w" * 300 in response.text
    assert 'value="/violations?lang=ko"' in response.text
    assert "256자" in response.text


@pytest.mark.parametrize(("language", "said"), [("ko", "까지 일어난 일만"), ("en", "Only what had happened by")])
def test_a_view_of_an_earlier_time_says_so_at_its_top(site: Site, language: str, said: str) -> None:
    """Before what it shows, with a link to now; a view of now says nothing of the kind."""
    times = {"as_of": "2026-03-02T09:01", "known_at": "2026-03-02T09:02"}
    for page in ("/", "/violations", "/policy", "/recipient"):
        text = site.get(page, lang=language, service="shop", **times).text
        top = text.partition("<main")[2].partition('class="about')[0]
        assert "2026-03-02 09:02:00 UTC" in top, page
        assert said in top
        assert top.index("2026-03-02 09:02:00 UTC") < top.index("<footer" if "<table" not in top else "<table")
        assert unescape(f'<a href="{page}?lang={language}&service=shop">') in unescape(top)
        assert said not in site.get(page, lang=language).text
    assert said not in site.get("/violations", lang=language, as_of="9999-12-31").text


def test_a_lag_that_is_not_known_does_not_look_fine() -> None:
    """Its line is another than that of an answer that is known to be whole, which alone looks fine."""
    macro = rendering.environment().get_template("pieces.html").module.completeness  # type: ignore[attr-defined]  # jinja's macros
    t = rendering.words(Language.EN)
    at = datetime(2026, 3, 2, tzinfo=UTC)
    shown = {lag: str(macro(CompleteUpTo(complete_up_to=at, lag_records=lag), t)) for lag in (None, 0, 5)}
    assert 'class="completeness unsure"' in shown[None]
    assert 'class="completeness"' in shown[0]
    assert 'class="completeness partial"' in shown[5]


def test_what_if_gives_all_that_it_found_as_a_file(site: Site) -> None:
    """CSV has each change, JSON everything; the page links to both, and any other form is refused."""
    asked = {"pack": default_pack().label, "lang": "en"}
    text = site.get("/what-if", **asked).text
    links = [unescape(link) for link in re.findall(r'href="(/what-if\?[^"]*format=[^"]*)"', text)]
    assert len(links) == 2
    found = site.client.get(next(link for link in links if "format=json" in link))
    answer = WhatIfAnswer.model_validate_json(found.text)
    assert answer.pack == default_pack().label
    table = site.client.get(next(link for link in links if "format=csv" in link))
    assert table.headers["content-disposition"] == 'attachment; filename="flowtrack-what-if.csv"'
    assert table.text.splitlines()[0] == "by,name,before,after,flows"
    assert len(table.text.splitlines()) == 1 + len(answer.changes)
    assert site.get("/what-if", format="xls", **asked).status_code == 400


def test_a_list_of_what_if_that_stops_leads_to_all_of_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are left out, a link beside that gives each of them."""
    changes = [ChangeBy(by="service", name=f"s-{n:02}", before="permit", after="deny", flows=1) for n in range(60)]
    none = dict.fromkeys(("since", "until", "known_at"))
    counts = dict.fromkeys(("flows", "by_situation", "by_shape", "situations", "shapes", "changed", "restated"), 60)
    made = {"pack": "p@1", "unjudged": [], "transitions": [], "changes": changes, "completeness": CompleteUpTo()}
    answer = WhatIfAnswer.model_validate({**none, **counts, **made})
    monkeypatch.setattr(whatif, "what_if", lambda *_, **__: answer)
    text = site.get("/what-if", pack=default_pack().label, lang="en").text
    assert "s-49" in text
    assert "s-50" not in text
    beside = text.partition("10 rows are left out.")[2].partition("</p>")[0]
    link = re.search(r'href="([^"]*format=csv[^"]*)"', beside)
    assert link
    given = site.client.get(unescape(link[1])).text
    assert all(each.name in given for each in changes)
