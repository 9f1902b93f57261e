"""What data is used for, in a ledger in memory."""

from __future__ import annotations

from collections import defaultdict

from flowtrack.audit.categories import under
from flowtrack.audit.family import About
from flowtrack.audit.paging import page_of
from flowtrack.audit.use import Use, UseAnswer, UseRow, by_flows
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import MOVING, View, attributes_of, day_of, verdicts

_FILTERS = ("service", "purpose", "kind", "recipient", "dataset", "verdict")


def use(view: View, question: Use, about: About) -> UseAnswer:
    """Give a page of what data is used for."""
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    said = attributes_of(view)
    for row in view.flows(question):
        basis = str(said.get((row["pack"], row["situation"]), {}).get("basis", ""))
        named = all(getattr(question, name) in {None, row[name]} for name in _FILTERS)
        named = named and question.basis in {None, basis} and under(row["category"], question.category)
        if named and row["kind"] in MOVING:
            groups[row["service"], row["purpose"], basis, row["category"]].append(row)
    about, given = page_of(question, about, [_row(key, group) for key, group in groups.items()], by_flows)
    return UseAnswer(about=about, rows=given)


def _row(key: tuple[str, str, str, str], group: list[Row]) -> UseRow:
    counted, days = verdicts(group), [day_of(row) for row in group]
    return UseRow(
        service=key[0],
        purpose=key[1],
        basis=key[2],
        category=key[3],
        kinds=sorted({row["kind"] for row in group}),
        recipients=sorted({row["recipient"] for row in group} - {""}),
        datasets=sorted({row["dataset"] for row in group} - {""}),
        flows=len(group),
        permitted=counted["permit"],
        denied=counted["deny"],
        indeterminate=counted["indeterminate"],
        first=min(days),
        last=max(days),
    )
