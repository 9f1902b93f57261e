"""The people of a sample day: when each came and left, what they consented to and what they opted out of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from flowtrack.domain.instants import DAY_US, END_US, from_us
from flowtrack.sample.diary import Data, Diary
from flowtrack.sample.options import HOUR_US, MINUTE_US, SECOND_US, SampleOptions
from flowtrack.sample.platform import Platform
from flowtrack.sdk.pseudonym import pseudonym

_COUNTRIES = ("KR", "KR", "KR", "KR", "KR", "KR", "KR", "JP", "JP", "US", "SG", "DE", "VN", "FR")
_NOTICE = {"version": "2026-01", "language": "ko", "hash": "sha256-3f6c1d0b"}
CONSENT_TOOL = "preferences"
FAR = "BR"
"""Where nobody of the cast lives and no service has a region."""
_DAY_BEFORE_US = 60 * DAY_US
"""How far back the history of consents reaches."""


@dataclass(slots=True)
class Grant:
    """A consent of the subject's own, from just after it was given until just before it ends."""

    use: str
    """What the flows need it for: promotion, joint, merchant, newsletter, received."""
    recipient: str
    given_us: int
    until_us: int = END_US


@dataclass(slots=True)
class OptOut:
    """An opt-out of a purpose and everything under it."""

    purpose: str
    given_us: int
    until_us: int = END_US


@dataclass(slots=True)
class Person:
    """One subject; the flows ask it what they may do."""

    subject: str
    country: str
    """Empty where no account record says it: visitors, and a few members."""
    member: bool
    since_us: int
    """When the terms were accepted, or a visitor's first visit was recorded."""
    away: list[tuple[int, int]] = field(default_factory=list)
    """From closing the account or rejecting the terms until coming back."""
    rejected_terms: bool = False
    opt_outs: list[OptOut] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)

    def using(self, time_us: int) -> bool:
        """Whether deemed consent holds, at the instant and without doubt."""
        return time_us > self.since_us and not any(gone <= time_us <= back for gone, back in self.away)

    def opted_out(self, time_us: int, purpose: str) -> bool:
        """Whether an opt-out reaches the purpose."""
        return any(
            out.given_us <= time_us <= out.until_us
            and (purpose == out.purpose or purpose.startswith(out.purpose + "."))
            for out in self.opt_outs
        )

    def grant(self, use: str, time_us: int) -> Grant | None:
        """The consent of one's own that carries such a flow, given before and not ended."""
        for grant in self.grants:
            if grant.use == use and grant.given_us < time_us < grant.until_us:
                return grant
        return None

    def leave(self, gone_us: int, back_us: int = END_US) -> None:
        """Close the account or reject the terms: consents of one's own end for good (clause 0.1)."""
        self.away.append((gone_us, back_us))
        for grant in self.grants:
            if grant.given_us <= gone_us:
                grant.until_us = min(grant.until_us, gone_us)


@dataclass(slots=True)
class Cast:
    """Everybody, and those whom planted violations need."""

    people: list[Person]
    reserved: list[Person]
    """Members without opt-outs, consents or departures; each is given away once, to be made to measure."""
    ghosts: int = 0
    key: bytes = b""

    def ghost(self) -> str:
        """The pseudonym of somebody of whom there is no record at all."""
        self.ghosts += 1
        return pseudonym(f"ghost {self.ghosts}", self.key)


