"""Flows and consents in the words of others: as the golden files say, and read by the public packages of each."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openlineage.client import event_v2 as openlineage
from openlineage.client import facet_v2 as facets
from openlineage.client.serde import Serde
from prov.model import ProvDocument
from pyld import jsonld
from rdflib import Graph, Literal, Namespace
from rdflib.namespace import RDF

from flowtrack.domain.names import RecordState
from flowtrack.wire.dpv import SCHEMA, consent_records
from flowtrack.wire.lineage import PRODUCER
from flowtrack.wire.openlineage import FACETS, facet_schemas, run_events
from flowtrack.wire.prov import prov_document
from tests.wire.told import BEGAN, FLOWS, STATES, SUBJECT, TITLES

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parents[2] / "schemas" / "openlineage"
DPV = Namespace("https://w3id.org/dpv#")
CONCEPTS = {
    *("Collect", "Consent", "ConsentNotice", "ConsentRecord", "DataController", "DataSubject", "Erase", "PersonalData"),
    *("Process", "Processing", "Purpose", "Recipient", "Share", "StorageDuration", "StorageLocation", "Store"),
    *("TemporalDuration", "UntilTimeDuration", "Use"),
}
STATUSES = {
    *("ConsentExpired", "ConsentGiven", "ConsentInvalidated", "ConsentRefused", "ConsentRequested", "ConsentRevoked"),
    *("ConsentUnknown", "ConsentWithdrawn", "RenewedConsentGiven"),
}
RELATIONS = {
    *("hasConsentStatus", "hasDataController", "hasDataSubject", "hasDuration", "hasIdentifier", "hasIndicationMethod"),
    *("hasLegalBasis", "hasLocation", "hasName", "hasNotice", "hasPersonalData", "hasProcess", "hasProcessing"),
    *("hasPurpose", "hasRecipient", "hasStorageCondition", "isIndicatedAtTime"),
}
"""Terms of DPV 2.0 (https://w3id.org/dpv) that we write: each was looked up there; no Python package ships them.

States and `Process` were held against 2.0/dpv/modules/consent_status.csv and process.csv of github.com/w3c/dpv
(3102267e0056) once more in 2026-11.
"""


def events() -> list[dict[str, Any]]:
    """All run events."""
    return list(run_events(FLOWS))


def consents() -> dict[str, Any]:
    """The consents as JSON-LD."""
    return consent_records(SUBJECT, STATES, controller="https://platform.example", titles=TITLES)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("openlineage.json", events),
        ("prov.json", lambda: prov_document(SUBJECT, FLOWS)),
        ("dpv.json", consents),
    ],
)
def test_documents_are_as_before(name: str, made: Any) -> None:
    """What is written equals the golden file: others keep what they were told, so a change of it is a decision."""
    assert json.loads(json.dumps(made())) == json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def own(given: dict[str, Any]) -> dict[str, Any]:
    """The facets that are ours."""
    return {name: facet for name, facet in given.items() if name in FACETS}


def read_event(event: dict[str, Any]) -> dict[str, Any]:
    """Make the event of OpenLineage's own models, and write it as their client does; our facets are left out."""
    run, job = event["run"], event["job"]
    times, kind = run["facets"]["nominalTime"], job["facets"]["jobType"]
    nominal_time: Any = vars(facets.nominal_time_run)["NominalTimeRunFacet"]
    job_type: Any = vars(facets.job_type_job)["JobTypeJobFacet"]
    made = openlineage.RunEvent(
        eventType=openlineage.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=PRODUCER,
        run=openlineage.Run(
            run["runId"],
            {"nominalTime": nominal_time(times["nominalStartTime"], times["nominalEndTime"], producer=PRODUCER)},
        ),
        job=openlineage.Job(
            job["namespace"],
            job["name"],
            {"jobType": job_type(kind["processingType"], kind["integration"], kind["jobType"], producer=PRODUCER)},
        ),
        inputs=[openlineage.InputDataset(**read_dataset(each)) for each in event["inputs"]],
        outputs=[openlineage.OutputDataset(**read_dataset(each)) for each in event["outputs"]],
    )
    written: dict[str, Any] = json.loads(Serde.to_json(made))
    written["run"]["facets"] |= own(run["facets"])
    for side in ("inputs", "outputs"):
        for mine, each in zip(event[side], written.get(side, []), strict=True):
            each["facets"] |= own(mine["facets"])
    return written


def read_dataset(dataset: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments of a dataset's model."""
    schema = facets.schema_dataset
    given: dict[str, Any] = {
        "schema": schema.SchemaDatasetFacet(
            [schema.SchemaDatasetFacetFields(**each) for each in dataset["facets"]["schema"]["fields"]],
            producer=PRODUCER,
        )
    }
    if "lifecycleStateChange" in dataset["facets"]:
        change = facets.lifecycle_state_change_dataset
        state = change.LifecycleStateChange[dataset["facets"]["lifecycleStateChange"]["lifecycleStateChange"]]
        given["lifecycleStateChange"] = change.LifecycleStateChangeDatasetFacet(state, producer=PRODUCER)
    return {"namespace": dataset["namespace"], "name": dataset["name"], "facets": given}


def without_empty(value: Any) -> Any:
    """Leave out what is empty: OpenLineage's client does not write it."""
    if isinstance(value, dict):
        return {name: without_empty(each) for name, each in value.items() if each not in (None, [], {})}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


def test_openlineage_models_read_each_event() -> None:
    """OpenLineage's own client makes the same events from the same content, at the same version."""
    assert [without_empty(read_event(event)) for event in events()] == [without_empty(event) for event in events()]


def test_runs_begin_and_end_once_and_name_nobody() -> None:
    """Each flow is a run of its own that starts and completes; no event names the subject."""
    told = events()
    by_run: dict[str, list[str]] = {}
    for event in told:
        by_run.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert len(by_run) == len(FLOWS)
    assert all(states == ["START", "COMPLETE"] for states in by_run.values())
    assert SUBJECT not in json.dumps(told)


def test_own_facets_fit_their_schemas() -> None:
    """The schema of each facet of ours is in schemas/openlineage as the models make it, and every facet fits it."""
    written = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")}
    assert written == json.loads(json.dumps(facet_schemas())), "run `make schemas`"
    checked = 0
    for event in events():
        for part in (event["run"], *event["inputs"], *event["outputs"]):
            for name in set(part["facets"]) & set(FACETS):
                schema = written[f"{name}.json"]
                Draft202012Validator(schema).validate(part["facets"][name])
                assert part["facets"][name]["_schemaURL"] == schema["$id"]
                checked += 1
    assert checked > 2 * len(FLOWS)


def test_prov_reads_the_document() -> None:
    """The package `prov` reads the PROV-JSON, writes it again alike, and finds every step and what came from what."""
    document = prov_document(SUBJECT, FLOWS)
    read = ProvDocument.deserialize(content=json.dumps(document), format="json")
    assert ProvDocument.deserialize(content=read.serialize(format="json"), format="json") == read
    kinds = {type(record).__name__ for record in read.get_records()}
    assert {"ProvActivity", "ProvEntity", "ProvAgent", "ProvUsage", "ProvGeneration", "ProvDerivation"} <= kinds
    assert len(document["activity"]) == len(FLOWS)
    declared = {name for part in ("activity", "entity", "agent") for name in document[part]}
    referred = {
        value
        for relation, records in document.items()
        if relation not in {"prefix", "activity", "entity", "agent"}
        for record in records.values()
        for name, value in record.items()
        if name != "prov:time"
    }
    assert referred <= declared
    derived = {tuple(each.values())[:2] for each in document["wasDerivedFrom"].values()}
    assert ("data:sign%20up%2C%201/e1/result", "data:sign%20up%2C%201/e0/result") in derived
    assert document["wasInvalidatedBy"]


def graph_of(document: dict[str, Any]) -> Graph:
    """Read JSON-LD with one package, expanded, and parse what it gives with another; nothing is fetched."""

    def fetch(url: str, _: Any) -> Any:
        raise AssertionError(url)

    lines = jsonld.to_rdf(document, {"format": "application/n-quads", "documentLoader": fetch})
    graph = Graph()
    graph.parse(data=lines, format="nt")
    return graph


def literal(node: object) -> Any:
    """Give what a literal says."""
    assert isinstance(node, Literal)
    return node.toPython()


def test_consents_are_read_as_linked_data() -> None:
    """JSON-LD processors read the record: each state with its time, what it covers, whose and asked by whom."""
    graph = graph_of(consents())
    (record,) = graph.subjects(RDF.type, DPV.ConsentRecord)
    processes = list(graph.objects(record, DPV.hasProcess))
    statuses = {
        graph.value(status, RDF.type): literal(graph.value(status, DPV.isIndicatedAtTime))
        for process in processes
        for status in graph.objects(process, DPV.hasConsentStatus)
    }
    assert statuses == {
        DPV.ConsentGiven: BEGAN,
        DPV.ConsentWithdrawn: BEGAN + timedelta(days=9),
    }
    assert str(graph.value(record, Namespace("http://purl.org/dc/terms/").conformsTo)) == SCHEMA
    assert len(list(graph.subjects(RDF.type, DPV.PersonalData))) == 2
    assert DPV.Share in set(graph.objects(None, DPV.hasProcessing))


def test_only_terms_of_dpv_are_used() -> None:
    """Every term in DPV's namespace is one that DPV 2.0 has, classes where classes stand and relations where those."""
    named = {"https://w3id.org/dpv#"}
    graph = graph_of(consents())
    relations = {str(each).removeprefix(*named) for each in graph.predicates() if str(each) in DPV}
    concepts = {str(each).removeprefix(*named) for each in graph.objects() if str(each) in DPV}
    assert relations <= RELATIONS
    assert concepts <= CONCEPTS | STATUSES
    assert relations > {"hasProcess", "hasConsentStatus", "hasNotice"}


@pytest.mark.parametrize("state", ["requested", "unknown", "given", "renewed", "refused", "withdrawn", "revoked"])
def test_every_state_has_its_status(state: str) -> None:
    """Each state of a consent is a status of DPV; what we know none for is said to be unknown."""
    told = [STATES[0]._replace(state=RecordState(state))]
    document = consent_records(SUBJECT, told, controller="platform", titles={})
    (process,) = document["@graph"][0]["dpv:hasProcess"]
    assert process["dpv:hasConsentStatus"][0]["@type"].removeprefix("dpv:") in STATUSES
    assert document["@graph"][0]["dpv:hasDataController"]["@id"] == "urn:flowtrack:controller:platform"
