"""Messages that no service should send: each must end as a dead letter, and its neighbours be judged."""

from __future__ import annotations

import msgspec

from flowtrack.domain.event import SERVICE_SOURCE
from flowtrack.domain.instants import from_us
from flowtrack.sample.diary import Data
from flowtrack.sample.options import HOUR_US
from flowtrack.sample.scene import Scene, collected
from flowtrack.sample.truth import BadMessage

_RIGHT = collected(["automatic.ip"], "automatic")


def bad_messages(scene: Scene) -> tuple[BadMessage, ...]:
    """A handful of bad messages of different kinds."""
    made = [
        _message(scene, "not_json", cut=True),
        _message(scene, "not_cloudevent", specversion="0.3"),
        _message(scene, "unknown_type", type="flowtrack.guess.v1"),
        _message(scene, "unknown_version", type="flowtrack.collect.v9"),
        _message(scene, "missing_field", data={"categories": ["automatic.ip"], "method": "automatic"}),
        _message(scene, "bad_field", data={**_RIGHT, "method": "guessed"}),
        _message(scene, "bad_subject", subject="a-clear-name"),
        _message(scene, "bad_time", time="2026-03-02T10:00:00"),
        _message(scene, "wrong_partition", partition_shift=1),
    ]
    return tuple(made)


def _message(scene: Scene, code: str, *, cut: bool = False, partition_shift: int = 0, **changed: object) -> BadMessage:
    subject = scene.rng.choice(scene.cast.people).subject
    message: Data = {
        "specversion": "1.0",
        "id": scene.diary.new_id(),
        "source": f"{SERVICE_SOURCE}web",
        "type": "flowtrack.collect.v1",
        "subject": subject,
        "time": from_us(scene.options.start_us + 12 * HOUR_US),
        "data": _RIGHT,
        **changed,
    }
    value = msgspec.json.encode(message)
    return BadMessage(code, subject, partition_shift, value[: len(value) // 2] if cut else value)
