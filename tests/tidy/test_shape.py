"""The shape of the code: sizes, docstrings, names of files, no circles."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from tests.tidy.conftest import Source

MODULE_LINES_MAX = 450  # the aim is 400; beyond that a second idea is hiding in it
FUNCTION_LINES_MAX = 60  # the aim is 40, docstring not counted

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

BANNED_WORDS = {
    "util": "name what it is about",
    "utils": "name what it is about",
    "helper": "name what it helps with",
    "helpers": "name what they help with",
    "common": "name what is shared",
    "misc": "name what it is about",
    "manager": "name what it does",
    "base": "name the thing it is a base of",
}


def _length(function: Function) -> int:
    """Lines of a function without its docstring and decorators."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring_lines


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Public classes and functions of a module, and the public members of public classes."""
    for node in body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in getattr(node, "decorator_list", [])}
        if decorators & {"overload", "override", "setter"} or ast.unparse(node.body[-1]) == "...":
            continue  # documented where the thing itself is, or by the protocol that asks for it
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, f"{prefix}{node.name}.")


def test_modules_are_short(sources: list[Source]) -> None:
    """No module is longer than 450 lines."""
    long = {source.path: lines for source in sources if (lines := source.text.count("\n")) > MODULE_LINES_MAX}
    assert not long, f"split them, a second idea is hiding in each: {long}"


def test_functions_are_short(sources: list[Source]) -> None:
    """No function is longer than 60 lines, its docstring not counted."""
    long = {
        f"{source.at(node)} {node.name}": length
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, Function) and (length := _length(node)) > FUNCTION_LINES_MAX
    }
    assert not long, f"give each step of theirs a name: {long}"


def test_public_names_are_documented(product: list[Source]) -> None:
    """Each public module, class and function of the product says what it is for."""
    bare = [source.path for source in product if ast.get_docstring(source.tree) is None]
    bare += [
        f"{source.at(node)} {name}"
        for source in product
        for name, node in _public(source.tree.body)
        if ast.get_docstring(node) is None
    ]
    assert not bare, f"say what each is for: {bare}"


def test_paths_say_what_is_in_them(files: list[str]) -> None:
    """No file or folder of code is called utils, helpers, common, manager or the like."""
    vague = [
        f"{path}: {BANNED_WORDS[word]} instead of `{word}`"
        for path in files
        if path.startswith(("src/", "tests/", "benchmarks/"))
        for word in re.split(r"[^a-z]+", path.lower())
        if word in BANNED_WORDS
    ]
    assert not vague, "\n".join(vague)


def test_no_module_imports_itself_in_a_circle() -> None:
    """Modules of the product can be put into an order in which each imports only earlier ones."""
    graph = grimp.build_graph("flowtrack", cache_dir=None)
    order = graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    try:
        order.prepare()
    except graphlib.CycleError as circle:
        pytest.fail(f"a circle of imports: {' <- '.join(circle.args[1])}")
    assert graph.modules
