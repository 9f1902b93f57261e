"""The situation: everything that a rule may look at, as a small tuple of low-cardinality values.

Never in it: subject, event id, time, reference, session.  So a few thousand situations stand for years of events,
and *what would these rules have decided?* is: judge the situations anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

UNKNOWN = "unknown"
NONE = "none"
ANY = "any"


class Circumstances(NamedTuple):
    """What all categories of one event share."""

    kind: str
    service: str
    """`any` unless a rule of the pack names the service; `unknown` where the registry does not know it."""
    controller: str
    purpose: str
    processing: str
    recipient: str
    recipient_type: str
    basis: str
    method: str
    sender_type: str
    consideration: str
    channel: str
    protection: str
    custodian_type: str
    store_role: str
    location: str
    agreement: str
    instructed: bool
    confidentiality: bool
    security: bool
    account: str
    terms: str
    deemed: bool
    opted_out: bool
    actor: str
    staff_agreement: bool
    monitored: bool
    combined: str
    unverified: bool
    declared_purpose: bool
    gaps: tuple[str, ...]
    """Names that nobody knows: they are gaps whether a pack says so or not."""


class Situation(NamedTuple):
    """What a rule may look at, for one category of one event."""

    circumstances: Circumstances
    category: str
    own_consent: str
    reference: str
    named_in_order: bool
    needs: str
    role_granted: bool
    unknown_category: bool

    @property
    def gaps(self) -> tuple[str, ...]:
        """The names that nobody knows."""
        return (*self.circumstances.gaps, "unknown_category") if self.unknown_category else self.circumstances.gaps


def attributes(situation: Situation) -> dict[str, str | bool | list[str]]:
    """The situation as names and values: what the ledger keeps and what-if judges anew."""
    shared = situation.circumstances
    named: dict[str, str | bool | list[str]] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in shared._asdict().items()
    }
    named.update({name: value for name, value in situation._asdict().items() if name != "circumstances"})
    return named


def from_attributes(named: Mapping[str, Any]) -> Situation:
    """The situation behind `attributes`.

    Raises:
        KeyError: an attribute is missing.
    """
    shared = {name: named[name] for name in Circumstances._fields}
    shared["gaps"] = tuple(named["gaps"])
    return Situation(circumstances=Circumstances(**shared), **{name: named[name] for name in Situation._fields[1:]})


def situation_id(situation: Situation) -> str:
    """64-bit BLAKE2b of the situation's canonical form (RFC 8785 order), as 16 hex digits."""
    canonical = json.dumps(attributes(situation), sort_keys=True, separators=(",", ":"))
    return blake2b(canonical.encode(), digest_size=8).hexdigest()
