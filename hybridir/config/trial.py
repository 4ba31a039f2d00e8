"""Everything that a trial can be told, with units, legal values and defaults.

The models say what is legal; `describe_problems` turns pydantic's complaints into one message that
names every mistake. A study's YAML file is made of the same models (`tune/study/file.py`).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hybridir.config.base import Model
from hybridir.config.benchmarks import SHIPPED, ReportConfig
from hybridir.config.data_sources import TrainConfig
from hybridir.errors import InputError

__all__ = ["Model", "ReportConfig", "TrainConfig"]  # as if they stood here


class DataPart(Model):
    """One of several parts of the training data, which have no passage group in common."""

    number: Annotated[int, Field(ge=0)]
    """Which of them, from 0."""
    of: Annotated[int, Field(ge=2)]
    """How many there are."""

    @field_validator("of")
    @classmethod
    def _is_one_of_them(cls, value: int, info: ValidationInfo) -> int:
        number = info.data.get("number")
        if number is not None and number >= value:
            raise ValueError(f"of {value} parts the last is number {value - 1}, not {number}")
        return value


class DataConfig(Model):
    """Data for training, tuning and reporting."""

    train: TrainConfig
    tune_on: Literal["dev"] | None = "dev"
    """``dev`` holds out passage groups of the training data (the synthetic corpus brings its own);
    null trains on everything and tunes nothing."""
    dev_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of passage groups held out for development."""
    report_on: tuple[ReportConfig, ...] = ()
    allow_contamination: bool = False
    """Go on where what is trained or tuned on shares questions or passages with what is reported
    on; the report says so. Without it such a configuration is refused."""
    data_root: Annotated[Path | None, Field(validate_default=True)] = None
    """Folder that holds ``xquad-r/`` and ``mlqa-r/``."""
    data_part: DataPart | None = None
    """Train on a part of the data; null trains on all."""

    @field_validator("report_on", mode="before")
    @classmethod
    def _names_alone(cls, value: object) -> object:
        """Let ``[xquad-r]`` stand for ``[{name: xquad-r}]``."""
        if isinstance(value, (list, tuple)):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value

    # The checks across fields are validators of the later field, not of the whole model, which
    # pydantic would leave out as soon as any field is wrong: all mistakes are to be named at once.

    @field_validator("report_on")
    @classmethod
    def _reports_fit(
        cls, value: tuple[ReportConfig, ...], info: ValidationInfo
    ) -> tuple[ReportConfig, ...]:
        chosen = [benchmark.name for benchmark in value]
        train: TrainConfig | None = info.data.get("train")
        if len({name.lower() for name in chosen}) < len(chosen):  # they name files, too
            raise ValueError("a benchmark is named twice")
        if train and train.synthetic is None and "synthetic-test" in chosen:
            raise ValueError("synthetic-test needs train.synthetic")
        trained = train.folders if train else ()
        if both := [name for name in chosen if name in trained]:
            raise ValueError(
                f"{' and '.join(both)} is both trained and reported on: "
                "the figures would not be zero-shot; report on another benchmark"
            )
        return value

    @field_validator("data_root")
    @classmethod
    def _root_given(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        train: TrainConfig | None = info.data.get("train")
        reports: tuple[ReportConfig, ...] = info.data.get("report_on", ())
        folders = {report.name for report in reports if report.name in SHIPPED[1:]}
        folders.update(train.folders if train else ())
        if folders and value is None:
            raise ValueError(
                f"is needed: the folder that holds {' and '.join(sorted(folders))} "
                "(--set data_root=FOLDER)"
            )
        return value


class BatchConfig(Model):
    """How batches are drawn."""

    mixing_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Alpha: probability that a batch is monolingual."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Pairs per batch, over all processes; a batch of one would have no negatives."""
    kind: Literal["hybrid", "x-x", "en-en"] = "hybrid"
    """``hybrid`` tosses the coin; ``x-x`` mixes pairs in one language each (LAReQA's X-X);
    ``en-en`` is monolingual English."""
    coin: Literal["bernoulli", "stratified"] = "bernoulli"
    """Independent coins as published, or a low-discrepancy sequence of the same ratio."""
    language_sampling: Literal["uniform", "proportional", "temperature"] = "uniform"
    """How the language of a monolingual batch is drawn."""
    language_exponent: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Exponent on language sizes when `language_sampling` is ``temperature``. 0.3: as XLM-R
    (arXiv 1911.02116, section 3.1)."""


class FromScratchConfig(Model):
    """A BERT that is initialised at random, with a WordPiece vocabulary of the training text."""

    layers: Annotated[int, Field(ge=1)] = 2
    hidden_size: Annotated[int, Field(ge=8)] = 128
    intermediate_size: Annotated[int, Field(ge=8)] = 256
    """Width of the feed-forward layers."""
    heads: Annotated[int, Field(ge=1)] = 2
    vocabulary: Annotated[int, Field(ge=200)] = 3000
    """Number of WordPiece tokens at most."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not divisible by heads={self.heads}"
            )
        return self


