"""What is shown on a terminal: whole at any width, since a number that is cut off is a wrong number."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrack.apps.screen import Screen, Table

_ROWS: list[list[str | int]] = [
    ["service", "web", "dataset", "access-log", "automatic.access_time, automatic.ip and 2 more", 18_504, 18, "deny"],
    ["service", "recommendations", "party", "x", "automatic.language", 2_991, 0, "permit"],
]
_COLUMNS = ["source kind", "source", "target kind", "target", "categories", "flows", "denied", "verdict"]


def shown(width: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal of a width shows of a table, without colours."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    Screen(stream, terminal=True).show(table)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(40, 240), numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_numbers_are_whole_at_any_width(monkeypatch: pytest.MonkeyPatch, width: int, numbers: list[int]) -> None:
    """However narrow the terminal: each number of a row stands there as it is, and no line is wider."""
    columns = ["name", *(f"indeterminate {place}" for place in range(len(numbers)))]
    table = Table("Counts", columns, [["recommendations of partners", *numbers]])
    text = shown(width, table, monkeypatch)
    found = re.findall(r"[\d,]*\d", text)
    assert [f"{number:,}" for number in numbers if f"{number:,}" not in found] == []
    assert max(map(len, text.splitlines())) <= width


def test_columns_move_together_before_they_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The books have nine short columns: on eighty letters they are a table still."""
    columns = ["epoch", "p", "read", "judged", "dead", "on the way", "missing", "twice", "balanced"]
    books = Table("Reconciliation", columns, [["ea564bb1", "0", 10_501, 10_500, 1, 0, 0, 0, "yes"]])
    assert any(all(each in line for each in columns) for line in shown(80, books, monkeypatch).splitlines())


@pytest.mark.parametrize("width", [40, 100, 200])
def test_titles_are_not_broken_at_the_width_of_their_table(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A title longer than its narrow table stands on one line."""
    assert "Reconciliation: events, by part" in shown(
        width, Table("Reconciliation: events, by part", ["p"], [[1]]), monkeypatch
    )


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_every_column_is_there_at_any_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Where columns have no room side by side, each row is a list of them; short words are not torn apart."""
    text = shown(width, Table("graph: 2 rows", _COLUMNS, _ROWS), monkeypatch)
    for word in ("service", "recommendations", "access-log", "18,504", "2,991", "permit", "categories", "denied"):
        assert word in text


def test_a_wide_terminal_shows_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room, a row is one line under its headings."""
    lines = shown(200, Table("graph: 2 rows", _COLUMNS, _ROWS), monkeypatch).splitlines()
    assert any(all(column in line for column in _COLUMNS) for line in lines)
    assert any("access-log" in line and "18,504" in line and "deny" in line for line in lines)
