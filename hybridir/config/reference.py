"""The reference of all settings: a schema for editors, a page, and lines for a terminal.

All of it follows from the models: legal values are those that they check, and the text of a
setting is the one below its field. Editors complete and check a file by the schema (JSON Schema,
draft 2020-12), where a line names it::

    # yaml-language-server: $schema=study.json
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from hybridir.config.base import UNIT, StrictModel

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}
# Instead of a default value.
_NEEDED, _OWN, _NONE = _WORDS = ("needed", "its own defaults", "none")
_ANY = set(_PLAIN.values())
_WIDEST_ROW = 250  # letters of a table's row in a page's source
NO_UNIT: Final = "none"
"""Unit of a number that has none, such as a seed."""


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: its name in its section.
        kind: its type, in words.
        unit: what a number counts or is measured in; "" for what is no number, and for numbers
            without a unit.
        default: as a file would say it; ``needed`` without one.
        legal: the legal values, where the type does not say them.
        meaning: what it does.
    """

    name: str
    kind: str
    unit: str
    default: str
    legal: str
    meaning: str


class Section(NamedTuple):
    """The settings of one model.

    Attributes:
        places: where the section stands in a file, with dots; "" is the file itself. A list's
            entries are ``report_on[]``, a mapping's values ``space.NAME``.
        about: what it is.
        settings: its settings, in their order.
    """

    places: tuple[str, ...]
    about: str
    settings: tuple[Setting, ...]

    @property
    def title(self) -> str:
        """The place where it stands first, or the file."""
        return self.places[0] or "The file"


def schema_of(model: type[BaseModel]) -> Schema:
    """Describe a model's files for editors.

    Args:
        model: the model of a whole file.

    Returns:
        A JSON schema: whatever it refuses, the model refuses as well. Checks that compare
        settings are the model's alone.
    """
    schema = {"$schema": _DIALECT, **model.model_json_schema(schema_generator=_WithTexts)}
    for node in _nodes(schema):
        node.pop("title", None)
        if isinstance(text := node.get("description"), str):
            node["description"] = _plain(text)
    return schema


class _WithTexts(GenerateJsonSchema):
    """Describes each field by the text below it.

    Pydantic would read these texts whenever the models are imported, which took half of the time
    that this takes.
    """

    def model_schema(self, schema: Any) -> Schema:
        described: Schema = super().model_schema(schema)
        properties = described.get("properties", {})
        for model in reversed(schema["cls"].__mro__):
            if issubclass(model, StrictModel):
                for field, text in _texts(model.__module__).get(model.__name__, {}).items():
                    if field in properties:
                        properties[field]["description"] = text
        return described


