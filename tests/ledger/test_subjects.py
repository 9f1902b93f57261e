"""Families of questions around subjects: the database answers as the ledger in memory, at any two times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.audit_log import AuditLog, AuditLogAnswer
from flowtrack.audit.blast import Blast, Withdrawal
from flowtrack.audit.consent_proof import ConsentProof
from flowtrack.audit.families import FAMILIES, question_of
from flowtrack.audit.family import Answer, Question
from flowtrack.audit.graph import Graph
from flowtrack.audit.hints import NAMED, OWN, SEEN_BY
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.overview import Overview
from flowtrack.audit.policy_history import PolicyHistory
from flowtrack.audit.questions import Period
from flowtrack.audit.received import ReceivedSubjects
from flowtrack.audit.roles import Asker, Role
from flowtrack.audit.row_forms import columns_of
from flowtrack.audit.trail import Trail
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.use import Use
from flowtrack.audit.violations import Violations
from flowtrack.domain.names import Kind
from flowtrack.errors import QuestionError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.rows import CONSENTS
from tests.ledger.conftest import ASKER, Both, clock
from tests.ledger.day import START, subject_of
from tests.ledger.subjects_day import write_days

A = TypeVar("A", bound=Answer)

SUBJECT = subject_of(0)
NOON = START + timedelta(days=2, hours=3)
TIMES: list[dict[str, Any]] = [
    {},
    {"as_of": NOON},
    {"known_at": START + timedelta(days=1, hours=1)},
    {"as_of": NOON, "known_at": START + timedelta(days=4)},
    {"since": START + timedelta(hours=5), "until": NOON},
]


@pytest.fixture(scope="module")
def expected() -> MemoryLedger:
    """The days in memory: what every other ledger must say."""
    ledger = MemoryLedger(clock)
    write_days(ledger)
    return ledger


@pytest.fixture
def ledger(store: Store) -> ClickHouseLedger:
    """The days in the database."""
    write_days(SinkStore(store))
    return ClickHouseLedger(store, clock=clock)


def answers(ledger: Ledger, family: type[Question[A]], *filters: dict[str, Any]) -> Iterator[tuple[object, A]]:
    """Answers with each of these filters, at all times."""
    for each in filters:
        for times in TIMES:
            yield (each, times), ledger.ask(family(**each, **times), asker=ASKER)


def same(ledger: Ledger, expected: Ledger, family: type[Question[A]], *filters: dict[str, Any]) -> list[A]:
    """Hold a ledger's answers to those expected, and give them; each filter finds something, if not at all times."""
    found: dict[str, int] = {}
    given = list(answers(ledger, family, *filters))
    for (asked, answer), (_, right) in zip(given, answers(expected, family, *filters), strict=True):
        assert answer == right, asked
        found[str(asked[0])] = found.get(str(asked[0]), 0) + len(answer.rows)  # type: ignore[index]  # a pair
    assert all(found.values()), found
    return [answer for _, answer in given]


