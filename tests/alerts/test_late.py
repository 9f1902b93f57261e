"""Late knowledge and alerts: what it brings is told, what it lifts is taken out, and each counts once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrack.domain.decision import AlertRecord, Amendment, Finding
from flowtrack.domain.names import Kind, Verdict
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.alerter import Alerter
from flowtrack.tracking.alerts import OVERFLOW_IDENTITY, identity_of_change
from flowtrack.tracking.records import Output, Record, Topic
from flowtrack.wire.encode import encode
from tests.alerts.test_grouping import START, Clock, Ear, alerter, finding
from tests.ledger.amending import Messages, Pipeline, changes, cut


def amendment(
    number: int,
    now: Finding | None,
    *,
    before: Verdict = Verdict.PERMIT,
    verdict: Verdict = Verdict.DENY,
    changed: str = "",
    marker: int = 0,
) -> Amendment:
    """What judging anew says of the event that `finding(number)` is about."""
    of = finding(number)
    return Amendment(
        type="amendment",
        cause="policy" if changed else "consent",
        changed=changed,
        event_id=of.event_id,
        service=of.service,
        subject=of.subject,
        kind=Kind.SHARE,
        happened_at=START,
        recorded_at=START,
        epoch="e1",
        partition=of.partition,
        offset=of.offset,
        decision_offset=1_000 + marker,
        pack="p@2",
        registry="r@1",
        categories=[],
        verdict_before=before,
        verdict=verdict,
        finding=now,
    )


def lifted(number: int, marker: int = 1) -> Amendment:
    """A denial that late knowledge lifts."""
    return amendment(number, None, before=Verdict.DENY, verdict=Verdict.PERMIT, marker=marker)


def records(*values: Finding | Amendment) -> list[Record]:
    """Findings and amendments as the alerter reads them."""
    return [
        Record(Topic.FINDINGS if isinstance(each, Finding) else Topic.AMENDMENTS, 0, n, 0, b"k", encode(each))
        for n, each in enumerate(values)
    ]


def take(it: Alerter, *values: Finding | Amendment) -> list[Output]:
    """Work a batch, for good."""
    outputs = it.process(records(*values))
    it.committed()
    return outputs


def test_a_denial_that_comes_late_is_told() -> None:
    """A withdrawal that arrives late denies what was permitted: somebody hears of it, as of any denial."""
    ear = Ear()
    it = alerter(ear)
    take(it, amendment(1, finding(1)))
    assert [(alert.what, alert.count, alert.amended, alert.examples) for alert in ear.heard] == [
        ("denied", 1, 1, ["e-1"])
    ]
    take(it, finding(2))
    assert [(alert.count, alert.amended) for alert in it.open] == [(2, 1)]
    assert finding().subject not in str(ear.heard)


def test_an_alert_ends_when_all_that_it_counts_is_lifted() -> None:
    """One finding lifted leaves the alert open, the last one ends it and is told; what comes then opens it anew."""
    ear = Ear()
    it = alerter(ear)
    take(it, finding(1), finding(2))
    take(it, lifted(1))
    assert [(alert.state, alert.lifted) for alert in it.open] == [("open", 1)]
    assert len(ear.heard) == 1
    outputs = take(it, lifted(2))
    assert it.open == []
    assert [(alert.state, alert.count, alert.lifted) for alert in ear.heard][1:] == [("resolved", 2, 2)]
    assert [record.followed for record in map(_record, outputs)] == [[]]
    take(it, finding(3))
    assert [(alert.count, alert.lifted) for alert in it.open] == [(1, 0)]


def test_what_is_found_and_lifted_at_once_tells_nobody() -> None:
    """A consent that was on its way: the finding and its amendment come together, and the books have both."""
    ear = Ear()
    it = alerter(ear)
    outputs = take(it, finding(1), lifted(1))
    assert (it.open, ear.heard) == ([], [])
    assert [(each.state, each.count, each.lifted) for each in map(_record, outputs)] == [("resolved", 1, 1)]


def test_lifting_what_was_never_counted_ends_nothing() -> None:
    """An amendment of an event that the alert does not count leaves it open, however often it comes."""
    it = alerter(Ear())
    take(it, finding(1))
    outputs = [output for marker in range(3) for output in take(it, lifted(2, marker))]
    assert outputs == []
    assert [(alert.count, alert.lifted) for alert in it.open] == [(1, 0)]


def test_an_amendment_that_comes_twice_counts_once() -> None:
    """A sink that is killed publishes its last step again: in order, and as a whole."""
    it = alerter(Ear())
    steps = [amendment(1, finding(1)), amendment(2, finding(2)), lifted(1)]
    take(it, *steps)
    take(it, *steps)
    assert [(alert.count, alert.amended, alert.lifted) for alert in it.open] == [(2, 2, 1)]
    it.process(records(lifted(2)))
    it.aborted()
    assert [alert.lifted for alert in it.open] == [1]
    take(it, lifted(2))
    assert it.open == []


def test_an_event_that_is_denied_for_something_else_moves() -> None:
    """Denied before and now for other reasons too: it is told under the new kind, and counts under it alone."""
    it = alerter(Ear())
    other = finding(1).model_copy(update={"reasons": ["opted_out"], "categories": ["provided.email", "provided.phone"]})
    take(it, finding(1))
    take(it, amendment(1, other, before=Verdict.DENY))
    assert [(alert.reasons, alert.count) for alert in it.open] == [(["opted_out"], 1)]


def test_of_a_storm_only_some_are_remembered() -> None:
    """An alert that counts more than it remembers is ended by silence alone: it never ends too early."""
    ear, clock = Ear(), Clock()
    it = alerter(ear, clock, followed_max=3, resolve_after=timedelta(hours=1))
    take(it, *(finding(n) for n in range(5)))
    take(it, *(lifted(n, marker) for marker in range(2) for n in range(5)))
    assert [(alert.count, alert.lifted, alert.followed) for alert in it.open] == [(5, 3, [])]
    clock.now += timedelta(hours=1)
    take(it)
    assert ear.heard[-1].state == "resolved"


def test_a_new_pack_brings_no_storm() -> None:
    """One pack denies ten thousand kinds: a few alerts, and one that gathers the rest; findings open their own."""
    ear = Ear()
    it = alerter(ear, kinds_per_change_max=20)
    for start in range(0, 10_000, 2_500):
        late = (
            amendment(n, finding(n, service=f"s{n}", severity="critical" if n == 9_999 else "low"), changed="p@2")
            for n in range(start, start + 2_500)
        )
        take(it, *late)
    rest = next(alert for alert in it.open if alert.identity == identity_of_change("p@2"))
    assert (len(it.open), rest.count, rest.what, rest.severity) == (21, 9_980, "judged_anew", "critical")
    assert {alert.identity for alert in ear.heard} == {alert.identity for alert in it.open}
    take(it, finding(1, service="s9000"))
    assert len(it.open) == 22
    assert OVERFLOW_IDENTITY not in {alert.identity for alert in it.open}


def test_a_restart_remembers_what_a_change_has_opened() -> None:
    """The bound on a change's alerts, and what may be lifted, come back from the topic."""
    log = [*take(alerter(Ear()), *(amendment(n, finding(n, service=f"s{n}"), changed="p@2") for n in range(20)))]
    it = alerter(Ear(), log=log)
    it.assigned(0, ())
    take(it, amendment(30, finding(30, service="s30"), changed="p@2"))
    assert identity_of_change("p@2") in {alert.identity for alert in it.open}
    take(it, *(lifted(n) for n in (*range(20), 30)))
    assert it.open == []


