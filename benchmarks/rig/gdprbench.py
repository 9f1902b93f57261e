"""What auditors ask, in the roles and shares of GDPRbench.

Source: Shastri, Banakar, Wasserman, Kumar, Chidambaram, "Understanding and Benchmarking the Impact of GDPR on Database
Systems", PVLDB 13(7), 2020, doi 10.14778/3384345, and the workload files of its release (GDPRbench/GDPRbench,
src/workloads/gdpr_{controller,customer,processor,regulator}, commit 1716696): shares of operations, and whether the
records that they fall on are drawn evenly or by Zipf's law.

GDPRbench reads and writes a store of personal data.  A ledger of flows is written by its sink alone, so an operation
that writes stands here for the question that whoever does it asks before: what is there, who has it, what may go.  Of
the regulator the files say 0.46 for reading metadata and nothing for the rest; the halves of the rest are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from flowtrack.audit.roles import Role


class Asked(NamedTuple):
    """A question of the mix."""

    operation: str
    """Of GDPRbench, as its workload files call it."""
    share: float
    family: str
    given: tuple[str, ...] = ()
    """What is drawn for it: `subject`, `category`, `recipient`, `service`, `day`."""


class Workload(NamedTuple):
    """One of the four."""

    role: Role
    """Whose token is shown."""
    skewed: bool
    """Whether records are drawn by Zipf's law."""
    mix: tuple[Asked, ...]


WORKLOADS: Final[Mapping[str, Workload]] = {
    "controller": Workload(
        Role.CONTROLLER,
        skewed=False,
        mix=(
            Asked("update metadata", 0.5, "received", ("category",)),
            Asked("insert", 0.25, "graph", ("service", "day")),
            Asked("delete by metadata", 0.25, "overview", ("day",)),
        ),
    ),
    "customer": Workload(
        Role.SUBJECT_DESK,
        skewed=True,
        mix=(
            Asked("read", 0.2, "trail", ("subject",)),
            Asked("read metadata", 0.2, "consent-proof", ("subject",)),
            Asked("update", 0.2, "trail", ("subject", "category")),
            Asked("update metadata", 0.2, "trail", ("subject", "day")),
            Asked("delete", 0.2, "subject-graph", ("subject", "category")),
        ),
    ),
    "processor": Workload(
        Role.AUDITOR,
        skewed=False,
        mix=(
            Asked("read", 0.2, "use", ("service", "day")),
            Asked("read metadata", 0.8, "received", ("recipient",)),
        ),
    ),
    "regulator": Workload(
        Role.REGULATOR,
        skewed=True,
        mix=(
            Asked("read metadata", 0.46, "trail", ("subject",)),
            Asked("system logs", 0.27, "violations", ("day",)),
            Asked("verify deletion", 0.27, "received", ("category", "day")),
        ),
    ),
}