def test_trails_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Steps, their circumstances and consents, with every filter."""
    filters: list[dict[str, Any]] = [
        {},
        {"category": "provided"},
        {"category": "automatic.ip"},
        {"service": "desk"},
        {"kind": Kind.SHARE},
    ]
    found = same(ledger, expected, Trail, *({"subject": SUBJECT, **each} for each in filters))
    whole = found[0]
    assert {row.particulars.retain_until is not None for row in whole.rows} == {True, False}
    assert whole.about.versions.packs == ["default@1.0.0"]
    under = {part.category for row in found[len(TIMES)].rows for part in row.categories}
    assert under == {"provided.email", "provided.phone"}


def test_a_trail_of_nobody_is_empty(ledger: ClickHouseLedger) -> None:
    """Somebody of whom nothing is known has a trail without steps."""
    answer = ledger.ask(Trail(subject="0" * 32), asker=ASKER)
    assert (answer.rows, answer.consents) == ([], [])


def test_a_consent_is_on_the_trail_before_anything_else_happens(store: Store) -> None:
    """What was recorded after the last flow is known as well: consents have no flow of their own."""
    for each in (SinkStore(store), memory := MemoryLedger(clock)):
        write_days(each, events=1)
    whole = ClickHouseLedger(store, clock=clock).ask(Trail(subject=SUBJECT), asker=ASKER)
    assert whole == memory.ask(Trail(subject=SUBJECT), asker=ASKER)
    assert "r-0" in {each.record for each in whole.consents}


def test_overviews_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Counts by day, kind, category, service and stream, with every filter; what tables leave out is counted."""
    filters: list[dict[str, Any]] = [
        {"events": True},
        {"service": "desk", "events": True},
        {"recipient": "acme"},
        {"category": "automatic.ip", "purpose": "protection.fraud"},
        {"services_max": 1, "parties_max": 2, "streams_max": 3},
    ]
    found = same(ledger, expected, Overview, *filters)
    whole, short = found[0], found[4 * len(TIMES)]
    assert sum(row.flows for row in whole.rows) == whole.flows == sum(each.flows for each in whole.by_category)
    assert sum(each.flows for each in whole.streams) == sum(row.flows for row in whole.rows if row.kind == "share")
    for name in ("services", "parties", "streams"):
        kept, rest = getattr(short, name), getattr(short, f"{name}_rest")
        assert rest.count == len(getattr(whole, name)) - len(kept) > 0
        assert rest.flows == sum(each.flows for each in getattr(whole, name)) - sum(each.flows for each in kept)
    assert (whole.events or 0) > 100
    assert found[len(TIMES)].events is None
    assert (short.events, short.by_kind) == (None, [])


@pytest.mark.embedded
def test_an_overview_of_whole_days_reads_sums(ledger: ClickHouseLedger, store: Store) -> None:
    """The statement behind an overview by day is answered from the projection, not from rows."""
    asked = standing("toDate(happened_at) AS day, kind, verdict", times_of(Period(since=START.replace(hour=0))))
    plan = store.rows(f"EXPLAIN projections = 1 {asked}", since_day="2026-03-02", since=0)
    assert any("daily" in line for (line,) in plan), plan
    assert ledger.ask(Overview(), asker=ASKER).flows


