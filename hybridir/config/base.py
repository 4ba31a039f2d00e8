"""The common base of all settings, and the kinds of values that several of them share."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from hybridir.languages import LanguageChoice, code_problem

# The text of a passage of XQuAD-R and MLQA-R.
PassageText = Literal["sentence", "sentence+paragraph"]
SENTENCE: Final = "sentence"


class StrictModel(BaseModel):
    """Immutable settings that refuse unknown fields, so that no misspelling goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _code(value: object) -> object:
    """Refuse what cannot be the code of a language."""
    problem = _no_text(value) or (code_problem(value) if isinstance(value, str) else None)
    if problem:
        raise ValueError(problem)
    return value


def _codes(value: object) -> object:
    """Refuse what is no choice of languages, with every reason."""
    if value is None:
        return None
    entries = [value] if isinstance(value, Mapping) else value
    if not isinstance(entries, (list, tuple)):
        raise ValueError(
            f"{value!r} is no list of codes, such as [de, en], and no mapping of codes, such as "
            "{pt-BR: pt}"
        )
    codes = [
        code
        for entry in entries
        for code in (
            [text for pair in entry.items() for text in pair]
            if isinstance(entry, Mapping)
            else [entry]
        )
    ]
    problems = [problem for problem in map(_no_text, codes) if problem]
    problems = problems or LanguageChoice(value).problems()  # type: ignore[arg-type]
    if problems:
        raise ValueError("; ".join(problems))
    return value


def _no_text(value: object) -> str | None:
    """Why a value of YAML is no text, although its author may have meant one."""
    if isinstance(value, bool):
        return f"{value!r} is no text: {YAML_WORDS}; quote the word, such as 'no'"
    if value is None:
        return "null is no text: YAML reads null and ~ as nothing; quote the word: 'null'"
    return None if isinstance(value, str) else f"{value!r} is no text; quote it: '{value}'"


YAML_WORDS: Final = "YAML reads yes and on as true, no and off as false"
LanguageCode = Annotated[str, BeforeValidator(_code)]
"""The code of a language, in any usual spelling; see `hybridir.languages`."""
LanguageCodes = Annotated[
    tuple[str | dict[str, str], ...] | dict[str, str] | None, BeforeValidator(_codes)
]
"""A list of the languages that are kept. A mapping such as ``{pt-BR: pt}`` in it keeps a language
under another code; alone, it keeps all languages, and calls some by another code."""
