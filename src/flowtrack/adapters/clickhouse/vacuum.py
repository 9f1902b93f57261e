"""Clean-up: what came in late of subjects erased before is hidden too, the bytes go, and that they are gone is proved.

Proved means: no part in use has a row of the subject, the ones marked as taken out included; and every part that was
put out of use before that instant has been deleted from the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final, NamedTuple

from flowtrack.adapters.clickhouse.backup import clear_read_back
from flowtrack.adapters.clickhouse.erasure import DIGEST, TABLES, Erasing
from flowtrack.adapters.clickhouse.hiding import change
from flowtrack.adapters.clickhouse.holds import Condition
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.proofs import Proofs
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.erasure import Erase, Erasure, VacuumAnswer
from flowtrack.domain.instants import from_us, instant_us

_LATE: Final = timedelta(days=8)
"""A decision that was written before an erasure can come in so much later: Kafka keeps them for seven days."""
_POLL_S: Final = 0.5
_DIGESTS = "SELECT digest FROM erasures"
_COLUMNS: Final = {"flows": "recorded_at", "consents": "recorded_at", "audit_log": "asked_at"}
_SWEEP: Final = f"""
SELECT lower(replaceAll(toString(subject), '-', '')) AS whose, {DIGEST} AS digest FROM
({{sources}}) WHERE digest IN ({_DIGESTS})"""  # noqa: S608 - texts of ours, values are parameters
_ERASED_BY_EVENT: Final = """
SELECT lower(replaceAll(toString(subject), '-', '')) AS whose, any(service) AS said_by,
       toUnixTimestamp64Micro(max(happened_at)) AS by_us FROM flows
