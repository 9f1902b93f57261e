"""What `flowtrack policy` does: validate, test, explain, list clauses."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from flowtrack.apps.check_file import read_events, read_histories, read_registry, text_of
from flowtrack.apps.packs import accepted_pack, pack_files
from flowtrack.domain.event import TYPES
from flowtrack.domain.history import as_of
from flowtrack.domain.instants import instant_us
from flowtrack.errors import ConfigurationError, FlowtrackError, PackError
from flowtrack.policy.cases import decide_case, read_cases, run_case
from flowtrack.policy.decide import Decider, EventVerdict
from flowtrack.policy.explain import CategoryExplanation
from flowtrack.policy.explain import explain as explain_category
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import Pack, load_pack
from flowtrack.policy.validate import accept_pack, pack_problems, run_cases

EXIT_FAILED, EXIT_UNREADABLE = 1, 2


def validate(folder: Path | None, *, as_json: bool) -> int:
    """Print what is wrong with a pack; 0 where nothing is, 1 where it is refused."""
    try:
        pack = load_pack(pack_files(folder))
        problems = pack_problems(pack)
    except PackError as error:
        if not error.problems:
            raise
        problems, pack = list(error.problems), None
    if as_json:
        found = [{"where": each.where, "what": each.what, "help": each.help} for each in problems]
        _print_json({"valid": not problems, "pack": pack.label if pack else None, "problems": found})
    else:
        for each in problems:
            _print(f"{each.where}: {each.what}\n    help: {each.help}")
        _print(f"refused: {len(problems)} problems" if pack is None or problems else _accepted(pack))
    return EXIT_FAILED if problems else 0


def _accepted(pack: Pack) -> str:
    cases = sum(len(read_cases(path, text)) for path, text in pack.cases.items())
    return f"valid: {pack.label}, {len(pack.rules)} rules, {len(pack.clauses)} clauses, {cases} cases"


def test(paths: Sequence[Path], pack_folder: Path | None, *, as_json: bool) -> int:
    """Run cases and print how they came out; 0 where all passed, 1 where one failed.

    Raises:
        FlowtrackError: the pack or a file of cases cannot be read.
    """
    pack = load_pack(pack_files(pack_folder))
    judge = Judge(pack)
    if paths:
        written = [case for path in _case_files(paths) for case in read_cases(str(path), text_of(path))]
        results = [run_case(judge, where, case) for where, case in written]
    else:
        results = run_cases(pack)
    failed = [result for result in results if not result.passed]
    if as_json:
        rows = [
            {
                "name": each.name,
                "where": each.where,
                "clauses": list(each.clauses),
                "passed": each.passed,
                "differences": list(each.differences),
            }
            for each in results
        ]
        _print_json({"pack": pack.label, "passed": len(results) - len(failed), "failed": len(failed), "cases": rows})
    else:
        for each in failed:
            _print(f"FAILED {each.where}: {each.name}")
            _print("".join(f"    {difference}\n" for difference in each.differences).rstrip())
        _print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return EXIT_FAILED if failed else 0


def _case_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        found = sorted(path.rglob("*.yaml")) if path.is_dir() else [path] if path.is_file() else []
        if not found:
            raise ConfigurationError(f"`{path}` holds no cases", help="name a .yaml file, or a folder of such")
        yield from found


def explain(
    source: Path,
    consents: Path | None,
    registries: Sequence[Path],
    only: str,
    pack_folder: Path | None,
    *,
    as_json: bool,
) -> int:
    """Print why events, or the events of cases, got their verdicts.

    Raises:
        FlowtrackError: something cannot be read, or `only` names nothing.
    """
    judge = Judge(accepted_pack(pack_folder))
    faults: list[FlowtrackError] = []
    if source.suffix in {".yaml", ".yml"}:
        verdicts = _verdicts_of_cases(judge, source, only)
    else:
        verdicts = _verdicts_of_events(judge, source, consents, registries, only, faults)
    told = [(name, [explain_category(judge, each) for each in verdict.categories]) for name, verdict in verdicts]
    if not told and not faults:
        raise ConfigurationError(f"`{source}` holds nothing to explain", help="check the file and `--id`")
    if as_json:
        _print_json(
            [{"id": name, "categories": [each.model_dump(mode="json") for each in found]} for name, found in told]
        )
    else:
        for name, found in told:
            _print(name)
            for each in found:
                _print_explanation(each)
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    return EXIT_UNREADABLE if faults else 0


def _verdicts_of_cases(judge: Judge, source: Path, only: str) -> list[tuple[str, EventVerdict]]:
    if not source.is_file():
        raise ConfigurationError(f"`{source}` is no file", help="name a file of cases")
    cases = read_cases(str(source), text_of(source))
    return [(case.name, decide_case(judge, case)) for _, case in cases if only in {"", case.name}]


def _verdicts_of_events(
    judge: Judge,
    source: Path,
    consents: Path | None,
    registries: Sequence[Path],
    only: str,
    faults: list[FlowtrackError],
) -> list[tuple[str, EventVerdict]]:
    histories = read_histories(consents, faults) if consents is not None else {}
    decider = Decider([judge], [read_registry(path) for path in registries])
    return [
        (
            event.id,
            decider.decide(TYPES[event.type], event, as_of(histories.get(event.subject, ()), instant_us(event.time))),
        )
        for _, event in read_events(source, faults)
        if only in {"", event.id}
    ]


def _print_explanation(each: CategoryExplanation) -> None:
    codes = [*each.reasons, *each.gaps, *each.notes]
    _print(f"  {each.category}: {each.verdict}{' (' + ', '.join(codes) + ')' if codes else ''}")
    if each.consent:
        _print(f"    consent record: {each.consent}")
    for rule in each.rules:
        _print(f"    decided by {rule.effect} `{rule.id}` of clauses {', '.join(rule.clauses)} at {rule.where}")
    for near in each.nearly:
        _print(
            f"    nearly: {near.effect} `{near.id}` of clauses {', '.join(near.clauses)}: {', '.join(near.kept_out_by)}"
        )
    for clause in each.clauses:
        _print(f"    {clause.id}  {clause.en}\n         {clause.ko}")


def clauses(only: Sequence[str], pack_folder: Path | None, *, as_json: bool) -> int:
    """Print the clauses with the rules and cases that carry them out.

    Raises:
        ConfigurationError: an id is no clause.
    """
    pack = load_pack(pack_files(pack_folder))
    for unknown in (clause for clause in only if clause not in pack.clauses):
        raise ConfigurationError(
            f"`{unknown}` is no clause of {pack.label}", help="`flowtrack policy clauses` lists them"
        )
    rows = list(_clause_rows(pack, only or list(pack.clauses)))
    if as_json:
        _print_json({"pack": pack.label, "clauses": rows})
        return 0
    for row in rows:
        _print(f"{row['id']:>5}  {row['status']}  {row['en']}\n       {row['ko']}")
        _print(f"       rules: {', '.join(row['rules']) or '-'}; cases: {row['cases']}")
        if row["why"]:
            _print(f"       {row['why']}")
    return 0


def _clause_rows(pack: Pack, ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    cases = [case for path, text in pack.cases.items() for _, case in read_cases(path, text)]
    for clause_id in ids:
        clause = pack.clauses[clause_id]
        yield {
            "id": clause_id,
            "status": clause.status,
            "en": clause.en,
            "ko": clause.ko,
            "why": clause.why,
            "rules": [rule.id for rule in pack.rules if clause_id in rule.clauses],
            "cases": sum(clause_id in case.clauses for case in cases),
        }


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _print_json(value: object) -> None:
    _print(json.dumps(value, ensure_ascii=False, indent=2))


def keygen(path: Path, *, as_json: bool) -> int:
    """Make a pair of keys, and print where they lie.

    Raises:
        ConfigurationError: one of the files is there already, or cannot be written.
    """
    from flowtrack.apps.keys import PUBLIC_KEYS, make_pair, public_half

    made = make_pair(path)
    public = public_half(path)
    if as_json:
        _print_json({"key": made, "private": str(path), "public": str(public)})
    else:
        _print(f"made the key {made}")
        _print(f"  sign with  flowtrack policy publish --signing-key {path}")
        _print(f"  check by   {PUBLIC_KEYS}={public}")
    return 0


def publish(folder: Path | None, signing_key: Path | None, *, as_json: bool) -> int:
    """Publish a pack that passes validation, signed if there is a key.

    Raises:
        PackError: it is refused, or would be by a checker with the same settings.
        ConfigurationError: the key cannot be read.
        DeliveryError: the broker did not take it.
    """
    from flowtrack.adapters.kafka.settings import KafkaSettings
    from flowtrack.apps.documents import default_pack_document, pack_document
    from flowtrack.apps.documents import publish as send
    from flowtrack.apps.keys import PolicySettings
    from flowtrack.apps.settings import read
    from flowtrack.policy.signing import read_signing_key
    from flowtrack.policy.source import PackDocument

    accept_pack(pack_files(folder))
    key = None if signing_key is None else read_signing_key(signing_key)
    document = default_pack_document(key) if folder is None else pack_document(folder, key)
    read(PolicySettings).keys().verify(PackDocument.model_validate_json(document.value))
    send(read(KafkaSettings), [document.output()])
    if as_json:
        _print_json({"published": document.key, "topic": document.topic, "signed": key is not None})
    else:
        _print(f"published {document.key} on {document.topic}{'' if key is None else ', signed'}")
    return 0
