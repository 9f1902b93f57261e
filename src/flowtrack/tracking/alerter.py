"""The alerter: counts findings into alerts, takes out what late knowledge lifts, and tells of what is new.

Its state is the fold of the alerts topic, which it writes in the same transaction as it takes findings and
amendments.  One alerter is enough for any platform, since a storm costs it microseconds a finding.  Where several share
the partitions, each counts what it reads, and the topic holds the count of whoever counted last.

An amendment brings a finding where an event is worse than it was, and lifts one where it is no longer denied.  What may
be lifted is remembered by where its event stood, so an amendment lifts once what was counted once, however often it
comes: a sink that is killed publishes some of them again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from flowtrack.domain.decision import SEVERITIES, AlertRecord, Amendment, DeadLetter, Finding
from flowtrack.domain.decision import Alert as Told
from flowtrack.domain.names import DeadLetterCode, Verdict
from flowtrack.errors import ContractError
from flowtrack.tracking.alert_tally import Tally
from flowtrack.tracking.alerts import (
    OVERFLOW_IDENTITY,
    AlertRules,
    identity_of,
    identity_of_change,
    of_change,
    opened,
    overflow,
    source_of,
)
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.wire.decisions import decode_amendment, decode_finding

_SWEEP_EVERY = timedelta(seconds=30)  # how often a running alerter looks for alerts that have ended
_RECENT_MAX = 100_000  # amendments that are known when they come again; a sink repeats one step at most

_BAD = frozenset({Verdict.DENY, Verdict.INDETERMINATE})
_Known = tuple[str, int, int, int]
"""What names an amendment: epoch, partition and offset of its event, and the marker's offset."""


@dataclass(frozen=True, slots=True)
class _Last:
    """What was told last of an alert, and when."""

    count: int
    at: datetime


