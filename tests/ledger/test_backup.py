"""Backups of the embedded store: whole and put back as they were, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowtrack.adapters.clickhouse.backup import restoring
from flowtrack.adapters.clickhouse.ledger import ClickHouseLedger
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.apps.ledger_keeping import restore
from flowtrack.audit.copies import BackUp, BackupAnswer
from flowtrack.audit.erasure import Erase
from flowtrack.audit.overview import Overview
from flowtrack.audit.questions import Books
from flowtrack.audit.trail import Trail
from flowtrack.errors import StoreError
from tests.ledger.conftest import ASKER, clock
from tests.ledger.day import subject_of
from tests.ledger.keeping import filled, keeper_of, write

pytestmark = pytest.mark.embedded

WHO = subject_of(3)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a backup goes: a path with what SQL and shells would stumble over."""
    return tmp_path / "it's a backup"


@pytest.fixture
def taken(store: Store, target: Path) -> BackupAnswer:
    """A backup of a day."""
    filled(store)
    return keeper_of(store).back_up(BackUp(target=str(target)), asker="ops")


@pytest.fixture
def elsewhere(store: Store) -> Iterator[Store]:
    """Another store, empty; put into the same engine, since a process has one."""
    settings = ClickHouseSettings(data_dir=store.settings.data_dir, database=f"{store.settings.database}_again")
    with Store(settings) as other:
        yield other
        other.command(f"DROP DATABASE {settings.database} SYNC")


def test_what_is_put_back_is_what_there_was(store: Store, target: Path, taken: BackupAnswer, elsewhere: Store) -> None:
    """Every answer is the same, and a sink goes on from where the backup stood: it writes nothing again."""
    answer = keeper_of(elsewhere).put_back(target, [], asker="ops")
    assert (answer.rows, answer.complete_up_to) == (taken.rows, taken.complete_up_to)
    before, after = (ClickHouseLedger(each, clock=clock) for each in (store, elsewhere))
    assert after.ask(Overview(), asker=ASKER) == before.ask(Overview(), asker=ASKER)
    assert after.books(Books()) == before.books(Books())
    assert after.ask(Trail(subject=WHO), asker=ASKER) == before.ask(Trail(subject=WHO), asker=ASKER)
    rows = elsewhere.rows("SELECT count() FROM flows")
    day = filled(store)
    write(elsewhere, day)
    assert elsewhere.rows("SELECT count() FROM flows") == rows
    questions = {question for (question,) in elsewhere.rows("SELECT question FROM audit_log")}
    assert {"backup", "restore"} <= questions


def test_a_backup_is_proved_before_it_counts(taken: BackupAnswer, target: Path, store: Store) -> None:
    """The manifest tells rows, files and hashes; the copy that was read back is gone again."""
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["tables"]["flows"] == store.rows("SELECT count() FROM flows")[0][0] > 0
    assert sum(manifest["tables"].values()) == taken.rows
    assert len(manifest["files"]) == taken.files > 0
    databases = store.rows("SELECT count() FROM system.databases WHERE startsWith(name, currentDatabase())")
    assert databases == [(1,)]


def test_what_is_hidden_is_not_in_a_backup(store: Store, target: Path, elsewhere: Store) -> None:
    """An erasure that no clean-up has followed yet: the backup has none of its rows, and putting it back neither."""
    filled(store)
    keeper = keeper_of(store)
    keeper.erase(Erase(subjects=(WHO,), reason="r"), asker="desk")
    keeper.back_up(BackUp(target=str(target)), asker="ops")
    keeper_of(elsewhere).put_back(target, [], asker="ops")
    assert elsewhere.rows("SELECT count() FROM flows") == store.rows("SELECT count() FROM flows")
    assert elsewhere.rows("SELECT count() FROM flows WHERE subject = {who:UUID}", who=WHO) == [(0,)]


def test_who_was_erased_since_is_erased_again(
    store: Store, target: Path, taken: BackupAnswer, elsewhere: Store
) -> None:
    """A backup of before an erasure brings its rows back; with the journal of erasures they go before anybody asks."""
    keeper = keeper_of(store)
    keeper.erase(Erase(subjects=(WHO,), reason="r"), asker="desk")
    again = keeper_of(elsewhere)
    answer = again.put_back(target, keeper.erasures().erasures, asker="ops")
    assert answer.erased_again > 0
    assert elsewhere.rows("SELECT count() FROM flows WHERE subject = {who:UUID}", who=WHO) == [(0,)]
    assert [each.state for each in again.erasures().erasures] == ["hidden"]
    assert taken.rows > 0


def test_a_store_that_is_not_empty_is_left_alone(taken: BackupAnswer, target: Path, store: Store) -> None:
    """Putting back over a ledger is refused, and says where to put it instead."""
    rows = store.rows("SELECT count() FROM flows")
    with pytest.raises(StoreError, match="not empty") as refused:
        keeper_of(store).put_back(target, [], asker="ops")
    assert "new data directory" in refused.value.help
    assert store.rows("SELECT count() FROM flows") == rows
    assert taken.rows > 0


