"""Which benchmark is reported on: one that is known by its name, or one in a folder."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from hybridir import names
from hybridir.config.base import SENTENCE, Model, PassageText, known_languages

# Benchmarks without a folder of their own: the first is made up, the others lie in the data root.
SHIPPED = ("synthetic-test", "xquad-r", "mlqa-r")
# What metrics that belong to no benchmark begin with.
_TAKEN = (names.DEV, names.FIDELITY, "train", "evaluation", "memory", "study")


class ReportConfig(Model):
    """A benchmark that is reported on and never tuned on."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """``synthetic-test``, ``xquad-r`` or ``mlqa-r``; with a folder, any other name."""
    languages: tuple[str, ...] | None = None
    """Languages of queries and pools; all that are there if left out."""
    passage_text: PassageText = SENTENCE
    """Of xquad-r and mlqa-r: each sentence (as in LAReQA's pools), or each sentence and its whole
    paragraph behind it (as XTREME-R feeds the encoder)."""
    folder: Path | None = None
    """Folder of a benchmark in a layout that `hybridir.data.readers.beir` knows."""
    split: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    """Split of the folder's judgements; ``test`` if left out."""
    language: str | None = None
    """The language of a folder whose files are in one language and do not say in which."""
    skip_bad: bool = False
    """Leave out and log unusable records of the folder instead of stopping at them."""

    _languages = field_validator("languages")(known_languages)

    @field_validator("language")
    @classmethod
    def _language(cls, code: str | None) -> str | None:
        known_languages(None if code is None else (code,))
        return code

    @model_validator(mode="after")
    def _either_known_or_a_folder(self) -> Self:
        if self.passage_text != SENTENCE and self.name not in SHIPPED[1:]:
            raise ValueError(f"{self.name}: passage_text belongs to xquad-r and mlqa-r")
        shipped = ", ".join(map(repr, SHIPPED[:-1])) + f" or {SHIPPED[-1]!r}"
        if self.folder is None:
            extra = [n for n in ("split", "language", "skip_bad") if getattr(self, n)]
            if self.name not in SHIPPED:
                raise ValueError(
                    f"name={self.name!r}: input should be {shipped}; any other benchmark needs "
                    "its folder"
                )
            if extra:
                raise ValueError(f"{self.name}: {' and '.join(extra)} belong to a folder")
        elif self.name in (*SHIPPED, *_TAKEN):
            raise ValueError(
                f"name={self.name!r} has a meaning of its own; call the benchmark in "
                f"{self.folder} something else"
            )
        elif self.language and self.languages:
            raise ValueError(f"{self.name}: give language or languages, not both")
        return self

    def path(self, data_root: Path | None) -> Path | None:
        """The folder that it is read from; None for what is made up or cannot be found."""
        if self.folder or self.name == SHIPPED[0] or data_root is None:
            return self.folder
        return data_root / self.name
