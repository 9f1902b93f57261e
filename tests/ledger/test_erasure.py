"""Erasure: out of sight at once, off the disk within a bound, proved, and never back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flowtrack.adapters.clickhouse.erasure import TABLES
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase, digest_of
from flowtrack.audit.holds import Hold
from flowtrack.audit.questions import Books
from flowtrack.audit.trail import Trail
from flowtrack.domain.names import Kind
from flowtrack.errors import StoreError
from flowtrack.tracking.intent import Intent
from flowtrack.tracking.ledger import LedgerWriter
from flowtrack.tracking.records import Record
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import EPOCH, START, START_MS, alert, category, consent, decision, record, subject_of
from tests.ledger.disk import occurrences
from tests.ledger.keeping import NOW, WAIT_S, filled, keeper_of, write

WHO = subject_of(3)
OTHER = subject_of(4)
REQUEST = Erase(subjects=(WHO,), reason="asked for by the subject")


def rows_of(store: Store, subject: str) -> dict[str, int]:
    """How many rows each table has of a subject, as it is read."""
    count = "SELECT count() FROM {table} WHERE subject = {subject:UUID}"
    return {
        table: store.rows(count.replace("{table}", table), subject=subject)[0][0]
        for table in ("flows", "consents", "audit_log")
    }


def test_every_table_with_a_subject_is_erased_from(store: Store) -> None:
    """A table that a later version adds with a pseudonym in it has to be erased from too."""
    found = store.rows(
        "SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() "
        "AND (type LIKE '%UUID%' OR name LIKE '%subject%') AND table NOT LIKE '.%'"
    )
    assert {table for (table,) in found} <= set(TABLES)


def test_an_erased_subject_is_out_of_sight_at_once(store: Store) -> None:
    """Trail, consents and the log of questions know nothing of the subject any more; others are as they were."""
    filled(store)
    write_down(store, NOW, "auditor", "trail", {}, subject=WHO)
    ledger, before = ClickHouseLedger(store, clock=clock), rows_of(store, OTHER)
    answer = keeper_of(store).erase(REQUEST, asker="desk")
    assert rows_of(store, WHO) == {"flows": 0, "consents": 0, "audit_log": 0}
    assert rows_of(store, OTHER) == before
    trail = ledger.ask(Trail(subject=WHO), asker=ASKER)
    assert (trail.rows, trail.consents) == ([], [])
    assert [each.state for each in answer.erasures] == ["hidden"]


def test_the_proof_tells_how_much_went_and_not_what(store: Store) -> None:
    """Rows by table, a hash over them, when, why and who stay; whose it was only as a salted hash."""
    filled(store)
    write_down(store, NOW, "auditor", "trail", {}, subject=WHO)
    before = rows_of(store, WHO)
    keeper = keeper_of(store)
    keeper.erase(REQUEST, asker="desk")
    (proof,) = keeper.erasures().erasures
    assert {table: proof.rows[table] for table in before} == before
    assert min(before.values()) > 0
    assert (proof.reason, proof.asker, len(proof.rows_sha256)) == (REQUEST.reason, "desk", 1)
    assert proof.digest == digest_of(proof.salt, WHO)
    assert WHO not in proof.model_dump_json()
    (log,) = store.rows("SELECT asker, subject, parameters FROM audit_log WHERE question = 'erase'")
    assert (log[0], log[1]) == ("desk", None)
    assert WHO not in log[2]


def test_events_of_the_subject_leave_the_examples_of_alerts(store: Store) -> None:
    """An alert keeps its count and loses the event by which the subject could be found."""
    event = decision(1, category("provided.email"), subject=WHO)
    other = decision(2, category("provided.email"), subject=OTHER)
    known = alert().model_copy(update={"examples": [event.event_id, other.event_id]})
    write(store, [record(event, 1), record(other, 2), record(known, 0)])
    answer = keeper_of(store).erase(REQUEST, asker="desk")
    assert store.rows("SELECT count, examples FROM alerts") == [(1, [other.event_id])]
    assert answer.erasures[0].rows["alerts"] == 1


def test_counts_stay(store: Store) -> None:
    """What stood and what stands add up, by day, kind, category and verdict."""
    filled(store)
    standing = "SELECT toDate(happened_at) AS day, kind, category, verdict, sum(sign) AS n FROM flows GROUP BY ALL"
    before = store.rows(f"{standing} ORDER BY ALL")
    keeper_of(store).erase(Erase(subjects=(WHO, OTHER), reason="r"), asker="desk")
    after = store.rows(
        f"SELECT day, kind, category, verdict, sum(n) FROM ({standing} UNION ALL "  # noqa: S608 - a text of ours
        "SELECT happened_on AS day, kind, category, verdict, sum(flows) AS n FROM erased_counts GROUP BY ALL) "
        "GROUP BY ALL ORDER BY ALL"
    )
    assert after == before
    assert store.rows("SELECT count() > 0, uniqExact(why) FROM erased_counts") == [(1, 1)]


def test_the_books_balance_afterwards(store: Store) -> None:
    """Offsets of rows that are gone count as held: nothing is missing, nothing there twice."""
    filled(store)
    ledger = ClickHouseLedger(store, clock=clock)
    before = ledger.books(Books()).partitions
    keeper_of(store).erase(Erase(subjects=tuple(subject_of(n) for n in range(5)), reason="r"), asker="desk")
    assert store.rows("SELECT count() FROM flows") == [(0,)]
    assert ledger.books(Books()).partitions == before


def test_what_is_delivered_again_stays_out(store: Store) -> None:
    """A sink that starts anew and gets the whole day again writes none of it: not what is there, not what is gone."""
    day = filled(store)
    keeper_of(store).erase(Erase(subjects=(WHO, OTHER), reason="r"), asker="desk")
    before = store.rows("SELECT count() FROM flows"), store.rows("SELECT count() FROM consents")
    write(store, day)
    assert rows_of(store, WHO)["flows"] == 0
    assert rows_of(store, OTHER)["consents"] == 0
    assert (store.rows("SELECT count() FROM flows"), store.rows("SELECT count() FROM consents")) == before


def test_what_is_long_gone_is_not_read_back(store: Store) -> None:
    """A sink that starts asks for what is gone behind its tail alone: retention may have let go of any number."""
    filled(store)
    store.command(
        "INSERT INTO erased_offsets SELECT 'flows', {epoch:String}, 0, number, 0, number FROM numbers(5000)",
        epoch=EPOCH,
    )
    store.command(
        "INSERT INTO erased_offsets SELECT 'flows', {epoch:String}, 0, 900000 + number, 0, number FROM numbers(7)",
        epoch=EPOCH,
    )
    later = decision(800_000, category("provided.email"))
    write(store, [record(later, 800_000, at_ms=START_MS + 5 * 86_400_000)])
    asked: list[int] = []

    class Counted(Store):
        def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
            found = super().rows(statement, **parameters)
            if "erased_offsets" in statement:
                asked.extend(len(row[-1]) for row in found)
            return found

    with Counted(store.settings) as counted:
        held = SinkStore(counted).held("flows", 0, START_MS + 4 * 86_400_000)
    assert sum(asked) == 7
    assert not held[EPOCH, 0].take(900_003)


def test_what_is_erased_of_one_month_says_nothing_of_the_next(store: Store) -> None:
    """A sink killed between the months of a batch, then an erasure: who takes over still writes the second month."""
    turn_ms = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp() * 1000)
    day = [record(decision(n, category("provided.email")), n, at_ms=turn_ms + (n - 2) * 1000) for n in range(4)]
    intent = Intent("batch", 0)
    LedgerWriter(SinkStore(store), "killed").redo(0, day[:2], intent)
    keeper_of(store).erase(Erase(subjects=(subject_of(0),), reason="r"), asker="desk")
    LedgerWriter(SinkStore(store), "next").redo(0, day, intent)
    assert store.rows("SELECT count() FROM flows WHERE decision_offset >= 2") == [(2,)]


def test_what_comes_in_late_goes_with_the_next_clean_up(store: Store) -> None:
    """An event from before the request, under a new offset: found by its hash and hidden; a later one stays."""
    filled(store)
    keeper = keeper_of(store)
    keeper.erase(REQUEST, asker="desk")
    late = decision(900, category("provided.email"), subject=WHO, happened_at=START)
    anew = decision(901, category("provided.email"), subject=WHO, happened_at=NOW + timedelta(days=2))
    at_ms = int((NOW + timedelta(days=1)).timestamp() * 1000)
    write(store, [record(late, 900, at_ms=at_ms), record(anew, 901, at_ms=at_ms)])
    assert rows_of(store, WHO)["flows"] == 2
    answer = keeper.vacuum(asker="timer", wait_s=0)
    assert answer.came_in_late == 1
    assert store.rows("SELECT event_id FROM flows WHERE subject = {subject:UUID}", subject=WHO) == [(anew.event_id,)]
    assert len(keeper.erasures().erasures[0].rows_sha256) == 2
    assert keeper.vacuum(asker="timer", wait_s=0).came_in_late == 0


def test_one_that_broke_off_is_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the request was written down and sums were kept: the next clean-up hides, and counts once."""
    filled(store)
    keeper, total = keeper_of(store), store.rows("SELECT sum(sign) FROM flows")[0][0]

    def die(*_: object) -> None:
        raise StoreError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("flowtrack.adapters.clickhouse.erasure.hide", die)
        with pytest.raises(StoreError, match="killed"):
            keeper.erase(REQUEST, asker="desk")
    assert rows_of(store, WHO)["flows"] > 0
    keeper.vacuum(asker="timer", wait_s=0)
    assert rows_of(store, WHO) == {"flows": 0, "consents": 0, "audit_log": 0}
    kept = store.rows("SELECT sum(flows) FROM erased_counts")[0][0]
    assert store.rows("SELECT sum(sign) FROM flows")[0][0] + kept == total


