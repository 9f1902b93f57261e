"""A policy pack: rules, vocabularies and clauses, loaded as a whole or refused as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import cedarpy
import yaml
from pydantic import BaseModel, ValidationError

from flowtrack.domain.model import Contract
from flowtrack.domain.registry import RegistryDocument, registry_of
from flowtrack.domain.vocabulary import Vocabularies, Vocabulary
from flowtrack.errors import PackError, RegistryError, VocabularyError
from flowtrack.policy.reading import fault_of, line_of, load_yaml
from flowtrack.policy.rules import Rule, mentioned, parse_rules
from flowtrack.policy.source import files_of_default_pack, with_prefix

M = TypeVar("M", bound=BaseModel)
VOCABULARY_NAMES = ("category", "purpose", "processing", "storage", "recipient")


class Bilingual(Contract):
    """A text in English and Korean."""

    en: str
    ko: str = ""


class PackHead(Contract):
    """pack.yaml: which pack this is, and from when it holds."""

    id: str
    version: str
    effective_from: datetime
    title: Bilingual


class Clause(Contract):
    """One clause of the privacy policy; the policy's own words in `ko`."""

    ko: str
    en: str
    status: Literal["enforced", "informative"]
    why: str = ""


class TermEntry(Contract):
    """One term of a vocabulary."""

    parents: list[str] = []
    title: Bilingual = Bilingual(en="")


@dataclass(frozen=True)
class Pack:
    """A pack in memory: what the judge and `explain` work with."""

    name: str
    version: str
    effective_from: datetime
    title: Bilingual
    rules: tuple[Rule, ...]
    vocabularies: Vocabularies
    titles: Mapping[str, Bilingual]
    """Titles of category and purpose terms."""
    clauses: Mapping[str, Clause]
    schema: str
    registry: RegistryDocument
    cases: Mapping[str, str]
    """Path to YAML text."""
    services_named: frozenset[str]
    recipients_named: frozenset[str]

    @property
    def label(self) -> str:
        """`name@version`: what a decision cites."""
        return f"{self.name}@{self.version}"


def default_pack() -> Pack:
    """The pack that Flowtrack brings."""
    return load_pack(files_of_default_pack())


def load_pack(files: Mapping[str, str]) -> Pack:
    """Read a pack's files; `validate` then holds it against its schema, clauses and cases.

    Args:
        files: relative path to text.

    Raises:
        PackError: something cannot be read; `problems` lists all that was found.
    """
    problems: list[PackError] = []
    head = _model(files, "pack.yaml", PackHead, problems)
    schema = _text(files, "schema.cedarschema", problems)
    rules = _rules(files, problems)
    clauses = _mapping(files, "clauses.yaml", Clause, problems)
    vocabularies, titles = _vocabularies(files, problems)
    registry = RegistryDocument(name="pack", version="0")
    if "registry.yaml" in files:
        registry = _model(files, "registry.yaml", RegistryDocument, problems) or registry
        problems.extend(_registry_problems(registry, files["registry.yaml"]))
    if problems or head is None or vocabularies is None:
        raise PackError(
            f"the pack is refused: {len(problems)} problems",
            help="mend each and validate again",
            problems=tuple(problems),
        )
    effective = head.effective_from
    return Pack(
        name=head.id,
        version=head.version,
        effective_from=effective if effective.tzinfo else effective.replace(tzinfo=UTC),
        title=head.title,
        rules=tuple(rules),
        vocabularies=vocabularies,
        titles=titles,
        clauses=clauses,
        schema=schema,
        registry=registry.model_copy(update={"name": head.id, "version": head.version}),
        cases=with_prefix(files, "cases/", ".yaml"),
        services_named=mentioned(rules, "Service") - {"unknown"},
        recipients_named=mentioned(rules, "Recipient"),
    )


def _at(path: str, line: int) -> str:
    return f"{path}:{line}" if line else path


def _text(files: Mapping[str, str], path: str, problems: list[PackError]) -> str:
    if path not in files:
        problems.append(PackError(f"`{path}` is missing", where=path, help="add it to the pack's folder"))
    return files.get(path, "")


