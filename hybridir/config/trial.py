"""The settings of a trial, with units, legal values and defaults.

The models define the legal values; `hybridir.config.problems` says what is wrong with others. A
study's YAML file consists of the same models (`tune/study/file.py`).
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hybridir.config.base import (
    FolderOrId,
    SettingError,
    StrictModel,
    unit,
)
from hybridir.config.benchmarks import KNOWN_BENCHMARKS, WITH_ANSWERS, BenchmarkConfig
from hybridir.config.data_sources import TrainDataConfig


class DataPart(StrictModel):
    """One of several disjoint parts of the training data.

    No two share a question, a passage or, of LAReQA's data, a paragraph.
    """

    number: Annotated[int, Field(ge=0), unit("none")]
    """Number of this part, from 0."""
    of: Annotated[int, Field(ge=2), unit("parts")]
    """Number of parts."""

    @field_validator("of")
    @classmethod
    def _number_below_of(cls, value: int, info: ValidationInfo) -> int:
        number = info.data.get("number")
        if number is not None and number >= value:
            raise ValueError(f"of {value} parts the last is number {value - 1}, not {number}")
        return value


class DataConfig(StrictModel):
    """Data for training, tuning and reporting."""

    train: TrainDataConfig
    """What is trained on."""
    tune_on: Literal["dev"] | None = "dev"
    """``dev`` holds out groups of passages of the training data, which of LAReQA's data are whole
    paragraphs (the synthetic corpus has its own development set); null trains on all data and
    tunes nothing."""
    dev_share: Annotated[float, Field(gt=0, lt=1), unit("share")] = 0.1
    """Share of the groups held out for development; see `hybridir.data.splits`."""
    report_on: tuple[BenchmarkConfig, ...] = ()
    """Benchmarks that are reported on, and that nothing is tuned on; a name alone, such as
    ``[xquad-r]``, or the settings below."""
    allow_contamination: bool = False
    """Accept training or development data that share questions or passages with a reported
    benchmark; the report says so. Otherwise such a configuration is refused."""
    data_root: Annotated[Path | None, Field(validate_default=True)] = None
    """Folder with ``xquad-r/`` and ``mlqa-r/``."""
    data_part: DataPart | None = None
    """Train on one part of the data; null trains on all data."""

    @field_validator(
        "report_on", mode="before", json_schema_input_type=tuple[BenchmarkConfig | str, ...]
    )
    @classmethod
    def _names_alone(cls, value: object) -> object:
        """Let ``[xquad-r]`` stand for ``[{name: xquad-r}]``."""
        if isinstance(value, (list, tuple)):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value

    # Checks across fields are validators of the later field. Pydantic would skip validators of the
    # whole model as soon as one field is wrong, but one message is to name what can be known.

    @field_validator("report_on")
    @classmethod
    def _reports_fit(
        cls, value: tuple[BenchmarkConfig, ...], info: ValidationInfo
    ) -> tuple[BenchmarkConfig, ...]:
        chosen = [benchmark.name for benchmark in value]
        train: TrainDataConfig | None = info.data.get("train")
        problems = []
        if len({name.lower() for name in chosen}) < len(chosen):  # names of files, too
            problems.append("a benchmark is named twice")
        if train and train.synthetic is None and "synthetic-test" in chosen:
            problems.append("synthetic-test needs train.synthetic")
        trained = train.folders if train else ()
        if shared := [name for name in chosen if name in trained]:
            problems.append(
                f"{' and '.join(shared)} is both trained and reported on: "
                "the figures would not be zero-shot; report on another benchmark"
            )
        if problems:
            raise SettingError(*(("report_on", problem) for problem in problems))
        return value

    @field_validator("data_root")
    @classmethod
    def _root_given(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        train: TrainDataConfig | None = info.data.get("train")
        reports: tuple[BenchmarkConfig, ...] = info.data.get("report_on", ())
        folders = {report.name for report in reports if report.name in KNOWN_BENCHMARKS[1:]}
        folders.update(train.folders if train else ())
        if folders and value is None:
            raise ValueError(
                f"is needed: the folder that holds {' and '.join(sorted(folders))}; set "
                "data_root: FOLDER"
            )
        return value


class BatchConfig(StrictModel):
    """Size and drawing of batches."""

    mixing_ratio: Annotated[float, Field(ge=0, le=1), unit("probability")] = 0.5
    """Alpha: probability that a batch is monolingual."""
    batch_size: Annotated[int, Field(ge=2), unit("pairs")] = 64
    """Pairs per batch, over all processes; a batch of one would have no negatives."""
    kind: Literal["hybrid", "x-x", "en-en"] = "hybrid"
    """``hybrid`` tosses the coin; ``x-x`` mixes pairs in one language each (LAReQA's X-X);
    ``en-en`` is monolingual English."""
    coin: Literal["bernoulli", "stratified"] = "bernoulli"
    """Independent coins as published, or a low-discrepancy sequence of the same ratio."""
    language_sampling: Literal["uniform", "proportional", "temperature"] = "uniform"
    """How the language of a monolingual batch is drawn."""
    language_exponent: Annotated[float, Field(gt=0, le=1), unit("none")] = 0.3
    """Exponent on language sizes when `language_sampling` is ``temperature``. 0.3: as XLM-R
    (arXiv 1911.02116, section 3.1)."""


def idle_share(tune_on: str | None, dev_share: float) -> list[tuple[str, str]]:
    """Setting and problem of a share that nothing is held out by; empty if there is none."""
    if tune_on or dev_share == DataConfig.model_fields["dev_share"].default:
        return []
    return [("dev_share", "has no effect: it belongs to tune_on: dev; leave it out")]


def idle_settings(kinds: Collection[Any], samplings: Collection[Any]) -> dict[str, str]:
    """The settings of batches that change nothing, and why.

    Args:
        kinds: the kinds of batches that may be drawn.
        samplings: values of `BatchConfig.language_sampling`.
    """
    idle = {}
    if "hybrid" not in kinds:
        reason = f"belongs to kind: hybrid, not to {' and '.join(sorted(kinds))}"
        idle = dict.fromkeys(("mixing_ratio", "coin"), reason)
    if set(kinds) == {"en-en"}:
        reason = "has no choice with kind: en-en, which has one language"
        idle |= dict.fromkeys(("language_sampling", "language_exponent"), reason)
    elif "temperature" not in samplings:
        idle["language_exponent"] = "belongs to language_sampling: temperature"
    return idle


class FromScratchConfig(StrictModel):
    """A randomly initialised BERT, with a WordPiece vocabulary of the training text."""

    layers: Annotated[int, Field(ge=1), unit("layers")] = 2
    """Transformer layers."""
    hidden_size: Annotated[int, Field(ge=8), unit("dimensions")] = 128
    """Width of the hidden states, and of the vectors of texts; a multiple of ``heads``."""
    intermediate_size: Annotated[int, Field(ge=8), unit("dimensions")] = 256
    """Width of the feed-forward layers."""
    heads: Annotated[int, Field(ge=1), unit("heads")] = 2
    """Attention heads of each layer."""
    vocabulary: Annotated[int, Field(ge=200), unit("tokens")] = 3000
    """Maximum number of WordPiece tokens."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not divisible by heads={self.heads}"
            )
        return self