@pytest.mark.parametrize(
    "hold",
    [
        Hold(reason="case 7", subject=WHO),
        Hold(reason="case 7", category="provided"),
        Hold(reason="case 7", service="shop"),
        Hold(reason="case 7", since=START, until=START + timedelta(minutes=1)),
    ],
    ids=["subject", "category", "service", "period"],
)
def test_what_is_held_stays_and_is_said(store: Store, hold: Hold) -> None:
    """A hold keeps its rows, and the consents that they rest on; the erasure names it. Released, all of it goes."""
    filled(store)
    keeper = keeper_of(store)
    before = rows_of(store, WHO)
    placed = keeper.hold(hold, asker="counsel")
    (erasure,) = keeper.erase(REQUEST, asker="desk").erasures
    after = rows_of(store, WHO)
    assert erasure.held == [placed.id]
    assert after["flows"] == before["flows"] - erasure.rows["flows"] > 0
    assert after["consents"] == before["consents"]
    keeper.release(placed.id, "case closed", asker="counsel")
    keeper.vacuum(asker="timer", wait_s=0)
    assert rows_of(store, WHO) == {"flows": 0, "consents": 0, "audit_log": 0}
    assert store.rows("SELECT count() FROM legal_holds WHERE isNotNull(subject)") == [(0,)]
    assert [each.hold.reason for each in keeper.holds() if each.hold] == ["case 7"] * (hold.subject is None)
    assert keeper.erasures().erasures[0].held == []