def _flip(path: Path) -> None:
    text = bytearray(path.read_bytes())
    text[len(text) // 2] ^= 0xFF
    path.write_bytes(text)


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "no manifest", "manifest"])
def test_a_damaged_backup_is_refused(taken: BackupAnswer, target: Path, elsewhere: Store, harm: str) -> None:
    """A byte changed, a file cut or gone, a manifest that is not there: nothing is put back, and the file is named."""
    victim = max((path for path in target.rglob("*.bin")), key=lambda path: path.stat().st_size)
    manifest = target / "manifest.json"
    match harm:
        case "changed":
            _flip(victim)
        case "cut":
            victim.write_bytes(victim.read_bytes()[:-1])
        case "gone":
            victim.unlink()
        case "no manifest":
            manifest.unlink()
        case _:
            manifest.write_text(manifest.read_text(encoding="utf-8")[:-10], encoding="utf-8")
    with pytest.raises(StoreError) as refused:
        keeper_of(elsewhere).put_back(target, [], asker="ops")
    named = {"no manifest": "no whole backup", "manifest": "manifest.json"}.get(harm, victim.name)
    assert named in refused.value.what
    assert elsewhere.rows("SELECT count() FROM system.tables WHERE database = currentDatabase()") == [(0,)]
    assert taken.rows > 0


def test_a_backup_never_goes_over_another(taken: BackupAnswer, target: Path, store: Store) -> None:
    """A folder that is there is refused and stays as it was."""
    before = (target / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        keeper_of(store).back_up(BackUp(target=str(target)), asker="ops")
    assert (target / "manifest.json").read_bytes() == before
    assert taken.rows > 0


def test_a_backup_of_a_newer_version_is_refused(taken: BackupAnswer, target: Path, elsewhere: Store) -> None:
    """One whose migrations this version does not know is not worked with."""
    later = [*json.loads((target / "manifest.json").read_text(encoding="utf-8"))["migrations"], "9001_future.sql"]
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    (target / "manifest.json").write_text(json.dumps({**manifest, "migrations": later}), encoding="utf-8")
    with pytest.raises(StoreError, match=r"9001_future\.sql"):
        keeper_of(elsewhere).put_back(target, [], asker="ops")
    assert taken.rows > 0


@pytest.fixture
def place(store: Store) -> Iterator[ClickHouseSettings]:
    """Where a ledger is put back: another database of the same engine, since a process has one."""
    settings = ClickHouseSettings(data_dir=store.settings.data_dir, database=f"{store.settings.database}_place")
    yield settings
    for name in (settings.database, f"{settings.database}_restoring"):
        store.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def _broken_off(place: ClickHouseSettings, target: Path) -> None:
    with restoring(place) as half:
        keeper_of(half).put_back(target, [], asker="ops")
        raise KeyboardInterrupt


def test_a_restore_that_broke_off_is_no_ledger(
    store: Store, target: Path, taken: BackupAnswer, place: ClickHouseSettings
) -> None:
    """Whenever it ends: what is there by half is refused, not answered from, and restoring again makes it whole."""
    with pytest.raises(KeyboardInterrupt):
        _broken_off(place, target)
    with Store(place) as refused, pytest.raises(StoreError, match="broke off") as error:
        refused.migrate()
    assert "flowtrack ledger restore" in error.value.help
    with restoring(place) as whole:
        assert keeper_of(whole).put_back(target, [], asker="ops").rows == taken.rows
    with Store(place) as ledger:
        ledger.migrate()
        assert ledger.rows("SELECT count() FROM flows") == store.rows("SELECT count() FROM flows")
    with pytest.raises(StoreError, match="not empty"), restoring(place):
        pass


def test_a_folder_that_is_no_backup_leaves_no_ledger(tmp_path: Path) -> None:
    """It is refused before a data directory is made: nobody asks an empty ledger in its place."""
    with pytest.raises(StoreError, match="no whole backup"):
        restore(tmp_path / "nothing", tmp_path / "new", None)
    assert not (tmp_path / "new").exists()


def test_a_damaged_ledger_is_not_backed_up(store: Store, target: Path) -> None:
    """A byte that has changed in a part which the engine still has in use: no manifest, so no backup counts."""
    filled(store)
    ((path,),) = store.rows(
        "SELECT path FROM system.parts WHERE database = currentDatabase() AND table = 'flows' AND active"
    )
    _flip(Path(path) / "data.bin")
    with pytest.raises(StoreError, match="`flows` cannot be read back") as refused:
        keeper_of(store).back_up(BackUp(target=str(target)), asker="ops")
    assert "earlier backup" in refused.value.help
    assert not (target / "manifest.json").exists()


def test_a_clean_up_takes_what_a_killed_backup_read_back(store: Store) -> None:
    """That copy has rows which an erasure must not leave anywhere."""
    filled(store)
    left = f"{store.settings.database}_read_back"
    store.command(f"CREATE DATABASE {left}")
    store.command(f"CREATE TABLE {left}.flows (subject UUID) ENGINE = MergeTree ORDER BY subject")
    keeper_of(store).vacuum(asker="ops", wait_s=0)
    assert store.rows("SELECT 1 FROM system.databases WHERE name = {left:String}", left=left) == []
