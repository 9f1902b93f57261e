"""A damaged directory, a full disk, values that no column holds: nothing is lost, and the message says what to do."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.questions import Books
from flowtrack.errors import ContractError, StoreError
from flowtrack.testing.ledger import MemoryLedger
from flowtrack.tracking.ledger import LedgerWriter
from tests.ledger.day import category, decision, record

ROOT = Path(__file__).parents[2]
_PROCESS = """
import json, os, sys
from pathlib import Path
from flowtrack.adapters.clickhouse.settings import ClickHouseSettings
from flowtrack.adapters.clickhouse.sink import SinkStore
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.errors import FlowtrackError
from flowtrack.tracking.rows import FLOWS, block_of, flow_rows
from tests.ledger.day import category, decision, record

def block(offsets):
    made = [flow_rows(decision(n, category("provided.email")), record(decision(n), n)) for n in offsets]
    return block_of(FLOWS, [row for rows in made for row in rows])

def told(doing):
    try:
        return doing()
    except FlowtrackError as error:
        return [type(error).__name__, error.what, error.help]

def count():
    return store.rows("SELECT count() FROM flows")[0][0]

said = {}
what, directory = sys.argv[1], Path(sys.argv[2])
store = Store(ClickHouseSettings(data_dir=directory))
try:
    store.open()
    store.migrate()
    if what == "write":
        SinkStore(store).insert(block(range(1, 3_000)), "a:1")
        said["path"] = store.rows("SELECT path FROM system.parts WHERE active AND table = 'flows'")[0][0]
    elif what == "read":
        said["rows"] = told(lambda: len(store.rows("SELECT * FROM flows")))
    elif what == "fill":
        with (directory.parent / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 65_536):
                    pass
            except OSError:
                pass
        said["full"] = told(lambda: SinkStore(store).insert(block(range(1, 20_000)), "a:1"))
        said["rows"] = told(count)
        os.unlink(directory.parent / "filler")
        said["room"] = told(lambda: SinkStore(store).insert(block(range(1, 20_000)), "a:1"))
        said["rows then"] = told(count)
except FlowtrackError as error:
    said["refused"] = [type(error).__name__, error.what, error.help]
finally:
    store.close()
print(json.dumps(said))
"""


def process(what: str, directory: Path, *before: str) -> dict[str, Any]:
    """Do something with a store in a process of its own: one process has one directory open."""
    argv = [*before, sys.executable, "-c", _PROCESS, what, str(directory)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with one part in its ledger, and that part's path within."""
    directory = tmp_path_factory.mktemp("sound") / "store"
    path = Path(process("write", directory)["path"])
    return directory, path.relative_to(directory)


def flip(file: Path) -> None:
    """Turn a byte in the middle over."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: flip(part / "checksums.txt"),
        lambda part: flip(part / "columns.txt"),
        lambda part: (part / "data.bin").unlink(),
        lambda part: os.truncate(part / "data.bin", 100),
    ],
    ids=["checksums", "columns", "gone", "cut"],
)
def test_a_part_that_is_put_aside_is_missed(
    written: tuple[Path, Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The engine goes on without a part that it cannot read; the ledger is refused rather than answering in part."""
    sound, part = written
    copy = tmp_path / "store"
    shutil.copytree(sound, copy, symlinks=True)
    damage(copy / part)
    kind, what, help_ = process("read", copy)["refused"]
    assert kind == "StoreError"
    assert "`1` parts of `flows` are damaged" in what
    assert "backup" in help_


@pytest.mark.slow
def test_an_operator_can_go_on_without_what_is_damaged(written: tuple[Path, Path], tmp_path: Path) -> None:
    """The part is missed at each start, until somebody moves it away as the message says."""
    sound, part = written
    copy = tmp_path / "store"
    shutil.copytree(sound, copy, symlinks=True)
    flip(copy / part / "checksums.txt")
    first, again = process("read", copy)["refused"], process("read", copy)["refused"]
    assert first == again
    _, _, help_ = again
    put_aside = Path(help_.split("move `")[1].split("`")[0])
    shutil.move(put_aside, tmp_path / "aside")  # as the message says
    assert process("read", copy) == {"rows": 0}