def _yaml(files: Mapping[str, str], path: str, problems: list[PackError]) -> Any:  # noqa: ANN401 - whatever the file holds
    text = _text(files, path, problems)
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        what, line = fault_of(error)
        problems.append(PackError(what, where=_at(path, line), help="mend the line"))
        return None


def _model(files: Mapping[str, str], path: str, model: type[M], problems: list[PackError]) -> M | None:
    known = len(problems)
    data = _yaml(files, path, problems)
    if data is None:
        if len(problems) == known:
            problems.append(PackError("this file says nothing", where=path, help="see NAMES for what it holds"))
        return None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems.extend(_validation_problems(error, path))
        return None


def _validation_problems(error: ValidationError, where: str) -> list[PackError]:
    return [
        PackError(
            f"`{'.'.join(str(part) for part in fault['loc'])}`: {fault['msg'].lower()}",
            where=where,
            help="see NAMES and the schema of the file",
        )
        for fault in error.errors(include_input=False, include_url=False)
    ]


def _mapping(files: Mapping[str, str], path: str, model: type[M], problems: list[PackError]) -> dict[str, M]:
    known = len(problems)
    data = _yaml(files, path, problems)
    if len(problems) > known:
        return {}
    if not isinstance(data, dict):
        problems.append(PackError("this is no mapping", where=path, help="write `name: {...}` lines"))
        return {}
    read: dict[str, M] = {}
    for key, value in data.items():
        try:
            read[str(key)] = model.model_validate(value)
        except ValidationError as error:
            where = _at(path, line_of(files[path], str(key)))
            problems.extend(_validation_problems(error, f"{where}, {key}"))
    return read


def _rules(files: Mapping[str, str], problems: list[PackError]) -> list[Rule]:
    rules: list[Rule] = []
    for path, text in with_prefix(files, "policy/", ".cedar").items():
        found, wrong = parse_rules(path, text)
        rules.extend(found)
        problems.extend(wrong)
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.id in seen:
            problems.append(
                PackError(
                    f"`@id` `{rule.id}` stands twice, first at {seen[rule.id]}",
                    where=rule.where,
                    help="give each rule an id of its own",
                )
            )
        seen.setdefault(rule.id, rule.where)
    return rules


def _vocabularies(
    files: Mapping[str, str], problems: list[PackError]
) -> tuple[Vocabularies | None, dict[str, Bilingual]]:
    read: dict[str, Vocabulary] = {}
    titles: dict[str, Bilingual] = {}
    for name in VOCABULARY_NAMES:
        path = f"vocabulary/{name}.yaml"
        terms = _mapping(files, path, TermEntry, problems)
        try:
            read[name] = Vocabulary(name, {term: tuple(entry.parents) for term, entry in terms.items()})
        except VocabularyError as error:
            where = _at(path, _line_of_first_name(files.get(path, ""), error.what))
            problems.append(PackError(error.what, where=where, help=error.help))
        if name in {"category", "purpose"}:
            titles.update({term: entry.title for term, entry in terms.items()})
    return (Vocabularies(**read) if len(read) == len(VOCABULARY_NAMES) else None), titles


def _registry_problems(registry: RegistryDocument, text: str) -> Iterator[PackError]:
    try:
        registry_of([registry])
    except RegistryError as error:
        where = _at("registry.yaml", _line_of_first_name(text, error.what))
        yield PackError(error.what, where=where, help=error.help)


def _line_of_first_name(text: str, what: str) -> int:
    """The line of the first name that an error speaks of, in backquotes."""
    found = re.search(r"`([^` ]+)", what)
    return line_of(text, found.group(1)) if found else 0


def schema_problems(pack: Pack) -> list[PackError]:
    """What Cedar's validator says of each rule against the pack's schema."""
    try:
        schema = cedarpy.Schema.from_str(pack.schema)
    except ValueError as error:
        return [PackError(f"cedar cannot read the schema: {error}", where="schema.cedarschema", help="mend it")]
    problems: list[PackError] = []
    for rule in pack.rules:
        result = cedarpy.validate_policies(rule.text, schema)
        problems.extend(
            PackError(f"`{rule.id}`: {fault.error}", where=rule.where, help="use what the schema declares")
            for fault in result.errors
        )
    return problems
