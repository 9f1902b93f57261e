"""The rulebook: what is not valid never replaces what is, and the order of the topics decides the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import structlog

from flowtrack.policy.pack import load_pack
from flowtrack.policy.source import PackDocument, files_of_default_pack
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.rulebook import Rulebook
from tests.policy import world
from tests.policy.small_pack import files, small_pack
from tests.tracking.checking import checker, event_record, told

MARK = "zqmarker"


def pack_record(found: dict[str, str], *, offset: int = 0, key: str | None = None, **head: Any) -> Record:
    """A pack on the policies topic."""
    pack = load_pack(files())
    name, version = head.pop("name", pack.name), head.pop("version", pack.version)
    document = PackDocument(name=name, version=version, effective_from=pack.effective_from, files=found)
    value = document.model_copy(update=head).model_dump_json().encode()
    return Record(Topic.POLICIES, 0, offset, 0, (key or f"{name}:{version}").encode(), value)


def registry_record(version: str = "1", *, key: str | None = None, name: str = "shop", **sections: Any) -> Record:
    """A document on the registry topic."""
    value = json.dumps({"name": name, "version": version, **sections}).encode()
    return Record(Topic.REGISTRY, 0, 0, 0, (key or f"{name}:{version}").encode(), value)


def with_version(version: str, *, more_rules: str = "") -> dict[str, str]:
    """The small pack under another version."""
    found = files(more_rules=more_rules)
    return {**found, "pack.yaml": found["pack.yaml"].replace('"1"', f'"{version}"')}


def _refusal(rules: Rulebook) -> str:
    assert len(rules.refused) == 1
    return next(iter(rules.refused.values()))


SHOP: dict[str, Any] = {"services": {"shop": {"controller": "platform"}}}


def test_a_valid_pack_and_registry_are_in_force() -> None:
    """What is taken decides the next event."""
    rules = Rulebook()
    rules.take_registry(registry_record(**SHOP))
    rules.take_policy(pack_record(files()))
    assert rules.versions == {"packs": ["small@1"], "registry": ["shop@1"]}
    assert not rules.refused
    message = world.event(Random(1))
    message |= {"type": "flowtrack.use.v1", "source": "/services/shop"}
    message["data"] = {"categories": ["name"], "purpose": "service"}
    found = told(checker(rules=rules).process([event_record(0, message)]))
    assert [(each["verdict"], each["pack"], each["registry"]) for each in found.decisions] == [
        ("permit", "small@1", "shop@1")
    ]


BAD_PACKS: dict[str, Record] = {
    "no JSON": pack_record(files())._replace(value=b"{"),
    "no pack": pack_record(files())._replace(value=b'{"name": "small", "version": "1"}'),
    "syntax error": pack_record(files(more_rules="forbid (")),
    "unknown name": pack_record(
        files(more_rules='@id("x") @clause("2") forbid (principal, action, resource in Category::"x");')
    ),
    "failing case": pack_record({**files(), "cases/use.yaml": files()["cases/use.yaml"].replace("permit}", "deny}")}),
    "cyclic vocabulary": pack_record({**files(), "vocabulary/purpose.yaml": "a: {parents: [b]}\nb: {parents: [a]}\n"}),
    "overlapping registry": pack_record(
        files({"registry.yaml": "parties: {a: [{type: merchant}, {type: affiliate}]}", "cases/use.yaml": None})
    ),
    "nested without end": pack_record(
        files(more_rules=f'@id("x") @clause("2") permit (principal, action, resource) when {{ {"(" * 9_000} }};')
    ),
    "a date that is none": pack_record({**files(), "pack.yaml": "id: small\neffective_from: 2026-02-31\n"}),
    "another name": pack_record(files(), name="other"),
    "another version": pack_record(files(), version="7"),
    "another instant": pack_record(files(), effective_from=datetime(2021, 1, 1, tzinfo=UTC)),
    "another key": pack_record(files(), key="small:9"),
    "no key": pack_record(files())._replace(key=None),
}

BAD_REGISTRIES: dict[str, Record] = {
    "no JSON": registry_record()._replace(value=b"{"),
    "unknown section": registry_record(partys={}),
    "overlapping": registry_record(parties={"a": [{"type": "merchant"}, {"type": "affiliate"}]}),
    "inverted": registry_record(sessions={"s": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}),
    "time without zone": registry_record(sessions={"s": {"since": "2026-01-02T00:00:00"}}),
    "another name": registry_record(key="other:1"),
    "another version": registry_record(key="shop:2"),
    "no key": registry_record()._replace(key=None),
}


@pytest.mark.parametrize("record", BAD_PACKS.values(), ids=BAD_PACKS)
@pytest.mark.parametrize("held", [False, True])
def test_a_bad_pack_replaces_nothing(record: Record, held: bool) -> None:  # noqa: FBT001 - a parameter
    """A pack that cannot be taken is listed with its reason; what was in force, if anything, goes on deciding."""
    rules = Rulebook([small_pack()] if held else [])
    before = rules.versions
    rules.take_policy(record)
    assert rules.versions == before
    assert _refusal(rules)
    assert told(checker(rules=rules).process([event_record(0, world.event(Random(1)))])).decisions


@pytest.mark.parametrize("record", BAD_REGISTRIES.values(), ids=BAD_REGISTRIES)
@pytest.mark.parametrize("first", ["registry", "pack"])
def test_a_bad_registry_replaces_nothing(record: Record, first: str) -> None:
    """A document that contradicts itself is refused whether or not a pack is there yet, and the worker judges on."""
    rules = Rulebook()
    for what in ("registry", "pack") if first == "registry" else ("pack", "registry"):
        if what == "pack":
            rules.take_policy(pack_record(files()))
        else:
            rules.take_registry(registry_record("0", **SHOP))
            rules.take_registry(record)
    assert rules.versions == {"packs": ["small@1"], "registry": ["shop@0"]}
    assert _refusal(rules)
    assert told(checker(rules=rules).process([event_record(0, world.event(Random(1)))])).decisions


def test_a_refusal_says_where_and_what() -> None:
    """The reason names file, line and fault of each problem."""
    rules = Rulebook()
    rules.take_policy(BAD_PACKS["cyclic vocabulary"])
    assert "vocabulary/purpose.yaml:" in _refusal(rules)
    assert "circle" in _refusal(rules)


def test_a_refusal_ends_when_its_key_is_taken() -> None:
    """Publishing a mended pack under the same key clears the refusal."""
    rules = Rulebook()
    rules.take_policy(BAD_PACKS["syntax error"])
    assert rules.refused
    rules.take_policy(pack_record(files()))
    assert not rules.refused


def test_a_later_version_of_a_pack_takes_over() -> None:
    """Of versions that begin at the same instant the one taken last decides, also when an older one comes again."""
    rules, order = Rulebook(), []
    forbid = '@id("never") @clause("2") forbid (principal, action == Action::"erase", resource);'
    first, second = pack_record(with_version("1")), pack_record(with_version("2", more_rules=forbid), version="2")
    for record in (first, second, first._replace(offset=2)):
        rules.take_policy(record)
        found = told(checker(rules=rules).process([event_record(0, world.event(Random(1)))]))
        order.append(found.decisions[0]["pack"])
    assert order == ["small@1", "small@2", "small@1"]
    assert rules.versions["packs"] == ["small@1", "small@2"]


def test_a_tombstone_takes_one_version_out_of_force() -> None:
    """Tombstoning one version of a pack leaves the others, and of an unknown one everything."""
    rules = Rulebook()
    for version in ("1", "2"):
        rules.take_policy(pack_record(with_version(version), version=version))
    for key, left in (("small:9", ["small@1", "small@2"]), ("small:2", ["small@1"]), ("small:1", [])):
        rules.take_policy(Record(Topic.POLICIES, 0, 5, 0, key.encode(), None))
        assert rules.versions["packs"] == left


def test_a_tombstone_of_an_old_registry_leaves_the_new_one() -> None:
    """Cleaning up version 1 after version 2 came takes nothing out of force; taking 2 out brings 1 back."""
    rules = Rulebook()
    for version in ("1", "2", "3"):
        rules.take_registry(registry_record(version, **SHOP))
    for key, left in (("shop:1", ["shop@3"]), ("shop:3", ["shop@2"]), ("shop:2", [])):
        rules.take_registry(Record(Topic.REGISTRY, 0, 5, 0, key.encode(), None))
        assert rules.versions["registry"] == left


@pytest.mark.parametrize("seed", range(6))
def test_a_worker_that_reads_the_compacted_topic_holds_the_same(seed: int) -> None:
    """Whatever compaction takes away, who reads the topics later decides by the same documents in the same order."""
    random = Random(seed)
    log: list[Record] = []
    for offset in range(14):
        name, version = random.choice("ab"), random.choice("12")
        record = registry_record(version, name=name, services={"shop": {"controller": random.choice(CONTROLLERS)}})
        if random.random() < 0.3:
            record = record._replace(value=None)
        log.append(record._replace(offset=offset))
    compacted = [each for at, each in enumerate(log) if each.key not in {later.key for later in log[at + 1 :]}]
    whole, later = Rulebook([small_pack()]), Rulebook([small_pack()])
    for record in log:
        whole.take_registry(record)
    for record in compacted:
        later.take_registry(record)
    assert later.versions == whole.versions
    event = event_record(0, {**world.event(Random(1)), "source": "/services/shop"})
    assert checker(rules=later).process([event]) == checker(rules=whole).process([event])


CONTROLLERS = ("platform", "affiliate", "third_party")


def test_a_later_document_of_another_name_counts_over_an_earlier_one() -> None:
    """Documents of several names are merged id by id, in the order in which they arrived last."""
    rules = Rulebook([small_pack()])
    third: dict[str, Any] = {"services": {"shop": {"controller": "third_party"}}}
    event = event_record(0, {**world.event(Random(1)), "source": "/services/shop"})

    def registry_cited() -> str:
        return str(told(checker(rules=rules).process([event])).decisions[0]["registry"])

    rules.take_registry(registry_record("1", name="a", **SHOP))
    rules.take_registry(registry_record("1", name="b", **third))
    assert registry_cited() == "a@1+b@1"
    rules.take_registry(registry_record("2", name="a", **SHOP))
    assert registry_cited() == "b@1+a@2"


def test_refusals_and_logs_quote_no_value() -> None:
    """What stands in a document that cannot be taken is told by field, not by value."""
    rules = Rulebook()
    with structlog.testing.capture_logs() as logs:
        rules.take_registry(registry_record(parties={"a": {"type": MARK, "country": 7}}))
        rules.take_registry(registry_record(sessions={"s": {"since": MARK}}))
        rules.take_policy(pack_record(files())._replace(value=json.dumps({"name": MARK, "files": MARK}).encode()))
    assert rules.refused
    assert MARK not in repr(rules.refused)
    assert MARK not in repr(logs)
    assert [each["log_level"] for each in logs] == ["error"] * 3


def test_the_default_pack_can_be_published() -> None:
    """The pack that Flowtrack brings passes the way over the topic, too."""
    found = files_of_default_pack()
    pack = load_pack(found)
    document = PackDocument(name=pack.name, version=pack.version, effective_from=pack.effective_from, files=found)
    rules = Rulebook()
    key = f"{pack.name}:{pack.version}".encode()
    rules.take_policy(Record(Topic.POLICIES, 0, 0, 0, key, document.model_dump_json().encode()))
    assert rules.versions["packs"] == [pack.label]