WHERE kind = 'erase' AND category = '' AND service IN {services:Array(String)}
GROUP BY subject HAVING sum(sign) > 0"""
_STILL_THERE: Final = {
    "flows": "count()",
    "consents": "count()",
    "alerts": "sum(length(examples))",
    "audit_log": "countIf(isNotNull(subject))",
    "legal_holds": "countIf(isNotNull(subject))",
    "rejudging": "sum(length(cursor))",
}
"""What differs between a table as it is read and as it lies on disk while something taken out is still there."""
_RAW: Final = "SETTINGS apply_deleted_mask = 0, apply_patch_parts = 0"
_UNFINISHED: Final = """
SELECT countIf(startsWith(name, 'patch-')), countIf(has_lightweight_delete) FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active"""
_PARTS: Final = """
SELECT table, name, min_block_number, max_block_number, active, startsWith(name, 'patch-') AS patch FROM system.parts
WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND (NOT active OR patch)"""


_PURGED: Final = (*TABLES, "rejudging")
_DONE: Final = """
SELECT epoch, decision_partition, decision_offset FROM rejudging
GROUP BY epoch, decision_partition, decision_offset HAVING max(done) = {done:UInt8} AND max(cursor) != ''"""
_OF_JOBS: Final = f"cursor != '' AND (epoch, decision_partition, decision_offset) IN ({_DONE})"


class _Part(NamedTuple):
    """A part that is out of use, or a patch part: it has the key of each row that it hides."""

    table: str
    name: str
    first_block: int
    last_block: int
    active: int
    patch: int


class Vacuum:
    """Cleans up after erasures and retention.

    Args:
        store: open, with its migrations applied.
        erasing: hides what came in late.
        proofs: the journal.
        clock: gives the instant of the clean-up.
        services: an `erase` event of one of these, naming no category, is a request to erase the subject here.
    """

    def __init__(
        self,
        store: Store,
        erasing: Erasing,
        proofs: Proofs,
        *,
        clock: Callable[[], datetime],
        services: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._erasing = erasing
        self._proofs = proofs
        self._clock = clock
        self._services = list(services)

    def run(self, *, asker: str, wait_s: float) -> VacuumAnswer:
        """Clean up.

        Args:
            asker: who asks for it.
            wait_s: how long to wait for the engine to delete old parts; what is not proved then, the next one proves.

        Raises:
            StoreError: it was not done; nothing is lost by doing it again.
        """
        at = self._clock()
        clear_read_back(self._store)
        late = self._sweep(self._since(at))
        late += self._of_events()
        write_down(self._store, at, asker, "vacuum", {"late": late})
        if self._store.rows(_DONE, done=1):  # how far a job came is a subject, of no use to anybody once it is done
            change(self._store, "rejudging", "cursor = ''", Condition(_OF_JOBS, {"done": 1}))
        self.purge()
        hidden = [each for each in self._proofs.all() if each.state == "hidden"]
        on_disk = self._is_on_disk()
        old_parts = self._wait(wait_s) if hidden else 0
        done_at = self._clock()
        gone = [] if on_disk or old_parts else self._proofs.note(hidden, "gone", done_at)
        waiting = [each for each in self._proofs.all() if each.state != "gone"]
        return VacuumAnswer(
            came_in_late=late,
            gone=len(gone),
            pending=len(waiting),
            overdue=sum(each.due_at < done_at for each in waiting),
            old_parts=old_parts,
        )

    def sweep_all(self) -> int:
        """Hide whatever the ledger has of anybody who was erased, however old; gives the rows that went.

        After an old backup has been put back, that is what it brought back with it.
        """
        return self._sweep(None)

    def _since(self, at: datetime) -> datetime | None:
        """From when rows can have come in that no clean-up has seen; None: look at all of them."""
        erasures = self._proofs.all()
        if any(each.state == "asked" for each in erasures):
            return None  # one broke off before its rows were hidden: they may be of any age
        last_us = self._store.rows(
            "SELECT toUnixTimestamp64Micro(max(asked_at)) FROM audit_log WHERE question = 'vacuum'"
        )[0][0]
        if not last_us:
            return None
        pending = [each.asked_at for each in erasures if each.state == "hidden"]
        return min([at - timedelta(microseconds=instant_us(at) - last_us), *pending]) - _LATE

    def _sweep(self, since: datetime | None) -> int:
        salt = self._proofs.salt()
        if not salt:
            return 0
        after = "1" if since is None else "{column} > fromUnixTimestamp64Micro({since:Int64}, 'UTC')"
        sources = " UNION DISTINCT ".join(
            f"SELECT DISTINCT assumeNotNull(subject) AS subject FROM {table} "  # noqa: S608 - texts of ours
            f"WHERE isNotNull(subject) AND {after.replace('{column}', column)}"
            for table, column in _COLUMNS.items()
        )
        parameters = {} if since is None else {"since": instant_us(since)}
        found = self._store.named(_SWEEP.replace("{sources}", sources), salt=salt, **parameters)
        if not found:
            return 0
        newest = {each.digest: each for each in reversed(self._proofs.all())}  # of several of one subject, the newest
        return sum(self._take_out(row["whose"], newest[row["digest"]]) for row in found)

    def _take_out(self, subject: str, erasure: Erasure) -> int:
        before = sum(erasure.rows.values())
        noted = self._erasing.take_out({subject: erasure}, by=erasure.asked_at)
        return sum(sum(each.rows.values()) for each in noted) - before if noted else 0

    def _of_events(self) -> int:
        if not self._services:
            return 0
        found = self._store.named(_ERASED_BY_EVENT, services=self._services)
        rows = 0
        for row in found:
            request = Erase(subjects=(row["whose"],), reason=f"erase event of service {row['said_by']}")
            answer = self._erasing.erase(request, asker="erase event", by=from_us(row["by_us"]))
            rows += sum(sum(each.rows.values()) for each in answer.erasures)
        return rows

    def purge(self) -> None:
        """Rewrite the parts that have rows taken out, without them; the others stay as they are."""
        for table in _PURGED:
            changing, resting = self._store.layout.changing(table), self._store.layout.resting(table)
            patches, masked = self._of_parts(_UNFINISHED, table=resting)[0]
            if patches:
                self._store.command(f"ALTER TABLE {changing} APPLY PATCHES", {"mutations_sync": 2})
                masked = self._of_parts(_UNFINISHED, table=resting)[0][1]
            if masked:
                self._store.command(f"ALTER TABLE {changing} APPLY DELETED MASK", {"mutations_sync": 2})

    def _is_on_disk(self) -> bool:
        """Whether a part in use still has something that no query sees, or a job under way names a subject."""
        if self._store.rows(_DONE, done=0):
            return True
        return any(
            self._store.rows(f"SELECT {what} FROM {table}") != self._store.rows(f"SELECT {what} FROM {table} {_RAW}")  # noqa: S608 - texts of ours
            for table, what in _STILL_THERE.items()
        )

    def _wait(self, wait_s: float) -> int:
        """Wait until the parts that are out of use by now have been deleted, and give how many are left.

        Parts that are put out of use later never had the rows.  Patch parts had them, and merge into others of a wider
        range of blocks: so those count that begin within the range of today.
        """
        before = self._parts()
        out_of_use = {(part.table, part.name) for part in before if not part.patch}
        patched_to: dict[str, int] = {}
        for part in before:
            if part.patch:
                patched_to[part.table] = max(patched_to.get(part.table, 0), part.last_block)
        deadline_s, pause = time.monotonic() + wait_s, Event()
        while True:
            left = [
                part
                for part in self._parts()
                if (part.first_block <= patched_to.get(part.table, -1) if part.patch else part[:2] in out_of_use)
            ]
            if not left or time.monotonic() >= deadline_s:
                return len(left)
            pause.wait(_POLL_S)

    def _parts(self) -> list[_Part]:
        return [_Part(*row) for row in self._of_parts(_PARTS, tables=[*map(self._store.layout.resting, _PURGED)])]

    def _of_parts(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Ask about the parts of every server: what one of them still has is not gone."""
        every = self._store.layout.of_all("system.parts")
        return self._store.rows(statement.replace("system.parts", every), **parameters)
