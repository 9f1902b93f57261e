"""Retention: what a policy no longer keeps goes, its numbers stay, and holds are respected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.holds import Hold
from flowtrack.audit.questions import Books
from flowtrack.audit.retention import Retain, RetentionPolicy
from flowtrack.domain.names import Kind
from flowtrack.errors import StoreError
from flowtrack.tracking.records import Record
from tests.ledger.conftest import clock
from tests.ledger.day import category, decision, record, subject_of
from tests.ledger.keeping import NOW, keeper_of, write

OLD, MIDDLE, NEW = NOW - timedelta(days=90), NOW - timedelta(days=40), NOW - timedelta(days=5)
_TOTAL = "SELECT sum(sign) FROM flows"
NAMES = ("provided.email", "automatic.ip")


def policy(*rules: dict[str, object]) -> RetentionPolicy:
    """A policy of some rules."""
    return RetentionPolicy.model_validate({"name": "p1", "rules": rules})


def three_months() -> list[Record]:
    """Shares and uses of two categories, 90, 40 and 5 days ago, recorded as they happened."""
    records = []
    for offset in range(30):
        at = (OLD, MIDDLE, NEW)[offset // 10]
        kind = Kind.SHARE if offset % 2 else Kind.USE
        item = decision(offset, *(category(name) for name in NAMES), happened_at=at, kind=kind)
        records.append(record(item, offset, at_ms=int(at.timestamp() * 1000)))
    return records


@pytest.fixture
def ledger(store: Store) -> Store:
    """A ledger of three months."""
    write(store, three_months())
    return store


def test_the_narrowest_rule_counts() -> None:
    """A category's own rule beats its parent's, and a kind's beats one for all kinds; what no rule names is kept."""
    rules = policy(
        {"category": "provided", "keep_days": 30},
        {"category": "provided.email", "keep_days": 10},
        {"category": "provided", "kind": "share", "keep_days": 60},
        {"kind": "use", "keep_days": 5},
    )
    asked = [
        ("provided.email", "share"),
        ("provided.phone", "share"),
        ("provided.phone", "use"),
        ("automatic.ip", "use"),
    ]
    assert [rules.keep_days(*each) for each in asked] == [10, 60, 30, 5]
    assert rules.keep_days("automatic.ip", "share") is None
    assert rules.keep_days("providedx", "share") is None


@pytest.mark.parametrize(
    "rules",
    [[], [{"keep_days": 0}], [{"keep_days": 1}, {"keep_days": 2}], [{"keep_days": 1, "category": "a", "kind": "lend"}]],
    ids=["no rule", "no day", "two alike", "unknown kind"],
)
def test_a_policy_that_cannot_be_meant_is_refused(rules: list[dict[str, object]]) -> None:
    """A policy without rules, with two that speak of the same, or with what nobody knows, is refused."""
    with pytest.raises(ValidationError):
        policy(*rules)


def test_a_dry_run_says_what_would_go_and_takes_nothing(ledger: Store) -> None:
    """Rows by category and kind, with their days; the ledger is as it was."""
    request = Retain(policy=policy({"category": "provided", "keep_days": 30}), dry_run=True)
    answer = keeper_of(ledger).retain(request, asker="ops")
    assert [(each.category, each.kind, each.rows) for each in answer.expired] == [
        ("provided.email", "share", 10),
        ("provided.email", "use", 10),
    ]
    assert (answer.expired[0].oldest, answer.expired[0].newest) == (OLD.date(), MIDDLE.date())
    assert ledger.rows("SELECT count() FROM flows") == [(60,)]
    assert ledger.rows("SELECT count() FROM audit_log") == [(0,)]


def test_exactly_what_expired_goes(ledger: Store) -> None:
    """The rows that go are those that the policy, applied row by row, no longer keeps."""
    rules = policy(
        {"category": "provided", "keep_days": 30},
        {"category": "automatic", "kind": "use", "keep_days": 60},
    )
    rows = "SELECT category, kind, toDate(happened_at), count() FROM flows GROUP BY ALL ORDER BY ALL"
    expected = [
        row
        for row in ledger.rows(rows)
        if (days := rules.keep_days(row[0], row[1])) is None or row[2] >= NOW.date() - timedelta(days=days)
    ]
    answer = keeper_of(ledger).retain(Retain(policy=rules), asker="ops")
    assert ledger.rows(rows) == expected
    assert answer.rows == 60 - sum(row[3] for row in expected) > 0
    assert ledger.rows("SELECT question, asker FROM audit_log") == [("retention", "ops")]


def test_a_month_of_which_nothing_is_kept_is_dropped(ledger: Store) -> None:
    """Its partition goes at once; the other months stay."""
    answer = keeper_of(ledger).retain(Retain(policy=policy({"keep_days": 60})), asker="ops")
    assert answer.months_dropped == [f"{OLD:%Y%m}"]
    partitions = ledger.rows(
        "SELECT DISTINCT partition FROM system.parts WHERE database = currentDatabase() AND table = 'flows' AND active"
    )
    assert f"{OLD:%Y%m}" not in {name for (name,) in partitions}
    assert ledger.rows("SELECT count() FROM flows") == [(40,)]


