"""Judge a file of events without any server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from flowtrack.apps.packs import accepted_pack
from flowtrack.domain.event import TYPES, Event
from flowtrack.domain.history import Entry, as_of, entry_of, with_entry
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Verdict
from flowtrack.domain.registry import RegistryDocument
from flowtrack.errors import ConfigurationError, ContractError, FlowtrackError
from flowtrack.policy.decide import decider_of
from flowtrack.policy.reading import fault_of, load_yaml
from flowtrack.tracking.answers import Place
from flowtrack.tracking.records import Record, Topic
from flowtrack.tracking.wording import DecisionWriter
from flowtrack.wire.decode import decode_consent, decode_event

EXIT_PERMITTED, EXIT_DENIED, EXIT_UNREADABLE = 0, 1, 2
_GOOD = frozenset({Verdict.PERMIT, Verdict.NOT_APPLICABLE})


def run(events: Path, consents: Path | None, registries: Sequence[Path], pack_folder: Path | None) -> int:
    """Print a decision for each event, say on standard error what cannot be read, and give the exit status.

    Raises:
        FlowtrackError: the pack or a registry cannot be taken, or a file cannot be opened.
    """
    faults: list[FlowtrackError] = []
    histories = read_histories(consents, faults) if consents is not None else {}
    documents = [read_registry(path) for path in registries]
    decider = decider_of([accepted_pack(pack_folder)], documents)
    writer = DecisionWriter()
    worst = EXIT_PERMITTED
    for number, event in read_events(events, faults):
        kind = TYPES[event.type]
        view = as_of(histories.get(event.subject, ()), instant_us(event.time))
        verdict = decider.decide(kind, event, view)
        place = Place("", Record(Topic.EVENTS, 0, number, 0, None, None), event.time)
        sys.stdout.buffer.write(writer.decision(kind, event, verdict, place, suspect=False) + b"\n")
        if verdict.verdict not in _GOOD:
            worst = EXIT_DENIED
    sys.stdout.buffer.flush()
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    return EXIT_UNREADABLE if faults else worst


def read_events(path: Path, faults: list[FlowtrackError]) -> Iterator[tuple[int, Event]]:
    """The events of a file, each with the number of its line from 0; lines that are none go into `faults`."""
    for number, line in _lines(path):
        try:
            yield number, decode_event(line)
        except ContractError as error:
            faults.append(_placed(error, path, number))


def read_histories(path: Path, faults: list[FlowtrackError]) -> dict[str, tuple[Entry, ...]]:
    """The consent histories of a file; lines that are no consent records go into `faults`."""
    histories: dict[str, tuple[Entry, ...]] = {}
    for number, line in _lines(path):
        try:
            record = decode_consent(line)
        except ContractError as error:
            faults.append(_placed(error, path, number))
            continue
        entry = entry_of(record.id, instant_us(record.time), record.data)
        histories[record.subject] = with_entry(histories.get(record.subject, ()), entry)
    return histories


def read_registry(path: Path) -> RegistryDocument:
    """A registry document from YAML or JSON.

    Raises:
        ConfigurationError: the file is none; names the first field at fault, never a value.
    """
    try:
        data = load_yaml(text_of(path))
        if not isinstance(data, Mapping):
            raise ConfigurationError("this is no registry", where=str(path), help="write a mapping of sections")
        return RegistryDocument.model_validate({"name": path.stem, **data})
    except yaml.YAMLError as error:
        what, line = fault_of(error)
        where = f"{path}:{line}" if line else str(path)
        raise ConfigurationError(what, where=where, help="mend the line") from error
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise ConfigurationError(
            f"`{field}`: {fault['msg'].lower()}", where=str(path), help="see schemas/registry.json"
        ) from error


def _placed(error: ContractError, path: Path, number: int) -> ContractError:
    """The fault with the line at which it stands."""
    return ContractError(
        error.code, f"{error.code}: {error.what}", field=error.field, where=f"{path}:{number + 1}", help=error.help
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as stream:
            for number, line in enumerate(stream):
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise ConfigurationError(
            f"`{path}` cannot be read: {error.strerror}", help="name a file that you may read"
        ) from error


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"`{path}` cannot be read", help="name a UTF-8 file that you may read") from error