def test_an_amendment_of_an_older_sink_alerts_nobody() -> None:
    """Without the event's verdicts an amendment says nothing that could be told."""
    it = alerter(Ear())
    take(it, finding(1))
    old = amendment(1, None).model_copy(update={"verdict": None, "verdict_before": None})
    assert take(it, old) == []


def open_events(alerts: Iterable[AlertRecord]) -> set[str]:
    """Where the events stood that open alerts count."""
    return {source for alert in alerts for source in alert.followed}


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_alerts_end_up_with_what_the_ledger_denies(seed: int) -> None:
    """However late consents, packs and registries come and whatever is killed: open are those the ledger denies now."""
    random = Random(seed)
    pipeline, learned = Pipeline(MemoryLedger()), changes(random, 2)
    log: list[Output] = []
    it, seen = _with_memory(), (0, 0)
    for number, batch in enumerate(cut(random, Messages.of(random, 6, 14).shuffled(random))):
        if number % 3 == 2 and learned:
            pipeline.learn(learned.pop())
        pipeline.check(batch)
        if random.random() < 0.6:
            pipeline.sink(random.randint(1, 12))
        if random.random() < 0.2:  # a sink that begins anew publishes all of it once more
            pipeline.again(f"run {number}")
        if random.random() < 0.5:
            it, seen = _read(it, pipeline, seen, log, random)
    pipeline.settle()
    it, seen = _read(it, pipeline, seen, log, random)
    denied = {
        f"{row['source_partition']}:{row['source_offset']}"
        for row in pipeline.rows_standing()
        if row["verdict"] in {"deny", "indeterminate"} and row["kind"] != "incident"
    }
    assert open_events(it.open) == denied
    again = _with_memory(log)
    again.assigned(0, ())
    assert _essence(again.open) == _essence(it.open)


def _with_memory(log: Sequence[Output] = ()) -> Alerter:
    return alerter(Ear(), log=log, followed_max=10_000, kinds_per_change_max=10_000)


def _read(
    it: Alerter, pipeline: Pipeline, seen: tuple[int, int], log: list[Output], random: Random
) -> tuple[Alerter, tuple[int, int]]:
    """Let the alerter read on, with a batch undone or the whole of it killed now and then."""
    found, published = pipeline.found[seen[0] :], pipeline.published[seen[1] :]
    batch = [Record(each.topic, 0, n, 0, each.key, each.value) for n, each in enumerate([*found, *published])]
    if random.random() < 0.3:
        it.process(batch)
        it.aborted()
    log += it.process(batch)
    it.committed()
    if random.random() < 0.3:
        it = _with_memory(log)
        it.assigned(0, ())
    return it, (len(pipeline.found), len(pipeline.published))


def _essence(alerts: Sequence[AlertRecord]) -> object:
    return sorted((a.identity, a.count, a.amended, a.lifted, sorted(a.followed)) for a in alerts)


def _record(output: Output) -> AlertRecord:
    return AlertRecord.model_validate_json(output.value or b"")
