"""A group whose commands are made when one is asked for, beside those written by hand: light to import."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from typer.core import TyperGroup


class MadeCommands(TyperGroup, ABC):
    """Commands written by hand, and those that are made; of one name the made one is taken."""

    @abstractmethod
    def made(self) -> Mapping[str, Any]:
        """Make the commands, by name; groups say which."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - whatever the context
        """Give the names of all commands: those that are made in their own order where none is written by hand."""
        return sorted({*self.commands, *self.made()}) if self.commands else list(self.made())

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - typer hides the type of its commands
        """Give a command; None where there is none of this name."""
        return self.made().get(cmd_name) or self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer hides the types of its own
        """Find the command that is meant; what is spelt nearly right is asked about, be it made or written."""
        written = self.commands
        self.commands = {**written, **self.made()}
        try:
            return super().resolve_command(ctx, args)
        finally:
            self.commands = written
