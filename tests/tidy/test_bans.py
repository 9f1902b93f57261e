"""What must not stand in the code, each ban with what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.tidy.conftest import Source

# Layers whose every answer follows from their arguments: they are replayed, and must come out the same.
REPLAYED = tuple(f"src/flowtrack/{layer}/" for layer in ("domain", "policy", "tracking", "audit", "wire"))

# A call by its full name (a trailing dot means all of a module) -> what to write instead.
BANNED_EVERYWHERE = {
    "time.sleep": "wait on a condition with a deadline (threading.Event.wait, asyncio.wait_for)",
}
BANNED_IN_REPLAYED = {
    "datetime.datetime.now": "take the instant as an argument",
    "datetime.datetime.utcnow": "take the instant as an argument",
    "datetime.datetime.today": "take the instant as an argument",
    "datetime.date.today": "take the instant as an argument",
    "time.time": "take the instant as an argument",
    "time.time_ns": "take the instant as an argument",
    "uuid.uuid1": "take the id as an argument",
    "uuid.uuid4": "take the id as an argument",
    "random.": "take a random.Random as an argument",
    "secrets.": "take the bytes as an argument",
    "os.urandom": "take the bytes as an argument",
}

# Patterns are written so that they do not match themselves.
ABSOLUTE_PATH = re.compile(r"(?<![\w.}>])/(?:home|Users)/\w|(?<![\w.])/root/\w|/wor[k]/(?:main|shared|\.)|/tmp/[v]/")
INDEX_HOST = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|crates|proxy\.golang|deb\.debian|repo1?\.maven(?:\.apache)?)\.(?:org|io|com)\b"
)
SILENCED = re.compile(r"#\s*(?P<tool>noqa|type:\s*ignore)(?P<code>:\s*[A-Z]+\d+|\[[\w, -]+\])?(?P<rest>.*)")


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> full name, for everything that the module imports."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _calls(source: Source) -> Iterator[tuple[str, str]]:
    """Where each call stands, and the full name of what is called."""
    names = _imported_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node.func).partition(".")
            if first in names or not rest:
                yield source.at(node), ".".join(filter(None, (names.get(first, first), rest)))


def _banned(sources: list[Source], bans: dict[str, str]) -> list[str]:
    return [
        f"{where}: `{called}`: {instead}"
        for source in sources
        for where, called in _calls(source)
        for name, instead in bans.items()
        if called == name or (name.endswith(".") and called.startswith(name))
    ]


def test_nothing_sleeps(sources: list[Source]) -> None:
    """Nothing waits for a time where it could wait for what it needs."""
    assert not (found := _banned(sources, BANNED_EVERYWHERE)), "\n".join(found)


def test_replayed_layers_take_time_and_chance_as_arguments(product: list[Source]) -> None:
    """Domain, policy, wire, tracking and audit read no clock, roll no dice and make no ids."""
    replayed = [source for source in product if source.path.startswith(REPLAYED)]
    assert not (found := _banned(replayed, BANNED_IN_REPLAYED)), "\n".join(found)


def test_only_commands_print(product: list[Source]) -> None:
    """Below apps nothing prints: it logs with structlog, or returns what an app shows."""
    quiet = [source for source in product if not source.path.startswith("src/flowtrack/apps/")]
    assert not (found := _banned(quiet, {"print": "log with structlog, or return the text to apps"})), "\n".join(found)


def test_no_exception_is_caught_unnamed(sources: list[Source]) -> None:
    """Every `except` names what it catches."""
    bare = [
        f"{source.at(node)}: name the exception"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bare, "\n".join(bare)


def test_a_silenced_check_is_named_and_explained(sources: list[Source]) -> None:
    """Each noqa and each type-ignore names its code, and its file says once for each code why."""
    unnamed, unexplained = [], set()
    for source in sources:
        explained: set[str] = set()
        asked: dict[str, str] = {}
        for number, line in enumerate(source.text.splitlines(), start=1):
            if not (match := SILENCED.search(line)) or source.path.endswith("tidy/test_bans.py"):
                continue
            where = f"{source.path}:{number}"
            if match["code"] is None:
                unnamed.append(where)
                continue
            codes = set(re.findall(r"[A-Z]+\d+|[a-z]+(?:-[a-z]+)+", match["code"] + match["rest"]))
            words = re.sub(r"[A-Z]+\d+|[^A-Za-z ]", " ", match["rest"]).split()
            asked.update(dict.fromkeys(codes, where))
            explained |= codes if len(words) > 1 else set()
        unexplained |= {f"{where} {code}" for code, where in asked.items() if code not in explained}
    assert not unnamed, f"name the code: {unnamed}"
    assert not unexplained, f"say why, behind the code: {sorted(unexplained)}"


def test_no_file_knows_one_machine(files: list[str], root: Path) -> None:
    """No file carries a path of somebody's machine or the address of a package index."""
    found = []
    for path in files:
        text = (root / path).read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path}: `{match[0]}`" for match in ABSOLUTE_PATH.finditer(text)]
        found += [f"{path}: `{match[0]}`" for match in INDEX_HOST.finditer(text)]
    assert not found, "\n".join(found)


def _asserts(function: ast.AST, module: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function asserts, itself or through a function or method of its module that it calls."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rsplit(".", 1)[-1]
            if name in {"raises", "warns", "fail", "run_state_machine_as_test"} or name.startswith("assert_"):
                return True
            if name in module and name not in seen and _asserts(module[name], module, seen | {name}):
                return True
    return False


def test_every_test_says_and_checks_what_holds(sources: list[Source]) -> None:
    """Each test has a docstring and at least one assertion."""
    silent, empty = [], []
    for source in sources:
        if not re.match(r"tests/.*test_[^/]*\.py$", source.path):
            continue
        functions: dict[str, ast.AST] = {
            node.name: node
            for node in ast.walk(source.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for name, node in functions.items():
            if not name.startswith("test_") or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if ast.get_docstring(node) is None:
                silent.append(f"{source.at(node)} {name}")
            if not _asserts(node, functions, frozenset({name})):
                empty.append(f"{source.at(node)} {name}")
    assert not silent, f"say what holds: {silent}"
    assert not empty, f"assert something: {empty}"