@pytest.mark.parametrize("reason", [f"asked by {WHO}", WHO.upper()], ids=["inside", "large"])
def test_a_reason_that_names_the_subject_is_refused(reason: str) -> None:
    """It stays when all else is gone, and would tell whose the proof is; the refusal does not say it either."""
    with pytest.raises(ValidationError, match="the reason names a subject") as erasing:
        Erase(subjects=(OTHER, WHO), reason=reason)
    with pytest.raises(ValidationError, match="the reason names a subject"):
        Hold(subject=WHO, reason=reason)
    told = erasing.value.errors(include_input=False, include_context=False)
    assert WHO not in str(told).lower()


def test_a_hold_is_released_by_the_beginning_of_its_id(store: Store) -> None:
    """As tables show it; one that several share is refused, and so is nothing at all."""
    keeper = keeper_of(store)
    first, second = (keeper.hold(Hold(reason="r", service=name), asker="counsel") for name in ("shop", "web"))
    for wrong in (first.id[:3], "", "none"):
        with pytest.raises(StoreError, match="hold") as refused:
            keeper.release(wrong, "closed", asker="counsel")
        assert "--json" in refused.value.help
    assert keeper.release(second.id, "closed", asker="counsel").id == second.id
    assert [each.in_force for each in keeper.holds()] == [True, False]


