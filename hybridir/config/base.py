"""The common base of all settings, and the kinds of values that several of them share."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from hybridir.languages import LanguageChoice, code_problem

# The text of a passage of XQuAD-R and MLQA-R.
PassageText = Literal["sentence", "sentence+paragraph"]
UNIT: Final = "unit"
SENTENCE: Final = "sentence"

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Of names that become those of files."""
PART_PATTERN: Final = r"^[A-Za-z0-9_.-]+$"
"""Of parts of such names."""
IN_WORDS: Final = {
    NAME_PATTERN: "write letters (a to z), digits, '_', '.' and '-', a letter or a digit first",
    PART_PATTERN: "write letters (a to z), digits, '_', '.' and '-'",
}
"""What texts of a pattern are made of."""
_WORDS = "YAML reads yes and on as true, no and off as false"
_LONGEST_NAME = 100  # letters; names of files add to them, and most systems take 255 bytes
# Names that Windows keeps for devices, with any ending:
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)


class SettingError(ValueError):
    """Mistakes that concern other settings than the one whose check sees them.

    Args:
        problems: (setting with dots, what is wrong and the remedy) of each mistake.
    """

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = problems


def unit(name: str) -> Any:
    """Annotate a number with its unit: what is counted, or how it is measured."""
    return Field(json_schema_extra={UNIT: name})


class StrictModel(BaseModel):
    """Immutable settings that refuse unknown fields, so that no misspelling goes unnoticed.

    Paths may begin with ``~``; where the context of a validation has a ``folder``, relative ones
    are taken from there. The words that YAML reads as true and false are refused where a number or
    a text is expected, which pydantic would take for 1 and 0.

    The text below a field is its description, in the reference of all settings and in the schemas
    that editors read (`hybridir.config.reference`); a number has a `unit` as well.

    Validators are built when a model first checks something: a model inside another one needs
    none of its own, and a command's help needs none at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    stays_relative: ClassVar[Collection[str]] = ()
    """Paths of the working directory, whatever the context."""

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        annotation: Any = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, (str, Path)) and Path in _kinds(annotation):
            fixed = {} if info.field_name in cls.stays_relative else info.context or {}
            return str(fixed.get("folder", Path()) / expand_home(value))
        refuse_words(value, annotation)
        return value

    @property
    def is_written_out(self) -> bool:
        """Whether each setting that has a value was named, as where this program wrote them."""
        values = {name for name in type(self).model_fields if getattr(self, name) is not None}
        return values <= self.model_fields_set

    def named(self, idle: Mapping[str, str], section: str) -> list[tuple[str, str]]:
        """Tell which settings were named although they have no effect beside the others.

        Args:
            idle: name -> why it has no effect.
            section: where the settings stand.

        Returns:
            Setting and problem; none where this program wrote them all out.
        """
        names = [] if self.is_written_out else [n for n in idle if n in self.model_fields_set]
        return [(f"{section}.{name}", f"has no effect: it {idle[name]}") for name in names]


def refuse_words(value: object, annotation: Any) -> None:
    """Refuse true and false where a number or a text is expected, in a list as well.

    Raises:
        ValueError: with the words that YAML reads as true and false.
    """
    kinds = _kinds(annotation)
    values = value if isinstance(value, (list, tuple)) else [value]
    words = [word for word in values if isinstance(word, bool)]
    if not words or bool in kinds:
        return
    if kinds & {int, float}:
        raise ValueError(f"{words[0]!r} is no number: {_WORDS}; write a number")
    if kinds & {str, Path, Literal}:
        raise ValueError(f"{no_text(words[0])}")


@cache
def _kinds(annotation: Any) -> frozenset[Any]:
    """The plain types that an annotation is made of; `Literal` for its values."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal or not inner:
        return frozenset({origin or annotation})
    members = inner[:1] if origin is Annotated else inner
    return frozenset().union(*map(_kinds, members))


def nearest(name: str, legal: Iterable[str]) -> str:
    """Ask for the legal name that a misspelt one is like.

    Args:
        name: as it was given.
        legal: the legal names.

    Returns:
        The question, to be put behind a message; empty if none is like it.

    >>> nearest("temperatur", ["temperature", "batch_size"])
    '; did you mean temperature?'
    >>> nearest("colour", ["temperature"])
    ''
    """
    near = difflib.get_close_matches(name, list(legal), 1)
    return f"; did you mean {near[0]}?" if near else ""


