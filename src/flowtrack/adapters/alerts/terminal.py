"""Alerts for whoever looks at the alerter's output: coloured on a terminal, a line each in a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from flowtrack.domain.decision import Alert

_STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}


class TerminalNotifier:
    """Writes alerts to a console.

    Args:
        console: where to write.
        titles: what clauses say, in one line each, by clause id.
    """

    name = "terminal"

    def __init__(self, console: Console, titles: Mapping[str, str] | None = None) -> None:
        self._console = console
        self._titles = titles or {}

    def notify(self, alerts: Sequence[Alert]) -> None:
        """Write a line for each alert, and one for each clause that it breaks when its title is known."""
        for alert in alerts:
            text = Text.assemble(
                (f"{alert.severity or 'info':8}", _STYLES.get(alert.severity, "dim")),
                "  ",
                (alert.title, "" if alert.state == "open" else "strike dim"),
                ("" if alert.count == 1 else f"  ×{alert.count}", "bold"),
                (f"  {alert.amended} judged anew" if alert.amended else "", "dim"),
                (f"  {alert.lifted} lifted" if alert.lifted else "", "green"),
                ("" if alert.state == "open" else "  (ended)", "green"),
            )
            self._console.print(text, soft_wrap=True)
            for clause in alert.clauses:
                title = self._titles.get(clause, "")
                self._console.print(Text(f"          § {clause}  {title}".rstrip(), style="dim"), soft_wrap=True)
