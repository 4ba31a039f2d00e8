"""Altair's charts, made in half of the time.

Altair copies a chart whole at each step that adds to it, with the hundred settings of each axis
that nobody set, and hashes its five hundred classes for each encoding. Both functions here do what
Altair's own do, so that a chart is the same to the last letter; a test compares. They stand in for
private functions while a chart is made, and where another version of Altair has none of these
names, charts are made as Altair makes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from altair.utils import schemapi
from altair.utils.schemapi import SchemaBase, Undefined, debug_mode

_PLAIN = ("altair.vegalite.v6.schema.channels", "altair.vegalite.v6.schema.core")
"""Modules whose classes hold settings and nothing else, so that they need not be called."""


@contextmanager
def quick_charts() -> Iterator[None]:
    """Let charts that are made inside take half of the time."""
    if not (hasattr(schemapi, "_deep_copy") and hasattr(schemapi, "_FromDict")):
        yield
        return
    wrappers = lru_cache(maxsize=4)(schemapi._FromDict)
    with (
        patch.object(schemapi, "_deep_copy", _copy),
        patch.object(schemapi, "_FromDict", lambda classes: wrappers(tuple(classes))),
    ):
        yield


def _copy(value: Any, by_ref: set[str]) -> Any:
    if isinstance(value, SchemaBase):
        if own := getattr(value, "__deepcopy__", None):
            with debug_mode(False):
                return own(value)
        arguments = tuple(_copy(argument, by_ref) for argument in value._args)
        settings = {
            name: setting if setting is Undefined or name in by_ref else _copy(setting, by_ref)
            for name, setting in value._kwds.items()
        }
        kind = type(value)
        if kind.__module__ in _PLAIN:
            copied: SchemaBase = object.__new__(kind)
            # As its constructor does, since the class overrides how attributes are set.
            object.__setattr__(copied, "_args", arguments)
            object.__setattr__(copied, "_kwds", settings)
            return copied
        with debug_mode(False):
            return kind(*arguments, **settings)
    if isinstance(value, list):
        return [_copy(entry, by_ref) for entry in value]
    if isinstance(value, dict):
        return {
            key: entry if key in by_ref else _copy(entry, by_ref) for key, entry in value.items()
        }
    return value