class HubConfig(StrictModel):
    """Weights from the Hugging Face hub."""

    id: FolderOrId
    """For example ``google-bert/bert-base-multilingual-cased``."""
    revision: str
    """Commit that pins the weights; any word for a local folder."""

    @property
    def unpinned(self) -> str:
        """Why the revision pins nothing, and what to do; empty if it is a commit."""
        if re.fullmatch("[0-9a-f]{40}", self.revision) or Path(self.id).is_dir():
            return ""
        return (
            f"{self.revision!r} is no commit of {self.id}, whose weights would change with it; a "
            f"commit has 40 hexadecimal digits. `hf models info {self.id}` shows the newest as sha"
        )


POOLER = "pooler"
POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def _check_pooling(value: str) -> str:
    modes = value.split("+")
    if value != POOLER and (set(modes) - {*POOLINGS} or len({*modes}) < len(modes)):
        raise ValueError(
            f"{value!r} given; legal are {', '.join(POOLINGS)}, several of them joined by + "
            f"(cls+mean), and {POOLER} alone"
        )
    return value


Pooling = Annotated[
    str, AfterValidator(_check_pooling), Field(examples=[*POOLINGS, POOLER, "cls+mean"])
]
Similarity = Literal["cosine", "dot"]
MOST_TOKENS = 32_768
"""The longest text, for encoders without a limit of their own."""
Length = Annotated[int, Field(ge=8, le=MOST_TOKENS), unit("tokens")]


