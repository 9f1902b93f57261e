"""Deadlines and thresholds: when something is due, how long there is left, and what applies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrack.audit.reports.access_request import access_deadlines
from flowtrack.audit.reports.breach import Breach
from flowtrack.audit.reports.orders import BreachOrder, order_of
from flowtrack.audit.reports.terms import Terms, due_in, plus_months
from flowtrack.errors import QuestionError
from tests.reports.day import INCIDENT, NOW, START
from tests.reports.test_reports import bench

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by timezones


@given(INSTANTS, st.integers(0, 30))
def test_a_month_ends_on_the_same_day_or_the_last(at: datetime, months: int) -> None:
    """So many months later is the same day of that month, or its last day where it has none such."""
    later = plus_months(at, months)
    assert (later.year * 12 + later.month) - (at.year * 12 + at.month) == months
    assert later.time() == at.time()
    assert later.day == at.day or (later.day < at.day and (later + timedelta(days=1)).day == 1)


@given(INSTANTS, st.integers(0, 10_000), st.integers(1, 400))
def test_what_is_left_and_what_is_past_add_up(began: datetime, passed_hours: int, hours: int) -> None:
    """Hours left and hours that passed are the hours given, and it is overdue when none is left."""
    due = due_in("duty", [], began, began + timedelta(hours=passed_hours), hours=hours)
    assert due.left_hours == hours - passed_hours
    assert (due.state == "overdue") == (passed_hours > hours)
    assert due.due_at == began + timedelta(hours=hours)


def test_requests_are_due_as_the_laws_say() -> None:
    """One month and three under GDPR, ten days under PIPA, and the organisation's own days under PIPL."""
    received = datetime(2026, 1, 31, 12, tzinfo=UTC)
    found = {each.duty: each for each in access_deadlines(received, received, Terms())}
    assert found["gdpr_access"].due_at == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert found["gdpr_access_extended"].due_at == datetime(2026, 4, 30, 12, tzinfo=UTC)
    assert found["pipa_access"].due_at == datetime(2026, 2, 10, 12, tzinfo=UTC)
    assert [each.own_number for each in found.values()] == [False, False, False, True]
    assert all(each.sources for each in found.values())


def made(terms: Terms = Terms(), **fields: Any) -> Breach:  # noqa: B008 - a frozen value
    """The pack of a breach of the written day."""
    report = order_of("breach", fields).make(bench()._replace(terms=terms))
    assert isinstance(report, Breach)
    return report


@pytest.mark.parametrize(
    ("terms", "external", "expected"),
    [
        (Terms(pipa_identifying=[]), False, (False, ["below_thresholds"])),
        (Terms(pipa_identifying=[]), True, (True, ["external_access"])),
        (Terms(pipa_identifying=[], pipa_breach_subjects=2), False, (True, ["subjects_threshold"])),
        (Terms(), False, (True, ["identifying"])),
    ],
    ids=["below", "external", "subjects", "identifying"],
)
def test_pipa_is_told_from_its_thresholds_on(terms: Terms, external: bool, expected: tuple[bool, list[str]]) -> None:  # noqa: FBT001 - a case
    """A leak is reported from so many subjects on, with identifying information, or after access from outside."""
    found = made(terms, service="shop", since=START, external_access=external)
    due = next(each for each in found.deadlines if each.duty == "pipa_authority")
    assert (due.applies, due.why) == expected


def test_clocks_run_from_when_it_was_noticed() -> None:
    """The event's instant counts unless the order gives another; a place without one counts from now."""
    by_event = made(incident=INCIDENT, published_by="shop")
    later = made(incident=INCIDENT, published_by="shop", noticed_at=NOW - timedelta(hours=1))
    by_place = made(dataset="orders", since=START)
    dues = [next(d for d in each.deadlines if d.duty == "gdpr_authority") for each in (by_event, later, by_place)]
    assert [due.due_at for due in dues] == [
        START + timedelta(minutes=1_990, hours=72),
        NOW + timedelta(hours=71),
        NOW + timedelta(hours=72),
    ]
    assert [due.state for due in dues] == ["overdue", "open", "open"]


def test_an_incident_nobody_told_of_is_said() -> None:
    """An unknown event is a question that is not right; half an order, or two places, is none."""
    with pytest.raises(QuestionError, match="no such incident"):
        made(incident="nothing", published_by="shop")
    for fields in ({"incident": INCIDENT}, {"service": "shop"}, {"service": "a", "party": "b", "since": START}):
        with pytest.raises(ValueError, match="one place"):
            BreachOrder.model_validate(fields)
