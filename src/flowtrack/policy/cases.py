"""Conformance cases: an event with its registry and consents, and the decision that it must get (DESIGN 8).

Cases are data.  Expectations are lower bounds: every clause, rule, reason, note and gap that a case names must be
among those of the decision; the verdicts must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import yaml
from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError

from flowtrack.domain.consent import ConsentData
from flowtrack.domain.event import TYPES, Event, missing_field
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import instant_us
from flowtrack.domain.model import SUBJECT_PATTERN, Contract
from flowtrack.domain.names import Kind, Verdict
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import FlowtrackError, PackError
from flowtrack.policy.decide import CategoryVerdict, Decider, EventVerdict
from flowtrack.policy.judge import Judge
from flowtrack.policy.reading import fault_of, load_yaml_all

ClauseId = Annotated[str, BeforeValidator(str)]
"""Ids such as 2.1 may be written without quotes."""


class CategoryExpectation(Contract):
    """What one category of the event must get."""

    verdict: Verdict
    clauses: list[ClauseId] = []
    rules: list[str] = []
    reasons: list[str] = []
    notes: list[str] = []
    gaps: list[str] = []
    consent: str | None = None


class Expectation(Contract):
    """What the event must get."""

    verdict: Verdict
    categories: dict[str, CategoryExpectation] = {}


class FlatConsent(ConsentData):
    """A consent record as a case writes it: the envelope's subject and time beside the record."""

    subject: str | None = None
    time: AwareDatetime
    id: str | None = None


class Case(Contract):
    """One conformance case."""

    name: Annotated[str, Field(min_length=1)]
    clauses: list[ClauseId] = []
    registry: dict[str, Any] = {}
    consents: list[FlatConsent] = []
    event: dict[str, Any]
    expect: Expectation


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case came out; without differences it passed."""

    name: str
    where: str
    clauses: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the decision is what the case expects."""
        return not self.differences


def read_cases(path: str, text: str) -> list[tuple[str, Case]]:
    """The cases of a YAML text, each with where it stands.

    Raises:
        PackError: the text is no YAML, or a document is no case.
    """
    try:
        documents = load_yaml_all(text)
    except yaml.YAMLError as error:
        what, line = fault_of(error)
        raise PackError(what, where=f"{path}:{line}" if line else path, help="mend the line") from error
    cases = []
    for number, document in enumerate(documents, start=1):
        where = f"{path}, case {number}"
        try:
            cases.append((where, Case.model_validate(document)))
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in fault["loc"])
            raise PackError(
                f"`{field}`: {fault['msg'].lower()}", where=where, help="see tests/conformance/README.md"
            ) from error
    return cases


def run_case(judge: Judge, where: str, case: Case) -> CaseResult:
    """Decide the case's event by the judge's pack, and compare."""
    unknown = [clause for clause in case.clauses if clause not in judge.pack.clauses]
    differences = [f"clause `{clause}` is not in the pack's clause table" for clause in unknown]
    try:
        verdict = decide_case(judge, case)
    except FlowtrackError as error:
        differences.append(f"the case cannot be decided: {error}")
    else:
        differences.extend(compare(case.expect, verdict))
    return CaseResult(case.name, where, tuple(case.clauses), tuple(differences))


def decide_case(judge: Judge, case: Case) -> EventVerdict:
    """The decision on a case's event.

    Raises:
        PackError: the event lacks a field that its kind cannot do without, or it or the registry breaks its contract.
        RegistryError: the case's registry contradicts itself.
    """
    try:
        kind, event = case_event(case.event)
        document = RegistryDocument.model_validate({"name": "case", **case.registry})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise PackError(f"`{field}`: {fault['msg'].lower()}", where=f"case `{case.name}`") from error
    history = history_of(case.consents, case.event.get("subject"))
    decider = Decider([judge], [document])
    return decider.decide(kind, event, as_of(history, instant_us(event.time)))


def case_event(written: Mapping[str, Any]) -> tuple[Kind, Event]:
    """The event of a case: any string may be its subject, and most of the envelope may be left out."""
    subject = pseudonym_of_case(str(written.get("subject", "")))
    event = Event.model_validate({"specversion": "1.0", "id": "case", **written, "subject": subject})
    kind = TYPES.get(event.type)
    if kind is None:
        raise PackError(f"`{event.type}` is no event type", where="event.type", help="write flowtrack.<kind>.v1")
    missing = missing_field(kind, event.data)
    if missing is not None:
        raise PackError(f"`{missing}` is missing", where=f"event.data.{missing}", help=f"a {kind} event needs it")
    return kind, event


def pseudonym_of_case(subject: str) -> str:
    """A stand-in pseudonym for whatever a case calls its subject."""
    return subject if re.match(SUBJECT_PATTERN, subject) else sha256(subject.encode()).hexdigest()[:32]


def history_of(consents: Sequence[FlatConsent], subject: str | None) -> tuple[Entry, ...]:
    """The consent history that a case gives its event's subject; records of other subjects do not count."""
    history: tuple[Entry, ...] = ()
    for number, written in enumerate(consents):
        if written.subject is not None and written.subject != subject:
            continue
        entry = entry_of(written.id or f"case-{number}", instant_us(written.time), written)
        history = with_entry(history, entry)
    return history


def compare(expected: Expectation, verdict: EventVerdict) -> list[str]:
    """What differs between an expectation and a decision, in words."""
    differences = []
    if verdict.verdict != expected.verdict:
        differences.append(f"verdict is {verdict.verdict}, expected {expected.verdict}{_because(verdict)}")
    found = {each.category: each for each in verdict.categories}
    for category, wanted in expected.categories.items():
        if category not in found:
            differences.append(f"{category}: the decision has no such category")
        else:
            differences.extend(f"{category}: {text}" for text in _compare_category(wanted, found[category]))
    return differences


def _because(verdict: EventVerdict) -> str:
    parts = [
        f"{each.category}: rules {list(each.judged.rules)}, reasons {list(each.judged.reasons)}, "
        f"gaps {list(each.judged.gaps)}"
        for each in verdict.categories
    ]
    return f" ({'; '.join(parts)})"


def _compare_category(wanted: CategoryExpectation, found: CategoryVerdict) -> list[str]:
    judged = found.judged
    differences = []
    if judged.verdict != wanted.verdict:
        differences.append(f"verdict is {judged.verdict}, expected {wanted.verdict}")
    for word, expected, actual in (
        ("clauses", wanted.clauses, judged.clauses),
        ("rules", wanted.rules, judged.rules),
        ("reasons", wanted.reasons, judged.reasons),
        ("notes", wanted.notes, judged.notes),
        ("gaps", wanted.gaps, judged.gaps),
    ):
        lacking = [each for each in expected if each not in actual]
        if lacking:
            differences.append(f"{word} {lacking} expected, the decision has {list(actual)}")
    if wanted.consent is not None and found.consent != wanted.consent:
        differences.append(f"consent record is `{found.consent}`, expected `{wanted.consent}`")
    return differences