class HubConfig(Model):
    """Weights from the Hugging Face hub."""

    id: str
    """For example ``google-bert/bert-base-multilingual-cased``."""
    revision: str
    """Commit that pins the weights."""


class EncoderConfig(Model):
    """The bi-encoder: exactly one origin of its weights, and how texts become vectors."""

    path: Path | None = None
    """Local Hugging Face folder."""
    hub: HubConfig | None = None
    from_scratch: FromScratchConfig | None = None
    pooling: Literal["mean", "cls", "pooler"] = "mean"
    """How token vectors become one; all are L2-normalised afterwards."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout of hidden states and attention while training."""
    query_prefix: str = ""
    passage_prefix: str = ""
    query_length: Annotated[int, Field(ge=8, le=512)] = 96
    """Tokens of a query at most, special ones included. 96: as XTREME-R's recipe."""
    passage_length: Annotated[int, Field(ge=8, le=512)] = 256
    """Tokens of a passage at most, special ones included. 256: as XTREME-R's recipe."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("path", "hub", "from_scratch") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"{' and '.join(given) or 'no weights'} given: name exactly one of "
                "encoder.path (a local Hugging Face folder), encoder.hub, encoder.from_scratch"
            )
        return self


class TrainingConfig(Model):
    """Loss, optimizer and budget."""

    pairs: Annotated[int, Field(ge=2)] = 19200
    """Budget in training pairs; steps = ceil(pairs / batch_size)."""
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.05
    """Divides the cosine similarity."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 3e-5
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.98,
    )
    """Decay rates of AdamW's two moments."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the learning rate rises; then it falls linearly to zero."""
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    """Largest gradient norm."""
    symmetric: bool = False
    """Add the loss of finding the question among the batch's questions."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto`` takes bf16 autocast where the hardware multiplies it natively and the encoder is
    wide enough to gain (256 or more)."""
    chunk_tokens: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Tokens that are encoded at once in training; a batch of more goes through in chunks, with
    the same gradient, less memory and up to a third more time. ``auto`` takes what fits into the
    memory that is free when the training begins."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    """Steps between checkpoints."""

    @property
    def fixed_chunk(self) -> int | None:
        """The number of tokens, if it is given."""
        return None if self.chunk_tokens == "auto" else self.chunk_tokens


class EvaluationConfig(Model):
    """How embeddings are computed and scored."""

    batch_tokens: Annotated[int, Field(ge=512)] = 8192
    """Tokens encoded at once."""
    memory_mb: Annotated[float, Field(gt=0)] = 2048
    """Where the embeddings of a benchmark's passages and the scores of one block of queries take
    more, the embeddings are kept in a file of the trial's folder and ranked by blocks."""


class TrialConfig(Model):
    """One configuration, trained and evaluated once from one seed; baselines may train nothing."""

    data: DataConfig
    encoder: EncoderConfig
    batch: BatchConfig = BatchConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    retriever: Literal["trained", "untrained", "bm25"] = "trained"
    """What is evaluated: the encoder once it is trained, the encoder as it comes, or BM25, which
    needs none. The last two are baselines, and take no training step."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides initial weights, batches and dropout."""


def describe_problems(heading: str, error: ValidationError) -> InputError:
    """Turn pydantic's complaints into one message that names every mistake.

    Args:
        heading: what was read, for example ``"study.yaml"``.
        error: what pydantic raised.

    Returns:
        An error that lists field, value given and what is legal, one line each.
    """
    problems = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            problems.append(f"{where}: there is no such setting")
        elif item["type"] == "missing":
            problems.append(f"{where}: is needed")
        elif item["type"] == "value_error":
            problems.append(f"{where}: {message}" if where else message)
        else:
            problems.append(f"{where}={item['input']!r}: {message[0].lower()}{message[1:]}")
    if len(problems) > 1:
        heading = f"{heading} has {len(problems)} problems"
    return InputError.collect(heading, problems)
