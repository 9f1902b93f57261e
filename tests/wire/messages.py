"""Messages for tests: right ones of every kind, and what goes wrong with them on their way.

Everything comes from one `random.Random`, so that a seed is a message; hypothesis shrinks the seed's choices when it
draws that `Random` itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from flowtrack.domain.event import EventData
from flowtrack.domain.names import (
    ActorType,
    Basis,
    Consideration,
    Kind,
    Method,
    Protection,
    RecordKind,
    RecordState,
    StoreRole,
    Transform,
)

Json = Any
Path = tuple[str | int, ...]

NAMES = ("provided.name", "service.provide", "한국", "courier", "a" * 128, "😀", "with space", "1", "KR")
ODD_VALUES: tuple[Json, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**63,
        2**64,
        10**30,
        0.5,
        1e308,
        [],
        {},
        [[]],
        [None],
        "",
        " ",
        "1",
        "true",
        "null",
    ),
    *(
        "a" * 129,
        "a" * 257,
        "é" * 128,
        "\u0000",
        "😀" * 200,
        "none",
        "consent",
        ["a"] * 65,
        {"all": []},
        {"all": ["a"]},
    ),
    *(
        "2026-03-05",
        "2026-03-05T09:30:00",
        "2026-03-05T09:30:00Z",
        "2026-03-05 09:30:00+09:00",
        "1772703000",
        1772703000,
    ),
    *("2026-03-05T09:30:00.1234567Z", "2026-03-05T09:30Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+09:00"),
    *(
        "9999-12-31T23:59:59.9999999Z",
        "2026-03-05T23:59:60Z",
        "2026-03-05T09:30:00,5Z",
        "2026-03-05T09:30:00\u221209:00",
    ),
    *(
        "flowtrack.share.v2",
        "flowtrack.consent.v1",
        "flowtrack.use.v1",
        "/services/",
        "/services/x",
        "0" * 32,
        "A" * 32,
    ),
    "0" * 32 + "\n",
)
ODD_NAMES = ("from_", "From", "", "email", "data.purpose", "__class__", "purpose ", "type_", "\u200b", "all", "x" * 300)


def event(random: Random) -> dict[str, Json]:
    """A right event of some kind."""
    kind = random.choice(list(Kind))
    message = _envelope(random, f"flowtrack.{kind.value}.v1")
    message["data"] = {**_optional_data(random), **_required_data(random, kind)}
    for name in ("traceparent", "correlationid", "causationid", "sequence"):
        if random.random() < 0.3:
            message[name] = random.choice(("1.2", "", "x" * 64))
    return message


def consent(random: Random) -> dict[str, Json]:
    """A right consent record."""
    message = _envelope(random, "flowtrack.consent.v1")
    data = {
        "record": random.choice(("marketing", "terms:2026", "100%")),
        "kind": random.choice(list(RecordKind)).value,
        "state": random.choice(list(RecordState)).value,
        "scope": {
            **{name: _term(random) for name in ("data", "processing", "purpose", "recipient") if random.random() < 0.5},
            "storage": {"location": _term(random), "duration": {"min_days": 0, "max_days": random.randint(0, 900)}},
        },
        "notice": {"version": "2026-02", "language": "ko"},
        "expires": _time(random),
        "method": "form",
        "country": "KR",
    }
    message["data"] = {name: value for name, value in data.items() if name in _CONSENT or random.random() < 0.6}
    return message


_CONSENT = ("record", "kind", "state")


def spoilt(random: Random, message: dict[str, Json]) -> bytes:
    """The message after up to three things went wrong with it, structure or bytes; sometimes nothing did."""
    message = copy.deepcopy(message)
    for _ in range(random.randint(0, 3)):
        random.choice(_HARMS)(random, message)
    value = json.dumps(message, ensure_ascii=random.random() < 0.5).encode()
    while random.random() < 0.25:
        value = random.choice(_BYTE_HARMS)(random, value)
    return value


def markers(message: Json, prefix: str) -> Iterator[tuple[Path, dict[str, Json]]]:
    """The message once for each place in it, with a marker there: as value, and as the name of a field."""
    for path in list(_paths(message)):
        marked = copy.deepcopy(message)
        _parent(marked, path)[path[-1]] = f"{prefix}{len(path)}"
        yield path, marked
        if isinstance(path[-1], str):
            named = copy.deepcopy(message)
            parent = _parent(named, path)
            parent[f"{prefix}name"] = parent.pop(path[-1])
            yield path, named


def _envelope(random: Random, type_: str) -> dict[str, Json]:
    return {
        "specversion": "1.0",
        "id": f"id-{random.randint(0, 10**6)}",
        "source": "/services/" + random.choice(("checkout", "한국", "a/b")),
        "type": type_,
        "subject": f"{random.getrandbits(128):032x}",
        "time": _time(random),
    }


def _required_data(random: Random, kind: Kind) -> dict[str, Json]:
    name = random.choice
    given: dict[Kind, dict[str, Json]] = {
        Kind.COLLECT: {"method": name(list(Method)).value, "received_from": name(NAMES)},
        Kind.USE: {},
        Kind.SHARE: {"recipient": name(NAMES), "destination": "KR", "basis": "processor"},
        Kind.STORE: {"dataset": name(NAMES), "custodian": "platform", "location": "KR"},
        Kind.ERASE: {},
        Kind.INCIDENT: {"interval": {"from": _time(random), "to": _time(random)}, "party": name(NAMES)},
    }
    data = given[kind]
    if kind not in {Kind.ERASE, Kind.INCIDENT}:
        data |= {"categories": random.sample(NAMES, random.randint(1, 4)), "purpose": name(NAMES)}
    if kind in {Kind.SHARE, Kind.STORE}:
        data["channel"] = {"encrypted": random.random() < 0.5, "protocol": name((None, "tls1.3"))}
    return data


def _optional_data(random: Random) -> dict[str, Json]:
    choice = random.choice
    full: dict[str, Json] = {
        "basis": choice(list(Basis)).value,
        "reference": choice(NAMES),
        "consideration": choice(list(Consideration)).value,
        "protection": choice((None, *(member.value for member in Protection))),
        "combined_with": list(NAMES[: random.randint(0, 3)]),
        "actor": {"type": choice(list(ActorType)).value, "id": choice(NAMES), "session": choice((None, "s"))},
        "role": choice(list(StoreRole)).value,
        "retain_until": choice((None, _time(random))),
        "derived_from": list(NAMES[: random.randint(0, 3)]),
        "transform": choice(list(Transform)).value,
        "noticed_at": _time(random),
    }
    return {name: value for name, value in full.items() if random.random() < 0.3}


def _term(random: Random) -> Json:
    return random.choice(NAMES) if random.random() < 0.6 else {"all": random.sample(NAMES, 2)}


def _time(random: Random) -> str:
    zone = random.choice((UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-3, minutes=-30))))
    moment = datetime(2026, 1, 1, tzinfo=zone) + timedelta(microseconds=random.randint(0, 10**13))
    return random.choice(
        (moment.isoformat(), moment.isoformat().replace("+00:00", "Z"), f"{moment:%Y-%m-%dT%H:%M:%SZ}")
    )


def _paths(value: Json, path: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _parent(message: Json, path: Path) -> Json:
    for key in path[:-1]:
        message = message[key]
    return message


def _some_place(random: Random, message: Json) -> tuple[Json, str | int] | None:
    paths = list(_paths(message))
    if not paths:
        return None
    path = random.choice(paths)
    return _parent(message, path), path[-1]


def _drop(random: Random, message: Json) -> None:
    if place := _some_place(random, message):
        del place[0][place[1]]


def _replace(random: Random, message: Json) -> None:
    if place := _some_place(random, message):
        place[0][place[1]] = copy.deepcopy(random.choice(ODD_VALUES))


def _turn_to_text(random: Random, message: Json) -> None:
    if place := _some_place(random, message):
        place[0][place[1]] = json.dumps(place[0][place[1]])


def _rename(random: Random, message: Json) -> None:
    place = _some_place(random, message)
    if place and isinstance(place[0], dict):
        place[0][random.choice((*ODD_NAMES, *EventData.model_fields))] = place[0].pop(place[1])


def _add(random: Random, message: Json) -> None:
    place = _some_place(random, message)
    if place and isinstance(place[0], dict):
        place[0][random.choice((*ODD_NAMES, *EventData.model_fields))] = copy.deepcopy(random.choice(ODD_VALUES))


_HARMS: tuple[Callable[[Random, Json], None], ...] = (_drop, _replace, _replace, _turn_to_text, _rename, _add)


def _flip(random: Random, value: bytes) -> bytes:
    at = random.randrange(len(value) + 1)
    return value[:at] + bytes([random.getrandbits(8)]) + value[at + 1 :]


def _cut(random: Random, value: bytes) -> bytes:
    start = random.randrange(len(value) + 1)
    return value[:start] + value[start + random.randint(1, 9) :]


def _insert(random: Random, value: bytes) -> bytes:
    odd = (
        b"\\ud800",
        b"\\u0000",
        b"\xff",
        b"\xed\xa0\x80",
        b"NaN",
        b"[" * 300,
        b"1e999",
        b",",
        b'"',
        b"\\",
        b"9" * 5000,
    )
    at = random.randrange(len(value) + 1)
    return value[:at] + random.choice(odd) + value[at:]


def _twice(random: Random, value: bytes) -> bytes:
    name = random.choice((b"id", b"subject", b"time", b"type", b"x"))
    first = random.choice(
        (b"1", b"null", b'"a"', b"NaN", b"[" * 250 + b"]" * 250, b'"\\ud800"', b"-Infinity", b"9" * 4400)
    )
    return value.replace(b"{", b'{"%b":%b,' % (name, first), 1)


_BYTE_HARMS: tuple[Callable[[Random, bytes], bytes], ...] = (_flip, _cut, _insert, _twice)
