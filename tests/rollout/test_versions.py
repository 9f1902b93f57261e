"""Which versions are known, which decide, and what is refused."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from flowtrack.apps.rollout_metrics import RolloutMetrics
from flowtrack.domain.instants import instant_us
from flowtrack.policy.signing import PublicKeys, signed
from flowtrack.tracking.check import Checker
from flowtrack.tracking.rulebook import REFUSED_MAX, Rulebook
from tests.rollout.scene import (
    USE,
    Feed,
    day,
    event_message,
    pack_document,
    pack_of,
    policy_record,
    registry,
    registry_record,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGE = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SHOPS = registry(services={"shop": {"controller": "platform", "regions": ["KR"]}})


def signing() -> Rulebook:
    """A rulebook that takes signed packs only."""
    return Rulebook(keys=PublicKeys([KEY.public_key()]))


def test_only_a_signed_pack_is_taken() -> None:
    """Unsigned, signed by a stranger or changed: refused as a bad signature, and what was valid goes on deciding."""
    rulebook = signing()
    good = signed(pack_document("1"), KEY)
    rulebook.take_policy(policy_record(good, 0))
    assert rulebook.versions["packs"] == ["default@1"]
    changed = {**good.files, "clauses.yaml": ""}
    bad = [pack_document("1"), signed(pack_document("1"), STRANGE), good.model_copy(update={"files": changed})]
    for offset, document in enumerate(bad, 1):
        rulebook.take_policy(policy_record(document, offset))
        assert rulebook.refused["policy default:1"].startswith("policies topic: bad_signature")
        assert rulebook.versions["packs"] == ["default@1"]
    rulebook.take_policy(policy_record(good, 9))
    assert not rulebook.refused


def test_a_tombstone_takes_no_signed_pack_away() -> None:
    """Nobody can sign a tombstone; without keys it takes its version out of force."""
    strict, open_to_all = signing(), Rulebook()
    for rulebook in (strict, open_to_all):
        rulebook.take_policy(policy_record(signed(pack_document("1"), KEY), 0))
        rulebook.take_policy(policy_record(None, 1, "default:1"))
    assert strict.versions["packs"] == ["default@1"]
    assert "bad_signature" in strict.refused["policy default:1"]
    assert open_to_all.versions["packs"] == []


def test_without_any_pack_it_is_not_ready() -> None:
    """No pack at all means waiting; a pack whose time is still to come means judging."""
    rulebook = signing()
    assert rulebook.readiness() == "no policy in force: no pack is published"
    rulebook.take_policy(policy_record(pack_document("1"), 0))
    assert "bad_signature" in rulebook.readiness()
    rulebook.take_policy(policy_record(signed(pack_document("1", "2999-01-01T00:00:00Z"), KEY), 1))
    assert rulebook.readiness() == ""


def test_before_the_first_pack_began_no_policy_is_in_force() -> None:
    """An event older than every pack is indeterminate, and says that no policy was in force."""
    rulebook = Rulebook([pack_of("1", "2026-03-10T00:00:00Z")], [SHOPS])
    checker = Checker(rulebook, 1, lambda _: False)
    checker.assigned(0, ())
    found = Feed(checker).batch([event_message("use", "shop", day(5), USE), event_message("use", "shop", day(15), USE)])
    before, after = [each for each in found if each.type == "decision"]
    assert (before.verdict, before.categories[0].gaps) == ("indeterminate", ["no_policy_in_force"])
    assert after.pack == "default@1"
    assert "no_policy_in_force" not in after.categories[0].gaps


def test_a_version_decides_from_its_instant_in_every_partition() -> None:
    """Two versions side by side: each event is decided by the one of its own time, wherever and whenever it comes."""
    rulebook = Rulebook([pack_of("1"), pack_of("2", "2026-03-04T00:00:00Z")], [SHOPS])
    checker = Checker(rulebook, 1, lambda _: False)
    checker.assigned(0, ())
    times = [day(9), day(2), day(3), day(3 - 1e-6)]
    found = Feed(checker).batch([event_message("use", "shop", at, USE) for at in times])
    packs = [each.pack for each in found if each.type == "decision"]
    assert packs == ["default@2", "default@1", "default@2", "default@1"]


def test_every_version_is_listed_with_its_state() -> None:
    """In force, scheduled, superseded or refused: as of the time that is asked about."""
    rulebook = Rulebook([pack_of("1"), pack_of("2", "2026-03-04T00:00:00Z")], [SHOPS])
    rulebook.take_registry(registry_record(registry("2"), 0))
    rulebook.take_registry(registry_record(registry("3"), 1, "wrong:3"))
    registered = CollectorRegistry()
    now = [instant_us(day(1))]
    registered.register(RolloutMetrics(rulebook, lambda: now[0]))

    def states() -> set[tuple[str, ...]]:
        [metric] = registered.collect()
        return {
            tuple(sample.labels[name] for name in ("kind", "name", "version", "state")) for sample in metric.samples
        }

    documents = {("registry", "registry", "1", "superseded"), ("registry", "registry", "2", "in_force")}
    refused = {("registry", "wrong", "3", "refused")}
    first = {("policy", "default", "1", "in_force"), ("policy", "default", "2", "scheduled")}
    assert states() == first | documents | refused
    now[0] = instant_us(day(3))
    second = {("policy", "default", "1", "superseded"), ("policy", "default", "2", "in_force")}
    assert states() == second | documents | refused


def test_what_is_refused_is_remembered_within_bounds() -> None:
    """A topic full of nonsense fills no memory."""
    rulebook = Rulebook()
    for number in range(REFUSED_MAX + 10):
        rulebook.take_registry(registry_record(None, number, f"x:{number}")._replace(value=b"{}"))
    assert len(rulebook.refused) == REFUSED_MAX


def test_only_one_partition_of_a_control_topic_counts() -> None:
    """Records of several partitions have no order, so that nobody could tell which came last."""
    rulebook = Rulebook()
    rulebook.take_registry(registry_record(SHOPS, 0)._replace(partition=1))
    assert rulebook.versions["registry"] == []
    assert "partition 0" in rulebook.refused["registry registry:1"]
