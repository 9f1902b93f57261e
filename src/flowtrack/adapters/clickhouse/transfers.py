"""Transfers abroad from the database: shares alone are read, and of few of them it is added up what stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flowtrack.adapters.clickhouse.recorded import where_recorded
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import About
from flowtrack.audit.paging import page_of
from flowtrack.audit.transfers import (
    Geography,
    Transfer,
    Transfers,
    TransfersAnswer,
    geography_of,
    place_of,
    transfer_of,
)
from flowtrack.domain.instants import from_us, instant_us

_FILTERS: Final = {"recipient": "recipient", "category": "category", "service": "service"}
_SHARES: Final = "kind = 'share'"
_ABROAD: Final = """(location != '' AND NOT has({home_is:Array(String)}, location)
                        OR has({abroad:Array(String)}, recipient))"""
# Of hardly any share something was ever taken back; only of these it is added up what stands.
_AMENDED: Final = """
cityHash64(subject, happened_at) IN (SELECT cityHash64(subject, happened_at) FROM flows WHERE {where} AND sign < 0)"""
_SHARED: Final = """subject, recipient, location, category, purpose, basis, service, verdict,
           toUnixTimestamp64Micro(happened_at) AS at_us"""
_ROWS: Final = f"""
SELECT recipient, location, category, arraySort(groupUniqArray(purpose)) AS purposes,
       arraySort(groupUniqArray(basis)) AS bases, arraySort(groupUniqArray(service)) AS services,
       sum(stands) AS all_flows, sumIf(stands, verdict = 'deny') AS denied,
       sumIf(stands, verdict = 'indeterminate') AS indeterminate, uniqExact(subject) AS subjects,
       min(at_us) AS first_us, max(at_us) AS last_us
FROM
(
    SELECT {_SHARED}, toInt64(1) AS stands FROM flows WHERE {{where}} AND sign = 1 AND NOT {_AMENDED}
    UNION ALL
    SELECT {_SHARED}, sum(sign) AS stands FROM flows WHERE {{where}} AND {_AMENDED}
    GROUP BY subject, recipient, location, category, purpose, basis, service, verdict, at_us HAVING stands > 0
)
GROUP BY recipient, location, category SETTINGS max_threads = 2, max_block_size = 65409"""  # noqa: S608 - fixed texts
_REGISTRIES: Final = """
SELECT body FROM
(
    SELECT name, body, removed, valid_from, recorded_at FROM documents
    WHERE kind = 'registry' AND recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')
    ORDER BY recorded_at DESC LIMIT 1 BY name
)
WHERE removed = 0 ORDER BY valid_from, recorded_at, name"""
_EVER_US = 1 << 57  # some year 6500


def transfers(store: Store, question: Transfers, about: About) -> TransfersAnswer:
    """Give a page of transfers abroad.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    geography = geography_of(_registries(store, question.known_at), question.home)
    filters = filters_of(question, _FILTERS, _SHARES)
    times = where_recorded(store, times_of(question), filters)
    found = store.named(
        _ROWS.replace("{where}", f"{filters.where} AND {times.exact} AND {_ABROAD}"),
        **times.parameters,
        **filters.parameters,
        home_is=geography.home,
        abroad=geography.abroad,
    )
    about, rows = page_of(question, about, [_transfer(row, geography) for row in found], place_of)
    return TransfersAnswer(about=about, rows=rows, home=geography.home)


def _registries(store: Store, known_at: datetime | None) -> list[str]:
    """Bodies of the registry documents that were known, those in force last at the end."""
    known = _EVER_US if known_at is None else instant_us(known_at)
    return [body for (body,) in store.rows(_REGISTRIES, known_at=known)]


def _transfer(row: dict[str, Any], geography: Geography) -> Transfer:
    copied = ("recipient", "category", "purposes", "bases", "services", "denied", "indeterminate", "subjects")
    return transfer_of(
        geography,
        **{name: row[name] for name in copied},
        destination=row["location"],
        flows=row["all_flows"],
        first=from_us(row["first_us"]),
        last=from_us(row["last_us"]),
    )
