"""What would another pack have decided over a period?  See DESIGN 3.

The ledger says which situations there were; each is judged anew once, and what changes is counted where it stands.
Rows of packs whose vocabularies or own registry differ from the new pack's are resolved anew, a shape at a time.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, TypeAdapter

from flowtrack.audit.answers import CompleteUpTo, Document
from flowtrack.audit.groups import Judgement, ShapeFlows, ShapesAnswer, SituationFlows
from flowtrack.audit.ledger import Ledger
from flowtrack.audit.questions import Changed, Period, Shapes, Situations, Touched
from flowtrack.audit.roles import Asker
from flowtrack.domain.consent import UsagePolicy
from flowtrack.domain.facts import Facts, Particulars, event_data
from flowtrack.domain.model import Contract
from flowtrack.domain.names import Kind
from flowtrack.domain.registry import Registry, RegistryDocument, registry_of
from flowtrack.policy.judge import Judge, Judged
from flowtrack.policy.pack import Pack
from flowtrack.policy.situation import Situation, from_attributes
from flowtrack.policy.whatif import Rules, Scopes, Shape, edges_us, judged_anew, renamed, same_words

By = Literal["clause", "service", "recipient", "category"]
_By = Literal["situations", "shapes"]
Told = Callable[[str, int, int], None]
"""Is told how far the work is: step, done, of how many."""

NO_PACK = "no_pack"
"""No pack was in force: there was no situation."""
NO_JUDGEMENT = "no_judgement"
"""The situation's judgement or definition is not in the ledger."""
PACK_UNKNOWN = "pack_unknown"
"""The pack that judged is not among the ledger's documents, so whether its words are the same is not known."""
REGISTRY_UNKNOWN = "registry_unknown"
"""A registry document that was judged by is not among the ledger's documents."""
_DENIES = ("deny", "indeterminate")
_scope = TypeAdapter(UsagePolicy)


class Transition(Contract):
    """All flows whose verdict changes from one to another."""

    before: str
    after: str
    flows: int
    events: int
    subjects: int
    sample_events: list[str]
    sample_subjects: list[str]
    """Pseudonyms."""


class ChangeBy(Contract):
    """Flows whose verdict changes, by one of their names.

    By clause they stand under those that deny or leave open: the new pack's, or the old one's where it permits now.
    """

    by: By
    name: str
    before: str
    after: str
    flows: int


class Unjudged(Contract):
    """Flows that cannot be judged anew, and why."""

    reason: str
    flows: int
    packs: list[str]


class WhatIfAnswer(Contract):
    """What a pack would have decided over a period."""

    pack: str
    since: AwareDatetime | None
    until: AwareDatetime | None
    known_at: AwareDatetime | None
    flows: int
    """All of the period."""
    by_situation: int
    """Flows judged by their situation."""
    by_shape: int
    """Flows resolved and judged anew by their shape."""
    situations: int
    """Situations that the pack was asked about."""
    shapes: int
    unjudged: list[Unjudged]
    changed: int
    """Flows whose verdict changes."""
    restated: int
    """Flows whose verdict stays, by other rules or clauses."""
    transitions: list[Transition]
    changes: list[ChangeBy]
    completeness: CompleteUpTo

    @property
    def unjudged_flows(self) -> int:
        """How many flows could not be judged."""
        return sum(each.flows for each in self.unjudged)

    def flows_to(self, *after: str) -> int:
        """How many flows get one of these verdicts that had another."""
        return sum(each.flows for each in self.transitions if each.after in after)


class _Change(NamedTuple):
    before: str
    after: str