def test_a_month_that_a_sink_may_still_add_to_is_not_dropped(store: Store) -> None:
    """Rows recorded of late that expired go one by one: what comes in meanwhile would go with their month."""
    records = []
    for offset in range(10):
        item = decision(offset, category("provided.email"), happened_at=OLD)
        records.append(record(item, offset, at_ms=int((NOW - timedelta(days=1)).timestamp() * 1000)))
    write(store, records)
    answer = keeper_of(store).retain(Retain(policy=policy({"keep_days": 10})), asker="ops")
    assert (answer.rows, answer.months_dropped) == (10, [])
    assert store.rows("SELECT count() FROM flows") == [(0,)]


def test_one_that_broke_off_counts_once(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after sums were kept and asked again on another day: the same rows are added up once."""
    request, total = Retain(policy=policy({"category": "provided", "keep_days": 30})), ledger.rows(_TOTAL)

    def die(*_: object) -> None:
        raise StoreError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("flowtrack.adapters.clickhouse.retention.hide", die)
        with pytest.raises(StoreError, match="killed"):
            keeper_of(ledger).retain(request, asker="ops")
    assert keeper_of(ledger, now=NOW + timedelta(days=1)).retain(request, asker="ops").rows == 20
    ((left,),), ((kept,),) = ledger.rows(_TOTAL), ledger.rows("SELECT sum(flows) FROM erased_counts")
    assert [(left + kept,)] == total


def test_a_period_longer_than_the_calendar_keeps_everything(ledger: Store) -> None:
    """A hundred years back lies before the engine's first day: nothing has expired."""
    answer = keeper_of(ledger).retain(Retain(policy=policy({"keep_days": 36_525})), asker="ops")
    assert (answer.rows, answer.expired) == (0, [])
    assert ledger.rows("SELECT count() FROM flows") == [(60,)]


@pytest.mark.parametrize(("keep_days", "rows_left"), [(89, 40), (90, 60), (39, 20), (40, 40)])
def test_the_last_day_that_is_kept_is_kept(ledger: Store, keep_days: int, rows_left: int) -> None:
    """What happened exactly so many days ago stays, what happened the day before goes."""
    keeper_of(ledger).retain(Retain(policy=policy({"keep_days": keep_days})), asker="ops")
    assert ledger.rows("SELECT count() FROM flows") == [(rows_left,)]


def test_numbers_and_books_stay(ledger: Store) -> None:
    """What stood and what stands add up by category, kind and verdict; the books balance; nothing comes back."""
    asked = ClickHouseLedger(ledger, clock=clock)
    before = asked.books(Books()).partitions
    totals = ledger.rows("SELECT category, kind, verdict, sum(sign) FROM flows GROUP BY ALL ORDER BY ALL")
    keeper = keeper_of(ledger)
    keeper.retain(Retain(policy=policy({"keep_days": 30})), asker="ops")
    keeper.retain(Retain(policy=policy({"keep_days": 30})), asker="ops")
    kept = ledger.rows(
        "SELECT category, kind, verdict, sum(n) FROM "
        "(SELECT category, kind, verdict, sum(sign) AS n FROM flows GROUP BY ALL UNION ALL "
        "SELECT category, kind, verdict, sum(flows) AS n FROM erased_counts GROUP BY ALL) GROUP BY ALL ORDER BY ALL"
    )
    assert kept == totals
    assert asked.books(Books()).partitions == before
    left = ledger.rows("SELECT count() FROM flows")
    write(ledger, three_months())
    assert ledger.rows("SELECT count() FROM flows") == left


@pytest.mark.parametrize(
    ("hold", "kept"),
    [
        (Hold(reason="r", subject=subject_of(0)), 8),
        (Hold(reason="r", category="automatic"), 20),
        (Hold(reason="r", service="shop"), 40),
        (Hold(reason="r", since=MIDDLE, until=NEW), 20),
        (Hold(reason="r", category="automatic", until=MIDDLE), 10),
    ],
    ids=["subject", "category", "service", "period", "category and period"],
)
def test_holds_keep_rows_from_retention(ledger: Store, hold: Hold, kept: int) -> None:
    """Rows of a hold stay and are counted as held; released, they go."""
    keeper = keeper_of(ledger)
    placed = keeper.hold(hold, asker="counsel")
    request = Retain(policy=policy({"keep_days": 30}))
    answer = keeper.retain(request, asker="ops")
    assert (answer.rows, answer.held) == (40 - kept, kept)
    assert ledger.rows("SELECT count() FROM flows") == [(20 + kept,)]
    released = keeper.release(placed.id, "closed", asker="counsel")
    assert (released.released_by, released.released_why) == ("counsel", "closed")
    assert keeper.retain(request, asker="ops").rows == kept
    assert ledger.rows("SELECT count() FROM flows") == [(20,)]
    assert ledger.rows("SELECT question FROM audit_log ORDER BY asked_at") == [
        ("hold",),
        ("retention",),
        ("release",),
        ("retention",),
    ]


def test_a_hold_on_everything_is_refused() -> None:
    """A hold that names nothing, or a period that ends before it begins, is a mistake."""
    with pytest.raises(ValidationError):
        Hold(reason="r")
    with pytest.raises(ValidationError):
        Hold(reason="r", since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC))
