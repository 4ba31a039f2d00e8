"""What all settings have in common: they cannot change, and no misspelt one goes unnoticed."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from hybridir.languages import LANGUAGES

# What a passage of XQuAD-R and MLQA-R is.
PassageText = Literal["sentence", "sentence+paragraph"]
SENTENCE: Final = "sentence"


class Model(BaseModel):
    """Immutable settings that refuse unknown fields, so that no misspelt one goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def known_languages(codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Validate language codes.

    Raises:
        ValueError: if any is unknown; all unknown ones are named.
    """
    unknown = sorted(set(codes or ()) - LANGUAGES.keys())
    if unknown:
        raise ValueError(f"unknown language {', '.join(unknown)}; known: {' '.join(LANGUAGES)}")
    return codes
