"""The times of a question as conditions, cut so that whole days are answered from sums by day.

The projections of `flows` hold sums by the day on which something happened and the day on which it was recorded.  A
question between two arbitrary instants is therefore two: one about whole days, which reads such sums, and one about
the few days at its ends, which reads rows.  Midnight is that of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from flowtrack.audit.family import Question
from flowtrack.audit.questions import Period, TwoTimes
from flowtrack.domain.instants import DAY_US, instant_us

_HAPPENED, _RECORDED = "toDate(happened_at)", "toDate(recorded_at)"
_EPOCH = date(1970, 1, 1)
_EXACT = {
    "since": "happened_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')",
    "until": "happened_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')",
    "known": "recorded_at < fromUnixTimestamp64Micro({known:Int64}, 'UTC')",
}
_ALWAYS = "1"


class Times(NamedTuple):
    """Conditions on the two times of rows, from fixed texts: instants are parameters."""

    exact: str
    """All of it, for a statement that reads rows."""
    days: str
    """The whole days of it, by day."""
    ends: str
    """The rest of it; empty where whole days are all."""
    touched: str
    """All days that any of it is on, by day: more than what is asked, where it begins or ends within a day."""
    parameters: dict[str, int | str]
    signed: tuple[tuple[str, str], ...]
    """`+` or `-` with a condition each, for sums of signs: the day of `known_at` counts whole, and what was recorded on
    it later is taken off again.  Of a `known_at` of just now that is next to nothing, so hardly any row is read."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Conditions whose answers add up."""
        return (self.days, self.ends) if self.ends else (self.days,)


def times_of(question: Period | TwoTimes) -> Times:
    """The conditions of a question; both of its ends may be open."""
    since = until = None
    if isinstance(question, Period | Question):
        since, until = question.since, question.until
    if not isinstance(question, Period) and question.as_of is not None:
        behind = question.as_of + timedelta(microseconds=1)  # it holds to the instant itself
        until = behind if until is None else min(until, behind)
    known = None if question.known_at is None else question.known_at + timedelta(microseconds=1)
    bounds = {"since": since, "until": until, "known": known}
    given = {name: instant_us(moment) for name, moment in bounds.items() if moment is not None}
    exact = " AND ".join(_EXACT[name] for name in given) or _ALWAYS
    days, ends, touched, parameters = {}, {}, [], dict[str, int | str](given)
    for name, column, sign in _bounds(given):
        day, within = divmod(given[name], DAY_US)
        parameters[f"{name}_day"] = (_EPOCH + timedelta(days=day)).isoformat()
        parameter = f"{{{name}_day:Date}}"
        days[name] = f"{column} {sign}{'' if within or sign == '<' else '='} {parameter}"
        touched.append(f"{column} {sign}{'=' if within or sign == '>' else ''} {parameter}")
        if within:
            ends[name] = f"{column} = {parameter}"
    rest = f"({' OR '.join(ends.values())}) AND {exact}" if ends else ""
    whole, around = (" AND ".join(each) or _ALWAYS for each in (days.values(), touched))
    return Times(exact, whole, rest, around, parameters, _signed(exact, days, ends))


def _signed(exact: str, days: dict[str, str], ends: dict[str, str]) -> tuple[tuple[str, str], ...]:
    if "known" not in ends:
        whole = " AND ".join(days.values()) or _ALWAYS
        return (("+", whole), *((("+", f"({' OR '.join(ends.values())}) AND {exact}"),) if ends else ()))
    happened = [condition for name, condition in days.items() if name != "known"]
    of_day = f"{_RECORDED} = {{known_day:Date}}"
    found = [
        ("+", " AND ".join([*happened, f"{_RECORDED} <= {{known_day:Date}}"])),
        ("-", " AND ".join([*happened, of_day, f"NOT ({_EXACT['known']})"])),
    ]
    at_ends = " OR ".join(condition for name, condition in ends.items() if name != "known")
    return (*found, *((("+", f"({at_ends}) AND {exact}"),) if at_ends else ()))


def _bounds(given: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    for name, column, sign in (("since", _HAPPENED, ">"), ("until", _HAPPENED, "<"), ("known", _RECORDED, "<")):
        if name in given:
            yield name, column, sign
