"""The courier: keeps alerts until they are delivered, and never keeps the alerter waiting.

Each notifier has its own, so that one that is down holds up no other.  What waits is kept by identity: a newer state
of an alert takes the place of the older, so no more can wait than there are groups.  After a restart the alerter
hands on again whatever is open, so nothing is lost with the process either; a receiver may hear of an alert twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge

from flowtrack.adapters.alerts.posting import RefusedError
from flowtrack.domain.decision import Alert
from flowtrack.errors import DeliveryError
from flowtrack.tracking.alerts import Notifier

_log = structlog.get_logger(__name__)

_DELIVERED = Counter("flowtrack_alerts_delivered", "Alerts handed to a notifier", ["notifier"])
_FAILED = Counter("flowtrack_alert_failures", "Attempts to hand on alerts that failed", ["notifier"])
_PENDING = Gauge("flowtrack_alerts_pending", "Alerts that wait for delivery", ["notifier"])

_TOGETHER_MAX = 100  # alerts in one request: a burst becomes few requests, none of them large
_RETRY_AFTER_S = 1.0  # first wait after a failure; doubled with each further one


class Courier:
    """Delivers alerts to one notifier from a thread of its own.

    Args:
        notifier: who is told.
        retry_after_max_s: longest wait before a failed delivery is tried again.
        retry_after_s: wait after the first failure.
    """

    def __init__(
        self, notifier: Notifier, *, retry_after_max_s: float = 60.0, retry_after_s: float = _RETRY_AFTER_S
    ) -> None:
        self._notifier = notifier
        self._retry_after_s = retry_after_s
        self._retry_after_max_s = retry_after_max_s
        self._pending: dict[str, Alert] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._news = False
        self._reachable = True
        self._thread = threading.Thread(target=self._run, name=f"courier-{notifier.name}", daemon=True)

    @property
    def pending(self) -> int:
        """How many alerts wait for delivery."""
        with self._changed:
            return len(self._pending)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Take alerts for delivery; returns at once."""
        with self._changed:
            for alert in alerts:
                self._pending[alert.identity] = alert
            self._news = True
            _PENDING.labels(self._notifier.name).set(len(self._pending))
            self._changed.notify_all()

    def settled(self, timeout_s: float) -> bool:
        """Wait until nothing is pending; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout_s)

    def stop(self, timeout_s: float) -> int:
        """Try once more to deliver what waits, and end; gives how many alerts are left undelivered.

        Args:
            timeout_s: how long to wait for the last attempt.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        left = self.pending
        if left:
            _log.warning("alerts not delivered", notifier=self._notifier.name, pending=left)
        return left

    def _run(self) -> None:
        wait_s = 0.0
        while True:
            with self._changed:
                if not wait_s:
                    self._changed.wait_for(lambda: self._stopping or bool(self._pending))
                elif self._reachable:  # it refused something; what is new may please it better
                    self._changed.wait_for(lambda: self._stopping or self._news, wait_s)
                else:
                    self._changed.wait_for(lambda: self._stopping, wait_s)
                last = self._stopping
                self._news = False
                batch = list(self._pending.values())[:_TOGETHER_MAX]
            if not batch:
                return
            if self._deliver(batch):
                wait_s = 0.0
            elif last:
                return
            else:
                wait_s = min(max(wait_s * 2, self._retry_after_s), self._retry_after_max_s)

    def _deliver(self, batch: list[Alert]) -> bool:
        """Deliver alerts together; when the receiver refuses them, one by one, so that one cannot hold up the rest."""
        try:
            self._notifier.notify(batch)
        except RefusedError as error:
            if len(batch) > 1:
                delivered = [self._deliver([alert]) for alert in batch]
                return any(delivered)
            return self._failed(error, batch)
        except DeliveryError as error:
            return self._failed(error, batch)
        self._done(batch)
        return True

    def _failed(self, error: DeliveryError, batch: list[Alert]) -> bool:
        self._reachable = isinstance(error, RefusedError)
        _FAILED.labels(self._notifier.name).inc()
        _log.warning("alerts wait for delivery", notifier=self._notifier.name, error=str(error), alerts=len(batch))
        with self._changed:
            for alert in batch:  # to the end of the line, unless a newer state already waits there
                if self._pending.get(alert.identity) is alert:
                    self._pending[alert.identity] = self._pending.pop(alert.identity)
        return False

    def _done(self, batch: list[Alert]) -> None:
        with self._changed:
            for alert in batch:
                if self._pending.get(alert.identity) is alert:
                    del self._pending[alert.identity]
            _PENDING.labels(self._notifier.name).set(len(self._pending))
            self._changed.notify_all()
        _DELIVERED.labels(self._notifier.name).inc(len(batch))


class Couriers:
    """All the couriers of an alerter, as one."""

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self._couriers = list(couriers)

    def start(self) -> None:
        """Begin to deliver."""
        for courier in self._couriers:
            courier.start()

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Take alerts for delivery to each notifier; returns at once."""
        for courier in self._couriers:
            courier.tell(alerts)

    def stop(self, timeout_s: float) -> int:
        """End, after a last attempt at what waits; gives how many deliveries are left undone."""
        return sum(courier.stop(timeout_s) for courier in self._couriers)
