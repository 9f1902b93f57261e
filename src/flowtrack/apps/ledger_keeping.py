"""Where commands find who looks after the ledger, and how they show what was done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter, ValidationError

from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.ledger import asker, ledger_settings, service_of
from flowtrack.apps.ledger_settings import LedgerSettings
from flowtrack.apps.screen import Part, Screen, Table
from flowtrack.apps.settings import read
from flowtrack.audit.erasure import Erasure, ErasureAnswer, VacuumAnswer
from flowtrack.audit.holds import PlacedHold
from flowtrack.audit.retention import RetentionAnswer, RetentionPolicy
from flowtrack.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrack.adapters.clickhouse.keeper import ClickHouseKeeper
    from flowtrack.adapters.clickhouse.store import Store
    from flowtrack.audit.copies import RestoreAnswer
    from flowtrack.audit.keeper import Keeper

_UNTIL_SHOWN = "%Y-%m-%d %H:%M"


@contextmanager
def open_keeper(data_dir: Path) -> Iterator[Keeper]:
    """Give who looks after the ledger that the settings name: a process that holds it, or its directory or server.

    Raises:
        StoreError: there is no ledger, or it cannot be opened.
        RuntimeStateError: a process holds it whose token this account cannot read.
    """
    from flowtrack.adapters.clickhouse.store import Store

    settings, directory = ledger_settings(data_dir)
    service = "" if directory is None else service_of(directory)
    if directory is not None and service:
        from flowtrack.adapters.http.keeper import KeeperClient
        from flowtrack.adapters.http.token import read_token, token_file

        with KeeperClient(service, read_token(token_file(directory.store))) as client:
            yield client
        return
    if directory is not None:
        with directory, Store(settings) as store:
            store.migrate()
            yield keeper_of(store)
        return
    with Store(settings) as store:
        store.migrate()
        yield keeper_of(store)


def keeper_of(store: Store, lag: Callable[[], int | None] = lambda: None) -> ClickHouseKeeper:
    """Give the keeper of an open store, as the settings want it; `lag` tells how many decisions it lacks."""
    from flowtrack.adapters.clickhouse.keeper import ClickHouseKeeper

    settings = read(LedgerSettings)
    return ClickHouseKeeper(
        store,
        clock=partial(datetime.now, UTC),
        gone_within=settings.gone_within,
        lag=lag,
        services=settings.erase_on_events_of,
    )


def restore(source: Path, data_dir: Path, erasures: Path | None) -> RestoreAnswer:
    """Put a backup back into a data directory that has no ledger.

    Raises:
        StoreError: the backup is damaged, or there is a ledger already.
        RuntimeStateError: a Flowtrack runs on the directory.
    """
    from flowtrack.adapters.clickhouse.backup import refuse_no_backup, restoring
    from flowtrack.adapters.clickhouse.settings import ClickHouseSettings

    since = [] if erasures is None else _read_erasures(erasures)
    settings = read(ClickHouseSettings)
    if not settings.embedded:
        raise ConfigurationError(
            "a server restores itself",
            where="FLOWTRACK_CLICKHOUSE__URL",
            help="use RESTORE DATABASE there; this command is for the embedded store",
        )
    refuse_no_backup(source)  # before a directory is made for it
    directory = DataDirectory(data_dir)
    settings = settings.model_copy(update={"data_dir": directory.store})
    with directory, restoring(settings) as store:
        return keeper_of(store).put_back(source, since, asker=asker())


def read_policy(file: Path) -> RetentionPolicy:
    """Read a retention policy, YAML or JSON.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    import yaml

    try:
        document = yaml.safe_load(file.read_bytes())
        return RetentionPolicy.model_validate(document)
    except OSError as error:
        raise ConfigurationError(f"cannot read `{file}`: {error.strerror}", help="name a file that is there") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"`{file}` is no YAML", help="see docs/how-to/keep-the-ledger.md") from error
    except ValidationError as error:
        raise invalid(error, str(file), "see docs/how-to/keep-the-ledger.md for what a policy says") from error


def invalid(error: ValidationError, where: str, advice: str) -> ConfigurationError:
    """Say what a request has wrong: the first field, never its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    what = f"{what[:1].lower()}{what[1:]}"
    return ConfigurationError(f"`{field}`: {what}" if field else what, where=where, help=advice)


def show(answer: BaseModel | list[PlacedHold], *parts: Part, as_json: bool) -> None:
    """Show an answer, as one JSON document or for people."""
    if not as_json:
        Screen().show(*parts)
    elif isinstance(answer, BaseModel):
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.write(TypeAdapter(list[PlacedHold]).dump_json(answer, indent=2).decode() + "\n")


def erasures_table(answer: ErasureAnswer) -> Table:
    """Show erasures."""
    rows: list[list[str | int]] = [
        [
            each.id[:12],
            each.digest[:16],
            f"{each.asked_at:{_UNTIL_SHOWN}}",
            each.state,
            f"{each.gone_at or each.due_at:{_UNTIL_SHOWN}}",
            sum(each.rows.values()),
            ", ".join(hold[:12] for hold in each.held) or "-",
            each.reason,
        ]
        for each in answer.erasures
    ]
    columns = ["erasure", "whose (hash)", "asked (UTC)", "state", "gone, or due (UTC)", "rows", "held by", "why"]
    note = (
        "hidden: no question finds it; gone: its bytes were looked for and are not there; --json shows the whole proof"
    )
    return Table(f"Erasures: {len(rows):,}", columns, rows, note)


def vacuum_table(answer: VacuumAnswer) -> Table:
    """Show what a clean-up did."""
    fields = answer.model_dump()
    note = "" if not answer.pending else "what is pending is proved by the next clean-up, once old parts are deleted"
    return Table("Clean-up", list(fields), [list(fields.values())], note)


def holds_table(holds: list[PlacedHold]) -> Table:
    """Show legal holds."""
    rows = [
        [
            each.id[:12],
            _covers(each),
            f"{each.placed_at:{_UNTIL_SHOWN}}",
            each.placed_by,
            "in force" if each.released_at is None else f"released {each.released_at:{_UNTIL_SHOWN}} UTC",
            each.hold.reason if each.hold is not None else "",
        ]
        for each in holds
    ]
    return Table(f"Legal holds: {len(rows):,}", ["hold", "covers", "placed (UTC)", "by", "state", "why"], rows)


def _covers(placed: PlacedHold) -> str:
    if placed.hold is None:
        return "a subject erased since"
    said = placed.hold.model_dump(mode="json", exclude={"reason"}, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in said.items())


def retention_table(answer: RetentionAnswer) -> Table:
    """Show what retention takes, or took."""
    rows: list[list[str | int]] = [
        [each.category or "-", each.kind, each.keep_days, str(each.oldest), str(each.newest), each.rows, each.held]
        for each in answer.expired
    ]
    title = f"Retention by `{answer.policy}`: {answer.rows:,} rows {'would go' if answer.dry_run else 'went'}"
    months = f"; whole months: {', '.join(answer.months_dropped)}" if answer.months_dropped else ""
    columns = ["category", "kind", "kept days", "oldest", "newest", "rows", "held"]
    return Table(title, columns, rows, f"{answer.held:,} rows are kept by a legal hold{months}")


def _read_erasures(file: Path) -> list[Erasure]:
    try:
        return ErasureAnswer.model_validate_json(file.read_bytes()).erasures
    except OSError as error:
        raise ConfigurationError(f"cannot read `{file}`: {error.strerror}", help="name a file that is there") from error
    except ValidationError as error:
        raise invalid(error, str(file), "make it with: flowtrack ledger erasures --json") from error
