"""What the demo has to say, as values, as one JSON document, and as parts of a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowtrack.apps.books import table_of
from flowtrack.apps.clauses import ClauseText
from flowtrack.apps.screen import Lines, Node, Part, Table
from flowtrack.apps.trails import tree_of
from flowtrack.apps.verdicts import Comparison

if TYPE_CHECKING:
    from flowtrack.audit.overview import OverviewAnswer
    from flowtrack.audit.trail import TrailAnswer
    from flowtrack.domain.decision import Alert
    from flowtrack.tracking.reconcile import Reconciliation

_VERDICTS = ("permit", "deny", "indeterminate", "not_applicable")
_ALERTS_SHOWN = 15
_STEPS_SHOWN = 12
_MIB = 1024 * 1024
_DIFFERENCES_SHOWN = 10
_COMPARED = "planted {:,} violations, found {:,} of them, {:,} false alarms"


@dataclass(frozen=True, slots=True)
class Published:
    """What the sample's services published."""

    services: int
    subjects: int
    consents: int
    events: int
    bad_messages: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a demo has found out."""

    published: Published
    overview: OverviewAnswer
    alerts: Sequence[Alert]
    comparison: Comparison
    trail: TrailAnswer
    books: Reconciliation
    texts: Mapping[str, ClauseText]
    seconds: Mapping[str, float]
    """When each step was done, counted from the start."""
    memory_bytes: int
    """Highest sum of the processes' proportional set sizes."""
    restarts: int
    data_dir: str
    """Where the data is kept; empty when it is gone."""

    @property
    def differences(self) -> list[str]:
        """What is not as it should be; empty when all is well."""
        judged, dead = self.books.decisions, self.books.dead_letters
        found = [f"the books: {text}" for text in self.books.advice]
        if (judged, dead) != (self.published.events, self.published.bad_messages):
            found.append(
                f"{self.published.events} events and {self.published.bad_messages} bad messages were published, "
                f"{judged} are judged and {dead} are dead letters"
            )
        found += [f"missed: {text}" for text in self.comparison.missed]
        found += [f"false alarm: {text}" for text in self.comparison.false_alarms]
        return found

    def document(self) -> dict[str, Any]:
        """Give the report as one JSON document."""
        return {
            "ok": not self.differences,
            "differences": self.differences,
            "published": {name: getattr(self.published, name) for name in Published.__slots__},
            "events": {
                kind: {each.verdict: each.events for each in self.overview.by_kind if each.kind == kind}
                for kind in dict.fromkeys(each.kind for each in self.overview.by_kind)
            },
            "alerts": [
                alert.model_dump(mode="json")
                | {"texts": {clause: self.texts[clause]._asdict() for clause in alert.clauses if clause in self.texts}}
                for alert in self.alerts
            ],
            "findings": {
                "planted": self.comparison.planted,
                "found": self.comparison.found,
                "missed": list(self.comparison.missed),
                "false_alarms": list(self.comparison.false_alarms),
            },
            "trail": self.trail.model_dump(mode="json"),
            "books": self.books.model_dump(mode="json"),
            "seconds": {name: round(at_s, 3) for name, at_s in self.seconds.items()},
            "memory_mib": round(self.memory_bytes / _MIB),
            "restarts": self.restarts,
            "data_dir": self.data_dir,
        }

    def parts(self) -> list[Part]:
        """Give the report as it is shown."""
        return [
            self._events(),
            self._alerts(),
            self._findings(),
            self._trail(),
            table_of(self.books),
            self._cost(),
            self._going_on(),
        ]

    def _events(self) -> Table:
        counts = {(each.kind, each.verdict): each.events for each in self.overview.by_kind}
        kinds = list(dict.fromkeys(each.kind for each in self.overview.by_kind))
        rows: list[list[str | int]] = [
            [kind, *(counts.get((kind, verdict), 0) for verdict in _VERDICTS)] for kind in kinds
        ]
        published = self.published
        note = (
            f"{published.services} services published {published.events:,} events and {published.consents:,} consent "
            f"records of {published.subjects:,} people, and {published.bad_messages} messages that nobody can read"
        )
        return Table("Events by kind and verdict", ["kind", *_VERDICTS], rows, note)

    def _alerts(self) -> Table:
        rows: list[list[str | int]] = [
            [
                alert.severity or "info",
                alert.count,
                alert.title,
                "; ".join(
                    f"§ {clause} {self.texts[clause].short(24) if clause in self.texts else ''}".rstrip()
                    for clause in alert.clauses
                ),
            ]
            for alert in self.alerts[:_ALERTS_SHOWN]
        ]
        left_out = len(self.alerts) - len(rows)
        note = f"and {left_out} more: flowtrack demo --json shows all" if left_out else ""
        title = f"Alerts: {len(self.alerts)} kinds, {sum(alert.count for alert in self.alerts):,} findings"
        return Table(title, ["severity", "count", "what", "clause"], rows, note)

    def _findings(self) -> Lines:
        comparison, books = self.comparison, self.books.balanced
        lines = [
            _COMPARED.format(comparison.planted, comparison.found, len(comparison.false_alarms)),
            f"the books {'balance' if books else 'do not balance'}",
            *(f"differs: {text}" for text in self.differences[:_DIFFERENCES_SHOWN]),
        ]
        return Lines("Held against what was planted", lines)

    def _trail(self) -> Node:
        tree = tree_of(self.trail, self.texts, steps_max=_STEPS_SHOWN)
        return Node(f"One person's trail: {tree.text}", children=tree.children)

    def _cost(self) -> Lines:
        restarts = f", {self.restarts} restarts" if self.restarts else ""
        steps = ", ".join(f"{name} {at_s:.1f}" for name, at_s in self.seconds.items())
        peak = f"{self.memory_bytes / _MIB:,.0f} MiB at most in all processes together{restarts}"
        return Lines("What it took", [f"seconds from the start: {steps}", peak])

    def _going_on(self) -> Lines:
        if self.data_dir:
            lines = [
                f"flowtrack trace {self.trail.about.question['subject']} --data-dir {self.data_dir}",
                f"flowtrack reconcile --data-dir {self.data_dir}",
                f"flowtrack deadletters list --data-dir {self.data_dir}",
            ]
        else:
            lines = ["flowtrack demo --keep DIR    keeps the ledger, to ask it more"]
        lines += [
            "flowtrack up                 the same pipeline, left running",
            "flowtrack check EVENTS.jsonl judges a file without any server",
            "flowtrack policy clauses     every clause, and the rules that carry it out",
        ]
        return Lines("How to go on", lines)
