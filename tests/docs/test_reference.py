"""The reference pages are complete, both ways: what stands there exists, and what exists stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from flowtrack.adapters.alerts.alertmanager import _NAMES as ALERT_NAMES
from flowtrack.adapters.alerts.settings import AlertSettings
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.adapters.http.service import build_app
from flowtrack.adapters.http.settings import HttpSettings
from flowtrack.adapters.kafka.health import HealthServer
from flowtrack.adapters.kafka.settings import KafkaSettings
from flowtrack.adapters.kafka.topics import SHAPES
from flowtrack.adapters.snapshots.settings import SnapshotSettings
from flowtrack.apps.cli import app
from flowtrack.apps.keys import PolicySettings
from flowtrack.apps.ledger_settings import LedgerSettings
from flowtrack.apps.progress import STAGES
from flowtrack.apps.reports_settings import ReportSettings
from flowtrack.apps.settings import HealthSettings
from flowtrack.audit.reports.laws import law_table
from flowtrack.domain.names import DeadLetterCode, Gap, Note, Reason
from flowtrack.policy.pack import VOCABULARY_NAMES, default_pack
from flowtrack.policy.rules import _EFFECT_OF_SET, _SET_OF_FILE
from flowtrack.policy.situation import Circumstances, Situation
from flowtrack.policy.source import files_of_default_pack
from flowtrack.sample.__main__ import main as sample
from flowtrack.testing.ledger import MemoryLedger
from tests.docs.pages import ROOT, rows_under

CODES = "docs/reference/codes.md"
LAWS = "docs/reference/laws.md"
ON_CALL = "docs/how-to/be-on-call.md"
RUN = "docs/how-to/run-it.md"
PACK = "docs/how-to/write-a-pack.md"
SETTINGS = "docs/reference/settings.md"
GROUPS: dict[str, type[BaseSettings]] = {
    "Kafka": KafkaSettings,
    "ClickHouse": ClickHouseSettings,
    "Looking after the ledger": LedgerSettings,
    "HTTP service of the sink": HttpSettings,
    "HTTP API for auditors": ApiSettings,
    "Health of a worker": HealthSettings,
    "Alerts": AlertSettings,
    "Snapshots of consent state": SnapshotSettings,
    "Packs": PolicySettings,
    "Reports": ReportSettings,
}
LISTED = ("recipient_type", "reference", "method", "consideration", "channel", "protection", "needs", "account")
"""Attributes beside which the pack's schema lists all of their values."""
IN_CODE = re.compile(r"`([^`]+)`")


def _first(rows: list[list[str]]) -> list[str]:
    """What stands in the first cells, without its backquotes."""
    return [code for row in rows for code in IN_CODE.findall(row[0])]


def test_articles_are_all_listed() -> None:
    """laws.md has each article that a report may quote, with what was done before it was, and each rule about them."""
    table = law_table()
    words = {"text": "its wording was read", "account": "an account of it was read", "reading": "**as of our reading**"}
    told = {row[0].strip("`"): (row[2], row[3]) for row in rows_under(LAWS, "Articles")}
    assert told == {
        name: (each.says.en, words[each.checked] + (f": <{each.seen}>" if each.seen else ""))
        for name, each in table.sources.items()
    }
    rules = {row[0].strip("`"): row[4] for row in rows_under(LAWS, "What the law overlay looks for")}
    assert rules == {rule.id: rule.says.en for rule in table.overlay}


def test_codes_are_all_explained() -> None:
    """Each reason, note, gap and dead-letter code has one row in codes.md, and no other has."""
    headings = ["Reasons of a permission", "Reasons of a denial", "Reasons of not applicable"]
    reasons = [code for heading in headings for code in _first(rows_under(CODES, heading))]
    assert sorted(reasons) == sorted(Reason)
    assert sorted(_first(rows_under(CODES, "Notes"))) == sorted(Note)
    assert sorted(_first(rows_under(CODES, "Gaps"))) == sorted(Gap)
    assert sorted(_first(rows_under(CODES, "Dead letters"))) == sorted(DeadLetterCode)


def test_clauses_beside_codes_carry_them() -> None:
    """Where codes.md names a clause beside a reason, a rule of the default pack gives that reason under it."""
    given: dict[str, set[str]] = {}
    for rule in default_pack().rules:
        for reason in rule.reasons:
            given.setdefault(reason, set()).update(rule.clauses)
    wrong = [
        (code, clause)
        for heading in ("Reasons of a denial", "Reasons of not applicable")
        for row in rows_under(CODES, heading)
        for code in IN_CODE.findall(row[0])
        for clause in re.findall(r"\d\.\d?[a-d]?", row[2])
        if code in given and clause not in given[code]
    ]
    assert not wrong


