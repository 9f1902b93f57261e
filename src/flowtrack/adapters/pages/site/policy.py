"""The pages of the policy: what a clause says, which rules carry it out, how often they decided, and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi.responses import Response

from flowtrack.adapters.pages.site.frame import Backing
from flowtrack.adapters.pages.site.visit import Visit
from flowtrack.audit.coverage import Coverage, CoverageAnswer
from flowtrack.audit.violations import Violations
from flowtrack.errors import QuestionError
from flowtrack.policy.pack import Pack

_SAMPLES: Final = 20


class Policy:
    """The pages.

    Args:
        backing: has the ledger and its packs.
    """

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def all_clauses(self, visit: Visit) -> Response:
        """Show every clause of a pack beside its rules and counts."""
        packs, report = await self._covered(visit)
        pack = _chosen(visit, packs)
        return visit.show("policy.html", packs=packs, pack=pack, report=report, counts=_counts(report, pack))

    async def one_clause(self, visit: Visit) -> Response:
        """Show one clause: its words, its rules as they are written, and what did not pass because of it."""
        packs, report = await self._covered(visit)
        pack, named = _chosen(visit, packs), visit.said.get("clause", "").strip()
        if named not in pack.clauses:
            near = visit.near(named, pack.clauses)
            raise QuestionError(
                "there is no such clause in the policy",
                where="clause",
                help=f"did you mean {near}" if near else "the page of the policy lists all",
                meant={"clause": [near]} if near else None,
            )
        samples = None
        if visit.may_list(Violations):
            samples = await visit.ask(visit.question(Violations, clause=named, limit=_SAMPLES))
        return visit.show(
            "clause.html",
            pack=pack,
            named=named,
            clause=pack.clauses[named],
            rules=[rule for rule in pack.rules if named in rule.clauses],
            report=report,
            counts=_counts(report, pack),
            samples=samples,
        )

    async def _covered(self, visit: Visit) -> tuple[Mapping[str, Pack], CoverageAnswer]:
        answer = await visit.ask(visit.question(Coverage))
        return await self._backing.with_ledger(self._backing.packs_of), answer


def _chosen(visit: Visit, packs: Mapping[str, Pack]) -> Pack:
    """The pack that the address names; without one, that which took effect last."""
    named = visit.said.get("pack", "")
    if named and named not in packs:
        raise QuestionError(
            "there is no such pack here",
            where="pack",
            help=f"choose one of {', '.join(packs)}",
            meant={"pack": list(packs)},
        )
    return packs[named] if named else max(packs.values(), key=lambda pack: (pack.effective_from, pack.label))


def _counts(report: CoverageAnswer, pack: Pack) -> Mapping[str, Mapping[str, int]]:
    """How often each clause was cited, and each rule matched and decided."""
    rules = [each for each in report.rules if each.pack == pack.label]
    return {
        "cited": {each.clause: each.cited for each in report.rows if each.pack == pack.label},
        "matched": {each.rule: each.matched for each in rules},
        "decided": {each.rule: each.decided for each in rules},
    }
