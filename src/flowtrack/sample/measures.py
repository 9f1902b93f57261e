"""Consent records made to measure: what a reserved member says before the instant of a planted violation."""

from __future__ import annotations

from flowtrack.sample.cast import Grant, Person, scope_for
from flowtrack.sample.diary import Data
from flowtrack.sample.options import HOUR_US, MINUTE_US
from flowtrack.sample.scene import Scene

PARTNER = "beauty-brand"
"""To whom the planted shares under consent go."""
OTHER_PARTNER = "book-world"


def _consents(
    scene: Scene, person: Person, at_us: int, use: str, recipient: str = "", scope: Data | None = None
) -> Grant:
    """A consent, an hour before or at any rate after joining."""
    given = max(at_us - 2 * HOUR_US, person.since_us + MINUTE_US)
    chosen = scope if scope is not None else scope_for(use, recipient)
    return scene.records.consents(person, given, Grant(use, recipient, given), chosen)


def nothing(_scene: Scene, _person: Person, _at_us: int) -> None:
    """Stay plain: a member who has never said anything beyond accepting the terms."""


def withdrawn(scene: Scene, person: Person, at_us: int) -> None:
    """Consent, and withdraw half an hour before."""
    grant = _consents(scene, person, at_us, "joint", PARTNER)
    scene.records.ends(person, at_us - 30 * MINUTE_US, grant)


def withdrawn_just_now(scene: Scene, person: Person, at_us: int) -> None:
    """Consent, and withdraw at the very instant: it holds at once."""
    grant = _consents(scene, person, at_us, "joint", PARTNER)
    scene.records.ends(person, at_us, grant)


def expired(scene: Scene, person: Person, at_us: int) -> None:
    """Consent for a time that has just run out."""
    given = at_us - 2 * HOUR_US
    grant = Grant("joint", PARTNER, given)
    scene.records.consents(person, given, grant, scope_for("joint", PARTNER), expires_us=at_us - 10 * MINUTE_US)


def refused(scene: Scene, person: Person, at_us: int) -> None:
    """Refuse when asked."""
    scene.records.refuses(person, at_us - HOUR_US, "joint", PARTNER)


def to_another(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to sharing with another partner."""
    _consents(scene, person, at_us, "joint", OTHER_PARTNER)


def to_other_data(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to sharing what the system records, not what was given."""
    scope = scope_for("joint", PARTNER) | {"data": "automatic"}
    _consents(scene, person, at_us, "technical", PARTNER, scope)


def to_other_purpose(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to sharing for the service alone."""
    scope = scope_for("joint", PARTNER) | {"purpose": "service"}
    _consents(scene, person, at_us, "service", PARTNER, scope)


def to_use_only(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to use, not to sharing."""
    scope = scope_for("joint", PARTNER) | {"processing": "use"}
    _consents(scene, person, at_us, "use", PARTNER, scope)


def came_back(scene: Scene, person: Person, at_us: int) -> None:
    """Consent, close the account, open it again: the consent is not revived."""
    _consents(scene, person, at_us, "joint", PARTNER)
    scene.records.closes(person, at_us - 90 * MINUTE_US)
    scene.records.returns(person, at_us - HOUR_US)


def promoted(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to a partner's promotion."""
    _consents(scene, person, at_us, "promotion", PARTNER)


def opted_out_of_promotion(scene: Scene, person: Person, at_us: int) -> None:
    """Consent to a partner's promotion, then opt out of all recommendation."""
    promoted(scene, person, at_us)
    scene.records.opts_out(person, at_us - 20 * MINUTE_US, "recommendation")


def opted_out_then_consented(scene: Scene, person: Person, at_us: int) -> None:
    """Opt out of being sent anything, and consent to it later: the opt-out still holds."""
    scene.records.opts_out(person, at_us - 3 * HOUR_US, "recommendation.send")
    _consents(scene, person, at_us, "newsletter")
