"""Decisions as JSON of `Decision`, put together from what recurs and what is one event's own.

Of a decision's thousand bytes all but a few recur with every event of the same data that gets the same verdict.  What
is the event's own comes first: its id, subject and times, and where it stood; what recurs follows as one piece, with
gaps where the subject's consent records belong; what recurs in no other event ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from flowtrack.domain.event import SERVICE_SOURCE, Event, EventData
from flowtrack.domain.names import Basis, Kind
from flowtrack.policy.decide import CategoryVerdict, EventVerdict
from flowtrack.policy.judge import Judged
from flowtrack.tracking.answers import Place, judgement_of
from flowtrack.wire.decode import EventOutline
from flowtrack.wire.encode import encode
from flowtrack.wire.facts import facts_of, particulars_of

PIECES_MAX = 100_000
"""Judgements remembered as JSON before the table is emptied."""

NO_PARTICULARS = b"}"
"""How a decision ends on an event whose data recurs altogether."""
_json = msgspec.json.Encoder().encode


class Wording:
    """What recurs of decisions, as pieces of JSON between the consent records of the categories.

    Args:
        pieces: one more than there are categories.
    """

    __slots__ = ("pieces", "without_records")

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces
        self.without_records = _json("").join(pieces)
        """Where no record carries any category."""

    def filled(self, consents: Sequence[str]) -> bytes:
        """The pieces with the consent records, one for each category, between them."""
        parts = [self.pieces[0]]
        for consent, piece in zip(consents, self.pieces[1:], strict=True):
            parts += (_json(consent), piece)
        return b"".join(parts)

    def filled_with_one(self, consent: str) -> bytes:
        """The same where all categories have the same consent record."""
        return _json(consent).join(self.pieces)


class DecisionWriter:
    """Writes decisions; remembers the JSON of each judgement it has met."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, int], tuple[Judged, bytes]] = {}

    def decision(self, kind: Kind, event: Event, verdict: EventVerdict, place: Place, *, suspect: bool) -> bytes:
        """The decision on one event, whose verdict names its consent records, as JSON of `Decision`."""
        wording = self.wording(kind, event.source, event.data, verdict)
        return decision(
            event,
            event.subject.encode(),
            arrival(place) + b"%d" % place.offset,
            wording.filled([each.consent for each in verdict.categories]),
            particulars(event.data),
            suspect=suspect,
        )

    def wording(self, kind: Kind, source: str, data: EventData, verdict: EventVerdict) -> Wording:
        """What recurs in decisions on events of the source that have the same data, particulars apart."""
        named = {
            "source": source,
            "kind": kind,
            "service": source[len(SERVICE_SOURCE) :],
            "purpose": data.purpose or "",
            "basis": data.basis or Basis.DEEMED_CONSENT,
            "recipient": data.recipient or "",
            "location": data.destination or data.location or "",
            "dataset": data.dataset or "",
            "verdict": verdict.verdict,
            "pack": verdict.pack,
            "registry": verdict.registry,
            "revision": 0,
        }
        pieces = [self._category(each) for each in verdict.categories]
        begin = b',%b,"categories":[' % _json(named)[1:-1]
        end = b'],"facts":%b' % encode(facts_of(data))
        between = [b"}," + piece for piece in pieces[1:]]
        return Wording((begin + pieces[0], *between, b"}" + end))

    def _category(self, each: CategoryVerdict) -> bytes:
        """JSON of `CategoryDecision` up to the value of its last field, the consent record."""
        judged = each.judged
        key = (each.category, id(judged))
        known = self._pieces.get(key)
        if known is None:
            if len(self._pieces) >= PIECES_MAX:
                self._pieces.clear()
            fields = {"category": each.category, "situation": judged.situation_id, **judgement_of(judged)}
            # the judgement is kept beside its JSON so that its id cannot be taken by another one
            known = self._pieces[key] = (judged, _json(fields)[:-1] + b',"consent":')
        return known[1]


def arrival(place: Place) -> bytes:
    """When an event arrived and where, up to its offset: the same for all that a partition takes in one millisecond."""
    return b',"received_at":%b,"epoch":%b,"partition":%d,"offset":' % (
        _json(place.received_at),
        _json(place.epoch),
        place.partition,
    )


def particulars(data: EventData) -> bytes:
    """How a decision ends on an event with this data: with what is the event's own of it, if anything is."""
    own = encode(particulars_of(data))
    return NO_PARTICULARS if own == b"{}" else b',"particulars":%b}' % own


def derived_from(ids: bytes) -> bytes:
    """The same where all that is the event's own are the events that its data stems from: a JSON list of ids."""
    return b',"particulars":{"derived_from":%b}}' % ids


def decision(
    event: EventOutline, subject: bytes, stood: bytes, wording: bytes, ending: bytes, *, suspect: bool
) -> bytes:
    """A decision as JSON of `Decision`.

    Args:
        event: the event.
        subject: its subject, as hex digits.
        stood: `arrival`, and the offset.
        wording: what recurs, with its consent records.
        ending: as `particulars` says.
        suspect: whether the event may repeat an earlier one.
    """
    return b"".join(
        (
            b'{"type":"decision","event_id":',
            _json(event.id),
            b',"subject":"',
            subject,
            b'","happened_at":',
            _json(event.time),
            stood,
            b',"suspect":true,"correlationid":' if suspect else b',"suspect":false,"correlationid":',
            _json(event.correlationid or ""),
            wording,
            ending,
        )
    )
