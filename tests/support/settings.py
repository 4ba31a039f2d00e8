"""The models and fields of settings, read from their annotations alone."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel


def _inner(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The models in an annotation, with what stands between the field and them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    origin = getattr(annotation, "__origin__", None)
    step = "[]" if origin is tuple else ".NAME" if origin is dict else ""
    for argument in get_args(annotation):
        for model, rest in _inner(argument):
            yield model, step + rest


def all_fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field of a model and of the models in it, with dots."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner, step in _inner(field.annotation):
            yield from all_fields(inner, f"{prefix}{name}{step}.")


def models_of(model: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all models in it, each once."""
    listed = {model: None}
    for field in model.model_fields.values():
        for inner, _ in _inner(field.annotation):
            listed |= dict.fromkeys(models_of(inner))
    return list(listed)
