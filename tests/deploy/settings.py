"""The variables that Flowtrack's settings read."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from pydantic_settings import BaseSettings

import flowtrack


@cache
def variables() -> set[str]:
    """Give the name of every variable of every settings class of the package."""
    for module in pkgutil.walk_packages(flowtrack.__path__, "flowtrack."):
        if module.name.rsplit(".", 1)[-1] in {"settings", "keys"}:
            importlib.import_module(module.name)
    classes = [each for each in BaseSettings.__subclasses__() if each.__module__.startswith("flowtrack.")]
    return {f"{each.model_config['env_prefix']}{name}".upper() for each in classes for name in each.model_fields}