@cache
def _texts(module: str) -> dict[str, dict[str, str]]:
    """The texts below the fields of a module's classes: class -> field -> text."""
    return {
        node.name: {
            field.target.id: inspect.cleandoc(text.value.value)
            for field, text in pairwise(node.body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
        if isinstance(node, ast.ClassDef)
    }


def sections(schema: Schema) -> list[Section]:
    """List the sections of a schema of `schema_of`, the file itself first.

    >>> from hybridir.config import TrialConfig
    >>> by_title = {section.title: section for section in sections(schema_of(TrialConfig))}
    >>> by_title["training"].settings[1][:5]
    ('temperature', 'number', '', '0.05', 'above 0, at most 10')
    """
    models: dict[str, Schema] = {"": schema, **schema.get("$defs", {})}
    places: dict[str, list[str]] = {}
    _place("", "", models, places)
    return [
        Section(
            tuple(where),
            models[name].get("description", ""),
            tuple(
                _setting(field, node, field in models[name].get("required", ()))
                for field, node in models[name]["properties"].items()
            ),
        )
        for name, where in places.items()
    ]


def matching(listed: Iterable[Section], name: str) -> list[Section]:
    """The sections and settings that a dotted name leads to.

    Args:
        listed: the sections.
        name: a section (``training``), a setting (``training.temperature``), or the last part of
            a setting's name (``temperature``).
    """
    chosen = []
    for section in listed:
        if name in section.places:
            chosen.append(section)
            continue
        dotted = [
            setting
            for setting in section.settings
            if setting.name == name or any(name == _dotted(p, setting) for p in section.places)
        ]
        if dotted:
            chosen.append(section._replace(settings=tuple(dotted)))
    return chosen


def as_markdown(listed: Sequence[Section]) -> Iterator[str]:
    """Write sections as the lines of a page: a heading but for the file itself, and a table.

    A meaning that would make its row a wall stands below the table.
    """
    for section in listed:
        if section.places[0]:
            yield f"### {_code(section.title)}"
            yield ""
        yield from _sentences(section.about)
        if len(section.places) > 1:
            also = ", ".join(map(_code, section.places[1:]))
            yield f"The same settings stand at {also}."
        yield ""
        yield "| setting | type | unit | default | legal | meaning |"
        yield "|---|---|---|---|---|---|"
        long = []
        for setting in section.settings:
            row = _row(setting, " ".join(setting.meaning.split()))
            if len(row) > _WIDEST_ROW:
                row = _row(setting, "see below")
                long.append(setting)
            yield row
        yield ""
        for setting in long:
            first, *others = _sentences(setting.meaning)
            yield f"{_code(setting.name)}: {first}"
            yield from others
            yield ""


def _row(setting: Setting, meaning: str) -> str:
    name, kind, unit, default, legal, _ = setting
    shown = default if default in _WORDS else _code(default)
    cells = (_code(name), kind, unit, shown, legal, meaning)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def as_lines(listed: Sequence[Section], width: int) -> Iterator[str]:
    """Write sections for a terminal: each setting with its whole name, so that a search finds it.

    Args:
        listed: the sections.
        width: columns of the terminal.
    """

    def wrapped(text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            " ".join(text.split()),
            max(width, 40),
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    for section in listed:
        yield from wrapped(f"{section.title}: {section.about}", "")
        if len(section.places) > 1:
            yield from wrapped(f"The same at {', '.join(section.places[1:])}.", "")
        for setting in section.settings:
            unit = f"unit: {setting.unit}" if setting.unit else ""
            facts = ", ".join(filter(None, (setting.kind, setting.legal.replace("`", ""), unit)))
            yield f"  {_dotted(section.places[0], setting)} = {setting.default}"
            yield from wrapped(facts, "      ")
            yield from wrapped(setting.meaning, "      ")
        yield ""


def _nodes(schema: Any) -> Iterator[Schema]:
    """All descriptions of values in a schema, without the names of its properties."""
    if isinstance(schema, list):
        for item in schema:
            yield from _nodes(item)
    elif isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            if key in ("properties", "$defs"):
                yield from _nodes(list(inner.values()))
            elif key in ("items", "prefixItems", "anyOf", "additionalProperties"):
                yield from _nodes(inner)


def _plain(text: str) -> str:
    """A docstring without its examples, with the backticks of Markdown."""
    paragraphs = text.split("\n\n")
    kept = next((n for n, p in enumerate(paragraphs) if p.endswith(":")), len(paragraphs))
    return "\n\n".join(paragraphs[:kept]).replace("``", "`")


def _place(name: str, at: str, models: Mapping[str, Schema], places: dict[str, list[str]]) -> None:
    """Note that a model stands at a place, and those of its fields below."""
    places.setdefault(name, []).append(at)
    for field, node in models[name]["properties"].items():
        for inner, suffix in dict.fromkeys(_references(node)):
            _place(inner, f"{at}.{field}{suffix}".lstrip("."), models, places)


def _references(node: Any, suffix: str = "") -> Iterator[tuple[str, str]]:
    """The models that a value may be, and how they are reached from it."""
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield node["$ref"].rpartition("/")[2], suffix
    for inner in node.get("anyOf", ()):
        yield from _references(inner, suffix)
    yield from _references(node.get("items"), f"{suffix}[]")
    yield from _references(node.get("additionalProperties"), f"{suffix}.NAME")


def _setting(name: str, node: Schema, needed: bool) -> Setting:
    default = node.get("default")
    is_section = any(True for _ in _references(node))
    if needed:
        text = _NEEDED
    elif is_section and default is not None:
        text = _NONE if default == [] else _OWN
    elif "default" not in node:  # made anew, and empty
        text = _NONE
    else:
        text = value_text(default)
    units = {inner[UNIT] for inner in _nodes(node) if UNIT in inner} - {NO_UNIT}
    limits = dict.fromkeys(filter(None, (_limits(inner) for inner in _nodes(node))))
    if default is not None and not needed and {"type": "null"} in node.get("anyOf", ()):
        limits["`null`"] = None
    meaning = node.get("description", "")
    kinds = _kind(node)
    return Setting(name, kinds, " ".join(sorted(units)), text, ", ".join(limits), meaning)


def _kind(node: Schema) -> str:
    """The type of a value in words; null is left to the default."""
    if "$ref" in node:
        return "settings"
    if "enum" in node or "const" in node:
        return "choice"
    if "anyOf" in node:
        options = [_kind(inner) for inner in node["anyOf"] if inner.get("type") != "null"]
        if _ANY <= set(options):
            options = ["any value", *(option for option in options if option not in _ANY)]
        return " or ".join(dict.fromkeys(options))
    if node.get("type") == "array":
        if "prefixItems" in node:
            return f"list of {len(node['prefixItems'])} {_kind(node['prefixItems'][0])}s"
        return f"list of {_plural(_kind(node['items']))}"
    if node.get("type") == "object":
        return "mapping"
    if node.get("format") == "path":
        return "path"
    return _PLAIN[node["type"]] if "type" in node else "any value"


def _plural(kind: str) -> str:
    return " or ".join(
        option if option == "settings" else f"{option}s" for option in kind.split(" or ")
    )


def _limits(node: Schema) -> str:
    """The legal values of a value by itself, as far as its type does not say them."""
    if "enum" in node:
        return ", ".join(_code(value_text(value)) for value in node["enum"])
    if "const" in node:
        return _code(value_text(node["const"]))
    if "examples" in node:
        return f"such as {', '.join(map(_code, node['examples']))}"
    if "pattern" in node:
        return "letters, digits, `_ . -`"
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return ", ".join(f"{word} {node[key]:g}" for key, word in words.items() if key in node)


def value_text(value: object) -> str:
    """Write a value as YAML reads it back; a float has a point, which YAML's floats need.

    >>> value_text(3e-05), value_text([0.9, 0.98]), value_text(None)
    ('3.0e-05', '[0.9, 0.98]', 'null')
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, float):
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    return value if isinstance(value, str) else json.dumps(value)


def _dotted(place: str, setting: Setting) -> str:
    return f"{place}.{setting.name}" if place else setting.name


def _code(text: str) -> str:
    return f"`{text}`"


def _sentences(text: str) -> list[str]:
    """One line a sentence, as the pages have it."""
    return re.split(r"(?<=\.) (?=[A-Z`])", " ".join(text.split())) if text else []
