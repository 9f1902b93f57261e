"""Every report, as a value and as a document: what it says of the written day, and what holds for all of them."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowtrack.adapters.pages.rendering import Language, words
from flowtrack.adapters.pages.reports.cells import _CODES
from flowtrack.adapters.pages.reports.render import render
from flowtrack.adapters.pages.reports.sections import SECTIONS, Table
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.laws import law_table, sources_of
from flowtrack.audit.reports.ordering import Bench
from flowtrack.audit.reports.orders import ORDERS, order_of
from flowtrack.audit.roles import Asker
from flowtrack.domain.names import Basis, Controller, Gap, Method, PartyType, Reason, RecordKind, RecordState
from tests.reports.day import ANNA, BEN, INCIDENT, NOW, SINCE, UNTIL, as_json, ledger, pack
from tests.reports.pages import Page, numbers

GOLDEN = Path(__file__).parent / "golden"
PERIOD = {"since": SINCE, "until": UNTIL}
FIELDS: dict[str, dict[str, Any]] = {
    "access-request": {"subject": ANNA, "received_at": datetime(2026, 3, 28, 9, tzinfo=UTC)},
    "breach": {"incident": INCIDENT, "published_by": "shop"},
    "ropa": PERIOD,
    "law-overlay": PERIOD,
    "consent-proof": {"subject": BEN, "record": "record-06", "at": datetime(2026, 3, 2, 1, tzinfo=UTC)},
    "transfers": PERIOD,
    "staff-access": PERIOD,
    "monthly": {"month": "2026-03"},
}
BOTH = [(name, language) for name in ORDERS for language in Language]


def bench() -> Bench:
    """The written day, and somebody who asks about it at a written instant."""
    asker = Asker(who="jo", why="case 7")
    return Bench(ledger=ledger(), asker=asker, now=NOW, packs={pack().label: pack()})


@cache
def report(name: str) -> Report:
    """A report of the written day."""
    return order_of(name, FIELDS[name]).make(bench())


@pytest.mark.parametrize("name", ORDERS)
def test_reports_of_a_written_day_are_as_written(name: str) -> None:
    """The JSON of each report is the one that was read and written down (FLOWTRACK_TEST_GOLDEN=1 writes it anew)."""
    path = GOLDEN / f"{name}.json"
    found = as_json(report(name))
    if os.environ.get("FLOWTRACK_TEST_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_documents_are_well_formed_and_can_be_read_aloud(name: str, language: Language) -> None:
    """Elements close in order; language, title, one main heading, heads of columns, captions and links are right."""
    page = Page(render(report(name), language))
    assert page.faults == []
    assert page.of("html") == [{"lang": str(language)}]
    assert len(page.of("title")) == len(page.of("h1")) == len(page.of("main")) == 1
    assert len(page.of("h2")) >= len(SECTIONS[name])
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(each.get("scope") in {"col", "row"} for each in page.of("th"))
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(each["href"])[1:] for each in page.of("a")} <= set(ids)


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_documents_need_nothing_from_elsewhere(name: str, language: Language) -> None:
    """One file is all: no script, no link out, no picture that is fetched, and a rule for print."""
    text = render(report(name), language)
    page = Page(text)
    assert not [tag for tag, _ in page.elements if tag in {"script", "link", "img", "iframe", "object"}]
    assert not [value for _, each in page.elements for key, value in each.items() if key in {"src", "data"} and value]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@media print" in style
    assert "@page" in style
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_every_number_of_a_document_stands_in_the_json(name: str, language: Language) -> None:
    """Nothing is counted while a document is written: each number in it is one of the report's."""
    said = numbers(Page(render(report(name), language)).text)
    known = numbers(report(name).model_dump_json())
    assert said
    assert {number.lstrip("0") for number in said} <= {number.lstrip("0") for number in known}


@pytest.mark.parametrize("name", ORDERS)
def test_reports_quote_only_what_has_its_source_beside_it(name: str) -> None:
    """Each article that a report refers to stands in its list of sources, with law, version and what was checked."""
    found = report(name)
    known = {each.id for each in found.head.sources}
    named = set(re.findall(r'"((?:gdpr|pipa|pipl|eprivacy|network_act)[a-z_]*\.\d[\w.-]*)"', found.model_dump_json()))
    assert named <= known
    assert all(each.version.ko and each.version.en and each.says.ko and each.says.en for each in found.head.sources)


@pytest.mark.parametrize("name", ORDERS)
def test_reports_show_clauses_in_the_words_of_the_policy(name: str) -> None:
    """Each clause that is cited stands there in Korean and English, whatever the language of the document."""
    found = report(name)
    for language in Language:
        text = Page(render(found, language)).text
        assert all(each.text.ko in text and each.text.en in text for each in found.head.clauses)
    assert all(each.text.ko == pack().clauses[each.clause].ko for each in found.head.clauses)


@pytest.mark.parametrize("name", ORDERS)
def test_every_name_has_words(name: str) -> None:
    """Each heading, column and code of a report has words of its own in both languages."""
    for language in Language:
        t = words(language)
        for section in SECTIONS[name]:
            assert t(f"report.{name}.{section.name}")
            for column in section.columns if isinstance(section, Table) else section.fields:
                assert t(f"report_column.{column}")
    found = as_json(report(name))
    for column, area in _CODES.items():
        values = {value for value in _values(found, column) if value}
        silent = [value for value in values if words(Language.KO).code(area, value) == value]
        assert silent == [], column


def test_codes_have_words() -> None:
    """Reasons, gaps, bases, kinds of parties and states of records all have words in both languages."""
    areas: dict[str, list[str]] = {
        "reason": [*Reason, *Gap],
        "basis": list(Basis),
        "party": list(PartyType),
        "controller": list(Controller),
        "method": list(Method),
        "record_kind": list(RecordKind),
        "record_state": list(RecordState),
    }
    t = words(Language.KO)
    assert [(area, code) for area, codes in areas.items() for code in codes if t.code(area, code) == code] == []


def _values(tree: Any, column: str) -> list[str]:
    """All codes below a place that stand in a column; columns that share a field with another area are left out."""
    if column in {"kind", "type", "state", "what", "method", "why"}:
        return []
    found: list[str] = []
    if isinstance(tree, dict):
        for key, below in tree.items():
            if key == column:
                found += [each for each in (below if isinstance(below, list) else [below]) if isinstance(each, str)]
            elif key != "head":
                found += _values(below, column)
    elif isinstance(tree, list):
        for each in tree:
            found += _values(each, column)
    return found


def test_every_article_of_the_file_is_whole() -> None:
    """Each article names a law that there is, in both languages, and where it was read if it was."""
    table = law_table()
    for name, article in table.sources.items():
        assert article.law in table.laws, name
        assert article.article.ko, name
        assert article.says.ko, name
        assert bool(article.seen) == (article.checked != "reading"), name
    for rule in table.overlay:
        assert rule.says.ko
        assert sources_of(rule.sources)