def test_holds_are_read_whatever_the_clock_did(store: Store) -> None:
    """Released at an instant before it was placed, since the clock was put back: released it is."""
    placed = keeper_of(store).hold(Hold(reason="r", service="shop"), asker="counsel")
    before = keeper_of(store, now=NOW - timedelta(days=1))
    before.release(placed.id, "closed", asker="counsel")
    assert not before.holds()[0].in_force


def test_a_hold_that_covers_nothing_of_the_subject_changes_nothing(store: Store) -> None:
    """Another subject's hold, or one on a category that never occurs, is not named."""
    filled(store)
    keeper = keeper_of(store)
    keeper.hold(Hold(reason="r", subject=OTHER), asker="counsel")
    keeper.hold(Hold(reason="r", category="provide"), asker="counsel")
    (erasure,) = keeper.erase(REQUEST, asker="desk").erasures
    assert (erasure.held, rows_of(store, WHO)["flows"]) == ([], 0)


@pytest.mark.parametrize(("services", "rows_left"), [((), True), (("shop",), False)])
def test_an_erase_event_erases_here_only_where_that_is_set(
    store: Store, services: tuple[str, ...], *, rows_left: bool
) -> None:
    """A service that says that it erased is evidence; only a service that was named for it speaks for the ledger."""
    erased = decision(2, subject=WHO, kind=Kind.ERASE)
    write(store, [record(decision(1, category("provided.email"), subject=WHO), 1), record(erased, 2)])
    keeper = keeper_of(store, services=services)
    keeper.vacuum(asker="timer", wait_s=0)
    assert bool(rows_of(store, WHO)["flows"]) is rows_left
    assert [each.reason for each in keeper.erasures().erasures] == ["erase event of service shop"] * len(services)


@pytest.mark.slow
@pytest.mark.embedded
def test_judging_anew_forgets_how_far_it_came(store: Store) -> None:
    """A job that is done loses the subject that it had come to; one under way keeps it, and nothing is proved gone."""
    filled(store)
    insert = (
        "INSERT INTO rejudging VALUES "
        "('e', 0, {offset:UInt64}, now64(3), '', {who:String}, {done:UInt8}, {step:UInt64})"
    )
    for offset, done, step in ((1, 0, 1), (1, 1, 2), (2, 0, 1)):
        store.command(insert, None, offset=offset, who=WHO, done=done, step=step)
    keeper = keeper_of(store)
    keeper.erase(REQUEST, asker="desk")
    assert keeper.vacuum(asker="timer", wait_s=WAIT_S).pending == 1
    assert store.rows("SELECT DISTINCT decision_offset FROM rejudging WHERE cursor != ''") == [(2,)]
    store.command(insert, None, offset=2, who=WHO, done=1, step=2)
    assert keeper.vacuum(asker="timer", wait_s=WAIT_S).pending == 0
    assert store.rows("SELECT count() FROM rejudging WHERE cursor != ''") == [(0,)]


@pytest.mark.slow
@pytest.mark.embedded
def test_the_bytes_are_gone_within_the_bound(store: Store, engine: Path) -> None:
    """After the clean-up no file of the store has the pseudonym, in parts in use or not, compressed or not."""
    who = subject_of(777)
    day = filled(store)
    mine: list[Record] = [
        *(record(decision(500 + n, category("content.photo"), subject=who), 500 + n) for n in range(50)),
        record(consent(500, who), 600),
    ]
    write(store, mine)
    write(store, [record(decision(800 + n, category("content.photo")), 800 + n) for n in range(50)])
    store.command("OPTIMIZE TABLE flows FINAL")
    write_down(store, NOW, "auditor", "trail", {}, subject=who)
    assert occurrences(engine, who)
    keeper = keeper_of(store)
    keeper.erase(Erase(subjects=(who,), reason="r"), asker="desk")
    assert keeper.erasures().erasures[0].state == "hidden"
    answer = keeper.vacuum(asker="timer", wait_s=WAIT_S)
    assert (answer.pending, answer.old_parts) == (0, 0)
    assert keeper.erasures().erasures[0].state == "gone"
    assert occurrences(engine, who) == []
    assert occurrences(engine, subject_of(0)) != []
    assert day
