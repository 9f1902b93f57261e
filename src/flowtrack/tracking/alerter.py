"""The alerter: counts findings into alerts, and tells of what is new.

Its state is the fold of the alerts topic, which it writes in the same transaction as it takes findings.  One alerter is
enough for any platform, since a storm costs it microseconds a finding.  Where several share the partitions, each
counts what it reads, and the topic holds the count of whoever counted last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from flowtrack.domain.decision import SEVERITIES, Alert, DeadLetter, Finding, Severity
from flowtrack.domain.names import DeadLetterCode
from flowtrack.errors import ContractError
from flowtrack.tracking.alerts import (
    OVERFLOW_IDENTITY,
    AlertRules,
    identity_of,
    merged,
    opened,
    overflow,
    worst_severity,
)
from flowtrack.tracking.records import Output, Record, Topic

_SWEEP_EVERY = timedelta(seconds=30)  # how often a running alerter looks for alerts that have ended


@dataclass(slots=True)
class _Tally:
    """What a batch adds to one alert."""

    alert: Alert
    purposes: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    count: int = 0
    severity: Severity = ""
    examples: list[str] = field(default_factory=list)

    def add(self, finding: Finding, examples_max: int) -> None:
        self.count += 1
        self.purposes.add(finding.purpose)
        self.categories.update(finding.categories)
        self.severity = worst_severity(self.severity, finding.severity)
        if len(self.examples) < examples_max and finding.event_id not in self.examples:
            self.examples.append(finding.event_id)

    def total(self, rules: AlertRules) -> Alert:
        return self.alert.model_copy(
            update={
                "severity": self.severity,
                "purpose": self.purposes.pop() if len(self.purposes) == 1 else "",
                "categories": sorted(self.categories)[: rules.categories_max],
                "count": self.count,
                "examples": [example for example in self.examples if example],
            }
        )


@dataclass(frozen=True, slots=True)
class _Told:
    count: int
    at: datetime


class Alerter:
    """Processor of findings/p: counts them into alerts/p and tells of what is new.

    Args:
        tell: takes alerts that somebody should hear of, once the batch they came from is durable.  It must return at
            once; whoever stands behind it keeps them until they are delivered.
        clock: gives the present instant, in UTC.
        recall: gives the alerts topic as it stands, in order.
        rules: how to group, when to tell again.
        epoch: of the broker, for dead letters.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[Alert]], None],
        *,
        clock: Callable[[], datetime],
        recall: Callable[[], Iterable[Record]] = tuple,
        rules: AlertRules | None = None,
        epoch: str = "",
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._recall = recall
        self._rules = rules or AlertRules()
        self._epoch = epoch
        self._recalled = False
        self._alerts: dict[str, Alert] = {}
        self._told: dict[str, _Told] = {}
        self._undo: dict[str, Alert | None] = {}
        self._notices: dict[str, Alert] = {}
        self._swept_at: datetime | None = None

    @property
    def open(self) -> list[Alert]:
        """The open alerts, the worst and most frequent first."""
        return sorted(
            self._alerts.values(), key=lambda alert: (-SEVERITIES.index(alert.severity), -alert.count, alert.identity)
        )

    def resume_from(self, partition: int, committed: int) -> int:  # noqa: ARG002 - the protocol's
        """There is no state topic."""
        return 0

    def assigned(self, partition: int, history: Iterable[Record]) -> None:  # noqa: ARG002 - the protocol's; alerts know no partition
        """Take over a partition: recall the alerts, unless nobody can have changed them since.

        What is open is told anew, since who was told of it is not known.
        """
        if self._recalled:
            return
        self._alerts.clear()
        self._told.clear()
        for record in self._recall():
            identity = (record.key or b"").decode()
            alert = _alert(record) if record.value is not None else None
            self._put(identity, alert if alert is not None and alert.state == "open" else None)
        self._recalled = True
        if self._alerts:
            self._hand_on(self.open)

    def revoked(self, partition: int) -> None:  # noqa: ARG002 - (likewise)
        """Give up a partition: from now on another alerter may write to the topic."""
        self._recalled = False

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Count a batch of findings: one record for each alert that it changes."""
        self._undo.clear()
        self._notices.clear()
        now = self._clock()
        outputs = self._resolve(now)
        tallies: dict[str, _Tally] = {}
        fresh = 0  # kinds that this batch brings
        for record in records:
            try:
                finding = Finding.model_validate_json(record.value or b"")
            except ValidationError as error:
                outputs.append(self._dead_letter(record, error))
                continue
            identity = identity_of(finding)
            if identity not in tallies and identity not in self._alerts:
                room = len(self._alerts) + fresh < self._rules.groups_max
                identity, fresh = (identity, fresh + 1) if room else (OVERFLOW_IDENTITY, fresh)
            tally = tallies.get(identity)
            if tally is None:
                told_apart = identity != OVERFLOW_IDENTITY
                tally = tallies[identity] = _Tally(opened(finding, now) if told_apart else overflow(now, self._rules))
            tally.add(finding, self._rules.examples_max)
        outputs += [self._count(tally.total(self._rules)) for tally in tallies.values()]
        for identity in tallies:
            self._consider(self._alerts[identity], now)
        return outputs

    def note(self, partition: int) -> str:  # noqa: ARG002 - the protocol's
        """Nothing is handed on."""
        return ""

    def committed(self) -> None:
        """Tell of what the batch brought."""
        self._undo.clear()
        if self._notices:
            self._hand_on(list(self._notices.values()))
            self._notices.clear()

    def aborted(self) -> None:
        """Forget the batch: the same findings come again."""
        for identity, before in self._undo.items():
            self._put(identity, before)
        self._undo.clear()
        self._notices.clear()
        self._swept_at = None

    def _count(self, added: Alert) -> Output:
        before = self._alerts.get(added.identity)
        after = merged(before, added, self._rules) if before else added
        self._undo.setdefault(added.identity, before)
        self._put(added.identity, after)
        return _output(after)

    def _consider(self, total: Alert, now: datetime) -> None:
        """Decide whether somebody should hear of an alert now."""
        told = self._told.get(total.identity)
        if (
            told is None
            or total.count >= told.count * self._rules.grows_by
            or now - told.at >= self._rules.repeat_after
        ):
            self._notices[total.identity] = total

    def _resolve(self, now: datetime) -> list[Output]:
        """End the alerts that have been quiet for long enough."""
        if self._swept_at is not None and now - self._swept_at < _SWEEP_EVERY:
            return []
        self._swept_at = now
        outputs: list[Output] = []
        for alert in self.open:
            if now - alert.last_at >= self._rules.resolve_after:
                ended = alert.model_copy(update={"state": "resolved"})
                self._undo.setdefault(alert.identity, alert)
                self._put(alert.identity, None)
                self._notices[alert.identity] = ended
                outputs.append(_output(ended))
        return outputs

    def _hand_on(self, alerts: list[Alert]) -> None:
        now = self._clock()
        for alert in alerts:
            if alert.state == "open":
                self._told[alert.identity] = _Told(alert.count, now)
            else:
                self._told.pop(alert.identity, None)
        self._tell(alerts)

    def _put(self, identity: str, alert: Alert | None) -> None:
        if alert is not None:
            self._alerts[identity] = alert
        else:
            self._alerts.pop(identity, None)
            self._told.pop(identity, None)

    def _dead_letter(self, record: Record, error: ValidationError) -> Output:
        """Set aside a finding that cannot be read, without what it holds."""
        value = record.value or b""
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        letter = DeadLetter(
            topic=record.topic,
            epoch=self._epoch,
            partition=record.partition,
            offset=record.offset,
            received_at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
            code=DeadLetterCode.NOT_JSON if first["type"] == "json_invalid" else DeadLetterCode.BAD_FIELD,
            field=".".join(str(part) for part in first["loc"]),
            detail="not a finding that this version can read; checker and alerter should be of the same version",
            size_bytes=len(value),
            sha256=hashlib.sha256(value).hexdigest(),
        )
        key = f"{record.topic}-{record.partition}".encode()
        return Output(Topic.DEADLETTERS, record.partition, key, letter.model_dump_json().encode())


def _output(alert: Alert) -> Output:
    # One partition is enough, and the only one that the topic is sure to have.
    return Output(Topic.ALERTS, 0, alert.identity.encode(), alert.model_dump_json().encode())


def _alert(record: Record) -> Alert:
    try:
        return Alert.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise ContractError(
            DeadLetterCode.BAD_FIELD,
            "not an alert that this version can read",
            where=f"{record.topic} {record.partition} @ {record.offset}",
            help="let the version that wrote it finish, or delete and create the topic anew",
        ) from error
