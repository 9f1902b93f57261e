"""What reports find in the written day, and what they refuse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shlex import split
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flowtrack.adapters.pages.reports.render import render
from flowtrack.apps.reports import write_annex
from flowtrack.audit.access import Access
from flowtrack.audit.reports.access_request import AccessRequest
from flowtrack.audit.reports.breach import Breach
from flowtrack.audit.reports.consent_proof import ConsentProof
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.law_overlay import LawOverlay
from flowtrack.audit.reports.monthly import Monthly
from flowtrack.audit.reports.orders import order_of
from flowtrack.audit.reports.ropa import Ropa
from flowtrack.audit.reports.staff_access import StaffAccess
from flowtrack.audit.reports.transfers import TransferRegister
from flowtrack.audit.reports.whole import whole
from flowtrack.audit.roles import Asker
from flowtrack.audit.violations import Violations
from flowtrack.errors import QuestionError
from flowtrack.testing.ledger import MemoryLedger
from tests.reports.day import ANNA, BEN, CHO, NOW, SINCE, START, UNTIL, events, ledger, write
from tests.reports.test_reports import FIELDS, bench, report


def made(name: str, **fields: Any) -> Report:
    """A report of the written day."""
    return order_of(name, fields).make(bench())


def test_what_nobody_declared_is_found() -> None:
    """Purposes, parties and categories that the registry does not have are listed, with what passed all the same."""
    found = report("ropa")
    assert isinstance(found, Ropa)
    told = {(each.what, each.service or each.recipient, each.purpose): each.permitted for each in found.undeclared}
    assert told == {
        ("purpose_of_service", "shop", "outside"): 0,
        ("purpose_of_service", "shop", "personalisation"): 1,
        ("recipient_unknown", "ghost", "service.provide"): 0,
        ("category_not_needed", "paycorp", "service.provide"): 0,
    }


def test_what_nobody_did_is_found() -> None:
    """Services, parties and needs that are declared and silent are listed; third parties' services are not asked."""
    found = report("ropa")
    assert isinstance(found, Ropa)
    assert {(each.what, each.service or each.recipient, each.category) for each in found.unseen} == {
        ("service_silent", "radio", ""),
        ("recipient_silent", "police", ""),
        ("need_unused", "paycorp", "provided.gender"),
    }


def test_the_law_is_held_against_what_was_permitted_only() -> None:
    """A recommendation that was sent on deemed consent is found by three laws; one that was denied by none."""
    found = report("law-overlay")
    assert isinstance(found, LawOverlay)
    by_rule = {each.rule: each for each in found.findings}
    assert by_rule["network_act.send"].sample_subjects == [BEN]
    assert by_rule["pipl.sensitive"].sample_subjects == [ANNA]
    sent = next(each for each in found.resting if each.purpose == "recommendation.send")
    assert {"gdpr.deemed", "eprivacy.send", "pipa.deemed", "network_act.send", "pipl.deemed"} == set(sent.rules)
    assert sent.flows == 1
    assert found.concerned == sum(each.flows for each in found.resting)
    assert by_rule["pipa.affiliate"].flows == 2


def test_a_subject_sees_all_and_only_their_own() -> None:
    """An access request counts each of the subject's flows once in each table, and nobody else stands in it."""
    found = report("access-request")
    assert isinstance(found, AccessRequest)
    assert sum(each.flows for each in found.held) == sum(each.flows for each in found.purposes) == len(found.steps)
    shared = [each for each in found.steps if each.kind == "share"]
    assert sum(each.flows for each in found.recipients) == len(shared)
    assert set(re.findall(r"\b[0-9a-f]{32}\b", found.model_dump_json(exclude={"head"}))) == {ANNA}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (START - timedelta(days=30), ("", False)),
        (START, ("given", True)),
        (datetime(2027, 3, 1, tzinfo=UTC), ("given", False)),
    ],
    ids=["before", "given", "expired"],
)
def test_a_consent_is_proved_for_an_instant(at: datetime, expected: tuple[str, bool]) -> None:
    """Before it was given there was no state, then it stood, and from its expiry on it carries nothing."""
    found = made("consent-proof", subject=BEN, record="record-06", at=at)
    assert isinstance(found, ConsentProof)
    assert (found.standing, found.in_force) == expected
    assert (found.notice is not None) == bool(found.standing)
    assert [each.recipient for each in found.relied] == ["travelclub"]


