"""The embedded broker as a process of its own: `python -m flowtrack.apps.broker`."""

from __future__ import annotations

import os

from flowtrack.apps.child import hold_lifeline, report_ready, stop_on_signals


def run() -> int:
    """Serve until SIGTERM; the ready file holds the broker's address."""
    from flowtrack.adapters.kafka.embedded import serve

    serve(report_ready, stop_on_signals(), epoch=os.environ.get("FLOWTRACK_KAFKA__EPOCH") or None)
    return 0


if __name__ == "__main__":
    hold_lifeline()
    raise SystemExit(run())
