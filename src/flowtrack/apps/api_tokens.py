"""The static tokens of the API: made, listed, taken out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flowtrack.adapters.http.api.settings import ApiSettings
from flowtrack.adapters.http.api.tokens import KeptTokens, make_token, read_tokens, revoke_token
from flowtrack.apps.directory import DataDirectory
from flowtrack.apps.screen import Screen, Table
from flowtrack.apps.settings import read
from flowtrack.audit.roles import Role
from flowtrack.errors import ConfigurationError, QuestionError

_WHO_MAX = 128


def tokens_file(settings: ApiSettings, data_dir: Path) -> Path:
    """Where the tokens are kept: where the settings say, else in the data directory."""
    return settings.tokens_file or DataDirectory(data_dir).state / "api-tokens.json"


def make(data_dir: Path, *, who: str, roles: Sequence[str], days: int) -> str:
    """Make a token.

    Raises:
        ConfigurationError: the name of its account does not do, a role is none, or the file cannot be read.
        RuntimeStateError: the file cannot be written.
    """
    if not 1 <= len(who) <= _WHO_MAX or not who.isprintable():
        raise ConfigurationError("the account's name is not right", where="--who", help="1 to 128 printable characters")
    unknown = [role for role in roles if role not in set(Role)]
    if unknown or not roles:
        raise ConfigurationError("there is no such role", where="--role", help=f"it takes {', '.join(Role)}")
    made_at = datetime.now(UTC)
    return make_token(
        tokens_file(read(ApiSettings), data_dir),
        who=who,
        roles=tuple(dict.fromkeys(Role(role) for role in roles)),
        made_at=made_at,
        expires_at=made_at + timedelta(days=days),
    )


def show(data_dir: Path, *, as_json: bool) -> None:
    """List the tokens, without their hashes.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    found = read_tokens(tokens_file(read(ApiSettings), data_dir))
    if as_json:
        shown = found.model_dump_json(indent=2, exclude={"tokens": {"__all__": {"sha256"}}})
        sys.stdout.write(shown + "\n")
        return
    Screen().show(Table("Tokens of the API", ["id", "who", "roles", "made", "expires"], _rows(found)))


def revoke(data_dir: Path, token_id: str) -> None:
    """Take a token out.

    Raises:
        QuestionError: there is none of this id.
        RuntimeStateError: the file cannot be written.
    """
    if not revoke_token(tokens_file(read(ApiSettings), data_dir), token_id):
        raise QuestionError("there is no such token", where="TOKEN_ID", help="list them: flowtrack api tokens")


def _rows(found: KeptTokens) -> list[list[str]]:
    return [
        [
            token.id,
            token.who,
            ", ".join(token.roles),
            f"{token.made_at:%Y-%m-%d}",
            "never" if token.expires_at is None else f"{token.expires_at:%Y-%m-%d}",
        ]
        for token in found.tokens
    ]
