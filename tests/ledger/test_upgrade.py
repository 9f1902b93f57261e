"""Migrations forward on live data: a ledger of an earlier version is brought up to date with everything in it."""

from __future__ import annotations

import pytest

from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.migrate import Migration, shipped
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books
from flowtrack.audit.trail import Trail
from flowtrack.errors import StoreError
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import a_day
from tests.ledger.keeping import keeper_of, write

FIRST = 3
"""The first version had so many migrations; what it wrote stands below, as SQL of then."""
WHO = "11" * 16
_FLOWS = """
INSERT INTO flows (subject, happened_at, event_id, category, revision, sign, recorded_at, service, kind, purpose, basis,
                   recipient, dataset, location, verdict, pack, registry, situation, consent, suspect, correlation_id,
                   epoch, source_partition, source_offset, decision_partition, decision_offset)
SELECT toUUID(if(number % 10 = 0, '11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222')),
       toDateTime64('2026-03-02 09:00:00', 6, 'UTC') + number, concat('old-', toString(number)), 'provided.email',
       0, 1, toDateTime64('2026-03-02 09:00:01', 3, 'UTC') + number, 'shop', 'share', 'service.provide', 'consent',
       'acme', '', 'KR', 'permit', 'default@1.0.0', 'registry@1', 7, 'r-1', 0, '', 'before', 0, number, 0, number
FROM numbers({many})"""
_JUDGEMENTS = """
INSERT INTO judgements (pack, situation, verdict, severity, rules, clauses, reasons, notes, gaps, attributes,
                        recorded_at)
VALUES ('default@1.0.0', 7, 'permit', '', ['share.own'], ['4.1'], ['own_consent'], [], [], '{}',
        '2026-03-02 09:00:00')"""
_CONSENTS = """
INSERT INTO consents (subject, kind, valid_from, recorded_at, received_at, source, event_id, record, state, epoch,
                      source_partition, source_offset, decision_partition, decision_offset)
VALUES ('11111111-1111-1111-1111-111111111111', 'consent', '2026-03-01 00:00:00', '2026-03-01 00:00:00',
        '2026-03-01 00:00:00', '/services/consent', 'k-1', 'r-1', 'given', 'before', 0, 0, 0, 1000)"""
_AUDIT_LOG = """
INSERT INTO audit_log
VALUES ('2026-03-03 00:00:00', 'auditor', 'trail', '11111111-1111-1111-1111-111111111111', '{}')"""


@pytest.fixture
def old(empty: Store) -> Store:
    """A ledger as the first version left it, in several parts, one of them merged."""
    empty.migrate(shipped()[:FIRST])
    empty.command(_FLOWS.replace("{many}", "2000"))
    empty.command("OPTIMIZE TABLE flows FINAL")
    for statement in (_JUDGEMENTS, _CONSENTS, _AUDIT_LOG):
        empty.command(statement)
    return empty


def test_what_an_earlier_version_wrote_is_still_there_and_answered(old: Store) -> None:
    """After the upgrade the trail, the totals and the books are those of the rows that were written."""
    assert old.migrate() == [migration.name for migration in shipped()[FIRST:]]
    ledger = ClickHouseLedger(old, clock=clock)
    trail = ledger.ask(Trail(subject=WHO), asker=ASKER)
    assert len(trail.rows) == 200
    assert trail.rows[0].categories[0].clauses == ["4.1"]
    assert [consent.record for consent in trail.consents] == ["r-1"]
    assert ledger.ask(Overview(), asker=ASKER).flows == 2000
    (books,) = ledger.books(Books()).partitions
    assert (books.judged, books.missing, books.repeated_rows) == (2000, 0, 0)


def test_an_upgraded_ledger_is_written_to_and_erased_from(old: Store) -> None:
    """New rows stand beside the old ones, and an erasure finds those that were written before it was known."""
    old.migrate()
    write(old, a_day(40))
    answer = keeper_of(old).erase(Erase(subjects=(WHO,), reason="r"), asker="desk")
    assert answer.erasures[0].rows == {"flows": 200, "consents": 1, "alerts": 0, "audit_log": 1, "legal_holds": 0}
    assert old.rows("SELECT count() FROM flows WHERE epoch = 'before'") == [(1800,)]
    assert old.rows("SELECT count() > 0 FROM flows WHERE epoch != 'before'") == [(1,)]


@pytest.mark.parametrize("migration", shipped()[FIRST:], ids=lambda migration: migration.name)
def test_a_migration_that_broke_off_on_live_data_is_applied_again(old: Store, migration: Migration) -> None:
    """Whatever its statement at which it stopped, the file is applied as a whole, and the ledger is as it should be."""
    before = [each for each in shipped() if each.number < migration.number]
    old.migrate(before)
    for statement in migration.statements()[:-1] or migration.statements():
        old.command(statement)
    assert old.migrate() == [each.name for each in shipped() if each.number >= migration.number]
    assert ClickHouseLedger(old, clock=clock).ask(Overview(), asker=ASKER).flows == 2000


def test_a_migration_that_fails_leaves_the_rest_undone(old: Store) -> None:
    """One that the engine refuses stops the upgrade: nothing after it is applied, and what was there is answered."""
    broken = Migration(9000, "9000_broken.sql", "ALTER TABLE flows ADD COLUMN more Nonsense;\n")
    after = Migration(9001, "9001_after.sql", "CREATE TABLE later (a UInt8) ENGINE = Memory;\n")
    with pytest.raises(StoreError):
        old.migrate([*shipped(), broken, after])
    assert old.rows("EXISTS TABLE later") == [(0,)]
    assert ClickHouseLedger(old, clock=clock).ask(Overview(), asker=ASKER).flows == 2000