@dataclass(slots=True)
class Records:
    """Writes consent records and keeps the person in step with them."""

    diary: Diary

    def joins(self, person: Person, time_us: int) -> None:
        """Open an account and accept the terms; the person's country stands on the account where it is known."""
        account: Data = {"record": "account", "kind": "account", "state": "open"}
        if person.country:
            account["country"] = person.country
        self.diary.consent(person.subject, time_us, "account", account)
        self._terms(person, time_us, "accepted")

    def visits(self, person: Person, time_us: int) -> None:
        """Record a visitor's first visit."""
        self.diary.consent(person.subject, time_us, "web", {"record": "usage", "kind": "usage", "state": "using"})

    def closes(self, person: Person, time_us: int) -> None:
        """Close the account."""
        state: Data = {"record": "account", "kind": "account", "state": "closed"}
        self.diary.consent(person.subject, time_us, "account", state)
        person.leave(time_us)

    def returns(self, person: Person, time_us: int) -> None:
        """Open the account again, and accept the terms anew."""
        gone, _ = person.away[-1]
        person.away[-1] = (gone, time_us)
        self.joins(person, time_us)

    def rejects(self, person: Person, time_us: int) -> None:
        """Reject a new version of the terms."""
        self._terms(person, time_us, "rejected")
        person.leave(time_us)
        person.rejected_terms = True

    def opts_out(self, person: Person, time_us: int, purpose: str) -> OptOut:
        """Opt out of a purpose."""
        out = OptOut(purpose, time_us)
        self._opt_out(person, out, time_us, "given")
        person.opt_outs.append(out)
        return out

    def opts_in(self, person: Person, out: OptOut, time_us: int) -> None:
        """Withdraw an opt-out."""
        self._opt_out(person, out, time_us, "withdrawn")
        out.until_us = time_us

    def consents(self, person: Person, time_us: int, grant: Grant, scope: Data, *, expires_us: int = END_US) -> Grant:
        """Give a consent of one's own."""
        state: Data = {
            "record": _record_of(grant),
            "kind": "consent",
            "state": "given",
            "scope": scope,
            "notice": _NOTICE,
            "method": "toggle",
        }
        if expires_us != END_US:
            state["expires"] = from_us(expires_us)
            grant.until_us = expires_us
        self.diary.consent(person.subject, time_us, CONSENT_TOOL, state)
        person.grants.append(grant)
        return grant

    def ends(self, person: Person, time_us: int, grant: Grant) -> None:
        """Withdraw a consent of one's own."""
        said: Data = {"record": _record_of(grant), "kind": "consent", "state": "withdrawn"}
        self.diary.consent(person.subject, time_us, CONSENT_TOOL, said)
        grant.until_us = min(grant.until_us, time_us)

    def refuses(self, person: Person, time_us: int, use: str, recipient: str) -> None:
        """Refuse what was asked for."""
        said: Data = {
            "record": f"consent-{use}-{recipient}",
            "kind": "consent",
            "state": "refused",
            "scope": scope_for(use, recipient),
            "notice": _NOTICE,
        }
        self.diary.consent(person.subject, time_us, CONSENT_TOOL, said)

    def _terms(self, person: Person, time_us: int, state: str) -> None:
        self.diary.consent(
            person.subject, time_us, "account", {"record": "terms", "kind": "terms", "state": state, "notice": _NOTICE}
        )

    def _opt_out(self, person: Person, out: OptOut, time_us: int, state: str) -> None:
        said: Data = {
            "record": f"opt-out-{out.purpose}",
            "kind": "opt_out",
            "state": state,
            "scope": {"purpose": out.purpose},
        }
        self.diary.consent(person.subject, time_us, CONSENT_TOOL, said)


def _record_of(grant: Grant) -> str:
    return f"consent-{grant.use}-{grant.recipient}" if grant.recipient else f"consent-{grant.use}"


SCOPES: dict[str, Data] = {
    "promotion": {"data": "provided", "processing": "share", "purpose": "recommendation.partner_promotion"},
    "joint": {"data": "provided", "processing": "share", "purpose": "joint_service"},
    "merchant": {"data": "provided", "processing": "share", "purpose": "service.provide", "recipient": "merchant"},
    "newsletter": {"processing": "use", "purpose": "recommendation.send"},
    "received": {"data": "personal", "processing": "collect", "purpose": "personalisation"},
}
"""What the subject agrees to, by what the flows need it for; those to one party name it as recipient."""


def scope_for(use: str, recipient: str) -> Data:
    """The scope of a consent; a share names its recipient (CLAUSES, "Instants")."""
    scope = SCOPES[use]
    return {**scope, "recipient": recipient} if recipient else scope


