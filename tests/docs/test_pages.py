"""What the pages show works: shell, Python, files, JSON."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flowtrack.adapters.alerts.alertmanager import AlertmanagerNotifier
from flowtrack.adapters.alerts.posting import Poster
from flowtrack.adapters.alerts.settings import AlertSettings
from flowtrack.domain.decision import Alert
from flowtrack.domain.event import TYPES
from flowtrack.domain.names import Kind
from flowtrack.policy.cases import read_cases, run_case
from flowtrack.policy.judge import Judge
from flowtrack.policy.pack import default_pack
from flowtrack.sdk import CONSENTS_TOPIC, Flowtrack, client
from flowtrack.testing import MemoryTransport
from flowtrack.tracking.alerts import identity_of
from flowtrack.wire.cloudevents import structured
from flowtrack.wire.decode import decode_consent, decode_event
from flowtrack.wire.partition import partition_of
from tests.docs.pages import PAGES, ROOT, Block, blocks_of

RUNNING = [
    page for page in PAGES if any(block.purpose == "run" and block.language == "sh" for block in blocks_of(page))
]
PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks_of(page))]
SDK_PAGE = "docs/how-to/publish-from-a-service.md"
ALERT_PAGE = "docs/how-to/be-on-call.md"
PURPOSES = {"", "run", "needs", "file", "append"}
KEY_FILE = "00" * 32


def _save(block: Block, folder: Path) -> None:
    """Write a block as the file that its reader makes of it; JSON lines as one line."""
    path = folder / block.detail
    text = json.dumps(json.loads(block.text)) + "\n" if path.suffix == ".jsonl" else block.text
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if block.purpose == "append" else ""
    path.write_text(before + text, encoding="utf-8")


def _shell(block: Block, folder: Path) -> None:
    """Run a block as its reader would, in their shell, and hold its exit status against what the page says."""
    expected = int(block.detail.removeprefix("exit ")) if block.detail else 0
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expected, f"{block.where}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}"


@pytest.mark.parametrize("page", RUNNING)
def test_shell_blocks_run(page: str, tmp_path: Path) -> None:
    """The shell blocks of a page that are said to run do, one after the other, on the files that the page shows."""
    ran = 0
    for block in blocks_of(page):
        if block.purpose in {"file", "append"}:
            _save(block, tmp_path)
        elif block.purpose == "run" and block.language == "sh":
            _shell(block, tmp_path)
            ran += 1
    assert ran


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is_for(page: str) -> None:
    """A shell block that calls Flowtrack either runs or says what it needs, so that none is left out by oversight."""
    blocks = blocks_of(page)
    unknown = [block.where for block in blocks if block.purpose not in PURPOSES]
    silent = [
        block.where
        for block in blocks
        if block.language == "sh" and "flowtrack " in block.text and block.purpose not in {"run", "needs"}
    ]
    fences = (ROOT / page).read_text(encoding="utf-8").count("\n```")
    assert fences == 2 * len(blocks), "a fence without a language, or an unclosed one"
    assert not unknown
    assert not silent


class Notebook:
    """Runs a page's Python blocks one after the other, in one namespace, inside `async with Flowtrack(...)`."""

    def __init__(self) -> None:
        self.transport = MemoryTransport(partitions=8)
        self.names: dict[str, Any] = {"__name__": "page"}

    async def run(self, block: Block) -> None:
        """Run a block, then the functions that it defines: checks, and programs without arguments."""
        before = dict(self.names)
        code = compile(block.text, block.where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        async with Flowtrack(service="orders", key=bytes(32), transport=self.transport) as flowtrack:
            self.names["flowtrack"] = flowtrack
            found = eval(code, self.names)  # noqa: S307 - our own pages
            if inspect.isawaitable(found):
                await found
        for name, value in self.names.items():
            if value is before.get(name) or not inspect.isfunction(value) or inspect.signature(value).parameters:
                continue
            if inspect.iscoroutinefunction(value):
                await value()
            else:
                await asyncio.to_thread(value)


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A notebook in an empty folder with a key file; addresses of Kafka lead to its own memory transport."""
    book = Notebook()
    (tmp_path / "subject.key").write_text(KEY_FILE, encoding="ascii")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "_kafka", lambda _address: book.transport)
    yield book
    for sent in book.transport.sent:
        (decode_consent if sent.topic == CONSENTS_TOPIC else decode_event)(sent.value)


@pytest.mark.parametrize("page", PYTHON)
def test_python_blocks_run(page: str, notebook: Notebook) -> None:
    """The Python blocks of a page run in order, and what they publish keeps the contract."""

    async def run() -> None:
        for block in blocks_of(page):
            if block.language == "python":
                await notebook.run(block)

    asyncio.run(run())
    assert notebook.transport.sent


def test_the_page_for_services_shows_every_kind(notebook: Notebook) -> None:
    """Collect, use, share, store and erase are shown, with consent, withdrawal and opt-out; binary mode is readable."""

    async def run() -> None:
        for block in blocks_of(SDK_PAGE):
            if block.language == "python":
                await notebook.run(block)

    asyncio.run(run())
    shown = {TYPES[event["type"]] for event in notebook.transport.published()}
    states = {(each["data"]["kind"], each["data"]["state"]) for each in notebook.transport.published(CONSENTS_TOPIC)}
    assert shown == set(Kind) - {Kind.INCIDENT}
    assert {("consent", "given"), ("consent", "withdrawn"), ("opt_out", "given")} <= states
    binary = decode_event(structured(notebook.names["headers"], notebook.names["value"]))
    assert binary.subject == notebook.transport.published()[0]["subject"]
    assert notebook.names["partition"] == partition_of(binary.subject, 8)


def _json_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language == "json"]


@pytest.mark.parametrize("block", _json_blocks(), ids=lambda block: block.where)
def test_json_blocks_keep_the_contract(block: Block) -> None:
    """Each JSON document that is shown is read by the decoders and fits its schema."""
    document = json.loads(block.text)
    if "specversion" not in document:
        assert [Alert.model_validate(each) for each in _without_titles(document)]
        return
    stem = document["type"].removeprefix("flowtrack.")
    name = stem if stem.startswith("consent") else f"event.{stem}"
    schema = json.loads((ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    decode = decode_consent if stem.startswith("consent") else decode_event
    assert decode(block.text.encode()).subject == document["subject"]


def _without_titles(webhook: dict[str, Any]) -> list[dict[str, Any]]:
    assert webhook["version"] == 1
    return [{name: value for name, value in each.items() if name != "titles"} for each in webhook["alerts"]]


def test_the_alert_that_is_shown_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page names the labels and annotations that Alertmanager gets, and an identity of the right form."""
    page = (ROOT / ALERT_PAGE).read_text(encoding="utf-8")
    (shown,) = [block for block in blocks_of(ALERT_PAGE) if block.language == "json"]
    document = json.loads(shown.text)
    (given,) = _without_titles(document)
    alert = Alert.model_validate(given)
    posted: list[Any] = []
    poster = Poster("http://127.0.0.1:9", who="nobody", timeout_s=1)
    monkeypatch.setattr(poster, "post", posted.append)
    rules = AlertSettings().rules()
    titles = document["alerts"][0]["titles"]
    AlertmanagerNotifier(poster, resolve_after=rules.resolve_after, titles=titles).notify([alert])
    ((told,),) = posted
    sentence = page.split("Alertmanager gets the same")[1].split("A route")[0]
    assert set(told["labels"]) | set(told["annotations"]) == set(sentence.split("`")[1::2])
    assert len(alert.identity) == len(identity_of(alert))


def _case_blocks() -> list[Block]:
    """YAML that is a case of the default pack; those of a pack of the page's own run with its shell blocks."""
    return [
        block
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "yaml" and "\nexpect:" in block.text and block.purpose != "file"
    ]


@pytest.mark.parametrize("block", _case_blocks(), ids=lambda block: block.where)
def test_cases_that_are_shown_pass(block: Block) -> None:
    """Each conformance case on a page comes out as it says, by the default pack."""
    judge = Judge(default_pack())
    results = [run_case(judge, where, case) for where, case in read_cases(block.where, block.text)]
    assert results
    assert [result.differences for result in results if not result.passed] == []


@pytest.mark.parametrize("page", PAGES)
def test_yaml_blocks_are_yaml(page: str) -> None:
    """Each YAML block can be read."""
    for block in blocks_of(page):
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block.where
