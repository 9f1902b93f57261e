"""OpenLineage run events (specification 2-0-2) of flows, with facets of our own: what was judged, and where data was.

A job is a service that does one kind of thing for one purpose; its datasets are services, datasets and parties, with
the categories of personal data as their fields.  No event names a subject: lineage tools are read by many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import Field

from flowtrack.domain.model import Contract
from flowtrack.domain.names import Kind
from flowtrack.wire.lineage import PRODUCER, Flow, Place, utc, uuid_of

_SPEC: Final = "https://openlineage.io/spec"
_RUN_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_NOMINAL_TIME: Final = f"{_SPEC}/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet"
_JOB_TYPE: Final = f"{_SPEC}/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
_SCHEMA: Final = f"{_SPEC}/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
_LIFECYCLE: Final = (
    f"{_SPEC}/facets/1-0-1/LifecycleStateChangeDatasetFacet.json#/$defs/LifecycleStateChangeDatasetFacet"
)
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class OwnFacet(Contract):
    """What every facet carries (OpenLineage 2-0-2, `BaseFacet`)."""

    producer: str = Field(alias="_producer")
    """A URI of who made it."""
    schema_url: str = Field(alias="_schemaURL")
    """A URI of the facet's schema, in its version."""


class VerdictsFacet(OwnFacet):
    """Run facet `flowtrack_verdicts`: how the flows of a run were judged."""

    events: int | None = Field(default=None, ge=0)
    """How many events the run stands for; left out where only flows were counted."""
    verdicts: dict[str, int]
    """Flows (an event and a category) by verdict: `permit`, `deny`, `not_applicable`, `indeterminate`."""
    clauses: list[str]
    """Of the privacy policy."""
    reasons: list[str]
    packs: list[str]
    """Policy packs by which they were judged, `name@version`."""
    registries: list[str]
    inferred: bool
    """Concluded from other flows; no service said it."""


class PlaceFacet(OwnFacet):
    """Dataset facet `flowtrack_place`: what kind of place it is."""

    kind: str
    """`subject` (all of them), `service`, `dataset` or `party`."""
    location: str
    """ISO 3166 region; empty where it is not known."""


FACETS: Final[dict[str, type[OwnFacet]]] = {"flowtrack_verdicts": VerdictsFacet, "flowtrack_place": PlaceFacet}
"""Our facets by the names under which events carry them."""


def facet_schemas() -> dict[str, dict[str, Any]]:
    """Give the JSON Schema of each facet of ours by file name, as they stand in schemas/openlineage/."""
    return {
        f"{name}.json": {
            **model.model_json_schema(by_alias=True),
            "$schema": _DIALECT,
            "$id": _schema_url(name),
        }
        for name, model in FACETS.items()
    }


def run_events(flows: Iterable[Flow]) -> Iterator[dict[str, Any]]:
    """Give the events of flows: each is a run that started with its first event and completed with its last."""
    for flow in flows:
        yield _event(flow, "START")
        yield _event(flow, "COMPLETE")


def _event(flow: Flow, state: str) -> dict[str, Any]:
    source, target = flow.source, flow.target
    return {
        "eventType": state,
        "eventTime": utc(flow.first if state == "START" else flow.last),
        "producer": PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": {"runId": uuid_of("run", flow.id), "facets": _run_facets(flow)},
        "job": {"namespace": "flowtrack", "name": _job_name(flow), "facets": _job_facets(flow)},
        "inputs": [] if source is None else [_dataset(source, flow)],
        "outputs": [] if target is None else [_dataset(target, flow)],
    }


def _job_name(flow: Flow) -> str:
    return ".".join(part for part in (flow.service, flow.kind, flow.purpose) if part)


def _run_facets(flow: Flow) -> dict[str, Any]:
    return {
        "nominalTime": _facet(_NOMINAL_TIME, nominalStartTime=utc(flow.first), nominalEndTime=utc(flow.last)),
        "flowtrack_verdicts": _facet(
            _schema_url("flowtrack_verdicts"),
            **({} if flow.events is None else {"events": flow.events}),
            verdicts=dict(sorted(flow.verdicts.items())),
            clauses=list(flow.clauses),
            reasons=list(flow.reasons),
            packs=list(flow.packs),
            registries=list(flow.registries),
            inferred=flow.inferred,
        ),
    }


def _job_facets(flow: Flow) -> dict[str, Any]:
    return {
        "jobType": _facet(_JOB_TYPE, processingType="STREAMING", integration="FLOWTRACK", jobType=flow.kind.upper())
    }


def _dataset(place: Place, flow: Flow) -> dict[str, Any]:
    facets = {
        "schema": _facet(_SCHEMA, fields=[{"name": each, "type": "personal data"} for each in flow.categories]),
        "flowtrack_place": _facet(_schema_url("flowtrack_place"), kind=place.kind, location=place.location),
    }
    if flow.kind == Kind.ERASE:
        facets["lifecycleStateChange"] = _facet(_LIFECYCLE, lifecycleStateChange="TRUNCATE")
    return {"namespace": f"flowtrack:{place.kind}", "name": place.name or "all", "facets": facets}


def _facet(schema: str, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the facet's schema has
    return {"_producer": PRODUCER, "_schemaURL": schema, **content}


def _schema_url(name: str) -> str:
    return f"urn:flowtrack:schema:openlineage:{name}:1"