class EncoderConfig(StrictModel):
    """The bi-encoder: exactly one source of weights, and the way from texts to vectors.

    What is null follows the encoder's own folder, see `hybridir.encoder.third_party.resolve`. For
    a folder that says nothing, and from scratch, the values are those of `ResolvedEncoderConfig`.
    """

    path: Path | None = None
    """Local folder of Hugging Face or sentence-transformers."""
    hub: HubConfig | None = None
    """Weights on the Hugging Face hub."""
    from_scratch: FromScratchConfig | None = None
    """A small encoder made anew; ``{}`` takes its defaults."""
    pooling: Pooling | None = None
    """How token vectors become one vector: ``mean``, ``cls``, ``max``, ``mean_sqrt_len_tokens``,
    ``weightedmean`` or ``lasttoken`` as in sentence-transformers, several joined by ``+``, or
    ``pooler``, the backbone's own."""
    similarity: Similarity | None = None
    """``cosine``: vectors are L2-normalised, in training as well; ``dot``: they are not."""
    dropout: Annotated[float, Field(ge=0, lt=1), unit("probability")] = 0.0
    """Dropout of hidden states and attention in training."""
    query_prefix: str | None = None
    """Text before each question, such as ``"query: "``."""
    passage_prefix: str | None = None
    """Text before each passage."""
    query_length: Length | None = None
    """Maximum tokens of a query, with special tokens."""
    passage_length: Length | None = None
    """Maximum tokens of a passage, with special tokens."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("path", "hub", "from_scratch") if getattr(self, name)]
        if len(sources) != 1:
            raise ValueError(
                f"{' and '.join(sources) or 'no weights'} given: name exactly one of "
                "encoder.path (a local Hugging Face folder), encoder.hub, encoder.from_scratch"
            )
        return self

    def or_defaults(self) -> "ResolvedEncoderConfig":
        """The same settings, with defaults for what is null."""
        return ResolvedEncoderConfig.model_validate(self.model_dump(exclude_none=True))


class ResolvedEncoderConfig(EncoderConfig):
    """The settings of an encoder with nothing left open.

    The defaults are those of an encoder that has no settings of its own. Lengths: as in
    XTREME-R's recipe.
    """

    pooling: Pooling = "mean"
    similarity: Similarity = "cosine"
    query_prefix: str = ""
    passage_prefix: str = ""
    query_length: Length = 96
    passage_length: Length = 256


_Decay = Annotated[float, Field(ge=0, lt=1), unit("per step")]


class TrainingConfig(StrictModel):
    """Loss, optimizer and budget."""

    pairs: Annotated[int, Field(ge=2), unit("pairs")] = 19200
    """Budget in training pairs; steps = ceil(pairs / batch_size)."""
    temperature: Annotated[float, Field(gt=0, le=10), unit("none")] = 0.05
    """Divides the encoder's similarity, by default the cosine."""
    learning_rate: Annotated[float, Field(gt=0, lt=1), unit("per step")] = 3e-5
    """Learning rate at its peak, the end of the warmup."""
    weight_decay: Annotated[float, Field(ge=0, lt=1), unit("per step and learning rate")] = 0.01
    """Weight decay of AdamW, apart from the gradient."""
    betas: tuple[_Decay, _Decay] = (0.9, 0.98)
    """Decay rates of AdamW's two moments."""
    warmup: Annotated[float, Field(ge=0, lt=1), unit("share of steps")] = 0.1
    """Share of steps in which the learning rate rises; afterwards it falls linearly to zero."""
    clip_norm: Annotated[float, Field(gt=0), unit("norm of the gradient")] = 1.0
    """Maximum gradient norm."""
    symmetric: bool = False
    """Add the loss of retrieving the question among the batch's questions."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto`` uses bf16 autocast where the hardware supports bf16 natively and the encoder is
    wide enough to gain from it (256 or more)."""
    chunk_tokens: Literal["auto"] | Annotated[int, Field(ge=1), unit("tokens")] = "auto"
    """Maximum tokens encoded at once in training. A larger batch is encoded in chunks (GradCache):
    the same gradient, less memory, up to a third more time. ``auto`` takes the largest number that
    fits into the memory that is free when training starts."""
    compile: bool = False
    """On a GPU, fuse the operations of the encoder's layers (``torch.compile``), which pays with
    large batches alone; each process takes some 15 seconds more."""
    checkpoint_every: Annotated[int, Field(ge=1), unit("steps")] = 200
    """Steps between checkpoints; one is written sooner where `checkpoint_minutes` have passed, and
    later where it would take too long."""
    checkpoint_minutes: Annotated[float, Field(gt=0), unit("minutes")] = 5.0
    """Minutes between checkpoints."""
    checkpoint_share: Annotated[float, Field(gt=0, le=1), unit("share of time")] = 0.05
    """Largest share of the training's time that checkpoints take; 1 sets no limit."""

    @property
    def fixed_chunk(self) -> int | None:
        """`chunk_tokens` as a number; None for ``auto``."""
        return None if self.chunk_tokens == "auto" else self.chunk_tokens


