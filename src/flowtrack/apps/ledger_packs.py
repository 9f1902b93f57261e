"""The packs that a ledger's rows were judged by: from its documents, and the one that Flowtrack brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from flowtrack.errors import PackError
from flowtrack.policy.pack import Pack, default_pack, load_pack
from flowtrack.policy.source import PackDocument

if TYPE_CHECKING:
    from flowtrack.audit.answers import Document
    from flowtrack.audit.ledger import Ledger


def packs_of(ledger: Ledger) -> dict[str, Pack]:
    """The packs among a ledger's documents, by label; without any, the one that Flowtrack brings.

    Raises:
        StoreError: the ledger does not answer.
        PackError: a pack among its documents cannot be read.
    """
    found = [_pack(each) for each in ledger.documents() if each.kind == "policy"]
    return {pack.label: pack for pack in found or [default_pack()]}


def _pack(document: Document) -> Pack:
    try:
        return load_pack(PackDocument.model_validate_json(document.body).files)
    except ValidationError:
        raise PackError(
            "a pack among the ledger's documents cannot be read",
            where=document.name,
            help="publish it again: flowtrack policy publish",
        ) from None
