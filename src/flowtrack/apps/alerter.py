"""The alerter process: findings and amendments in, grouped alerts out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowtrack.apps.child import READY_FILE
from flowtrack.apps.clauses import clause_texts
from flowtrack.apps.groups import ALERTER_GROUP
from flowtrack.apps.settings import HealthSettings, read
from flowtrack.tracking.records import Record, Topic

if TYPE_CHECKING:
    from flowtrack.adapters.alerts.courier import Couriers
    from flowtrack.adapters.alerts.settings import AlertSettings
    from flowtrack.adapters.kafka.settings import KafkaSettings

_LAST_ATTEMPT_S = 5.0  # for what waits when the process ends; it is told anew at the next start


def run() -> int:
    """Alert until SIGTERM or SIGINT, and give the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
        BrokerError: Kafka does not answer.
    """
    from flowtrack.adapters.alerts.settings import AlertSettings
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.adapters.kafka.worker import run_worker
    from flowtrack.tracking.alerter import Alerter

    kafka, alerts = read(KafkaSettings), read(AlertSettings)
    couriers, recall = _couriers(alerts), Recall(kafka)
    alerter = Alerter(
        couriers.tell,
        clock=partial(datetime.now, UTC),
        recall=recall,
        rules=alerts.rules(),
        epoch=kafka.epoch,
    )
    couriers.start()
    ready_file = os.environ.get(READY_FILE)
    try:
        return run_worker(
            "alerter",
            kafka,
            alerter,
            topics=(Topic.FINDINGS, Topic.AMENDMENTS),
            group=ALERTER_GROUP,
            state_topic=Topic.FINDINGS,  # an amendment may lift what was found: it does not overtake it
            closing="checkpoint" if kafka.embedded else "transactional",
            batch_wait_s=0.02,  # who is told of an unauthorised share is told within a quarter of a second
            waits_for=lambda: recall.waits_for,
            http_port=read(HealthSettings).port,
            ready_file=Path(ready_file) if ready_file else None,
        )
    finally:
        couriers.stop(_LAST_ATTEMPT_S)


class Recall:
    """Reads the alerts topic whole, behind no open transaction: else a new alerter would count from less.

    A dead alerter's transaction stays open for a while, and hides what another has committed since it began.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.waits_for = ""
        """What it waits for just now; read by another thread."""

    def __call__(self) -> Iterable[Record]:
        """Give the records of the alerts topic.

        Raises:
            BrokerError: a transaction stays open for longer than any should, or Kafka does not answer.
        """
        from flowtrack.adapters.kafka.replay import read_settled

        return read_settled(self._kafka, Topic.ALERTS, self._waiting)

    def _waiting(self, what: str) -> None:
        self.waits_for = what


def _couriers(settings: AlertSettings) -> Couriers:
    """Put together who is told."""
    from rich.console import Console

    from flowtrack.adapters.alerts.alertmanager import PATH, AlertmanagerNotifier
    from flowtrack.adapters.alerts.courier import Courier, Couriers
    from flowtrack.adapters.alerts.posting import Poster
    from flowtrack.adapters.alerts.terminal import TerminalNotifier
    from flowtrack.adapters.alerts.webhook import WebhookNotifier

    texts = clause_texts()
    titles = {clause: text.whole for clause, text in texts.items()}
    couriers = []
    if settings.terminal:
        short = {clause: text.short() for clause, text in texts.items()}
        couriers.append(Courier(TerminalNotifier(Console(file=sys.stdout), short)))
    if settings.alertmanager_url is not None:
        url = str(settings.alertmanager_url).rstrip("/") + PATH
        manager = AlertmanagerNotifier(
            Poster(url, who="alertmanager", timeout_s=settings.timeout_s),
            resolve_after=settings.rules().resolve_after,
            titles=titles,
            generator_url=str(settings.generator_url or ""),
        )
        couriers.append(Courier(manager, retry_after_max_s=settings.retry_after_max_s))
    if settings.webhook_url is not None:
        token = settings.token()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        poster = Poster(str(settings.webhook_url), who="the webhook", timeout_s=settings.timeout_s, headers=headers)
        hook = WebhookNotifier(poster, titles=titles)
        couriers.append(Courier(hook, retry_after_max_s=settings.retry_after_max_s))
    return Couriers(couriers)