class ReaderConfig(StrictModel):
    """A model that answers questions from a paragraph: exactly one source of weights."""

    path: Path | None = None
    """Local folder in Hugging Face format."""
    hub: HubConfig | None = None
    """Weights on the Hugging Face hub."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(
                f"{'path and hub' if self.path else 'no weights'} given: name exactly one of "
                "path (a local Hugging Face folder) and hub (id and revision)"
            )
        return self


class EvaluationConfig(StrictModel):
    """Computation and scoring of embeddings, and the reader of their first passages."""

    batch_tokens: Annotated[int, Field(ge=512), unit("tokens")] = 8192
    """Tokens encoded at once."""
    memory_mb: Annotated[float, Field(gt=0), unit("MB")] = 2048
    """Maximum memory of a benchmark's passage embeddings and the scores of one block of queries.
    Larger embeddings go to a file in the trial's folder and are ranked in blocks."""
    development_figures: tuple[str, ...] = ()
    """More figures on the development benchmark among a trial's metrics, such as
    ``dev/ndcg_at_10_multilingual``; mAP and F1 at R are always there. A study adds its search's
    objectives."""
    reader: ReaderConfig | None = None
    """Reads answers from the first passages of the reported benchmarks, which must have answers
    (xquad-r, mlqa-r), in the monolingual and the multilingual setting; null reads nothing."""

    def check_answers(self, reports: Sequence[BenchmarkConfig]) -> Self:
        """Return these settings if the reader finds answers in all reported benchmarks.

        Raises:
            ValueError: if benchmarks have no answers; the message names them.
        """
        lacking = [report.name for report in reports if not report.has_answers]
        if self.reader and lacking:
            raise ValueError(
                f"reader: {' and '.join(lacking)} "
                f"{'has' if len(lacking) == 1 else 'have'} no answers to be read; report on "
                f"{' or '.join(WITH_ANSWERS)} alone, or leave the reader out"
            )
        return self


class TrialConfig(StrictModel):
    """The settings of one trial: an encoder, trained and evaluated once from one seed.

    Only the training data and the encoder have no default:

    >>> from hybridir import TrialConfig
    >>> config = TrialConfig.model_validate(
    ...     {
    ...         "data": {"train": {"synthetic": {"entities": 30}}},
    ...         "encoder": {"from_scratch": {"layers": 1, "hidden_size": 32}},
    ...         "batch": {"mixing_ratio": 0.8},
    ...     }
    ... )
    >>> config.batch.mixing_ratio, config.batch.batch_size, config.training.temperature
    (0.8, 64, 0.05)

    Unknown settings and illegal values are errors, all named in one message; `hybridir.run_trial`
    trains and evaluates the configuration.
    """

    data: DataConfig
    """What is trained on, tuned on and reported on."""
    encoder: EncoderConfig
    """The encoder that is trained."""
    batch: BatchConfig = BatchConfig()
    """Batches: ratio, size, kind."""
    training: TrainingConfig = TrainingConfig()
    """Loss, optimizer, budget and checkpoints."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Memory of the evaluation, and a reader of answers."""
    retriever: Literal["trained", "untrained", "bm25"] = "trained"
    """The retriever to evaluate: the trained encoder, the encoder without training, or BM25, which
    needs no encoder. The last two are baselines without any training step."""
    seed: Annotated[int, Field(ge=0), unit("none")] = 0
    """Seed of initial weights, batches and dropout."""

    @field_validator("evaluation")
    @classmethod
    def _reader_finds_answers(
        cls, value: EvaluationConfig, info: ValidationInfo
    ) -> EvaluationConfig:
        data: DataConfig | None = info.data.get("data")
        return value.check_answers(data.report_on) if data else value