class Alerter:
    """Processor of findings/p and amendments/p: counts them into alerts/p and tells of what is new.

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
        tell: Callable[[Sequence[Told]], None],
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
        self._alerts: dict[str, AlertRecord] = {}
        self._followed: dict[str, str] = {}  # by where the event of a finding stood, the alert that counts it
        self._last: dict[str, _Last] = {}
        self._undo: dict[str, AlertRecord | None] = {}
        self._notices: dict[str, AlertRecord] = {}
        self._recent: dict[_Known, None] = {}  # amendments that were taken, the oldest first
        self._brought: Counter[str] = Counter()  # open alerts, by the pack or document that opened them
        # Of the batch in hand:
        self._taken: list[_Known] = []
        self._tallies: dict[str, Tally] = {}
        self._fresh: Counter[str] = Counter()  # alerts that it opens, by what opened them
        self._moved: dict[str, str | None] = {}  # findings that it counts and lifts, by where their events stood
        self._swept_at: datetime | None = None

    @property
    def open(self) -> list[AlertRecord]:
        """The open alerts, the worst and most frequent first."""
        return sorted(
            self._alerts.values(), key=lambda alert: (-SEVERITIES.index(alert.severity), -alert.count, alert.identity)
        )

    def resume_from(self, partition: int, committed: int) -> int:  # noqa: ARG002 - the protocol's
        """Ask for no history: findings are read ahead of amendments, but the state is the alerts topic's."""
        return committed

    def assigned(self, partition: int, history: Iterable[Record]) -> None:  # noqa: ARG002 - the protocol's; alerts know no partition
        """Take over a partition: recall the alerts, unless nobody can have changed them since.

        What is open is told anew, since who was told of it is not known.
        """
        if self._recalled:
            return
        for held in (self._alerts, self._followed, self._last, self._brought):
            held.clear()
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
        """Count a batch: one record for each alert that it changes.

        Findings come before amendments: what an amendment lifts was published before it.
        """
        for held in (self._undo, self._notices, self._taken, self._tallies, self._fresh, self._moved):
            held.clear()
        now = self._clock()
        outputs = self._resolve(now)
        for record in records:
            try:
                if record.topic == Topic.AMENDMENTS:
                    self._amend(decode_amendment(record.value or b""), now)
                else:
                    finding = decode_finding(record.value or b"")
                    self._count(finding, now, self._identity_for(finding))
            except ContractError as error:
                outputs.append(self._dead_letter(record, error))
        outputs += [self._settle(tally, now) for tally in self._tallies.values() if tally.changes]
        return outputs

    def note(self, partition: int) -> str:  # noqa: ARG002 - the protocol's
        """Nothing is handed on."""
        return ""

    def committed(self) -> None:
        """Tell of what the batch brought."""
        self._undo.clear()
        self._taken.clear()
        for known in list(self._recent)[: max(0, len(self._recent) - _RECENT_MAX)]:
            del self._recent[known]
        if self._notices:
            self._hand_on(list(self._notices.values()))
            self._notices.clear()

    def aborted(self) -> None:
        """Forget the batch: the same findings and amendments come again."""
        for identity, before in self._undo.items():
            self._put(identity, before)
        for known in self._taken:
            del self._recent[known]
        self._undo.clear()
        self._taken.clear()
        self._notices.clear()
        self._swept_at = None

    # -- a batch -------------------------------------------------------------------------------------------------

    def _amend(self, amendment: Amendment, now: datetime) -> None:
        """Lift what an event was counted for, and count what it is now."""
        known = (amendment.epoch, amendment.partition, amendment.offset, amendment.decision_offset)
        if known in self._recent:
            return
        self._recent[known] = None
        self._taken.append(known)
        finding, verdict = amendment.finding, amendment.verdict
        if finding is None and (verdict is None or verdict in _BAD):
            return  # of an older sink, or no worse than before
        source = source_of(amendment.partition, amendment.offset)
        if finding is None:
            self._lift(source)
            return
        identity = self._identity_for(finding, amendment.changed)
        if identity != self._counted_by(source):  # else it came again after a restart, or is of the same kind
            self._lift(source)
            self._count(finding, now, identity, amendment)

    def _count(self, finding: Finding, now: datetime, identity: str, amendment: Amendment | None = None) -> None:
        changed = "" if amendment is None else amendment.changed
        tally = self._tallies.get(identity)
        if tally is None:
            before = self._alerts.get(identity)
            self._fresh[changed] += before is None
            tally = self._tallies[identity] = Tally(before, self._rules)
        if tally.new is None:
            tally.new = self._new(identity, finding, now, changed)
        if tally.add(finding, amended=amendment is not None):
            self._moved[source_of(finding.partition, finding.offset)] = identity

    def _lift(self, source: str) -> None:
        identity = self._counted_by(source)
        if identity is None:
            return
        if identity not in self._tallies:
            self._tallies[identity] = Tally(self._alerts[identity], self._rules)
        self._tallies[identity].lift(source)
        self._moved[source] = None

    def _counted_by(self, source: str) -> str | None:
        """Say which alert counts the finding of an event, if one does and remembers it."""
        return self._moved[source] if source in self._moved else self._followed.get(source)

    def _identity_for(self, finding: Finding, changed: str = "") -> str:
        """Find the alert that counts a finding; one of its own, where there is room for another."""
        identity = identity_of(finding)
        if identity in self._tallies or identity in self._alerts:
            return identity
        if changed and self._brought[changed] + self._fresh[changed] >= self._rules.kinds_per_change_max:
            return identity_of_change(changed)
        full = len(self._alerts) + self._fresh.total() >= self._rules.groups_max
        return OVERFLOW_IDENTITY if full else identity

    def _new(self, identity: str, finding: Finding, now: datetime, changed: str) -> AlertRecord:
        if identity == OVERFLOW_IDENTITY:
            return overflow(now, self._rules)
        if identity == identity_of_change(changed):
            return of_change(changed, now, self._rules)
        return opened(finding, now, changed)

    def _settle(self, tally: Tally, now: datetime) -> Output:
        """Keep what a batch makes of an alert, and decide whether somebody should hear of it now."""
        after = tally.after()
        identity = after.identity
        self._undo.setdefault(identity, tally.before)
        if after.state == "resolved":
            if tally.before is not None:
                self._notices[identity] = after
            self._put(identity, None)
            return _output(after)
        self._put(identity, after)
        last = self._last.get(identity)
        grown = last is None or after.count >= last.count * self._rules.grows_by
        if grown or (tally.count and last is not None and now - last.at >= self._rules.repeat_after):
            self._notices[identity] = after
        return _output(after)

    def _resolve(self, now: datetime) -> list[Output]:
        """End the alerts that have been quiet for long enough."""
        if self._swept_at is not None and now - self._swept_at < _SWEEP_EVERY:
            return []
        self._swept_at = now
        outputs: list[Output] = []
        for alert in self.open:
            if now - alert.last_at >= self._rules.resolve_after:
                ended = alert.model_copy(update={"state": "resolved", "followed": []})
                self._undo.setdefault(alert.identity, alert)
                self._put(alert.identity, None)
                self._notices[alert.identity] = ended
                outputs.append(_output(ended))
        return outputs

    def _hand_on(self, alerts: list[AlertRecord]) -> None:
        now = self._clock()
        for alert in alerts:
            if alert.state == "open":
                self._last[alert.identity] = _Last(alert.count, now)
            else:
                self._last.pop(alert.identity, None)
        self._tell([Told(**alert.model_dump(exclude={"followed"})) for alert in alerts])

    def _put(self, identity: str, alert: AlertRecord | None) -> None:
        before = self._alerts.pop(identity, None)
        if before is not None:
            self._brought[before.changed] -= 1
            for source in before.followed:
                if self._followed.get(source) == identity:
                    del self._followed[source]
        if alert is not None:
            self._brought[alert.changed] += 1
            self._alerts[identity] = alert
            self._followed.update(dict.fromkeys(alert.followed, identity))
        else:
            self._last.pop(identity, None)

    def _dead_letter(self, record: Record, error: ContractError) -> Output:
        """Set aside a record that cannot be read, without what it holds."""
        value = record.value or b""
        letter = DeadLetter(
            topic=record.topic,
            epoch=self._epoch,
            partition=record.partition,
            offset=record.offset,
            received_at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
            code=DeadLetterCode(error.code),
            field=error.field,
            detail="not what this version can read; checker, sink and alerter should be of the same version",
            size_bytes=len(value),
            sha256=hashlib.sha256(value).hexdigest(),
        )
        key = f"{record.topic}-{record.partition}".encode()
        return Output(Topic.DEADLETTERS, record.partition, key, letter.model_dump_json().encode())


def _output(alert: AlertRecord) -> Output:
    # One partition is enough, and the only one that the topic is sure to have.
    return Output(Topic.ALERTS, 0, alert.identity.encode(), alert.model_dump_json().encode())


def _alert(record: Record) -> AlertRecord:
    try:
        return AlertRecord.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise ContractError(
            DeadLetterCode.BAD_FIELD,
            "not an alert that this version can read",
            where=f"{record.topic} {record.partition} @ {record.offset}",
            help="let the version that wrote it finish, or delete and create the topic anew",
        ) from error
