"""The benchmarks of a trial: known ones by name, any other by its folder."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from hybridir import names
from hybridir.config.base import SENTENCE, PassageText, StrictModel, validate_languages

# Benchmarks that need no folder setting: the first is synthetic, the others are in the data root.
KNOWN_BENCHMARKS = ("synthetic-test", "xquad-r", "mlqa-r")
# Benchmarks of questions with answers in a paragraph.
WITH_ANSWERS = ("xquad-r", "mlqa-r")
# Settings of benchmarks in a folder.
OF_FOLDERS = ("split", "language", "skip_bad", "parallel", "rules", "ignore_identical_ids")
# First words of metrics that belong to no benchmark.
_RESERVED = (names.DEV, names.FIDELITY, "train", "evaluation", "memory", "study")


class BenchmarkConfig(StrictModel):
    """A benchmark that a trial reports on; no trial is tuned on it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """``synthetic-test``, ``xquad-r`` or ``mlqa-r``; with a folder, any other name."""
    languages: tuple[str, ...] | None = None
    """Languages of queries and pools; all languages of the benchmark if left out."""
    passage_text: PassageText = SENTENCE
    """Passages of xquad-r and mlqa-r: each sentence (as in LAReQA's pools), or each sentence with
    its whole paragraph behind it (as XTREME-R feeds the encoder)."""
    folder: Path | None = None
    """Folder of a benchmark in a layout that `hybridir.data.readers.beir` reads."""
    split: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    """Split of the folder's qrels; ``test`` if left out."""
    language: str | None = None
    """Language of a folder whose files are in one language and do not name it."""
    skip_bad: bool = False
    """Skip and log unusable records of the folder instead of stopping at them."""
    parallel: bool | Literal["questions"] = False
    """Whether equal ids in several languages of the folder are translations, of questions and of
    passages; ``questions`` if only those of questions are."""
    rules: Literal["published", "in_pool"] = "published"
    """``published``: as trec_eval and BEIR count, relevant passages that are not in the corpus,
    grades, queries without a relevant passage and texts without a character included;
    ``in_pool``: without them."""
    ignore_identical_ids: bool | None = None
    """Whether a query must not find the passage that has its own id, as in BEIR's code; if left
    out, yes by published rules, and no in_pool."""

    _languages = field_validator("languages")(validate_languages)

    @field_validator("language")
    @classmethod
    def _language(cls, code: str | None) -> str | None:
        validate_languages(None if code is None else (code,))
        return code

    @model_validator(mode="after")
    def _known_or_in_a_folder(self) -> Self:
        if self.passage_text != SENTENCE and self.name not in KNOWN_BENCHMARKS[1:]:
            raise ValueError(f"{self.name}: passage_text belongs to xquad-r and mlqa-r")
        choices = ", ".join(map(repr, KNOWN_BENCHMARKS[:-1])) + f" or {KNOWN_BENCHMARKS[-1]!r}"
        if self.folder is None:
            fields = type(self).model_fields
            extra = [n for n in OF_FOLDERS if getattr(self, n) != fields[n].default]
            if self.name not in KNOWN_BENCHMARKS:
                raise ValueError(
                    f"name={self.name!r}: input should be {choices}; any other benchmark needs "
                    "its folder, folder: PATH"
                )
            if extra:
                settings = " and ".join(extra)
                raise ValueError(f"{self.name}: only a benchmark in a folder has {settings}")
        elif self.name in (*KNOWN_BENCHMARKS, *_RESERVED):
            raise ValueError(
                f"name={self.name!r} is reserved; give the benchmark in {self.folder} another name"
            )
        elif self.language and self.languages:
            raise ValueError(
                f"{self.name}: give language: CODE or languages: [CODE, CODE], not both"
            )
        return self

    @property
    def has_answers(self) -> bool:
        """Whether a reader can be asked its questions."""
        return self.name in WITH_ANSWERS

    def path(self, data_root: Path | None) -> Path | None:
        """The benchmark's folder; None if it is synthetic, or in a data root that is not set."""
        if self.folder or self.name == KNOWN_BENCHMARKS[0] or data_root is None:
            return self.folder
        return data_root / self.name
