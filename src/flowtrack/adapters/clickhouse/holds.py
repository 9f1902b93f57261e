"""Legal holds in the database, and the condition that they put on whatever takes rows away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import under
from flowtrack.audit.holds import Hold, PlacedHold
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.errors import StoreError

_HOLDS = """
SELECT id, state, toUnixTimestamp64Micro(at) AS at_us, asker, reason,
       lower(replaceAll(toString(subject), '-', '')) AS subject, category, service,
       toUnixTimestamp64Micro(since) AS since_us, toUnixTimestamp64Micro(until) AS until_us
FROM legal_holds ORDER BY id, state, at"""  # held comes before released, also where the clock was put back


class Condition(NamedTuple):
    """A condition on the rows of `flows`, with its parameters."""

    text: str
    parameters: dict[str, object]


class Holds:
    """Places, lists and releases holds.

    Args:
        store: open, with its migrations applied.
        clock: gives the instant at which something is done.
        new_id: gives an id unlike any other.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    def place(self, hold: Hold, *, asker: str) -> PlacedHold:
        """Place a hold; it is in force when this returns."""
        at, number = self._clock(), self._new_id()
        said = hold.model_dump(mode="json", exclude={"subject"}, exclude_none=True)
        write_down(self._store, at, asker, "hold", {"hold": number, **said}, subject=hold.subject)
        self._insert(number, "held", at, asker, hold.reason, hold)
        return PlacedHold(id=number, hold=hold, placed_at=at, placed_by=asker)

    def release(self, number: str, reason: str, *, asker: str) -> PlacedHold:
        """Release a hold; releasing one again is no fault, and changes nothing.

        Args:
            number: its id, or so much of its beginning as no other hold has: tables show that much.
            reason: why.
            asker: who asks.

        Raises:
            StoreError: there is no such hold, or several.
        """
        found = _named(number, self.all())
        if not found.in_force or found.hold is None:
            return found
        at = self._clock()
        write_down(self._store, at, asker, "release", {"hold": found.id, "reason": reason})
        self._insert(found.id, "released", at, asker, reason, found.hold)
        return found.model_copy(update={"released_at": at, "released_by": asker, "released_why": reason})

    def all(self) -> list[PlacedHold]:
        """Give every hold there ever was, in the order in which they were placed."""
        placed: dict[str, PlacedHold] = {}
        for row in self._store.named(_HOLDS):
            if row["state"] == "held":
                placed[row["id"]] = _placed(row)
            else:
                placed[row["id"]] = placed[row["id"]].model_copy(
                    update={
                        "released_at": from_us(row["at_us"]),
                        "released_by": row["asker"],
                        "released_why": row["reason"],
                    }
                )
        return sorted(placed.values(), key=lambda each: (each.placed_at, each.id))

    def in_force(self) -> dict[str, Hold]:
        """Give the holds that hold now, by id."""
        return {placed.id: placed.hold for placed in self.all() if placed.in_force and placed.hold is not None}

    def _insert(self, number: str, state: str, at: datetime, asker: str, reason: str, hold: Hold) -> None:
        columns: dict[str, list[object]] = {
            "id": [number],
            "state": [state],
            "at": [instant_us(at)],
            "asker": [asker],
            "reason": [reason],
            "subject": [hold.subject],
            "category": [hold.category or ""],
            "service": [hold.service or ""],
            "since": [None if hold.since is None else instant_us(hold.since)],
            "until": [None if hold.until is None else instant_us(hold.until)],
        }
        self._store.insert("legal_holds", columns, f"{number}:{state}")


def _named(number: str, holds: Sequence[PlacedHold]) -> PlacedHold:
    found = [each for each in holds if each.id == number] or [each for each in holds if each.id.startswith(number)]
    if len(found) != 1 or not number:
        said = f"`{len(found)}` holds begin with" if found else "there is no hold"
        raise StoreError(
            f"{said} `{number}`", where="legal_holds", help="give its whole id: flowtrack ledger hold list --json"
        )
    return found[0]


def _placed(row: dict[str, Any]) -> PlacedHold:
    if not any((row["subject"], row["category"], row["service"], row["since_us"], row["until_us"])):
        return PlacedHold(id=row["id"], hold=None, placed_at=from_us(row["at_us"]), placed_by=row["asker"])
    hold = Hold(
        reason=row["reason"],
        subject=row["subject"] or None,
        category=row["category"] or None,
        service=row["service"] or None,
        since=None if row["since_us"] is None else from_us(row["since_us"]),
        until=None if row["until_us"] is None else from_us(row["until_us"]),
    )
    return PlacedHold(id=row["id"], hold=hold, placed_at=from_us(row["at_us"]), placed_by=row["asker"])


def condition_of(hold: Hold, number: int) -> Condition:
    """Give the condition that is true of the rows of `flows` which a hold covers.

    Args:
        hold: what is to be kept.
        number: tells its parameters from those of others in the same statement.
    """
    parts, parameters = [], {}

    def add(text: str, name: str, value: object) -> None:
        parts.append(text.replace("{", f"{{h{number}_"))
        parameters[f"h{number}_{name}"] = value

    if hold.subject is not None:
        add("subject = {subject:UUID}", "subject", hold.subject)
    if hold.category is not None:
        add(under("category", "{category:String}"), "category", hold.category)
    if hold.service is not None:
        add("service = {service:String}", "service", hold.service)
    if hold.since is not None:
        add("happened_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')", "since", instant_us(hold.since))
    if hold.until is not None:
        add("happened_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')", "until", instant_us(hold.until))
    return Condition(f"({' AND '.join(parts)})", parameters)


def held(holds: Iterable[Hold]) -> Condition:
    """Give the condition that is true of rows which any of the holds covers; false of all where there is none."""
    conditions = [condition_of(hold, number) for number, hold in enumerate(holds)]
    text = " OR ".join(condition.text for condition in conditions)
    parameters = {name: value for condition in conditions for name, value in condition.parameters.items()}
    return Condition(f"({text})" if text else "0", parameters)
