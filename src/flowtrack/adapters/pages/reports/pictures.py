"""The pictures in reports: each of a report's own numbers, which stand in a table beside it."""

from __future__ import annotations

from collections.abc import Iterator

from flowtrack.adapters.pages.pictures.bars import Bar, Tone, bars
from flowtrack.adapters.pages.pictures.sankey import Flow, sankey
from flowtrack.adapters.pages.pictures.svg import Picture
from flowtrack.adapters.pages.rendering import Words
from flowtrack.adapters.pages.reports.cells import Cells
from flowtrack.audit.reports.frame import Report
from flowtrack.audit.reports.monthly import Monthly
from flowtrack.domain.names import Verdict

_TONES = (Verdict.PERMIT, Verdict.DENY, Verdict.INDETERMINATE, Verdict.NOT_APPLICABLE)
_NODES = 12
"""So many names of a column are drawn; the table has all."""


def pictures_of(report: Report, cells: Cells, t: Words) -> Iterator[Picture]:
    """Draw what a report has to show; most show tables only."""
    if isinstance(report, Monthly):
        yield _by_day(report, t)
        yield _by_stream(report, cells, t)


def _by_day(report: Monthly, t: Words) -> Picture:
    return bars(
        t("report.monthly.by_day"),
        t("report_column.day"),
        [Bar(f"{each.day:%Y-%m-%d}", [getattr(each, tone.value) for tone in _TONES]) for each in report.days],
        [Tone(tone.value, t.code("verdict", tone.value)) for tone in _TONES],
        name="by-day",
        total=t("report_column.flows"),
    )


def _by_stream(report: Monthly, cells: Cells, t: Words) -> Picture:
    tones = {Verdict.PERMIT.value: t("report_column.not_denied"), Verdict.DENY.value: t("report_column.denied")}
    flows = [
        Flow((each.service, str(cells.cell("category", each.category)), each.recipient), value, tone)
        for each in report.streams
        for tone, value in ((Verdict.PERMIT.value, each.not_denied), (Verdict.DENY.value, each.denied))
        if value
    ]
    headings = [t(f"report_column.{name}") for name in ("service", "category", "recipient", "verdict", "flows")]
    return sankey(
        t("report.monthly.by_stream"),
        headings,
        flows,
        tones=tones,
        rest=t("report.monthly.others"),
        nodes_max=_NODES,
        name="by-stream",
    )