def test_damage_within_a_part_is_found_by_who_reads_it(written: tuple[Path, Path], tmp_path: Path) -> None:
    """A byte that has turned over is never answered; the message says that it is the files."""
    sound, part = written
    copy = tmp_path / "store"
    shutil.copytree(sound, copy, symlinks=True)
    flip(copy / part / "data.bin")
    kind, what, help_ = process("read", copy)["rows"]
    assert (kind, "CHECKSUM_DOESNT_MATCH" in what) == ("StoreError", True)
    assert "damaged" in help_


def test_a_directory_that_cannot_be_opened_says_so(written: tuple[Path, Path], tmp_path: Path) -> None:
    """A damaged description of a table: nothing starts, and nothing is made anew over it."""
    sound, _ = written
    copy = tmp_path / "store"
    shutil.copytree(sound, copy, symlinks=True)
    for file in copy.glob("store/*/*/flows.sql"):
        flip(file)
    kind, what, help_ = process("read", copy)["refused"]
    assert (kind, "cannot open its directory" in what) == ("StoreError", True)
    assert "backup" in help_


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Without room the insert is refused as a whole and can come again; with room it is written once."""
    small = ["unshare", "--map-root-user", "--mount"]
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = f"mount -t tmpfs -o size=24m tmpfs {mounted}"
    if subprocess.run([*small, "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no mount of its own: `unshare` or its namespaces are not allowed here")
    said = process("fill", mounted / "store", *small, "sh", "-c", f'{mount} && exec "$@"', "sh")
    kind, what, help_ = said["full"]
    assert (kind, "NOT_ENOUGH_SPACE" in what) == ("StoreUnavailableError", True)
    assert "make room" in help_
    assert said["rows"] == 0
    assert (said["room"], said["rows then"]) == (None, 19_999)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("subject", "jane.doe@example.org"),
        ("source_offset", -1),
        ("source_offset", 1 << 70),
        ("source_partition", 70_000),
        ("event_id", 5),
        ("verdict", None),
        ("happened_at", "yesterday, said Jane"),
    ],
)
def test_a_value_that_no_column_holds_is_refused(
    store: Store, column: str, value: object, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """It stops at the client; neither the error nor any log has the value."""
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as refused:
        store.insert("flows", {column: [value]}, "a:1")
    assert store.rows("SELECT count() FROM flows") == [(0,)]
    text = f"{refused.value} {refused.value.__cause__} {caplog.text} {''.join(capfd.readouterr())}"
    assert "jane" not in text.lower()


@pytest.mark.parametrize(
    "newer",
    [
        {"quantum": 1},
        {"type": "decision.v2"},
        {"kind": "teleport"},
        {"verdict": "perhaps"},
        {"offset": -1},
        {"offset": 1 << 70},
        {"partition": 70_000},
        {"revision": 1 << 16},
        {"subject": "jane.doe@example.org"},
    ],
    ids=str,
)
def test_a_decision_of_a_newer_version_is_not_taken_in_part(newer: dict[str, object]) -> None:
    """What this version does not know, or no column holds, stops the batch before anything of it is written."""
    good, bad = record(decision(1, category("provided.email")), 1), record(decision(2, category("provided.email")), 2)
    assert bad.value is not None
    changed = json.dumps({**json.loads(bad.value), **newer}).encode()
    ledger = MemoryLedger()
    with pytest.raises(ContractError) as refused:
        LedgerWriter(ledger, "run").process([good, bad._replace(value=changed)])
    assert refused.value.where == "flowtrack.decisions/0 at 2"
    assert "run the same" in refused.value.help
    assert "jane" not in str(refused.value)
    assert ledger.books(Books()).partitions == []


def test_a_hole_in_front_of_a_decision_is_named() -> None:
    """Decisions after a hole are written, since they are true; the books name the interval that is missing."""
    ledger = MemoryLedger()
    writer = LedgerWriter(ledger, "run")
    for offset in (1, 2, 900, 901):
        writer.process([record(decision(offset, category("provided.email")), offset)])
    (books,) = ledger.books(Books()).partitions
    assert [(hole.first, hole.last) for hole in books.holes] == [(3, 899)]
    assert books.missing == 897
