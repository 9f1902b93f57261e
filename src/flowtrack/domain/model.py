"""What all contract models share: frozen, strict, closed, and with fields of bounded length."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SUBJECT_PATTERN = "^[0-9a-f]{32}$"

Name = Annotated[str, Field(min_length=1, max_length=128)]
"""A name of a vocabulary, the registry or a pack."""
Identifier = Annotated[str, Field(min_length=1, max_length=256)]
"""An id that its producer chose; opaque, never personal."""
Subject = Annotated[str, Field(min_length=32, max_length=32, pattern=SUBJECT_PATTERN)]
"""A pseudonym: a 128-bit keyed hash as 32 lower-case hex digits."""


class Contract(BaseModel):
    """A closed model: unknown fields are refused, because nobody has decided that they hold nothing personal."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", regex_engine="python-re", populate_by_name=True, use_attribute_docstrings=True
    )


class Envelope(BaseModel):
    """A CloudEvents 1.0 envelope: unknown extension attributes are allowed, as the specification asks, and dropped."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", regex_engine="python-re", populate_by_name=True, use_attribute_docstrings=True
    )
