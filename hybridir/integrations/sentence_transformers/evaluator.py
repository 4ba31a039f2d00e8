"""Mono-, cross-lingual and multilingual retrieval while sentence-transformers trains."""

import csv
import logging
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.modules import Module

from hybridir import names
from hybridir.config import EvaluationConfig
from hybridir.data import Benchmark
from hybridir.encoder import LoadedEncoder
from hybridir.errors import InputError
from hybridir.evaluation.evaluate import Evaluation, evaluate
from hybridir.integrations.sentence_transformers.loss import checked_similarity
from hybridir.integrations.sentence_transformers.shared_encoder import (
    share_weights,
    shared_encoder,
)
from hybridir.languages import is_standard, tag_of
from hybridir.retrieval import Embeddings, encode_benchmark

_logger = logging.getLogger("hybridir")
# Names of figures without the benchmark's, whether or not a benchmark has them.
_FIGURES = frozenset(
    names.mean_metric("", measure, setting)[1:]
    for measure in names.MEASURES
    for setting in (*names.SETTINGS, "mean")
).union(names.BIAS_MEASURES)
# Of the table of scores: mAP, and F1 at R.
_SCORED = (names.AP, names.SET_F1)


class LanguagePoolEvaluator(BaseEvaluator):  # type: ignore[misc]
    """The figures of ``hybridir evaluate``, as an evaluator of sentence-transformers.

    One pass of encoding serves all settings: the pool of each language and that of all.
    Texts go through the model without padding, with its own weights; a model that
    `hybridir.load_encoder` does not support is encoded by sentence-transformers, which takes
    longer, and the log says why.

    Args:
        benchmark: queries, pools and relevance.
        primary: the figure that the best model is chosen by, such as ``map_multilingual``,
            ``map_mean`` or ``rank_distance``.
        seen_languages: languages that the model is trained on, for rank distances.
        settings: tokens encoded at once, and the memory limit.
        write_csv: append the figures of each call to a file in the output folder.

    Attributes:
        primary_metric: full name of the primary figure. The trainer's argument is
            ``metric_for_best_model=f"eval_{evaluator.primary_metric}"``, with
            ``greater_is_better=evaluator.greater_is_better``.
        evaluation: the last call's per-query table, full rankings and figures.

    Raises:
        InputError: if there is no such primary figure, or a code of a seen language is neither
            known nor one of the benchmark's; or the benchmark is a file instead.

    A model of random weights, on a made-up benchmark:

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sentence_transformers import SentenceTransformer
    >>> from hybridir import load_encoder
    >>> from hybridir.config import EncoderConfig
    >>> from hybridir.data.synthetic.corpus import synthetic_corpus
    >>> from hybridir.encoder import save_encoder
    >>> from hybridir.integrations.sentence_transformers import LanguagePoolEvaluator
    >>> benchmark = synthetic_corpus(languages=2, seed=20, entities=1).test
    >>> config = EncoderConfig(from_scratch={"layers": 1, "hidden_size": 32})
    >>> encoder = load_encoder(config, texts=benchmark.passages)
    >>> with TemporaryDirectory() as name:
    ...     save_encoder(encoder.model, encoder.tokenizer, config, Path(name) / "encoder")
    ...     model = SentenceTransformer(name + "/encoder", device="cpu")
    >>> evaluator = LanguagePoolEvaluator(benchmark)
    >>> figures = evaluator(model)
    >>> 0 < figures["synthetic-test_map_crosslingual"] < 1
    True
    >>> evaluator.primary_metric
    'synthetic-test_map_multilingual'
    """

    def __init__(
        self,
        benchmark: Benchmark,
        *,
        primary: str = "map_multilingual",
        seen_languages: Collection[str] = (),
        settings: EvaluationConfig = EvaluationConfig(),  # noqa: B008 (frozen)
        write_csv: bool = True,
    ) -> None:
        super().__init__()
        if primary not in _FIGURES:
            raise InputError(
                f"primary={primary!r}: there is no such figure; choose one such as "
                "map_multilingual, map_crosslingual, map_mean, set_f1_multilingual, rank_distance"
            )
        self._seen = _checked(benchmark, seen_languages)
        self.benchmark = benchmark
        self.name = benchmark.name
        self.primary_metric = f"{benchmark.name}_{primary}"
        self.greater_is_better = primary not in names.LOWER_IS_BETTER
        self.write_csv = write_csv
        self.csv_file = f"language_pools_{benchmark.name}.csv"
        self.evaluation: Evaluation | None = None
        self._settings = settings
        # Texts are tokenised once, in the first call.
        self._cache = TemporaryDirectory(prefix="hybridir-tokens-")
        self._encoder: LoadedEncoder | None = None
        self._settings_of_model: object = None

    def __call__(
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: float = -1,
        steps: int = -1,
    ) -> dict[str, float]:
        """Evaluate a model in every setting of the benchmark.

        Args:
            model: the model.
            output_path: folder of the file of figures; None writes none.
            epoch: named in that file.
            steps: named in that file.

        Returns:
            Figures under their names with the benchmark's in front, such as
            ``xquad-r_map_monolingual``; a figure that the benchmark cannot have is left out.

        Raises:
            InputError: if the benchmark does not have the primary figure, or the model's
                similarity is neither cosine nor dot product.
        """
        checked_similarity(model)
        # Embeddings beyond the memory limit go to a file.
        with TemporaryDirectory(dir=self._cache.name, prefix="embeddings-") as folder:
            self.evaluation = evaluate(
                self._embed(model, Path(folder)),
                self.benchmark,
                seen_languages=self._seen,
                settings=self._settings,
            )
        prefix = len(self.name) + 1
        summary = {name[prefix:]: value for name, value in self.evaluation.summary.items()}
        metrics: dict[str, float] = self.prefix_name_to_metrics(summary, self.name)
        if self.primary_metric not in metrics:
            raise InputError(
                f"primary={self.primary_metric.removeprefix(f'{self.name}_')!r}: "
                f"{self.name} has {', '.join(summary)}"
            )
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        if self.write_csv and output_path is not None:
            self._write(Path(output_path), {"epoch": epoch, "steps": steps, **metrics})
        return metrics

    def scores(self, *, mixing_ratio: float, seed: int) -> pd.DataFrame:
        """The last call's scores by question, as rows of the table that `hybridir infer` reads.

        Args:
            mixing_ratio: of the batches that the model was trained on.
            seed: of its training.

        Returns:
            Average precision and F1 at R of each question in each pool.

        Raises:
            InputError: if nothing was evaluated yet.
        """
        if self.evaluation is None:
            raise InputError("scores: nothing was evaluated yet; call the evaluator with a model")
        columns = [
            *(names.QUESTION_ID, names.CLUSTER, names.SETTING),
            *(names.QUERY_LANGUAGE, names.POOL_LANGUAGE),
        ]
        rows = self.evaluation.table.melt(
            columns, _SCORED, var_name=names.MEASURE, value_name=names.VALUE
        )
        trial: dict[str, Any] = {
            names.STUDY: self.name,
            names.MIXING_RATIO: mixing_ratio,
            names.SEED: seed,
        }
        return rows.assign(**trial)

    @property
    def description(self) -> str:
        """Title in a model card."""
        return "Retrieval in pools of languages"

    def _embed(self, model: SentenceTransformer, folder: Path) -> Embeddings:
        settings = _settings_of(model)
        if self._settings_of_model != settings:
            self._settings_of_model = settings
            try:
                self._encoder = shared_encoder(model)
            except InputError as error:
                self._encoder = None
                _logger.warning("%s: encoded by sentence-transformers (%s)", self.name, error)
        if self._encoder is None:
            return self._by_model(model)
        share_weights(model, self._encoder)
        return encode_benchmark(
            self._encoder,
            self.benchmark,
            self._settings,
            cache=Path(self._cache.name),
            folder=folder,
        )

    def _by_model(self, model: SentenceTransformer) -> Embeddings:
        """Embed with the model's own methods."""
        how = {
            "normalize_embeddings": checked_similarity(model) == "cosine",
            "show_progress_bar": False,
        }
        queries_QD = model.encode_query(list(self.benchmark.queries), **how)
        passages_ND = model.encode_document(list(self.benchmark.passages), **how)
        return Embeddings(
            np.asarray(queries_QD, dtype=np.float32), np.asarray(passages_ND, dtype=np.float32)
        )

    def _write(self, folder: Path, row: dict[str, float]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.csv_file
        is_new = not path.is_file()
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def _checked(benchmark: Benchmark, seen_languages: Collection[str]) -> tuple[str, ...]:
    """The codes, if the benchmark is one and each is known, or one of its own."""
    if not isinstance(benchmark, Benchmark):
        raise InputError(
            f"benchmark={benchmark!r}: is no Benchmark; load_table_benchmark(NAME, FILE) of "
            "hybridir.data.readers.table_benchmark makes one of a file"
        )
    codes = (seen_languages,) if isinstance(seen_languages, str) else tuple(seen_languages)
    own = set(map(tag_of, benchmark.languages))
    if unknown := [code for code in codes if tag_of(code) not in own and not is_standard(code)]:
        raise InputError(
            f"seen_languages={', '.join(unknown)}: unknown; the languages of {benchmark.name} "
            f"are {', '.join(benchmark.languages)}"
        )
    return codes


def _settings_of(model: SentenceTransformer) -> object:
    """What decides vectors beside weights: with other settings the model is loaded anew."""
    modules = [
        (type(module), module.get_config_dict(), sorted(module.state_dict()))
        for module in model
        if isinstance(module, Module)
    ]
    own = (model.prompts, model.similarity_fn_name, model.truncate_dim, model.max_seq_length)
    return id(model), modules, own, len(model)