def test_who_is_on_call_finds_every_code() -> None:
    """Each code that an alert can give has one row that says what to do."""
    permits = set(_first(rows_under(CODES, "Reasons of a permission")))
    not_applicable = set(_first(rows_under(CODES, "Reasons of not applicable")))
    alerted = {*map(str, Reason), *map(str, Gap), *map(str, DeadLetterCode), "sale_not_marketing"}
    told = _first([[row[0]] for row in rows_under(ON_CALL, "What to do, by code")])
    assert sorted(told) == sorted(alerted - permits - not_applicable)


def test_who_is_on_call_finds_every_alert() -> None:
    """Each `what` of an alert stands with its name in Alertmanager."""
    rows = rows_under(ON_CALL, "What an alert says")
    assert {row[0].strip("`"): row[1].strip("`") for row in rows[1:]} == ALERT_NAMES


def test_attributes_of_a_situation_are_all_explained() -> None:
    """situation.md lists what a situation has, and the pack's schema declares what it says rules may look at."""
    rows = rows_under("docs/reference/situation.md", "What a rule may look at")
    expected = (set(Circumstances._fields) | set(Situation._fields)) - {"circumstances"}
    assert sorted(_first(rows)) == sorted(expected)
    schema = files_of_default_pack()["schema.cedarschema"]
    declared = re.search(r"type Situation = \{(.*?)\};", schema, re.DOTALL)
    assert declared
    in_rules = {row[1].strip("`").removeprefix("context.") for row in rows if row[1].startswith("`context.")}
    assert in_rules == set(re.findall(r"^  (\w+):", declared.group(1), re.MULTILINE))


def test_values_of_a_situation_are_those_of_the_schema() -> None:
    """The words that the pack's schema names beside an attribute stand in situation.md, too."""
    rows = {row[0].strip("`"): row[2] for row in rows_under("docs/reference/situation.md", "What a rule may look at")}
    schema = files_of_default_pack()["schema.cedarschema"]
    listed = {name: words.split() for name, words in re.findall(r"^  (\w+): \w+, +// ([a-z_ ]+)", schema, re.MULTILINE)}
    lacking = [(name, word) for name in LISTED for word in listed[name] if f"`{word}`" not in rows[name]]
    assert not lacking


def test_topics_are_as_they_are_made() -> None:
    """topics.md gives each topic's partitions and how long it is kept as `flowtrack topics create` makes it."""
    rows = rows_under("docs/reference/topics.md", "Topics")
    told = {row[0].strip("`"): tuple(row[1:3]) for row in rows if row[0].startswith("`flowtrack.")}
    made = {
        str(topic): (
            "wide" if shape.wide else "1",
            f"{shape.retention_days} days" if shape.retention_days else "compacted",
        )
        for topic, shape in SHAPES.items()
    }
    assert told == made


def test_groups_read_what_topics_md_says() -> None:
    """topics.md names each consumer group with what it reads."""
    rows = rows_under("docs/reference/topics.md", "Topics")
    told = {row[0].strip("`"): set(row[1].split(", ")) for row in rows if row[0].startswith("`flowtrack-")}
    words = {"deadletters": "dead letters"}
    reads = {
        stage.group: {words.get(name, name) for name in (str(topic).split(".")[1] for topic in stage.topics)}
        for stage in STAGES.values()
    }
    assert told == reads


def _default(value: Any) -> str:
    if value in (None, "", (), {}) or isinstance(value, SecretStr):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize("heading", GROUPS)
def test_settings_are_all_explained(heading: str) -> None:
    """settings.md lists the variables of a group, each with its default."""
    settings = GROUPS[heading]
    prefix = settings.model_config["env_prefix"]
    expected = {f"{prefix}{name}".upper(): _default(field.default) for name, field in settings.model_fields.items()}
    told = {row[0].strip("`"): row[1] for row in rows_under(SETTINGS, heading)}
    assert told == expected


