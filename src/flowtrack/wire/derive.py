"""Fast decoders from the pydantic models: one definition of each contract, never written twice.

A *structural twin* of a model is a `msgspec.Struct` with the same attributes, in the same order, under the same
constraints.  Whatever reads a model's attributes works on its twin as well; `isinstance` against a model does not, nor
do pydantic's own methods.  That is why decoders are typed as giving the model: the type checker sees the one
definition, and at run time the twin stands for it at a fifth of the cost.

The twin takes what both JSON and the model allow and is never more lenient than the model in strict mode: tests/wire
compares the two on generated messages.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from datetime import datetime
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import annotated_types
import msgspec
from pydantic import AliasChoices, AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)

_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]


@cache
def struct_of(
    model: type[BaseModel], tag_field: str | None = None, instead: tuple[tuple[str, Any], ...] = ()
) -> type[msgspec.Struct]:
    """The structural twin of a model; the same model always gives the same twin.

    Frozen, as the models are, and untracked by the garbage collector: contracts are trees, so no circle can keep one
    alive.  Encoding leaves defaults out, so what is written is as compact as what the SDK writes.

    Args:
        model: a closed or open pydantic model whose fields JSON can express.
        tag_field: a `Literal` field of one value that tells the model from others in a union; it becomes the struct's
            tag, and a constant attribute of its class.
        instead: fields that stand as another type than the model's, which is then for the caller to check.

    Raises:
        TypeError: a field has a type or constraint that has no counterpart; it is named.
    """
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    constants: dict[str, object] = {}
    tag: str | None = None
    others = dict(instead)
    for name, info in model.model_fields.items():
        if name == tag_field:
            tag = cast("str", get_args(info.annotation)[0])
            constants[name] = tag
            continue
        form = others[name] if name in others else _field_type(model, name, info)
        fields.append((name, form, _default(info)))
        rename[name] = json_name(name, info)
    return msgspec.defstruct(
        model.__name__,
        fields,
        namespace={"__doc__": f"Structural twin of `{model.__module__}.{model.__name__}`.", **constants},
        module=__name__,
        rename=rename,
        kw_only=True,
        frozen=True,
        gc=False,
        omit_defaults=True,
        forbid_unknown_fields=True,
        tag_field=tag_field,
        tag=tag,
    )


def decoder_of(model: type[M]) -> Callable[[bytes], M]:
    """A decoder from JSON to the model's structural twin, typed as the model (see the module's text).

    The decoder raises `msgspec.MsgspecError` or `ValueError` for what it refuses, which may be more than the model
    refuses: fields that an open model would drop, for one.
    """
    return cast("Callable[[bytes], M]", msgspec.json.Decoder(struct_of(model)).decode)


def union_decoder_of(models: tuple[type[BaseModel], ...], tag_field: str) -> Callable[[bytes], Any]:
    """A decoder for several models on one topic, told apart by the field that each fixes to one value."""
    twins = [struct_of(model, tag_field) for model in models]
    return msgspec.json.Decoder(reduce(or_, twins)).decode


def json_name(name: str, info: FieldInfo) -> str:
    """The field's name in JSON: what is written, and the first of what is read."""
    if info.serialization_alias is not None:
        return info.serialization_alias
    if isinstance(info.validation_alias, AliasChoices):
        return str(info.validation_alias.choices[0])
    return info.alias or name


def models_in(annotation: object) -> tuple[type[BaseModel], ...]:
    """The models that a field's annotation names, inside lists, unions and constraints too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(model for argument in get_args(annotation) for model in models_in(argument))


def _default(info: FieldInfo) -> Any:  # noqa: ANN401 - a default is whatever the field's type is
    if info.is_required():
        return msgspec.NODEFAULT
    if info.default_factory is not None:
        return msgspec.field(default_factory=cast("Callable[[], Any]", info.default_factory))
    return info.default


def _field_type(model: type[BaseModel], name: str, info: FieldInfo) -> Any:  # noqa: ANN401 - a type form, not a class
    try:
        return _constrained(_type(info.annotation), info.metadata)
    except TypeError as refusal:
        raise TypeError(f"`{model.__name__}.{name}` has no fast counterpart: {refusal}") from refusal


def _type(annotation: Any) -> Any:  # noqa: ANN401 - a type form, not a class
    """The msgspec form of an annotation."""
    if annotation is AwareDatetime:
        return _AWARE
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return struct_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _constrained(_type(arguments[0]), list(arguments[1:]))
    if origin is Literal:
        return annotation
    if origin in {Union, types.UnionType}:
        return reduce(or_, (_type(argument) for argument in arguments))
    if origin in {list, dict}:
        return origin[tuple(_type(argument) for argument in arguments)]
    if origin is None and isinstance(annotation, type):
        return annotation
    raise TypeError(f"type `{annotation}`")


def _constrained(form: Any, metadata: list[Any]) -> Any:  # noqa: ANN401 - a type form, not a class
    """The form under the constraints that pydantic keeps beside it."""
    limits: dict[str, Any] = {}
    for entry in metadata:
        limits.update(_limits(entry))
    return Annotated[form, msgspec.Meta(**limits)] if limits else form


def _limits(entry: Any) -> dict[str, Any]:  # noqa: ANN401 - constraint objects of three libraries share no type
    if isinstance(entry, FieldInfo):
        return {name: value for inner in entry.metadata for name, value in _limits(inner).items()}
    if isinstance(entry, annotated_types.MinLen):
        return {"min_length": entry.min_length}
    if isinstance(entry, annotated_types.MaxLen):
        return {"max_length": entry.max_length}
    if isinstance(entry, annotated_types.Ge):
        return {"ge": entry.ge}
    if isinstance(entry, annotated_types.Le):
        return {"le": entry.le}
    pattern = getattr(entry, "pattern", None)
    if isinstance(pattern, str):
        re.compile(pattern)
        return {"pattern": pattern}
    raise TypeError(f"constraint `{entry!r}`")
