"""What the flows of a sample day have at hand."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from flowtrack.domain.names import Kind
from flowtrack.sample.cast import Cast, Person, Records
from flowtrack.sample.diary import Data, Diary
from flowtrack.sample.options import HOUR_US, SECOND_US, SampleOptions
from flowtrack.sample.platform import STAFF, Platform, staff_agreement, staff_session

TLS: Data = {"encrypted": True, "protocol": "TLS 1.3"}
PLAIN: Data = {"encrypted": False, "protocol": "FTP"}


@dataclass(slots=True)
class Scene:
    """The day, the platform, its people, and the diary that all flows write to."""

    options: SampleOptions
    rng: Random
    platform: Platform
    cast: Cast
    diary: Diary
    records: Records

    def pause(self, time_us: int, most_s: int = 20) -> int:
        """A moment later."""
        return time_us + self.rng.randrange(200, most_s * 1_000) * 1_000

    def usual(
        self, person: Person, time_us: int, service: str, kind: Kind, data: Data, correlation: str = ""
    ) -> list[str]:
        """Write down what rests on the person's use of the platform; nothing where they do not use it then.

        Returns:
            The event's id in a list, for `derived_from`; empty where nothing happened.
        """
        if not person.using(time_us):
            return []
        return [self.diary.event(person.subject, time_us, service, kind, data, correlation)]

    def anyway(self, person: Person, time_us: int, service: str, kind: Kind, data: Data, correlation: str = "") -> str:
        """Write down what may happen whether or not the person uses the platform."""
        return self.diary.event(person.subject, time_us, service, kind, data, correlation)

    def actor(self, time_us: int, role: str, *, contractor: bool = False) -> Data:
        """A member of staff with an agreement, a role and a monitored session."""
        number = self.rng.randrange(STAFF)
        hour = (time_us - self.options.start_us) // HOUR_US
        return {
            "type": "contractor" if contractor else "staff",
            "id": f"staff-{number:03d}",
            "role": role,
            "agreement": staff_agreement(number),
            "session": staff_session(number, hour),
            "task": f"task-{self.rng.randrange(10_000):05d}",
        }

    def case(self) -> str:
        """The reference of a case."""
        return f"case-2026-{self.rng.randrange(100_000):05d}"

    def within_day(self, time_us: int) -> int:
        """The instant, or the last second of the day where it lies beyond."""
        return min(time_us, self.options.start_us + 24 * HOUR_US - SECOND_US)


def collected(categories: list[str], method: str, purpose: str = "service.provide", **more: object) -> Data:
    """The data of a collection."""
    return {"categories": categories, "purpose": purpose, "method": method, **more}


def used(categories: list[str], purpose: str, **more: object) -> Data:
    """The data of a use."""
    return {"categories": categories, "purpose": purpose, **more}


def shared(
    categories: list[str], purpose: str, basis: str, recipient: str, destination: str = "KR", **more: object
) -> Data:
    """The data of a share, encrypted unless told otherwise."""
    return {
        "categories": categories,
        "purpose": purpose,
        "basis": basis,
        "recipient": recipient,
        "destination": destination,
        "channel": TLS,
        **more,
    }


def stored(categories: list[str], purpose: str, dataset: str, location: str = "KR", **more: object) -> Data:
    """The data of a store, with the platform and encrypted unless told otherwise."""
    return {
        "categories": categories,
        "purpose": purpose,
        "dataset": dataset,
        "custodian": "platform",
        "location": location,
        "channel": TLS,
        **more,
    }