def test_every_variable_in_the_code_is_explained() -> None:
    """No variable is read that settings.md does not list, and none is listed that nobody reads."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    prefixes = {settings.model_config["env_prefix"].rstrip("_") for settings in GROUPS.values()}
    named = set(re.findall(r"FLOWTRACK_[A-Z_]*[A-Z]", text)) - prefixes
    of_groups = {f"{s.model_config['env_prefix']}{name}".upper() for s in GROUPS.values() for name in s.model_fields}
    told = {code for heading in (*GROUPS, "Processes") for code in _first(rows_under(SETTINGS, heading))}
    assert told == named | of_groups


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(("flowtrack", *path)), command
        return
    if command.invoke_without_command:
        yield " ".join(("flowtrack", *path)), command
    for name, inner in command.commands.items():
        yield from _commands(inner, (*path, name))


def _parameters(command: Any) -> dict[str, str]:
    """Arguments and options by name, with the default as cli.md writes it."""
    found = {}
    for each in command.params:
        if each.param_type_name == "argument":
            found[each.name.upper() + ("…" if each.nargs == -1 else "")] = "required" if each.required else ""
            continue
        default = each.default if each.default not in (None, "", [], False) else None
        known = [f"`{each.envvar}`"] if each.envvar else []
        known += [] if default is None else [f"`{default}`"]
        found[each.opts[0]] = "required" if each.required else ", else ".join(known)
    return found


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_commands_are_explained(name: str, command: Any) -> None:
    """cli.md has each command, with all of its arguments and options and their defaults."""
    rows = rows_under("docs/reference/cli.md", name)
    assert {row[0].strip("`"): row[1] for row in rows} == _parameters(command)


def test_no_command_is_explained_that_there_is_not() -> None:
    """cli.md has no section of a command that does not exist."""
    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (flowtrack .*)$", text, re.MULTILINE)
    assert headings == [name for name, _ in COMMANDS]


def test_options_of_the_sample_day_are_explained() -> None:
    """cli.md has the options of `python -m flowtrack.sample`."""
    single = typer.Typer(add_completion=False)
    single.command()(sample)
    rows = rows_under("docs/reference/cli.md", "python -m flowtrack.sample")
    told = {row[0].strip("`"): row[1] for row in rows}
    assert told == _parameters(typer.main.get_command(single))


def test_metrics_are_all_explained() -> None:
    """run-it.md lists each metric under the name by which Prometheus gets it."""
    made = re.compile(r"(Counter|Gauge|Histogram)(?:MetricFamily)?\(\s*\"(flowtrack_\w+)\"")
    found = [match for path in (ROOT / "src").rglob("*.py") for match in made.findall(path.read_text(encoding="utf-8"))]
    exposed = {name if kind != "Counter" or name.endswith("_total") else f"{name}_total" for kind, name in found}
    rows = rows_under(RUN, "Health and metrics")
    assert {row[0].strip("`") for row in rows if row[0].startswith("`flowtrack_")} == exposed


def test_health_is_where_the_page_says() -> None:
    """The addresses of health and metrics that run-it.md names are answered, by the sink's service and by a worker."""
    routes = {getattr(route, "path", "") for route in build_app(MemoryLedger()).routes}
    sinks = f"http://127.0.0.1:{HttpSettings.model_fields['port'].default}"
    workers = "http://…:<FLOWTRACK_HEALTH__PORT>"
    told = [code for code in _first(rows_under(RUN, "Health and metrics")) if code.startswith("http")]
    of_sink = {address.removeprefix(sinks) for address in told if address.startswith(sinks)}
    of_worker = [address.removeprefix(workers) for address in told if address.startswith(workers)]
    assert len(told) == len(of_sink) + len(of_worker)
    assert of_sink <= routes
    server = HealthServer(0, lambda: "", host="127.0.0.1")
    server.start()
    try:
        answers = [httpx.get(f"http://127.0.0.1:{server.port}{path}").status_code for path in of_worker]
    finally:
        server.stop()
    assert answers == [200, 200, 200]


def test_files_of_a_pack_are_all_explained() -> None:
    """write-a-pack.md names what a pack's folder holds."""
    told = _first(rows_under(PACK, "The folder"))
    patterns = {name for each in told for name in _spelt_out(each)}
    held = {re.sub(r"(cases|policy)/[^/]+\.", r"\1/*.", path) for path in files_of_default_pack()}
    assert patterns == held - {"policy.ko.txt"}  # the policy's own text: for readers, nothing reads it


def _spelt_out(pattern: str) -> list[str]:
    choice = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
    return [pattern] if choice is None else [f"{choice[1]}{each}{choice[3]}" for each in choice[2].split(",")]


def test_sets_of_rules_are_all_explained() -> None:
    """write-a-pack.md names each file of rules that has a meaning of its own, with the effect that is asked of it."""
    rows = [row for row in rows_under(PACK, "Rules") if row[0].endswith(".cedar`")]
    told = {row[0].strip("`").removesuffix(".cedar"): row[1].strip("`") for row in rows}
    assert told == {stem: _EFFECT_OF_SET[name] for stem, name in _SET_OF_FILE.items()}
    assert {f"vocabulary/{name}.yaml" for name in VOCABULARY_NAMES} <= {
        name for each in _first(rows_under(PACK, "The folder")) for name in _spelt_out(each)
    }


def test_annotations_are_all_explained() -> None:
    """write-a-pack.md names each annotation that is read."""
    source = (ROOT / "src/flowtrack/policy/rules.py").read_text(encoding="utf-8")
    read = set(re.findall(r"annotations(?:\.get\(|\[)\"(\w+)\"", source))
    told = {code.removeprefix("@") for code in _first(rows_under(PACK, "Rules")) if code.startswith("@")}
    assert told == read
