"""Sums of flows over the times of a question: the same statement over whole days and over what is left of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowtrack.adapters.clickhouse.times import Times

_SIGNED = "SELECT {columns}, {plus}sum(sign) AS flows FROM flows WHERE {when} AND {where} GROUP BY {names}"


class Filters(NamedTuple):
    """What a question narrows the flows to."""

    where: str
    """A condition of fixed text, on columns by name."""
    parameters: dict[str, Any]


def filters_of(question: object, columns: Mapping[str, str], also: str = "1") -> Filters:
    """Give the condition that a question's filters are; one that is left open does not narrow.

    Args:
        question: with a field for each filter.
        columns: of the ledger, by the name of the field that each is compared with.
        also: a further condition, of fixed text.
    """
    given = {name: value for name in columns if (value := getattr(question, name)) is not None}
    conditions = [_condition(name, columns[name]) for name in given]
    return Filters(" AND ".join([also, *conditions]), given)


def _condition(name: str, column: str) -> str:
    """That a column has the value of a parameter; of categories, also what hangs under it by name."""
    value = f"{{{name}:String}}"
    return under(column, value) if name == "category" else f"{column} = {value}"


def under(column: str, root: str) -> str:
    """The condition that a category is another one, or hangs under it by name; both of fixed text."""
    return f"({column} = {root} OR startsWith({column}, concat({root}, '.')))"


def standing(columns: str | Sequence[str], times: Times, where: str = "1") -> str:
    """A statement that gives columns and the flows that stand with them, from the projection `daily` where it can.

    Args:
        columns: of that projection, as they stand in SQL; an expression has a name (`toDate(happened_at) AS day`), and
            one with a comma needs columns one by one.
        times: of the question.
        where: a condition on such columns, of fixed text.
    """
    return f"{added(columns, times, where)} HAVING flows > 0"


def added(columns: str | Sequence[str], times: Times, where: str = "1") -> str:
    """The same with all that flows came to, zero and less too: what was retracted on a later day, if that is told."""
    listed = columns.split(", ") if isinstance(columns, str) else columns
    names = ", ".join(column.rpartition(" AS ")[2] for column in listed)
    parts = " UNION ALL ".join(
        _SIGNED.format(columns=", ".join(listed), plus=plus, names=names, when=when, where=where)
        for plus, when in times.signed
    )
    return f"SELECT {names}, sum(flows) AS flows FROM ({parts}) GROUP BY {names}"  # noqa: S608 - fixed texts
