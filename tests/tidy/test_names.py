"""Codes, terms and files that others refer to are all still there (names.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flowtrack.domain import names as enums


@pytest.fixture(scope="module")
def names() -> Any:
    """The names that stay."""
    return yaml.safe_load(Path(__file__).with_name("names.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pack(root: Path) -> Path:
    """The folder of the default pack."""
    packs = [path.parent for path in (root / "src/flowtrack/policy/packs").glob("*/pack.yaml")]
    assert packs, "no pack in src/flowtrack/policy/packs"
    return min(packs)


def test_no_code_has_gone(names: Any) -> None:
    """Every code that packs, cases or ledgers may hold is a member of its enumeration."""
    missing = {
        f"{enum}: {code}"
        for enum, codes in names["enums"].items()
        for code in set(codes) - {str(member) for member in getattr(enums, enum)}
    }
    assert not missing, "\n".join(sorted(missing))


def test_codes_are_spelt_as_codes(names: Any) -> None:
    """A member's name is its value in capitals, so that who knows one knows the other."""
    odd = {
        f"{enum}.{member.name} = {member.value}"
        for enum in names["enums"]
        for member in getattr(enums, enum)
        if member.name != member.value.upper().replace(".", "_")
    }
    assert not odd, "\n".join(sorted(odd))


def test_no_term_has_gone(names: Any, pack: Path) -> None:
    """The default pack's vocabularies hold every term, under the parents it had."""
    missing = []
    for vocabulary, terms in names["vocabularies"].items():
        held = yaml.safe_load((pack / "vocabulary" / f"{vocabulary}.yaml").read_text(encoding="utf-8"))
        for term, parents in terms.items():
            if term not in held:
                missing.append(f"{vocabulary}: {term}")
            elif lost := set(parents) - set((held[term] or {}).get("parents") or []):
                missing.append(f"{vocabulary}: {term} no longer under {sorted(lost)}")
    assert not missing, "\n".join(sorted(missing))


def test_the_pack_has_its_files(names: Any, pack: Path) -> None:
    """The default pack is complete, and carries cases."""
    missing = [path for path in names["pack_files"] if not (pack / path).is_file()]
    assert not missing, "\n".join(sorted(missing))
    assert list((pack / "cases").glob("*.yaml"))