def test_alerts_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Alerts in their latest state with every filter, in pages, and the history of one."""
    one = "0123456789abcdef"
    filters: list[dict[str, Any]] = [
        {},
        {"state": "open"},
        {"severity": "high"},
        {"identity": one},
        {"service": "shop"},
        {"limit": 1},
    ]
    found = same(ledger, expected, Alerts, *filters)
    history = found[3 * len(TIMES)].history
    assert [each.count for each in history] == [1, 3]
    page = found[5 * len(TIMES)]
    assert (page.about.completeness.left_out, sum(each.alerts for each in page.counts)) == (1, 2)
    after = page.about.completeness.after
    assert ledger.ask(Alerts(limit=1, after=after), asker=ASKER).rows == found[0].rows[1:]


def test_consent_proofs_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """States with their notice, what they covered, and each flow that named them."""
    whole, *_ = same(ledger, expected, ConsentProof, {"subject": SUBJECT}, {"subject": SUBJECT, "record": "r-1"})
    given = next(row for row in whole.rows if row.record == "r-1" and row.notice is not None)
    assert given.words == "data provided.email, purpose service, recipient acme; not restricted: processing, storage"
    assert given.notice is not None
    assert (given.notice.language, given.notice.hash) == ("ko", "0" * 64)
    by_state = {(row.record, row.event_id): row for row in whole.rows}
    for flow in whole.flows:
        if flow.state_event_id:
            state = by_state[flow.record, flow.state_event_id]
            assert state.valid_from <= flow.happened_at
            assert state.until is None or flow.happened_at <= state.until
    assert sum(row.relied for row in whole.rows) == sum(
        flow.verdict == "permit" and flow.state_event_id != "" for flow in whole.flows
    )


def _after(page: AuditLogAnswer) -> str:
    return page.about.completeness.after


def test_the_audit_log_can_be_asked(both: Both) -> None:
    """Lines with every filter, in pages; each question to the log is in it too, since its lines name subjects."""
    desk = Asker(who="desk", role=Role.SUBJECT_DESK, why="request 3")
    for subject in (SUBJECT, subject_of(1)):
        both.ledger.ask(Trail(subject=subject), asker=ASKER)
    both.ledger.ask(ConsentProof(subject=SUBJECT), asker=desk)
    whole = both.ledger.ask(AuditLog(), asker=ASKER).rows
    lines = sorted((row.who, row.asked, row.subject, row.why) for row in whole if row.asked != "audit-log")
    assert lines == sorted(
        [
            ("jo", "trail", SUBJECT, "case 7"),
            ("jo", "trail", subject_of(1), "case 7"),
            ("desk", "consent-proof", SUBJECT, "request 3"),
        ]
    )
    assert [row.asked for row in both.ledger.ask(AuditLog(who="desk"), asker=ASKER).rows] == ["consent-proof"]
    assert len(both.ledger.ask(AuditLog(role=Role.AUDITOR, asked="trail"), asker=ASKER).rows) == 2
    assert both.ledger.ask(AuditLog(until=START), asker=ASKER).rows == []
    pages = [both.ledger.ask(AuditLog(limit=1, asked="trail"), asker=ASKER)]
    pages.append(both.ledger.ask(AuditLog(limit=1, asked="trail", after=_after(pages[0])), asker=ASKER))
    assert [page.about.completeness.left_out for page in pages] == [1, 0]
    assert [row for page in pages for row in page.rows] == [row for row in whole if row.asked == "trail"]
    about = both.ledger.ask(AuditLog(subject=SUBJECT), asker=ASKER).rows
    assert sorted(row.asked for row in about) == ["audit-log", "consent-proof", "trail"]


def test_uses_by_staff_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Who used whose data, with every filter and in pages; the counts are those of all pages."""
    filters: list[dict[str, Any]] = [
        {},
        {"actor": "staff-1"},
        {"role": "fraud"},
        {"subject": SUBJECT},
        {"service": "desk", "category": "provided"},
        {"limit": 3},
    ]
    found = same(ledger, expected, Access, *filters)
    whole, page = found[0], found[5 * len(TIMES)]
    assert page.staff == whole.staff
    assert sum(each.flows for each in whole.staff) == len(whole.rows)
    assert {row.task for row in whole.rows} == {"", "t-1"}
    rest = ledger.ask(Access(limit=100, after=page.about.completeness.after), asker=ASKER)
    assert [*page.rows, *rest.rows] == whole.rows


def test_transfers_are_those_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """What went abroad, with every filter; a party abroad counts whatever the destination is."""
    filters: list[dict[str, Any]] = [{}, {"home": "KR"}, {"home": "US"}, {"recipient": "bank"}, {"limit": 2}]
    found = same(ledger, expected, Transfers, *filters)
    default, korean = found[0], found[len(TIMES)]
    assert default.home == ["KR"]
    assert default.rows == korean.rows
    assert ("US", "club", "KR") in {(row.country, row.recipient, row.recipient_country) for row in default.rows}
    assert ("KR", "bank", "US") in {(row.country, row.recipient, row.recipient_country) for row in default.rows}


def test_what_is_overdue_is_that_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """What is kept longer than it may be, with every filter; what was erased since is not."""
    filters: list[dict[str, Any]] = [
        {},
        {"keep_days": 1},
        {"dataset": "crm"},
        {"service": "desk"},
        {"category": "provided", "keep_days": 2},
        {"limit": 1},
    ]
    found = same(ledger, expected, Overdue, *filters)
    whole, strict = found[0], found[len(TIMES)]
    assert whole.copies < strict.copies
    assert all(whole.at is not None and row.last_due < whole.at for row in whole.rows)