def test_a_record_that_is_not_there_is_said() -> None:
    """A record of somebody else, or of nobody, is a question that is not right."""
    with pytest.raises(QuestionError, match="no such record"):
        made("consent-proof", subject=ANNA, record="record-06")


def test_subjects_are_asked_about_in_writing() -> None:
    """A report about a subject is in the log of questions, with who made it and why."""
    before = len(ledger().audit_log)
    made("access-request", subject=BEN)
    line = ledger().audit_log[before]
    assert (line.asker, line.subject, line.why) == ("jo", BEN, "case 7")


def test_naming_subjects_is_written_down() -> None:
    """A report that names some subjects is in the log with who and why, without them; one that counts none is not."""
    before = len(ledger().audit_log)
    made("law-overlay", since=SINCE, until=UNTIL, count_subjects=False)
    assert len(ledger().audit_log) == before
    found = made("law-overlay", since=SINCE, until=UNTIL)
    assert isinstance(found, LawOverlay)
    assert any(each.sample_subjects for each in found.findings)
    lines = {(line.asker, line.question, line.subject, line.why) for line in ledger().audit_log[before:]}
    assert lines == {("jo", "touched", "", "case 7")}
    assert ANNA not in "".join(line.parameters for line in ledger().audit_log[before:])


def test_the_subjects_to_be_told_are_listed(tmp_path: Path) -> None:
    """The list that a pack names has each subject that it counts; of an annex the pack says its rows and its hash."""
    order = order_of("breach", FIELDS["breach"])
    found = order.make(bench())
    assert isinstance(found, Breach)
    question = order.annex_of(found)
    assert question is not None
    before = len(ledger().audit_log)
    annex = write_annex(tmp_path / "notify.csv", question.model_copy(update={"limit": 1}), ledger(), bench().asker)
    assert [line.question for line in ledger().audit_log[before:]] == ["exposed-subjects"]
    told = (tmp_path / "notify.csv").read_bytes()
    assert {line.split(",")[0] for line in told.decode().splitlines()[1:]} == {ANNA, BEN, CHO}
    said = order.with_annex(found, annex)
    assert isinstance(said, Breach)
    assert (said.everybody.listed, said.everybody.annex) == (found.subjects, "notify.csv")
    assert said.everybody.sha256 == sha256(told).hexdigest()
    assert not set(re.findall(r"\b[0-9a-f]{32}\b", said.model_dump_json(exclude={"head", "everybody"})))


def test_what_should_be_gone_stands_in_three_reports() -> None:
    """What was to go on the second day and never was erased is overdue: in the month, the record, for its subject."""
    for name in ("monthly", "ropa"):
        found = report(name)
        assert isinstance(found, Monthly | Ropa)
        assert {(each.dataset, each.category) for each in found.overdue} == {
            ("orders", "provided.name"),
            ("orders", "provided.phone"),
        }
        assert found.overstayed.copies == 2
    own = report("access-request")
    assert isinstance(own, AccessRequest)
    assert [(each.dataset, each.overdue, each.erased_at) for each in own.kept] == [("orders", True, None)]


def test_what_came_from_nowhere_stands_in_three_reports() -> None:
    """A location that nobody was seen to collect, and a phone number that a service was not given, are unexplained."""
    for name in ("monthly", "ropa", "access-request"):
        found = report(name)
        assert isinstance(found, Monthly | Ropa | AccessRequest)
        assert {("shop", "automatic.location"), ("care", "provided.phone")} <= {
            (each.service, each.category) for each in found.unexplained
        }


