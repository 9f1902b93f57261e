"""Roles and row policies of servers, as far as they can be held without one: what they name exists, and what not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from flowtrack.adapters.clickhouse.migrate import for_servers
from flowtrack.adapters.clickhouse.store import Store
from tests.ledger.day import subject_of

ROLES = {"writer", "auditor", "subject_desk", "regulator", "operator"}
PARTICULARS = {"particulars", "facts", "event_id", "correlation_id", "consent"}
_GRANT = re.compile(r"GRANT (?P<what>.*) ON (?P<on>[\w.*]+) TO flowtrack_(?P<who>\w+)", re.DOTALL)
_RIGHT = re.compile(r"(?P<right>[A-Z]+(?: [A-Z]+)*)(?:\((?P<columns>[^)]*)\))?")
_USING = re.compile(r"CREATE ROW POLICY IF NOT EXISTS flowtrack_desk ON flows FOR SELECT\s+USING (.*)\s+TO ", re.DOTALL)


def statements() -> list[str]:
    """Of all migrations for servers."""
    found = (statement for migration in for_servers() for statement in migration.statements())
    return [re.sub(r"^--.*\n", "", statement, flags=re.MULTILINE).strip() for statement in found]


def rights() -> list[tuple[str, str, str, set[str]]]:
    """Role, right, table, and columns where the right is on some only."""
    found = []
    for match in filter(None, map(_GRANT.match, statements())):
        for right in _RIGHT.finditer(match["what"]):
            columns = {name.strip() for name in (right["columns"] or "").split(",")} - {""}
            found.append((match["who"], right["right"], match["on"], columns))
    return found


def of(role: str, on: str) -> list[tuple[str, set[str]]]:
    """A role's rights on a table, those on all tables among them."""
    return [(right, columns) for who, right, table, columns in rights() if who == role and table in {on, "*"}]


def test_each_role_is_made() -> None:
    """Five roles, each made before anything is granted to it."""
    made = re.findall(r"CREATE ROLE IF NOT EXISTS flowtrack_(\w+)", "\n".join(statements()))
    assert set(made) == ROLES
    assert {who for who, *_ in rights()} == ROLES


def test_what_is_granted_exists(store: Store) -> None:
    """Tables and columns that the grants name are those of the schema; the log's account comes with the policies."""
    found = store.rows(
        "SELECT table, groupArray(name) FROM system.columns WHERE database = currentDatabase() GROUP BY table"
    )
    columns = {table: set(names) for table, names in found}
    for who, right, table, names in rights():
        if table.startswith(("system.", "*")):
            continue
        assert table in columns, (who, right, table)
        assert names <= columns[table], (who, table, names - columns[table])


def test_nobody_who_asks_can_change_anything() -> None:
    """Auditors, desk and regulator read, and add to the log that they did; not under another account's name."""
    for role in ("auditor", "subject_desk", "regulator"):
        given = {(right, table) for who, right, table, _ in rights() if who == role}
        assert {right for right, _ in given} == {"SELECT", "INSERT"}
        assert {table for right, table in given if right == "INSERT"} == {"audit_log"}
        columns = set().union(*(columns for right, columns in of(role, "audit_log") if right == "INSERT"))
        assert columns == {"asked_at", "asker", "question", "subject", "parameters", "role", "why"}


def test_the_writer_removes_nothing() -> None:
    """The sink adds rows and reads; what was written can be taken back by nobody who has only its password."""
    assert {right for who, right, *_ in rights() if who == "writer"} == {"SELECT", "INSERT"}


def test_particulars_are_not_for_a_regulator() -> None:
    """Of flows and consents a regulator has columns by name, and those that lead to the single event are not there."""
    for table in ("flows", "consents"):
        for right, columns in of("regulator", table):
            assert right == "SELECT"
            assert columns
            assert not columns & (PARTICULARS - {"event_id"} if table == "consents" else PARTICULARS)


def test_an_operator_sees_no_subject() -> None:
    """Who runs the platform sees where rows stand, not whose they are or what they say."""
    for table in ("flows", "consents"):
        for right, columns in of("operator", table):
            if right == "SELECT":
                assert columns
                assert not columns & {"subject", "category", "record", "scope", *PARTICULARS}


@pytest.mark.embedded
def test_the_desk_sees_whom_it_has_asked_for(store: Store) -> None:
    """The policy's own condition, asked of the engine: a subject is seen by the account that asked, within the hour."""
    (condition,) = [match[1] for match in map(_USING.match, statements()) if match]
    (added,) = [each for each in statements() if each.startswith("ALTER TABLE audit_log")]
    store.command(added)
    now = datetime.now(UTC)
    asked = {1: (now, "default"), 2: (now - timedelta(hours=2), "default"), 3: (now, "somebody.else")}
    for number, (at, account) in asked.items():
        at_us = int(at.timestamp() * 1_000_000)
        line: dict[str, list[object]] = {"asked_at": [at_us], "subject": [subject_of(number)], "account": [account]}
        store.insert("audit_log", line, "")
    store.insert("flows", {"subject": [subject_of(number) for number in range(5)]}, "run:1")
    assert store.rows("SELECT currentUser()") == [("default",)]
    seen = store.rows(f"SELECT replaceAll(toString(subject), '-', '') FROM flows WHERE {condition}")  # noqa: S608 - of ours
    assert seen == [(subject_of(1),)]
