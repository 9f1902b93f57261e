"""What a service imports to publish its personal-data flows: small, asynchronous, and without any server code."""

from flowtrack.sdk.client import Flowtrack
from flowtrack.sdk.pseudonym import PseudonymKey, pseudonym
from flowtrack.sdk.transport import (
    CONSENTS_TOPIC,
    EVENTS_TOPIC,
    Acknowledgement,
    Position,
    Transport,
    Window,
)

__all__ = [
    "CONSENTS_TOPIC",
    "EVENTS_TOPIC",
    "Acknowledgement",
    "Flowtrack",
    "Position",
    "PseudonymKey",
    "Transport",
    "Window",
    "pseudonym",
]