def test_a_breach_counts_people_and_nobody_else() -> None:
    """The incident's own pseudonym is nobody's: subjects are those whose data was in the place."""
    found = report("breach")
    assert isinstance(found, Breach)
    assert found.subjects == 3
    assert [each.name for each in found.recipients] == ["ghost", "mailhouse", "paycorp", "travelclub"]
    assert [each.category for each in found.categories if each.identifying] == ["provided.identity_card_number"]


def test_transfers_abroad_are_registered_with_home_as_ordered() -> None:
    """What went to a party abroad is registered; which countries are home may be said."""
    found = made("transfers", since=SINCE, until=UNTIL, home="KR")
    assert isinstance(found, TransferRegister)
    assert found.home == ["KR"]
    assert ("US", "mailhouse", "provided.email") in {
        (each.country, each.recipient, each.category) for each in found.transfers
    }
    assert sum(each.flows for each in found.countries) == sum(each.flows for each in found.transfers)


def test_staff_are_reviewed_by_what_they_did() -> None:
    """A use outside a monitored session is not permitted and stands apart; each use is counted once for its person."""
    found = report("staff-access")
    assert isinstance(found, StaffAccess)
    assert (found.people, found.flows) == (1, 2)
    assert [(each.subject, each.reasons) for each in found.not_permitted] == [(BEN, ["session_not_monitored"])]
    assert found.unexplained == []
    assert [each.categories for each in found.uses] == [["provided.email"], ["provided.phone"]]
    assert found.deadlines[0].sources == ["pipa_safety.8"]


def test_a_review_sums_up_all_uses_and_says_how_to_get_those_that_it_does_not_list() -> None:
    """A bound on the uses listed leaves summary and violations whole, and is told with the way to all."""
    found = made("staff-access", since=SINCE, until=UNTIL, service="care", uses_max=1)
    assert isinstance(found, StaffAccess)
    assert [(each.actor, each.flows, each.not_permitted, each.subjects) for each in found.doings] == [
        ("staff-007", 2, 1, 2)
    ]
    assert len(found.not_permitted) == 1
    assert (found.listing.uses_read, found.listing.uses_listed, len(found.uses)) == (2, 1, 1)
    said = split(found.listing.command)
    assert said[:3] == ["flowtrack", "ask", "access"]
    assert {"--service=care", "--all", "--csv"} <= {*said}
    asked = dict(parse_qsl(urlsplit(found.listing.address).query))
    assert asked.pop("format") == "csv"
    assert len(ledger().ask(Access.model_validate(asked), asker=Asker(who="jo")).rows) == 2


def test_a_period_without_ends_is_told_in_words() -> None:
    """Where no period was ordered a document says that it is the whole ledger's, not a dash."""
    text = render(made("staff-access"), "en")
    assert "from the beginning of the ledger" in text
    assert "until the report was made" in text


def test_all_pages_make_one_answer() -> None:
    """Rows of all pages are given once; where a bound ends them, the answer says that it is cut off."""
    asker = Asker(who="jo")
    every = ledger().ask(Violations(limit=10_000), asker=asker)
    assert whole(ledger(), Violations(), asker).rows == every.rows
    cut = whole(ledger(), Violations(), asker, rows_max=2)
    assert cut.rows == every.rows[:2]
    assert cut.about.completeness.truncated
    assert not every.about.completeness.truncated


@pytest.mark.parametrize("name", FIELDS)
def test_nothing_that_is_filled_in_becomes_markup(name: str) -> None:
    """Names out of events stand in documents as text, whatever is in them."""
    wild = MemoryLedger(lambda: NOW)
    trick = "<script>alert(1)</script>"
    changed = [
        {**each, "data": {**each["data"], **({"recipient": trick} if "recipient" in each["data"] else {})}}
        for each in events()
    ]
    write(wild, happened=changed)
    text = render(order_of(name, FIELDS[name]).make(bench()._replace(ledger=wild)), "ko")
    assert "<script" not in text
