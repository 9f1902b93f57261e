"""Reading the YAML of packs and cases: safe, and with YAML 1.2's booleans, so that `NO` stays Norway."""

from __future__ import annotations

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


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """One document.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    return yaml.load(text, Loader=PackLoader)  # noqa: S506 - derived from the safe loader


def load_yaml_all(text: str) -> list[Any]:
    """All documents of a text that hold something.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    return [document for document in yaml.load_all(text, Loader=PackLoader) if document is not None]
