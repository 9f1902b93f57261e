"""`flowtrack policy whatif`: what another pack would have decided, and whether that is too much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from flowtrack.apps.ledger import asking, open_ledger
from flowtrack.apps.ledger_packs import packs_of
from flowtrack.apps.packs import accepted_pack
from flowtrack.apps.questions import completeness_of, instant
from flowtrack.apps.screen import Lines, Part, Screen, Silent, Table
from flowtrack.audit.questions import Period
from flowtrack.audit.whatif import WhatIfAnswer, what_if
from flowtrack.errors import ConfigurationError

EXIT_ABOVE, EXIT_NOT_JUDGED = 1, 2
KINDS = ("denied", "permitted", "indeterminate", "changed", "unjudged")
_VERDICTS = {"denied": "deny", "permitted": "permit", "indeterminate": "indeterminate"}
_ROWS = 20
_WHY = {
    "no_pack": "no pack was in force",
    "no_judgement": "the situation is not defined in the ledger",
    "pack_unknown": "the pack that judged is not among the ledger's documents",
    "registry_unknown": "a registry document that was judged by is not among the ledger's documents",
    "facts_missing": "the row is from before facts were kept, or the registry document has changed since",
    "consents_matter": "the new vocabularies read some consent otherwise, and whose it was is not known",
    "country_matters": "whether the place is the subject's country decides, and is not known",
}


class Limit(NamedTuple):
    """So many flows of a kind are borne, no more; either a number or a share of all flows of the period."""

    kind: str
    number: float
    is_share: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """Read `denied=100` or `denied=0.5%`.

        Raises:
            ConfigurationError: it is none.
        """
        kind, _, amount = text.partition("=")
        try:
            number = float(amount.removesuffix("%"))
        except ValueError:
            number = -1.0
        if kind not in KINDS or not 0 <= number < float("inf"):
            raise ConfigurationError(
                f"`{text}` is no limit",
                where="--fail-above",
                help=f"write one of {', '.join(KINDS)}, `=`, and a number of flows or a share: denied=0.5%",
            )
        return cls(kind, number, amount.endswith("%"))

    def exceeded(self, answer: WhatIfAnswer) -> str:
        """Say by how much an answer lies above; empty where it does not."""
        flows = flows_of(self.kind, answer)
        bound = self.number * answer.flows / 100 if self.is_share else self.number
        if flows <= bound:
            return ""
        borne = f"{self.number:g} %" if self.is_share else f"{self.number:,.0f}"
        return f"{self.kind}: {flows:,} of {answer.flows:,} flows ({_share(flows, answer.flows)}), borne {borne}"


def flows_of(kind: str, answer: WhatIfAnswer) -> int:
    """How many flows are newly denied, permitted or indeterminate, changed at all, or not judged."""
    if kind == "changed":
        return answer.changed
    return answer.unjudged_flows if kind == "unjudged" else answer.flows_to(_VERDICTS[kind])


def whatif(
    folder: Path,
    data_dir: Path,
    *,
    since: str,
    until: str,
    known_at: str,
    fail_above: Sequence[str],
    why: str = "",
    as_json: bool,
) -> int:
    """Judge a period by a pack, show what changes, and give the exit status.

    Raises:
        PackError: the pack is refused.
        ConfigurationError: an instant or a limit is none, or the period is empty.
        StoreError: there is no ledger, or it does not answer.
    """
    limits = [Limit.of(text) for text in fail_above]
    period = Period(
        since=instant("--since", since), until=instant("--until", until), known_at=instant("--known-at", known_at)
    )
    if period.since is not None and period.until is not None and period.since >= period.until:
        raise ConfigurationError(
            "the period ends before it begins", where="--until", help="name a later instant than that of --since"
        )
    new = accepted_pack(folder)
    # progress goes to a terminal only: what stands in a pipe is the answer
    screen = Screen() if sys.stdout.isatty() and not as_json else Silent()
    with open_ledger(data_dir) as ledger, screen.steps() as steps:
        answer = what_if(ledger, period, new, packs_of(ledger), asker=asking(why), told=steps.update)
    above = [text for limit in limits if limit.kind != "unjudged" and (text := limit.exceeded(answer))]
    borne = next((limit for limit in limits if limit.kind == "unjudged"), Limit("unjudged", 0, is_share=False))
    unjudged = borne.exceeded(answer)
    if limits and not answer.flows:  # a limit that nothing was held against would pass whatever the pack says
        unjudged = "no flow lies in the period: there is nothing to hold the limits against"
    verdict = _verdict(above, unjudged, limited=bool(limits))
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
        sys.stderr.write("".join(f"{text}\n" for text in [verdict.title, *verdict.lines]))
    else:
        Screen().show(*_parts(answer), verdict, completeness_of(answer.completeness))
    if unjudged:
        return EXIT_NOT_JUDGED
    return EXIT_ABOVE if above else 0


def _parts(answer: WhatIfAnswer) -> list[Part]:
    how = [
        f"{answer.by_situation:,} flows judged by their situation, {answer.situations:,} situations asked",
        f"{answer.by_shape:,} flows resolved anew, in {answer.shapes:,} groups",
        *(
            f"{each.flows:,} flows not judged: {_WHY.get(each.reason, each.reason)} ({', '.join(each.packs) or '-'})"
            for each in answer.unjudged
        ),
        f"{answer.restated:,} flows keep their verdict by other rules or clauses",
    ]
    transitions: list[list[str | int]] = [
        [
            f"{each.before} -> {each.after}",
            each.flows,
            _share(each.flows, answer.flows),
            each.events,
            each.subjects,
            each.sample_events[0] if each.sample_events else "",
            each.sample_subjects[0] if each.sample_subjects else "",
        ]
        for each in answer.transitions
    ]
    columns = ["change", "flows", "share", "events", "people", "an event", "a subject"]
    tables: list[Part] = [
        Lines(f"{answer.pack} over {answer.flows:,} flows", how),
        Table(f"Changes: {answer.changed:,} flows", columns, transitions),
    ]
    for by in ("clause", "service", "recipient", "category"):
        found = [each for each in answer.changes if each.by == by]
        rows: list[list[str | int]] = [
            [each.name, f"{each.before} -> {each.after}", each.flows] for each in found[:_ROWS]
        ]
        note = f"and {len(found) - _ROWS} more: --json shows all" if len(found) > _ROWS else ""
        if rows:
            tables.append(Table(f"By {by}", [by, "change", "flows"], rows, note))
    return tables


def _share(flows: int, total: int) -> str:
    return f"{100 * flows / total:.3g} %" if total else "-"


def _verdict(above: list[str], unjudged: str, *, limited: bool) -> Lines:
    if unjudged:
        return Lines("Not everything could be judged", [unjudged, *above])
    if above:
        return Lines("Above what is borne", above)
    return Lines("Within what is borne" if limited else "No limits were given (--fail-above)", [])
