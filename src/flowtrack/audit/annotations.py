"""What a field's type is underneath: without what Annotated says of it, and without None."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin


def bare(annotation: object) -> object:
    """Take off what Annotated says, and that it may be left out; `Any` for a choice of several types."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        given = [each for each in get_args(annotation) if each is not NoneType]
        return bare(given[0]) if len(given) == 1 else Any
    return annotation
