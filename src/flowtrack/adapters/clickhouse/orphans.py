"""What rows refer to and the ledger does not have."""

from __future__ import annotations

from collections import Counter
from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.groups import Orphan, OrphansAnswer
from flowtrack.audit.questions import Orphans, Period

_ALL = times_of(Period())
_JUDGED: Final = f"""
SELECT f.pack, toUInt64(f.situation), f.flows, j.known, j.defined FROM
({standing("pack, situation", _ALL, "pack != '' AND category != ''")}) AS f
LEFT JOIN
(
    SELECT pack, situation, 1 AS known, max(defined) AS defined FROM judgements GROUP BY pack, situation
) AS j ON f.pack = j.pack AND f.situation = j.situation
WHERE j.defined = 0"""  # noqa: S608 - fixed texts
_PACKS: Final = f"""SELECT pack, flows FROM ({standing("pack", _ALL, "pack != ''")})"""  # noqa: S608 - fixed texts
_REGISTRIES: Final = "SELECT registry, sum(sign) AS flows FROM flows GROUP BY registry HAVING flows > 0"
_DOCUMENTS: Final = "SELECT DISTINCT kind, replaceOne(name, ':', '@') FROM documents WHERE removed = 0"
# Both sides lie in the order of subjects already, so that neither needs to be in memory.
_CONSENTS: Final = """
SELECT sum(sign) AS flows, groupUniqArray(100)(event_id) FROM
(
    SELECT subject, consent, event_id, sign FROM flows WHERE consent != ''
) AS f
LEFT ANY JOIN (SELECT subject, record, 1 AS found FROM consents) AS c ON f.subject = c.subject AND f.consent = c.record
WHERE c.found = 0
HAVING flows > 0
SETTINGS join_algorithm = 'full_sorting_merge', query_plan_convert_any_join_to_semi_or_anti_join = 0"""
_SAMPLES: Final = "SELECT DISTINCT event_id FROM flows WHERE {where} LIMIT {samples:UInt8}"
_WHERE: Final = {
    "judgement": "pack = {pack:String} AND situation = {situation:UInt64}",
    "definition": "pack = {pack:String} AND situation = {situation:UInt64}",
    "pack": "pack = {pack:String}",
    "registry": "has(splitByChar('+', toString(registry)), {pack:String})",
}


def orphans(store: Store, question: Orphans, completeness: CompleteUpTo) -> OrphansAnswer:
    """Find what is missing: judgements, definitions, packs, registry documents and consent records."""
    found = [*_missing_judgements(store, question), *_missing_documents(store, question)]
    for flows, events in store.rows(_CONSENTS):
        found.append(Orphan(what="consent", name="", flows=flows, sample_events=list(events)[: question.samples_max]))
    return OrphansAnswer(orphans=found, completeness=completeness)


def _missing_judgements(store: Store, question: Orphans) -> list[Orphan]:
    rows = sorted(store.rows(_JUDGED), key=lambda row: (row[3], row[0], row[1]))
    found = []
    for pack, number, flows, known, _ in rows:
        what = "definition" if known else "judgement"
        events = _samples(store, question, what, pack=pack, situation=number)
        found.append(Orphan(what=what, name=f"{pack} {number:016x}", flows=flows, sample_events=events))
    return found


def _missing_documents(store: Store, question: Orphans) -> list[Orphan]:
    known = set(store.rows(_DOCUMENTS))
    packs = Counter(dict(store.rows(_PACKS)))
    registries: Counter[str] = Counter()
    for label, flows in store.rows(_REGISTRIES):
        for name in label.split("+") if label else ():
            registries[name] += flows
    return [
        Orphan(
            what=what,
            name=name,
            flows=flows,
            sample_events=_samples(store, question, what, pack=name),
        )
        for what, kind, names in (("pack", "policy", packs), ("registry", "registry", registries))
        for name, flows in sorted(names.items())
        if (kind, name) not in known
    ]


def _samples(store: Store, question: Orphans, what: str, **parameters: object) -> list[str]:
    rows = store.rows(_SAMPLES.replace("{where}", _WHERE[what]), samples=question.samples_max, **parameters)
    return [event_id for (event_id,) in rows]
