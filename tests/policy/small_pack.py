"""A small pack for tests of what packs in general do: two rules, few terms, the default pack's schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flowtrack.domain.event import TYPES, Event
from flowtrack.domain.history import Entry, as_of
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Kind
from flowtrack.domain.registry import RegistryDocument
from flowtrack.policy.decide import CategoryVerdict, Decider
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack
from flowtrack.policy.source import files_of_default_pack
from flowtrack.policy.validate import accept_pack

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SUBJECT = "0" * 31 + "1"

RULES = """\
@id("use-service") @clause("1")
permit (principal, action == Action::"use", resource in Category::"personal")
when { context.purpose in Purpose::"service" };

@id("no-outside") @clause("2") @reason("outside_purpose") @severity("high")
forbid (principal, action, resource) when { context.purpose in Purpose::"outside" };
"""

FILES: dict[str, str] = {
    "pack.yaml": 'id: small\nversion: "1"\neffective_from: "2020-01-01T00:00:00Z"\ntitle: {en: Small}\n',
    "schema.cedarschema": files_of_default_pack()["schema.cedarschema"],
    "clauses.yaml": (
        '"1": {ko: 하나, en: One, status: enforced}\n'
        '"2": {ko: 둘, en: Two, status: enforced}\n'
        '"3": {ko: 셋, en: Three, status: informative, why: A remark}\n'
    ),
    "vocabulary/category.yaml": "personal: {}\nname: {parents: [personal]}\nphone: {parents: [personal]}\n",
    "vocabulary/purpose.yaml": "purpose: {}\nservice: {parents: [purpose]}\noutside: {parents: [purpose]}\n",
    "vocabulary/processing.yaml": "processing: {}\nuse: {parents: [processing]}\nshare: {parents: [processing]}\n",
    "vocabulary/storage.yaml": "world: {}\nKR: {parents: [world]}\nNO: {parents: [world]}\n",
    "vocabulary/recipient.yaml": "anyone: {}\naffiliate: {parents: [anyone]}\n",
    "policy/rules.cedar": RULES,
    "cases/use.yaml": """\
name: A use for the service is permitted
clauses: ["1"]
registry: {services: {shop: {controller: platform}}}
event:
  type: flowtrack.use.v1
  source: /services/shop
  time: "2026-03-02T09:00:00Z"
  data: {categories: [name], purpose: service}
expect: {verdict: permit}
""",
}


def files(changes: Mapping[str, str | None] | None = None, *, more_rules: str = "") -> dict[str, str]:
    """The small pack's files with some replaced, or taken out (None)."""
    found = {**FILES, "policy/rules.cedar": f"{RULES}\n{more_rules}"}
    for path, text in (changes or {}).items():
        if text is None:
            found.pop(path)
        else:
            found[path] = text
    return found


def small_pack(changes: Mapping[str, str | None] | None = None, *, more_rules: str = "") -> Pack:
    """The small pack, validated as a whole."""
    return accept_pack(files(changes, more_rules=more_rules))


def event(kind: Kind = Kind.USE, *, source: str = "/services/shop", at: datetime = NOW, **data: Any) -> Event:
    """An event of the small pack's world."""
    type_ = next(name for name, known in TYPES.items() if known is kind)
    return Event.model_validate(
        {
            "specversion": "1.0",
            "id": "e",
            "source": source,
            "type": type_,
            "subject": SUBJECT,
            "time": at,
            "data": {"categories": ["name"], "purpose": "service", **data},
        }
    )


def shop(**sections: Any) -> RegistryDocument:
    """A registry with one service of the platform."""
    services = {"shop": {"controller": "platform", "regions": ["KR"]}, **sections.pop("services", {})}
    return RegistryDocument.model_validate({"name": "case", "services": services, **sections})


def decided(
    pack: Pack,
    of: Event,
    *,
    kind: Kind | None = None,
    registry: RegistryDocument | None = None,
    history: tuple[Entry, ...] = (),
) -> CategoryVerdict:
    """What a pack says of an event's first category."""
    decider = Decider([Judge(pack)], [shop() if registry is None else registry])
    verdict = decider.decide(kind or TYPES[of.type], of, as_of(history, instant_us(of.time)))
    return verdict.categories[0]
