"""The common base of all settings, and the checks that several of them share."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from hybridir.languages import LANGUAGES

# The text of a passage of XQuAD-R and MLQA-R.
PassageText = Literal["sentence", "sentence+paragraph"]
SENTENCE: Final = "sentence"


class StrictModel(BaseModel):
    """Immutable settings that refuse unknown fields, so that no misspelling goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def validate_languages(codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the language codes if all are known.

    Raises:
        ValueError: if any code is unknown; the message names all unknown codes.
    """
    unknown = sorted(set(codes or ()) - LANGUAGES.keys())
    if unknown:
        raise ValueError(f"unknown language {', '.join(unknown)}; known: {' '.join(LANGUAGES)}")
    return codes