def cast_of(options: SampleOptions, platform: Platform, diary: Diary) -> Cast:
    """Make everybody up, with all their consent records before and on the day."""
    rng = diary.rng
    key = hashlib.sha256(f"sample day {options.seed}".encode()).digest()
    records = Records(diary)
    people: list[Person] = []
    reserved: list[Person] = []
    for number in range(options.subjects):
        # Everybody's part is fixed by their number, so that even a small day has one of each.
        role = number % 100
        subject = pseudonym(f"person {number}", key)
        if role < 15:
            person = _visitor(subject, options, rng, records, today=role < 8)
        else:
            person = _member(subject, options, rng, records, role)
            if 19 <= role < 60:
                _busy_member(person, role, options.start_us, platform, rng, records)
            elif 60 <= role < 85:
                reserved.append(person)
        people.append(person)
    return Cast(people, reserved, key=key)


def weights_of(people: list[Person], rng: Random) -> list[float]:
    """Cumulated weights of activity: few are very busy, most are hardly there (Zipf, exponent 0.8)."""
    ranks = list(range(1, len(people) + 1))
    rng.shuffle(ranks)
    return list(accumulate(rank**-0.8 for rank in ranks))


def _visitor(subject: str, options: SampleOptions, rng: Random, records: Records, *, today: bool) -> Person:
    ago = -rng.randrange(HOUR_US, 16 * HOUR_US) if today else rng.randrange(DAY_US, _DAY_BEFORE_US)
    person = Person(subject, "", member=False, since_us=_whole_ms(options.start_us - ago))
    records.visits(person, person.since_us)
    return person


def _member(subject: str, options: SampleOptions, rng: Random, records: Records, role: int) -> Person:
    ago = rng.randrange(DAY_US, _DAY_BEFORE_US)
    if role < 19:  # joins today, in waking hours
        ago = -rng.randrange(7 * HOUR_US, 22 * HOUR_US)
    country = "" if 54 <= role < 58 else rng.choice(_COUNTRIES)
    person = Person(subject, country, member=True, since_us=_whole_ms(options.start_us - ago))
    records.joins(person, person.since_us)
    return person


def _busy_member(person: Person, role: int, start_us: int, platform: Platform, rng: Random, records: Records) -> None:
    """What the member does with consents, opt-outs and the account, by the member's part."""
    past = _whole_ms(person.since_us + MINUTE_US + rng.randrange((start_us - person.since_us) // 2))
    today = _whole_ms(start_us + rng.randrange(2 * HOUR_US, 14 * HOUR_US))
    if role < 24:
        out = records.opts_out(person, past, rng.choice(("recommendation", "recommendation.send")))
        if role == 22:
            records.opts_in(person, out, today)
    elif role < 26:
        records.opts_out(person, today, rng.choice(("recommendation", "recommendation.display")))
    elif role < 48:
        _give_consents(person, past, platform, rng, records)
        if role in {30, 31}:
            records.ends(person, today, rng.choice(person.grants))
    _perhaps_leave(person, role, past, today, records)


def _perhaps_leave(person: Person, role: int, past_us: int, today_us: int, records: Records) -> None:
    """Close the account, long ago or today, for good or for a while; or reject the new terms."""
    if role in {32, 33, 50}:
        records.closes(person, today_us)
    elif role in {48, 49}:
        records.closes(person, past_us)
    elif role == 51:
        records.rejects(person, today_us)
    if role == 33:
        records.returns(person, today_us + 2 * HOUR_US)


def _give_consents(person: Person, past_us: int, platform: Platform, rng: Random, records: Records) -> None:
    for use in rng.sample(list(SCOPES), rng.randint(1, 3)):
        recipient = rng.choice(platform.partners) if use in {"promotion", "joint"} else ""
        past_us = _whole_ms(past_us + rng.randrange(SECOND_US, MINUTE_US))
        records.consents(person, past_us, Grant(use, recipient, past_us), scope_for(use, recipient))


def _whole_ms(time_us: int) -> int:
    return time_us // 1_000 * 1_000
