"""Auditors: many of them at once, each asking one question after the other over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

import httpx

from benchmarks.rig.gdprbench import WORKLOADS, Asked, Workload
from flowtrack.audit.roles import Role

WHY = "benchmark"
_INSTEAD = "received"
_TIMEOUT_S = 120.0
_WINDOW = timedelta(days=1)


class Known(NamedTuple):
    """What questions are about: drawn from what the API itself told."""

    subjects: Sequence[str]
    categories: Sequence[str]
    recipients: Sequence[str]
    services: Sequence[str]
    days: Sequence[datetime]


class Answered(NamedTuple):
    """One answer."""

    workload: str
    family: str
    status: int
    took_ms: float


class Auditor:
    """Asks questions of a mix.

    Args:
        known: what to ask about.
        families: that the API has; instead of another, who received is asked.
        seed: the same seed asks the same questions.
    """

    def __init__(self, known: Known, families: frozenset[str], seed: int) -> None:
        self._known = known
        self._families = families
        self._chance = Random(seed)

    def draw(self, workload: Workload) -> tuple[str, dict[str, str]]:
        """Draw a question: its family and its parameters."""
        asked = self._chance.choices(workload.mix, [each.share for each in workload.mix])[0]
        if asked.family not in self._families:
            return _INSTEAD, {}
        return asked.family, self._parameters(asked, skewed=workload.skewed)

    def pause_s(self, mean_s: float) -> float:
        """Draw how long to wait."""
        return self._chance.uniform(0, 2 * mean_s)

    def _parameters(self, asked: Asked, *, skewed: bool) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in asked.given:
            if name == "day":
                day = self._chance.choice(self._known.days)
                found |= {"since": day.isoformat(), "until": (day + _WINDOW).isoformat()}
            else:
                among = {
                    "subject": self._known.subjects,
                    "category": self._known.categories,
                    "recipient": self._known.recipients,
                    "service": self._known.services,
                }[name]
                found[name] = among[self._place(len(among), skewed=skewed)]
        return found

    def _place(self, count: int, *, skewed: bool) -> int:
        """Draw a place, evenly or by Zipf's law."""
        if not skewed:
            return self._chance.randrange(count)
        return min(count - 1, int(count ** self._chance.random()) - 1)


class Asking:
    """So many auditors at once, a quarter of them in each of the four roles.

    Args:
        url: of the API.
        tokens: by role.
        known: what to ask about.
        families: that the API has.
        auditors: so many.
        pause_s: how long each waits after an answer; drawn evenly between nothing and twice as long.
    """

    def __init__(
        self,
        url: str,
        tokens: Mapping[Role, str],
        known: Known,
        families: frozenset[str],
        *,
        auditors: int,
        pause_s: float,
    ) -> None:
        self._url = url
        self._tokens = tokens
        self._pause_s = pause_s
        self._auditors = [Auditor(known, families, number) for number in range(auditors)]

    async def for_so_long(self, seconds: float) -> list[Answered]:
        """Let them ask, each going on where it stopped before."""
        limits = httpx.Limits(max_connections=len(self._auditors))
        until_s = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self._url, limits=limits, timeout=_TIMEOUT_S, trust_env=False) as client:
            names = list(WORKLOADS)
            tasks = [
                self._audit(client, names[number % len(names)], auditor, until_s)
                for number, auditor in enumerate(self._auditors)
            ]
            return [answered for each in await asyncio.gather(*tasks) for answered in each]

    async def _audit(self, client: httpx.AsyncClient, name: str, auditor: Auditor, until_s: float) -> list[Answered]:
        workload = WORKLOADS[name]
        found: list[Answered] = []
        headers = {"authorization": f"Bearer {self._tokens[workload.role]}", "flowtrack-purpose": WHY}
        while not found or time.monotonic() < until_s:
            family, parameters = auditor.draw(workload)
            begun_s = time.monotonic()
            response = await client.get(f"/v1/{family}", params=parameters, headers=headers)
            found.append(Answered(name, family, response.status_code, (time.monotonic() - begun_s) * 1_000))
            if self._pause_s:
                await asyncio.sleep(auditor.pause_s(self._pause_s))
        return found