def legal_names(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Names of the settings beside one, in the order of their definition.

    Args:
        model: the outermost settings.
        path: keys that lead from there to the setting, places in lists included.

    Returns:
        Names; none where the path leads into no settings.
    """
    models: list[type[BaseModel]] = [model]
    is_mapping = False  # the next key is the reader's own, such as the name of a parameter
    for key in path[:-1]:
        if is_mapping:
            is_mapping = False
        elif not key.isdecimal():
            fields = [outer.model_fields[key] for outer in models if key in outer.model_fields]
            annotations: list[Any] = [field.annotation for field in fields]
            kinds = [kind for annotation in annotations for kind in _kinds(annotation)]
            models = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
            is_mapping = any(get_origin(annotation) is dict for annotation in annotations)
    return list(dict.fromkeys(name for inner in models for name in inner.model_fields))


def expand_home(value: str | Path) -> Path:
    """Replace ``~`` and ``~user`` at the beginning of a path.

    Raises:
        ValueError: if there is no such user.
    """
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{str(value)!r} begins with the home of a user who is not there"
        ) from None


def _folder_or_id(value: object) -> object:
    """Expand the home in an id that may also be a folder."""
    is_path = isinstance(value, str) and value.startswith("~")
    return str(expand_home(value)) if isinstance(value, str) and is_path else value


FolderOrId = Annotated[str, BeforeValidator(_folder_or_id)]
"""An id on the Hugging Face hub, or a folder; see the data set or the encoder."""


def check_file_name(name: str, reserved: Collection[str]) -> str:
    """Refuse a name that cannot be one of a folder or a file on every system.

    Args:
        name: letters, digits, ``_ . -``.
        reserved: lower-case names of our own files.

    Raises:
        ValueError: with the reason and the remedy.
    """
    if len(name) > _LONGEST_NAME:
        raise ValueError(
            f"{name[:20]!r}... has {len(name)} letters and becomes a name of files; "
            f"{_LONGEST_NAME} are the most"
        )
    if name.lower() in reserved:
        raise ValueError(f"{name!r} is reserved for files of hybridir; choose another name")
    if _DEVICES.fullmatch(name) or name.endswith("."):
        raise ValueError(f"{name!r} cannot be a name of files on Windows; choose another name")
    return name


def no_text(value: object) -> str | None:
    """Why a value of YAML is no text, although its author may have meant one; None if it is."""
    if isinstance(value, bool):
        return f"{value!r} is no text: {_WORDS}; quote the word, such as 'no'"
    if value is None:
        return "null is no text: YAML reads null and ~ as nothing; quote the word: 'null'"
    return None if isinstance(value, str) else f"{value!r} is no text; quote it: '{value}'"


def _code(value: object) -> object:
    """Refuse what cannot be the code of a language."""
    problem = code_problem(value) if isinstance(value, str) else no_text(value)
    if problem:
        raise ValueError(problem)
    return value


def _codes(value: Any) -> Any:
    """Refuse what is no choice of languages, with every reason."""
    if value is None:
        return None
    entries = [value] if isinstance(value, Mapping) else value
    if not isinstance(entries, (list, tuple)):
        raise ValueError(
            f"{value!r} is no list of codes, such as [de, en], and no mapping of codes, such as "
            "{pt-BR: pt}"
        )
    codes: list[object] = []
    for entry in entries:
        pairs = entry.items() if isinstance(entry, Mapping) else [(entry,)]
        codes += [code for pair in pairs for code in pair]
    problems = [problem for problem in map(no_text, codes) if problem]
    if problems := problems or LanguageChoice(value).problems():
        raise ValueError("; ".join(problems))
    return value


LanguageCode = Annotated[str, BeforeValidator(_code)]
"""The code of a language, in any usual spelling; see `hybridir.languages`."""
LanguageCodes = Annotated[
    tuple[str | dict[str, str], ...] | dict[str, str] | None, BeforeValidator(_codes)
]
"""A list of the languages that are kept. A mapping such as ``{pt-BR: pt}`` in it keeps a language
under another code; alone, it keeps all languages, and calls some by another code."""