@dataclass(slots=True)
class _Tally:
    """What has been judged so far."""

    keys: dict[_Change, dict[_By, set[int]]] = field(default_factory=dict)
    """Of the groups that change, by change and by which question gave them."""
    situations: set[str] = field(default_factory=set)
    """Of the groups that change."""
    changes: Counter[tuple[By, str, _Change]] = field(default_factory=Counter)
    judged: Counter[_By] = field(default_factory=Counter)
    """Flows, by which question gave them."""
    unjudged: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Flows, by reason and pack."""
    changed: int = 0
    restated: int = 0

    def take(self, by: _By, group: SituationFlows | ShapeFlows, was: Judgement, now: Judged) -> None:
        """Count a group that was judged anew."""
        self.judged[by] += group.flows
        if now.verdict == group.verdict:
            same = (list(now.rules), list(now.clauses)) == (was.rules, was.clauses)
            self.restated += 0 if same else group.flows
            return
        self.changed += group.flows
        change = _Change(group.verdict, str(now.verdict))
        self.keys.setdefault(change, {"situations": set(), "shapes": set()})[by].add(group.key)
        self.situations.add(group.situation)
        clauses: Iterable[str] = now.clauses if now.verdict in _DENIES else was.clauses
        names: list[tuple[By, str]] = [("service", group.service), ("category", group.category)]
        names += [("recipient", group.recipient)] if group.recipient else []
        for by_name, name in [*names, *(("clause", clause) for clause in clauses)]:
            self.changes[by_name, name, change] += group.flows


def what_if(
    ledger: Ledger,
    period: Period,
    new: Pack,
    packs: Mapping[str, Pack],
    *,
    samples_max: int = 3,
    asker: Asker | None = None,
    told: Told = lambda _step, _done, _total: None,
) -> WhatIfAnswer:
    """Judge a period anew.

    Args:
        ledger: who has the flows.
        period: which flows.
        new: the pack to judge by; it must have passed validation.
        packs: those that judged, by label, as far as they are known.
        samples_max: how many subjects and events to name for each kind of change.
        asker: who wants subjects to be named, which is written down; without, only events are.
        told: see `Told`.

    Raises:
        StoreError: the ledger does not answer.
        RegistryError: a published document and the new pack's own registry contradict each other.
    """
    told("situations", 0, 1)
    asked = ledger.situations_met(Situations(**dict(period)))
    judge, tally = Judge(new), _Tally()
    rest = _by_situation(asked.flows, asked.judgements, judge, packs, tally, told)
    shapes = 0
    edges: list[int] = []
    if rest:
        worlds = _Worlds(judge, {label: packs[label] for label in rest}, ledger.documents())
        edges = worlds.edges_us()
        told("shapes", 0, 1)
        answer = ledger.shapes_met(Shapes(**dict(period), packs=sorted(rest), edges_us=edges))
        shapes = len(answer.shapes)
        _by_shape(answer, asked.judgements, worlds, tally, told)
    touched = _touched(ledger, period, tally, edges, samples_max, asker, told)
    return WhatIfAnswer(
        pack=new.label,
        **dict(period),
        flows=sum(each.flows for each in asked.flows),
        by_situation=tally.judged["situations"],
        by_shape=tally.judged["shapes"],
        situations=judge.memo_size,
        shapes=shapes,
        unjudged=_unjudged(tally),
        changed=tally.changed,
        restated=tally.restated,
        transitions=touched,
        changes=[
            ChangeBy(by=by, name=name, before=change.before, after=change.after, flows=flows)
            for (by, name, change), flows in sorted(tally.changes.items(), key=lambda item: (-item[1], item[0]))
        ],
        completeness=asked.completeness,
    )


def _by_situation(
    flows: list[SituationFlows],
    judgements: list[Judgement],
    judge: Judge,
    packs: Mapping[str, Pack],
    tally: _Tally,
    told: Told,
) -> set[str]:
    """Judge what the situation says all of; give the packs whose rows must be resolved anew."""
    known = {(each.pack, each.situation): each for each in judgements}
    situations: dict[tuple[str, str], Situation] = {}
    alike = {label: same_words(pack, judge.pack) for label, pack in packs.items()}
    rest: set[str] = set()
    for done, each in enumerate(flows):
        place = (each.pack, each.situation)
        was = known.get(place)
        reason = (
            NO_PACK
            if not each.pack
            else PACK_UNKNOWN
            if each.pack not in packs
            else NO_JUDGEMENT
            if was is None or not was.attributes
            else ""
        )
        if not each.category:
            tally.judged["situations"] += each.flows  # an event that names no category is judged by no rule
        elif reason or was is None:
            tally.unjudged[reason, each.pack] += each.flows
        elif not alike[each.pack]:
            rest.add(each.pack)
        else:
            if place not in situations:
                situations[place] = from_attributes(json.loads(was.attributes))
            seen = renamed(situations[place], judge.pack, each.service, each.recipient)
            tally.take("situations", each, was, judge.judge(seen))
        if done % _TELL_EVERY == 0:
            told("situations", done, len(flows))
    told("situations", len(flows), len(flows))
    return rest


_TELL_EVERY = 256


class _Worlds:
    """Packs with the registries that rows name: what shapes are resolved against."""

    def __init__(self, judge: Judge, packs: Mapping[str, Pack], documents: Iterable[Document]) -> None:
        self._new = judge
        self._judges = {label: Judge(pack) for label, pack in packs.items()}
        self._documents = {
            each.name.replace(":", "@", 1): RegistryDocument.model_validate_json(each.body)
            for each in documents
            if each.kind == "registry"
        }
        self._rules: dict[tuple[str, str], tuple[Rules, Rules] | None] = {}

    def of(self, pack: str, label: str) -> tuple[Rules, Rules] | None:
        """The new rules and the old ones over the registry that a row names; None where that is not known."""
        if (pack, label) not in self._rules:
            names = label.split("+") if label else []
            known = all(name in self._documents for name in names)
            published = [self._documents[name] for name in names] if known else []
            self._rules[pack, label] = (
                (_rules(self._new, published), _rules(self._judges[pack], published)) if known else None
            )
        return self._rules[pack, label]

    def edges_us(self) -> list[int]:
        """When any of the registries changes."""
        packs = [self._new.pack, *(judge.pack for judge in self._judges.values())]
        own: list[Registry] = [registry_of([pack.registry]) for pack in packs]
        return edges_us([*own, *(registry_of([each]) for each in self._documents.values())])


def _rules(judge: Judge, published: list[RegistryDocument]) -> Rules:
    return Rules.of(judge, registry_of([judge.pack.registry, *published]))


def _by_shape(answer: ShapesAnswer, judgements: list[Judgement], worlds: _Worlds, tally: _Tally, told: Told) -> None:
    """Resolve and judge each shape anew."""
    known = {(each.pack, each.situation): each for each in judgements}
    scopes = Scopes(map(_scope_of, answer.consents), map(_scope_of, answer.opt_outs))
    for done, each in enumerate(answer.shapes):
        was, world = known.get((each.pack, each.situation)), worlds.of(each.pack, each.registry)
        if was is None or not was.attributes:
            continue  # counted as such where situations were asked for
        if world is None:
            tally.unjudged[REGISTRY_UNKNOWN, each.pack] += each.flows
            continue
        situation = from_attributes(json.loads(was.attributes))
        now = judged_anew(*world, situation, _shape_of(each), scopes)
        if isinstance(now, str):
            tally.unjudged[now, each.pack] += each.flows
        else:
            tally.take("shapes", each, was, now)
        if done % _TELL_EVERY == 0:
            told("shapes", done, len(answer.shapes))
    told("shapes", len(answer.shapes), len(answer.shapes))


def _scope_of(text: str) -> UsagePolicy | None:
    return _scope.validate_json(text) if text else None


def _shape_of(each: ShapeFlows) -> Shape:
    facts = Facts.model_validate_json(each.facts or "{}")
    particulars = Particulars(
        reference=each.reference or None,
        actor_agreement=each.agreement or None,
        actor_session=each.session or None,
    )
    data = event_data([each.category], each.purpose, each.recipient, "", facts, particulars)
    return Shape(Kind(each.kind), each.service, each.at, each.category, data)


def _touched(
    ledger: Ledger,
    period: Period,
    tally: _Tally,
    edges: list[int],
    samples_max: int,
    asker: Asker | None,
    told: Told,
) -> list[Transition]:
    """Ask whom and what the changes touch."""
    order = sorted(tally.keys)
    if not order:
        return []
    told("whom it touches", 0, 1)
    question = Touched(
        **dict(period),
        changes=[
            Changed(
                name=name,
                situation_keys=sorted(tally.keys[change]["situations"]),
                shape_keys=sorted(tally.keys[change]["shapes"]),
            )
            for name, change in enumerate(order)
        ],
        situations=sorted(tally.situations),
        edges_us=edges,
        samples_max=samples_max,
        asker=asker,
    )
    found = ledger.touched(question).changes
    told("whom it touches", 1, 1)
    return [
        Transition(before=order[each.name].before, after=order[each.name].after, **each.model_dump(exclude={"name"}))
        for each in found
    ]


def _unjudged(tally: _Tally) -> list[Unjudged]:
    by_reason: dict[str, Counter[str]] = defaultdict(Counter)
    for (reason, pack), flows in tally.unjudged.items():
        by_reason[reason][pack] += flows
    return [
        Unjudged(reason=reason, flows=packs.total(), packs=sorted(packs)) for reason, packs in sorted(by_reason.items())
    ]
