"""Reading the YAML of packs and cases: safe, and with YAML 1.2's booleans, so that `NO` stays Norway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

_BOOLEAN_INITIALS = "yYnNoO"


class PackLoader(yaml.SafeLoader):
    """PyYAML's safe loader, minus YAML 1.1's `yes`, `no`, `on` and `off`."""


PackLoader.yaml_implicit_resolvers = {
    initial: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not (tag == "tag:yaml.org,2002:bool" and initial in _BOOLEAN_INITIALS)
    ]
    for initial, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: PackLoader, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    """A mapping in which no name stands twice: the last would silently win."""
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"`{key.value}` stands twice", key.start_mark)
            seen.add(key.value)
    return loader.construct_yaml_map(node)


PackLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """One document.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    with _faults():
        return yaml.load(text, Loader=PackLoader)  # noqa: S506 - derived from the safe loader


def load_yaml_all(text: str) -> list[Any]:
    """All documents of a text that hold something.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    with _faults():
        return [document for document in yaml.load_all(text, Loader=PackLoader) if document is not None]


@contextmanager
def _faults() -> Iterator[None]:
    """A date that no calendar has, or nesting without end: YAML's own reader raises something else for these."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError("a value that cannot be read") from error


def fault_of(error: yaml.YAMLError) -> tuple[str, int]:
    """What is wrong with a text that is no YAML, and the line, from 1; 0 where the reader does not know it.

    The words are those of the grammar, with no value of the text but the name of a field that stands twice.
    """
    mark = getattr(error, "problem_mark", None)
    twice = isinstance(error, yaml.constructor.ConstructorError) and str(error.problem).endswith("stands twice")
    what = str(getattr(error, "problem", "")) if twice else "this is not YAML"
    return what, mark.line + 1 if mark else 0


def line_of(text: str, name: str) -> int:
    """The line, from 1, on which a mapping first has a name; 0 where none is found."""
    key = re.compile(rf"""^\s*["']?{re.escape(name)}["']?\s*:""")
    return next((number for number, line in enumerate(text.splitlines(), start=1) if key.match(line)), 0)
