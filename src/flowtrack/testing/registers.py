"""Registers of a ledger in memory: access of staff, transfers abroad, what is stored too long."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from flowtrack.audit.access import Access, AccessAnswer, StaffCount, StaffUse, actor_of
from flowtrack.audit.categories import under
from flowtrack.audit.cursors import FLOW, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.audit.overdue import Overdue, OverdueAnswer, overdue_of, rank_of
from flowtrack.audit.paging import page_of
from flowtrack.audit.trail import facts_of, particulars_of
from flowtrack.audit.transfers import Transfers, TransfersAnswer, geography_of, place_of, transfer_of
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.ledger_tables import Row
from flowtrack.testing.view import View
from flowtrack.tracking import rows as tables

_ORDERED_BY = ("happened_at", "epoch", "source_partition", "source_offset", "category", "revision")


def access(view: View, question: Access, about: About) -> AccessAnswer:
    """Give a page of uses by staff."""
    flows = [
        row
        for row in view.flows(question)
        if row["kind"] == "use"
        and facts_of(row["facts"]).actor_type in {"staff", "contractor"}
        and question.subject in {None, row["subject"]}
        and question.service in {None, row["service"]}
        and under(row["category"], question.category)
        and question.actor in {None, particulars_of(row["particulars"]).actor_id}
        and question.role in {None, facts_of(row["facts"]).actor_role}
    ]
    flows.sort(key=lambda row: tuple(row[name] for name in _ORDERED_BY), reverse=True)
    counts: dict[tuple[str, str], list[tuple[Row, StaffUse]]] = defaultdict(list)
    for row in flows:
        use = _use(view, row)
        counts[use.actor, use.role].append((row, use))
    staff = [
        StaffCount(
            actor=actor,
            role=role,
            flows=len(group),
            denied=sum(use.verdict == "deny" for _, use in group),
            subjects=len({use.subject for _, use in group}),
            without_task=sum(not use.task for _, use in group),
            without_session=sum(not use.session for _, use in group),
        )
        for (actor, role), group in counts.items()
    ]
    key = key_of(question, FLOW)
    if key is not None:
        flows = [row for row in flows if tuple(row[name] for name in _ORDERED_BY) < tuple(key)]
    given = flows[: question.limit]
    if len(flows) > len(given):
        about = about.cut(None, cursor_of(question, [given[-1][name] for name in _ORDERED_BY]))
    rows = [_use(view, row) for row in given]
    staff.sort(key=lambda each: (-each.flows, each.actor, each.role))
    return AccessAnswer(about=about.judged_by([row.pack for row in rows], []), rows=rows, staff=staff)


def _use(view: View, row: Row) -> StaffUse:
    judgement = view.judgements()[row["pack"], row["situation"]]
    copied = ("subject", "event_id", "service", "category", "purpose", "verdict", "pack", "revision")
    return StaffUse(
        **{name: row[name] for name in copied},
        happened_at=from_us(row["happened_at"]),
        recorded_at=from_us(row["recorded_at"] * 1000),
        **actor_of(row["facts"], row["particulars"]),
        clauses=judgement["clauses"],
        reasons=judgement["reasons"],
    )


def transfers(view: View, question: Transfers, about: About) -> TransfersAnswer:
    """Give a page of transfers abroad."""
    latest: dict[str, Row] = {}
    for row in sorted(view.tables[tables.DOCUMENTS], key=lambda each: each["recorded_at"]):
        if row["kind"] == "registry" and (
            question.known_at is None or row["recorded_at"] * 1000 <= instant_us(question.known_at)
        ):
            latest[row["name"]] = row
    known = sorted(latest.values(), key=lambda row: (row["valid_from"], row["recorded_at"], row["name"]))
    geography = geography_of([row["body"] for row in known if not row["removed"]], question.home)
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in view.flows(question):
        out = row["location"] and row["location"] not in geography.home
        if (
            row["kind"] == "share"
            and (out or row["recipient"] in geography.abroad)
            and question.recipient in {None, row["recipient"]}
            and question.service in {None, row["service"]}
            and under(row["category"], question.category)
        ):
            groups[row["recipient"], row["location"], row["category"]].append(row)
    rows = [
        transfer_of(
            geography,
            recipient=recipient,
            destination=location,
            category=category,
            purposes=sorted({row["purpose"] for row in group}),
            bases=sorted({row["basis"] for row in group}),
            services=sorted({row["service"] for row in group}),
            flows=len(group),
            denied=sum(row["verdict"] == "deny" for row in group),
            indeterminate=sum(row["verdict"] == "indeterminate" for row in group),
            subjects=len({row["subject"] for row in group}),
            first=from_us(min(row["happened_at"] for row in group)),
            last=from_us(max(row["happened_at"] for row in group)),
        )
        for (recipient, location, category), group in groups.items()
    ]
    about, given = page_of(question, about, rows, place_of)
    return TransfersAnswer(about=about, rows=given, home=geography.home)


def overdue(view: View, question: Overdue, about: About) -> OverdueAnswer:
    """Give a page of what is overdue."""
    at = question.as_of or question.known_at
    if at is None:
        return OverdueAnswer(about=about, rows=[], copies=0, at=None)
    last: dict[tuple[str, str, str], Row] = {}
    for row in sorted(
        view.flows(question), key=lambda each: (each["happened_at"], each["particulars"], each["service"])
    ):
        if (
            row["kind"] == "store"
            and question.dataset in {None, row["dataset"]}
            and under(row["category"], question.category)
        ):
            last[row["subject"], row["category"], row["dataset"]] = row
    erased = [
        row
        for row in view.flows(question.model_copy(update={"since": None, "until": None, "as_of": at}))
        if row["kind"] == "erase"
    ]
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row in last.values():
        due_us = _due_us(row, question)
        gone = any(_erases(each, row) for each in erased)
        if due_us is not None and due_us < instant_us(at) and not gone and question.service in {None, row["service"]}:
            groups[row["dataset"], row["service"], row["category"]].append(due_us)
    rows = [
        overdue_of(
            dataset=dataset,
            service=service,
            category=category,
            copies=len(dues),
            first_due=from_us(min(dues)),
            last_due=from_us(max(dues)),
        )
        for (dataset, service, category), dues in groups.items()
    ]
    about, given = page_of(question, about, rows, rank_of)
    return OverdueAnswer(about=about, rows=given, copies=sum(row.copies for row in rows), at=at)


def _due_us(row: Row, question: Overdue) -> int | None:
    ends = particulars_of(row["particulars"]).retain_until
    if ends is not None:
        return instant_us(ends)
    if question.keep_days is None:
        return None
    return instant_us(from_us(row["happened_at"]) + timedelta(days=question.keep_days))


def _erases(erase: Row, stored: Row) -> bool:
    return bool(
        erase["subject"] == stored["subject"]
        and erase["happened_at"] >= stored["happened_at"]
        and erase["dataset"] in {"", stored["dataset"]}
        and under(stored["category"], erase["category"] or None)
    )
