"""The alerter: counts findings into alerts, and tells of what is new.

Each record on the alerts topic is the *share* of an alert that one partition of findings gave; its key is the identity
and that partition.  The state of partition p is the fold of its shares.  Shares of one identity add up, so several
workers, and a worker that takes over, count right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

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
    """What a batch adds to one share."""

    share: Alert
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

    def alert(self, rules: AlertRules) -> Alert:
        return self.share.model_copy(
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
        recall: gives the records of the alerts topic that hold the shares of a partition, among others perhaps.
        rules: how to group, when to tell again.
        alert_partitions: how many partitions the alerts topic has; the shares of p stand on p modulo that.
        epoch: of the broker, for dead letters.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[Alert]], None],
        *,
        clock: Callable[[], datetime],
        recall: Callable[[int], Iterable[Record]] = lambda _: (),
        rules: AlertRules | None = None,
        alert_partitions: int = 1,
        epoch: str = "",
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._recall = recall
        self._rules = rules or AlertRules()
        self._alert_partitions = alert_partitions
        self._epoch = epoch
        self._shares: dict[str, dict[int, Alert]] = {}
        self._told: dict[str, _Told] = {}
        self._undo: dict[tuple[str, int], Alert | None] = {}
        self._notices: dict[str, Alert] = {}
        self._swept_at: datetime | None = None

    @property
    def open(self) -> list[Alert]:
        """The open alerts, shares added up, the worst and most frequent first."""
        totals = [self._total(identity) for identity in self._shares]
        return sorted(totals, key=lambda alert: (-SEVERITIES.index(alert.severity), -alert.count, alert.identity))

    def assigned(self, partition: int, history: Iterable[Record]) -> None:
        """Take over a partition; what is open in its history is told anew, since who was told of it is not known."""
        self.revoked(partition)
        shares: dict[str, Alert] = {}
        for record in chain(history, self._recall(partition)):
            identity, _, owner = (record.key or b"").decode().partition("/")
            if owner != str(partition):
                continue
            share = _alert(record) if record.value is not None else None
            if share is not None and share.state == "open":
                shares[identity] = share
            else:
                shares.pop(identity, None)
        for identity, share in shares.items():
            self._shares.setdefault(identity, {})[partition] = share
        if shares:
            self._hand_on([self._total(identity) for identity in shares])

    def revoked(self, partition: int) -> None:
        """Give up a partition's shares."""
        for identity in [identity for identity, shares in self._shares.items() if partition in shares]:
            self._put(identity, partition, None)

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Count a batch of findings: one record on alerts/p for each share that it changes."""
        self._undo.clear()
        self._notices.clear()
        now = self._clock()
        outputs = self._resolve(now)
        tallies: dict[tuple[str, int], _Tally] = {}
        fresh: set[str] = set()
        for record in records:
            try:
                finding = Finding.model_validate_json(record.value or b"")
            except ValidationError as error:
                outputs.append(self._dead_letter(record, error))
                continue
            identity = self._identity(finding, fresh)
            tally = tallies.get((identity, record.partition))
            if tally is None:
                told_apart = identity != OVERFLOW_IDENTITY
                share = opened(finding, now) if told_apart else overflow(now, self._rules)
                tally = tallies[identity, record.partition] = _Tally(share)
            tally.add(finding, self._rules.examples_max)
        for (identity, partition), tally in tallies.items():
            outputs.append(self._count(identity, partition, tally.alert(self._rules)))
        for identity in {identity for identity, _ in tallies}:
            self._consider(self._total(identity), now)
        return outputs

    def committed(self) -> None:
        """Tell of what the batch brought."""
        self._undo.clear()
        if self._notices:
            self._hand_on(list(self._notices.values()))
            self._notices.clear()

    def aborted(self) -> None:
        """Forget the batch: the same findings come again."""
        for (identity, partition), before in self._undo.items():
            self._put(identity, partition, before)
        self._undo.clear()
        self._notices.clear()
        self._swept_at = None

    def _identity(self, finding: Finding, fresh: set[str]) -> str:
        """Give the alert that a finding counts for: beyond the bound of kinds, the one that takes all others."""
        identity = identity_of(finding)
        if identity in self._shares or identity in fresh:
            return identity
        if len(self._shares) + len(fresh) >= self._rules.groups_max:
            return OVERFLOW_IDENTITY
        fresh.add(identity)
        return identity

    def _count(self, identity: str, partition: int, added: Alert) -> Output:
        before = self._shares.get(identity, {}).get(partition)
        after = merged(before, added, self._rules) if before else added
        self._remember(identity, partition, before)
        self._put(identity, partition, after)
        return self._output(partition, after)

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
        for identity in list(self._shares):
            total = self._total(identity)
            if now - total.last_at < self._rules.resolve_after:
                continue
            for partition, share in list(self._shares[identity].items()):
                self._remember(identity, partition, share)
                self._put(identity, partition, None)
                outputs.append(self._output(partition, share.model_copy(update={"state": "resolved"})))
            self._notices[identity] = total.model_copy(update={"state": "resolved"})
        return outputs

    def _hand_on(self, alerts: list[Alert]) -> None:
        now = self._clock()
        for alert in alerts:
            if alert.state == "open":
                self._told[alert.identity] = _Told(alert.count, now)
            else:
                self._told.pop(alert.identity, None)
        self._tell(alerts)

    def _total(self, identity: str) -> Alert:
        shares = iter(self._shares[identity].values())
        total = next(shares)
        for share in shares:
            total = merged(total, share, self._rules)
        return total

    def _remember(self, identity: str, partition: int, before: Alert | None) -> None:
        self._undo.setdefault((identity, partition), before)

    def _put(self, identity: str, partition: int, share: Alert | None) -> None:
        if share is not None:
            self._shares.setdefault(identity, {})[partition] = share
            return
        shares = self._shares.get(identity, {})
        shares.pop(partition, None)
        if not shares:
            self._shares.pop(identity, None)
            self._told.pop(identity, None)

    def _output(self, partition: int, share: Alert) -> Output:
        key = f"{share.identity}/{partition}".encode()
        return Output(Topic.ALERTS, partition % self._alert_partitions, key, share.model_dump_json().encode())

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