def test_a_name_never_seen_gets_a_hint(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Both ledgers ask whether a known name was meant; what is declared, or was seen at another time, gets no hint."""
    asked: list[tuple[Question[Any], list[str]]] = [
        (Overview(service="Desk."), ["what `service` names was never seen: did you mean `desk`?"]),
        (Overview(recipient="acne"), ["what `recipient` names was never seen: did you mean `acme`?"]),
        (Trail(subject=SUBJECT, category="provided.fone"), ["provided.phone"]),
        (Overview(service="nothing like it"), ["what `service` names was never seen"]),
        (Overview(category="identity_document"), []),
        (Blast(start="service", name="desc"), ["what `name` names was never seen: did you mean `desk`?"]),
        (Blast(start="party", name="acne"), ["what `name` names was never seen: did you mean `acme`?"]),
        (Graph(verdict="denied"), ["there is no such `verdict`: did you mean `deny`?"]),
        (Use(kind="x"), ["there is no such `kind`: it is one of collect, erase, incident, share, store, use"]),
        (Use(kind="erase", verdict="deny"), []),
        (Use(basis="consents"), ["there is no such `basis`: did you mean `consent` or `deemed_consent`?"]),
        (Use(basis="law", kind="erase"), []),
        (Access(actor="Staff-l"), ["what `actor` names was never seen: did you mean `staff-"]),
        (Access(role="supprot"), ["what `role` names was never seen: did you mean `support`?"]),
        (Access(role="support", actor="staff-1", since=START + timedelta(days=900)), []),
        (ConsentProof(subject=SUBJECT, record="r_0"), ["never seen of this subject: did you mean `"]),
        (Withdrawal(subject=SUBJECT, record="zzz"), ["what `record` names was never seen of this subject"]),
        (AuditLog(who="joe", until=START), ["what `who` names was never seen: did you mean `jo`?"]),
        (AuditLog(asked="trial"), ["what `asked` names was never seen: did you mean `trail`"]),
        (AuditLog(asked="transfers", role=Role.OPERATOR), []),
        (Overview(service="desk", since=START + timedelta(days=900)), []),
    ]
    for question, hints in asked:
        answer = ledger.ask(question, asker=ASKER)
        assert answer == expected.ask(question, asker=ASKER)
        assert answer.rows == []
        assert len(answer.about.hints) == len(hints)
        for part, said in zip(hints, answer.about.hints, strict=True):
            assert part in said
        assert len(answer.about.meant) == len(hints)
        near = [each for names in answer.about.meant.values() for each in names]
        assert all(each in answer.about.hints[0] for each in near)


def test_a_home_never_seen_gets_a_hint_though_there_are_rows(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """For whoever is at home nowhere every transfer is abroad, so that a slip gives more rows; it is told."""
    for home, hints in (("Kr", ["what `home` names was never seen: did you mean `KR`?"]), ("KR", []), ("US", [])):
        question = Transfers(home=home)
        answer = ledger.ask(question, asker=ASKER)
        assert answer == expected.ask(question, asker=ASKER)
        assert answer.rows
        assert answer.about.hints == hints


def test_a_record_of_somebody_else_is_not_named(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Of consent records only those of the subject that is asked about are named, however close another's is."""
    records = {row["subject"]: row["record"] for row in expected.tables[CONSENTS]}
    others = {name for whom, name in records.items() if whom != SUBJECT}
    own = {row["record"] for row in expected.tables[CONSENTS] if row["subject"] == SUBJECT}
    for name in others - own:
        answer = ledger.ask(ConsentProof(subject=SUBJECT, record=name), asker=ASKER)
        assert answer == expected.ask(ConsentProof(subject=SUBJECT, record=name), asker=ASKER)
        assert not any(f"`{each}`" in hint for hint in answer.about.hints for each in others - own)
    nobody = ledger.ask(ConsentProof(subject="0" * 32, record="r-0"), asker=ASKER)
    assert nobody.about.hints == ["what `record` names was never seen of this subject"]


def test_who_may_ask_about_one_subject_learns_no_names_of_others(
    ledger: ClickHouseLedger, expected: MemoryLedger
) -> None:
    """Places and parties are named to roles that may list them: for a subject desk, nobody says who there is."""
    desk = Asker(who="desk", role=Role.SUBJECT_DESK, why="request 3")
    for name in ("desc", "shop", "nothing like it"):
        question = Trail(subject="0" * 32, service=name)
        assert ledger.ask(question, asker=ASKER).about.hints or name == "shop"
        assert ledger.ask(question, asker=desk).about.hints == []
        assert expected.ask(question, asker=desk).about.hints == []
    fone = Trail(subject=SUBJECT, category="provided.fone")
    assert ledger.ask(fone, asker=desk).about.hints == ledger.ask(fone, asker=ASKER).about.hints != []


def test_hints_name_to_nobody_what_only_others_may_see() -> None:
    """Names of a kind are hinted in families of roles that see those names in rows, or to such roles only."""
    seen_by = {
        **dict.fromkeys(("actor", "actor_role"), Access.roles),
        **dict.fromkeys(("asker", "asked"), AuditLog.roles),
        "record": Trail.roles,
        "country": Transfers.roles,
        **dict.fromkeys(("category", "clause", "purpose"), frozenset(Role)),
        **SEEN_BY,
    }
    assert SEEN_BY["service"] <= Use.roles & Graph.roles
    for family in FAMILIES.values():
        fields = {field: field for field in NAMED if field in family.model_fields} | OWN.get(family.family, {})
        assert set(fields) <= set(family.model_fields)
        assert all(family.roles <= seen_by[named] or named in SEEN_BY for named in fields.values()), family.family


def test_wrong_families_and_fields_get_a_hint() -> None:
    """A family, or a field, that is spelt nearly right is named in the help."""
    with pytest.raises(QuestionError) as refused:
        question_of("trial", {})
    assert "did you mean `trail`?" in refused.value.help
    with pytest.raises(QuestionError) as refused:
        question_of("overview", {"servise": "desk"})
    assert "did you mean `service`" in refused.value.help
    with pytest.raises(QuestionError) as refused:
        question_of("alerts", {"state": "opened", "severity": "terrible"})
    assert "did you mean `open`?" in refused.value.help
    assert "`severity` is one of" in refused.value.help
    assert "opened" not in f"{refused.value.what}{refused.value.help}"
    with pytest.raises(QuestionError) as refused:
        question_of("audit-log", {"role": "auditer"})
    assert "did you mean `auditor`?" in refused.value.help


def test_the_policy_history_is_that_of_the_memory(ledger: ClickHouseLedger, expected: MemoryLedger) -> None:
    """Versions with both times, what took over from them, what was removed, and what changed."""
    filters: list[dict[str, Any]] = [{}, {"document_kind": "registry"}, {"document": "registry"}]
    whole, *_ = same(ledger, expected, PolicyHistory, *filters)
    rows = {(row.document, row.version): row for row in whole.rows}
    first, second = rows["registry", "1"], rows["registry", "2"]
    assert first.in_force_until == second.in_force_from == second.recorded_at
    said = {(each.what, each.name, each.how) for each in second.changes}
    assert said == {("service", "shop", "added"), *(("party", name, "added") for name in ("acme", "bank", "club"))}
    assert (rows["other", "1"].removed, rows["default", "1"].removed) == (True, False)
    assert ledger.ask(PolicyHistory(document="none"), asker=ASKER).rows == []


@pytest.mark.parametrize("question", [Violations(), ReceivedSubjects(recipient="acme"), Access()], ids=type)
def test_questions_whose_rows_name_subjects_are_written_down(both: Both, question: Question[Any]) -> None:
    """Who lists pseudonyms stands in the log with role and why, about nobody in particular; who counts does not."""
    both.ledger.ask(Overview(), asker=ASKER)
    both.ledger.ask(question, asker=Asker(who="kim", role=Role.REGULATOR, why="case 9"))
    lines = both.ledger.ask(AuditLog(who="kim"), asker=ASKER).rows
    assert [(each.who, each.role, each.asked, each.subject, each.why) for each in lines] == [
        ("kim", "regulator", question.family, "", "case 9")
    ]


def test_every_family_whose_rows_name_subjects_says_so() -> None:
    """Where a row has a pseudonym, its question is written down: the log's own, too, whose lines name subjects."""
    named = {name for name, family in FAMILIES.items() if "subject" in columns_of(family.answer)}
    said = {name for name, family in FAMILIES.items() if family.names_subjects}
    assert named == said
