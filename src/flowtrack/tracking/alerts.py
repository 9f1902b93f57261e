"""Findings become alerts: what is of one kind is one alert, however often it happens.

An alert's identity is made from what the findings have in common (what, service, recipient, clauses, reasons, gaps),
never from whom they are about.  The first finding of a kind opens an alert; later ones only count.  Whoever is on call
hears of it when it opens, when it has grown tenfold, when it goes on after a while, and when it has ended.

What judging anew brings counts the same.  But one new pack can make thousands of kinds unlawful in one instant, which
is one cause and no thousand: it opens so many alerts, and the rest is one more.

What is here are pure values; `tracking.alerter` keeps them while findings come in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from flowtrack.domain.decision import SEVERITIES, Alert, AlertRecord, Finding, Severity
from flowtrack.domain.names import DeadLetterCode

OVERFLOW = "overflow"
"""What an alert says whose findings are of more kinds than are told apart."""
JUDGED_ANEW = "judged_anew"
"""What an alert says that gathers the further kinds which one new pack or document of the registry has brought."""

_IDENTITY_BYTES = 8


class Notifier(Protocol):
    """Tells somebody of alerts.  The same alert may come again: `identity` tells that it is the same."""

    @property
    def name(self) -> str:
        """Short name for logs and metrics."""
        ...

    def notify(self, alerts: Sequence[Alert]) -> None:
        """Hand alerts on, all or none as far as the caller can tell.

        Raises:
            DeliveryError: nobody was told; the same alerts come again later.
        """
        ...


@dataclass(frozen=True, slots=True)
class AlertRules:
    """How findings are grouped, and when somebody hears of a group again."""

    groups_max: int = 10_000
    """Kinds that are told apart; findings of further kinds are counted in one alert of their own."""
    examples_max: int = 5
    """Ids of events that an alert keeps."""
    kinds_per_change_max: int = 20
    """Open alerts that one new pack or document of the registry may bring, for what it judges anew."""
    followed_max: int = 256
    """Findings that an alert remembers, so that it ends when all are lifted; of more, it ends when it falls silent."""
    categories_max: int = 64
    grows_by: int = 10
    """Somebody is told again when the count has grown by this factor."""
    repeat_after: timedelta = timedelta(minutes=15)
    """Somebody is told again of an alert that still grows after this time."""
    resolve_after: timedelta = timedelta(hours=1)
    """An alert without a finding for this long has ended."""


class Kind(Protocol):
    """What findings of one alert have in common."""

    @property
    def what(self) -> str: ...  # noqa: D102 - the fields of Finding and Alert
    @property
    def service(self) -> str: ...  # noqa: D102 - (likewise)
    @property
    def recipient(self) -> str: ...  # noqa: D102 - (likewise)
    @property
    def clauses(self) -> list[str]: ...  # noqa: D102 - (likewise)
    @property
    def reasons(self) -> list[str]: ...  # noqa: D102 - (likewise)
    @property
    def gaps(self) -> list[str]: ...  # noqa: D102 - (likewise)


def identity_of(kind: Kind) -> str:
    """Give the identity of the alert that a finding belongs to: 16 hex digits, the same everywhere and always."""
    return _identity(
        kind.what, kind.service, kind.recipient, tuple(kind.clauses), tuple(kind.reasons), tuple(kind.gaps)
    )


@lru_cache(maxsize=4096)
def _identity(what: str, service: str, recipient: str, *lists: tuple[str, ...]) -> str:
    canonical = json.dumps([what, service, recipient, *(sorted(set(names)) for names in lists)], ensure_ascii=False)
    return hashlib.blake2b(canonical.encode(), digest_size=_IDENTITY_BYTES).hexdigest()


def identity_of_change(changed: str) -> str:
    """Give the identity of the alert that gathers the further kinds which a pack or document has brought."""
    return _identity(JUDGED_ANEW, changed, "")


def source_of(partition: int, offset: int) -> str:
    """Name an event by where it stood."""
    return f"{partition}:{offset}"


def opened(finding: Finding, now: datetime, changed: str = "") -> AlertRecord:
    """Give the alert that one finding makes.

    Args:
        finding: what was found.
        now: when it was noticed, which is what an alert's times mean; the event may have happened long ago.
        changed: the pack or document of the registry that brought it by judging anew.
    """
    return AlertRecord(
        identity=identity_of(finding),
        state="open",
        what=finding.what,
        title=_title(finding),
        severity=finding.severity,
        service=finding.service,
        recipient=finding.recipient,
        purpose=finding.purpose,
        categories=sorted(set(finding.categories)),
        clauses=sorted(set(finding.clauses)),
        reasons=sorted(set(finding.reasons)),
        gaps=sorted(set(finding.gaps)),
        first_at=now,
        last_at=now,
        count=1,
        examples=[finding.event_id] if finding.event_id else [],
        changed=changed,
    )


def merged(one: AlertRecord, other: AlertRecord, rules: AlertRules) -> AlertRecord:
    """Add two parts of the same alert; `one` is the earlier where an order is needed, and says what is followed.

    The purpose is kept where both agree, and empty where they do not: it is no part of the identity.
    """
    return one.model_copy(
        update={
            "severity": worst_severity(one.severity, other.severity),
            "purpose": one.purpose if one.purpose == other.purpose else "",
            "categories": sorted({*one.categories, *other.categories})[: rules.categories_max],
            "first_at": min(one.first_at, other.first_at),
            "last_at": max(one.last_at, other.last_at),
            "count": one.count + other.count,
            "amended": one.amended + other.amended,
            "lifted": one.lifted + other.lifted,
            "examples": list(dict.fromkeys([*one.examples, *other.examples]))[: rules.examples_max],
        }
    )


def worst_severity(one: Severity, other: Severity) -> Severity:
    """Give the worse of two severities."""
    return max(one, other, key=SEVERITIES.index)


_HAPPENED = {
    "denied": "not allowed",
    "indeterminate": "could not be judged",
    "dead_letter": "could not be read",
    "incident": "incident",
    "notice": "to be noticed",
}


def _title(finding: Finding) -> str:
    """Say in one line what happened, between whom, and why: names of the registry and the vocabularies only."""
    whom = f"{finding.service or 'unknown service'} → {finding.recipient}" if finding.recipient else finding.service
    if DeadLetterCode.RECORDS_LOST in finding.reasons:
        return "records were lost before they were read"  # no message is behind it that somebody could mend
    why = "" if finding.what == "incident" else ", ".join([*finding.reasons, *finding.gaps])
    return ": ".join(filter(None, [_HAPPENED[finding.what], whom, why]))


def overflow(now: datetime, rules: AlertRules) -> AlertRecord:
    """Give the alert that counts findings of more kinds than are told apart: none is left out, only its names are."""
    title = f"findings of more than {rules.groups_max} kinds: the further ones are counted here"
    return _gathering(OVERFLOW_IDENTITY, OVERFLOW, title, now, "")


def of_change(changed: str, now: datetime, rules: AlertRules) -> AlertRecord:
    """Give the alert that counts what a pack or document of the registry brings beyond the kinds it may open."""
    title = f"judged anew by {changed}: findings of more than {rules.kinds_per_change_max} kinds, the further ones here"
    return _gathering(identity_of_change(changed), JUDGED_ANEW, title, now, changed)


def _gathering(identity: str, what: str, title: str, now: datetime, changed: str) -> AlertRecord:
    return AlertRecord(
        identity=identity,
        state="open",
        what=what,
        title=title,
        severity="",
        service="",
        recipient="",
        purpose="",
        categories=[],
        clauses=[],
        reasons=[],
        gaps=[],
        first_at=now,
        last_at=now,
        count=1,
        examples=[],
        changed=changed,
    )


OVERFLOW_IDENTITY = _identity(OVERFLOW, "", "")
