"""Findings become alerts: one of a kind, counted right whatever happens between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from flowtrack.domain.decision import Alert, DeadLetter, Finding, Severity
from flowtrack.tracking.alerter import Alerter
from flowtrack.tracking.alerts import OVERFLOW_IDENTITY, AlertRules, identity_of
from flowtrack.tracking.records import Output, Record, Topic

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now


class Ear:
    """Hears what is told."""

    def __init__(self) -> None:
        self.heard: list[Alert] = []

    def __call__(self, alerts: Sequence[Alert]) -> None:
        """Hear."""
        self.heard.extend(alerts)


def finding(
    number: int = 0,
    *,
    service: str = "ads",
    severity: Severity = "high",
    what: Literal["denied", "indeterminate", "dead_letter", "incident", "notice"] = "denied",
    purpose: str = "recommendation.send",
    categories: Sequence[str] = ("provided.email",),
    subject: str = "5f0c8ad1b1d24c1e9e0f7a6b3c2d1e0f",
) -> Finding:
    """A denied share, as the checker reports it."""
    return Finding(
        type="finding",
        what=what,
        event_id=f"e-{number}",
        service=service,
        kind="share",
        purpose=purpose,
        recipient="broker",
        subject=subject,
        categories=list(categories),
        clauses=["c-3.2"],
        reasons=["no_own_consent"],
        gaps=[],
        severity=severity,
        happened_at=START,
        epoch="e1",
        partition=number % 4,
        offset=number,
    )


def record(value: Finding | bytes, offset: int = 0, partition: int = 0) -> Record:
    """A record of findings/p."""
    raw = value if isinstance(value, bytes) else value.model_dump_json().encode()
    return Record(Topic.FINDINGS, partition, offset, 1_772_442_000_000, b"k", raw)


def written(outputs: Sequence[Output]) -> list[Record]:
    """Outputs as they come back when the alerts topic is replayed."""
    return [
        Record(o.topic, o.partition, n, 0, o.key, o.value) for n, o in enumerate(outputs) if o.topic == Topic.ALERTS
    ]


def alerter(ear: Ear, clock: Clock | None = None, log: Sequence[Output] = (), **rules: object) -> Alerter:
    """An alerter that tells `ear`, and recalls what stands in `log`."""
    return Alerter(
        ear,
        clock=clock or Clock(),
        recall=lambda: written(log),
        rules=AlertRules(**rules),  # type: ignore[arg-type]  # spelt by the caller
    )


def test_a_storm_of_one_kind_is_one_alert() -> None:
    """100,000 findings of one kind are one alert, told once and then at each tenfold; its memory stays small."""
    ear = Ear()
    it = alerter(ear)
    for start in range(0, 100_000, 5_000):
        it.process([record(finding(n % 50), n, n % 4) for n in range(start, start + 5_000)])
        it.committed()
    assert [(alert.count, alert.state) for alert in it.open] == [(100_000, "open")]
    assert {alert.identity for alert in ear.heard} == {it.open[0].identity}
    assert [alert.count for alert in ear.heard] == [5_000, 50_000]
    assert len(it.open[0].examples) == 5


def test_an_alert_holds_no_subject() -> None:
    """Whom a finding is about reaches neither the alerts topic nor whoever is told."""
    ear = Ear()
    it = alerter(ear)
    outputs = it.process([record(finding())])
    it.committed()
    assert finding().subject not in str(outputs)
    assert finding().subject not in str(ear.heard)


def test_the_worst_severity_stays() -> None:
    """An alert is as bad as the worst of its findings."""
    it = alerter(Ear())
    severities: list[Severity] = ["low", "critical", "medium"]
    it.process([record(finding(n, severity=severity)) for n, severity in enumerate(severities)])
    assert [alert.severity for alert in it.open] == ["critical"]


def test_nobody_is_told_before_the_batch_is_durable() -> None:
    """An aborted batch counts nothing and tells nobody; the same findings again count once."""
    ear = Ear()
    it = alerter(ear)
    batch = [record(finding(n), n) for n in range(3)]
    it.process(batch)
    it.aborted()
    assert (it.open, ear.heard) == ([], [])
    it.process(batch)
    it.committed()
    assert [alert.count for alert in ear.heard] == [3]


def test_told_again_only_when_it_grows_or_goes_on() -> None:
    """The second finding is only counted; the tenth is told, and one after the repeat interval."""
    ear, clock = Ear(), Clock()
    it = alerter(ear, clock, repeat_after=timedelta(minutes=15))
    for number in range(10):
        it.process([record(finding(number), number)])
        it.committed()
    assert [alert.count for alert in ear.heard] == [1, 10]
    clock.now += timedelta(minutes=15)
    it.process([record(finding(11), 11)])
    it.committed()
    assert [alert.count for alert in ear.heard] == [1, 10, 11]


def test_an_alert_that_falls_silent_ends() -> None:
    """After the quiet time it is told as resolved and forgotten; the next finding opens it anew."""
    ear, clock = Ear(), Clock()
    it = alerter(ear, clock, resolve_after=timedelta(hours=1))
    outputs = it.process([record(finding(), 0)])
    it.committed()
    clock.now += timedelta(hours=1)
    outputs += it.process([])
    it.committed()
    assert [alert.state for alert in ear.heard] == ["open", "resolved"]
    assert it.open == []
    restarted = alerter(Ear(), clock, outputs)
    restarted.assigned(0, ())
    assert restarted.open == []
    it.process([record(finding(1), 1)])
    it.committed()
    assert [(alert.state, alert.count) for alert in ear.heard][-1] == ("open", 1)


def test_kinds_beyond_the_bound_are_counted_in_one_alert() -> None:
    """When more kinds come than are told apart, none is lost: the further ones count together."""
    ear = Ear()
    it = alerter(ear, groups_max=3)
    it.process([record(finding(n, service=f"s{n}", severity="critical" if n == 8 else "low"), n) for n in range(10)])
    it.committed()
    counts = {alert.identity: (alert.count, alert.severity) for alert in it.open}
    assert counts.pop(OVERFLOW_IDENTITY) == (7, "critical")
    assert list(counts.values()) == [(1, "low")] * 3
    it.process([record(finding(n, service=f"t{n}"), n) for n in range(10)])
    assert sum(alert.count for alert in it.open) == 20
    assert len(it.open) == 4


def test_a_restart_goes_on_counting() -> None:
    """A worker that takes over folds the alerts topic, tells what is open, and counts on from there."""
    outputs = alerter(Ear()).process([record(finding(n), n, n % 2) for n in range(7)])
    ear = Ear()
    it = alerter(ear, log=outputs)
    for partition in (0, 1):
        it.assigned(partition, ())
    assert [alert.count for alert in it.open] == [7]
    assert [alert.count for alert in ear.heard] == [7]
    outputs += it.process([record(finding(8), 8, 1)])
    it.committed()
    assert [alert.count for alert in it.open] == [8]


def test_a_takeover_recalls_what_another_wrote() -> None:
    """Partitions that went to another alerter and come back bring what it counted meanwhile."""
    log: list[Output] = []
    one, other = alerter(Ear(), log=log), alerter(Ear(), log=log)
    one.assigned(0, ())
    log += one.process([record(finding(1), 1)])
    one.committed()
    one.revoked(0)
    other.assigned(0, ())
    log += other.process([record(finding(2), 2)])
    other.committed()
    one.assigned(0, ())
    assert [alert.count for alert in one.open] == [2]


def test_what_is_no_finding_becomes_a_dead_letter() -> None:
    """An unreadable record is set aside without its payload, and its neighbours are counted."""
    it = alerter(Ear())
    bad = b'{"type": "finding", "subject": "hong@example.com"}'
    outputs = it.process([record(b"\xff", 0), record(finding(1), 1), record(bad, 2)])
    letters = [DeadLetter.model_validate_json(o.value or b"") for o in outputs if o.topic == Topic.DEADLETTERS]
    assert [(letter.offset, letter.code.value) for letter in letters] == [(0, "not_json"), (2, "missing_field")]
    assert "hong" not in str(outputs)
    assert [alert.count for alert in it.open] == [1]


FINDINGS = st.lists(
    st.builds(
        finding,
        st.integers(0, 30),
        service=st.sampled_from(["ads", "crm"]),
        severity=st.sampled_from(["low", "high"]),
        what=st.sampled_from(["denied", "indeterminate"]),
        purpose=st.sampled_from(["service.provide", "recommendation.send"]),
        categories=st.lists(st.sampled_from(["provided.email", "provided.phone"]), min_size=1),
    ),
    max_size=40,
)


@given(findings=FINDINGS, cuts=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=4))
def test_cuts_aborts_and_restarts_change_nothing(findings: list[Finding], cuts: list[tuple[int, bool]]) -> None:
    """However the findings are cut into batches, aborted or taken over, the same alerts with the same counts result."""
    records = [record(f, n, n % 3) for n, f in enumerate(findings)]
    whole = alerter(Ear())
    whole.process(records)
    pieces = alerter(Ear())
    log: list[Output] = []
    start = 0
    for end, restart in [*sorted(cuts), (len(records), False)]:
        pieces.process(records[start:end])
        pieces.aborted()
        log += pieces.process(records[start:end])
        pieces.committed()
        start = max(start, end)
        if restart:
            pieces = alerter(Ear(), log=log)
            pieces.assigned(0, ())

    def essence(alerts: Sequence[Alert]) -> list[object]:
        return [(a.identity, a.count, a.severity, a.purpose, a.categories, a.clauses) for a in alerts]

    assert essence(pieces.open) == essence(whole.open)
    assert sum(alert.count for alert in whole.open) == len(findings)


@given(finding=st.builds(finding, st.integers(0, 9), subject=st.from_regex("[0-9a-f]{32}", fullmatch=True)))
def test_identity_is_of_the_kind_alone(finding: Finding) -> None:
    """Subject, event and time are no part of an alert's identity; the order of clauses is none either."""
    other = finding.model_copy(update={"subject": "0" * 32, "event_id": "x", "clauses": ["c-3.2", "c-3.2"]})
    assert identity_of(other) == identity_of(finding)
    assert identity_of(finding.model_copy(update={"service": "crm"})) != identity_of(finding)
