"""`LanguagePoolEvaluator` against `hybridir evaluate` on the same model, saved."""

import csv
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import SequentialEvaluator
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import (
    LayerNorm,
    Normalize,
    StaticEmbedding,
)
from typer.testing import CliRunner

from hybridir import names
from hybridir.cli.main import app
from hybridir.config import EvaluationConfig
from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.table_benchmark import load_table_benchmark
from hybridir.errors import InputError
from hybridir.integrations.sentence_transformers import HybridTraining, LanguagePoolEvaluator
from tests.support.own_table import OwnTable, write_own_table
from tests.support.sentence_trainer import batches, load, trainer_of, write_encoder

LANGUAGES = ["de", "en", "pl"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("model") / "encoder")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> OwnTable:
    return write_own_table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def benchmark(table: OwnTable) -> Benchmark:
    return load_table_benchmark("mine", table.path, table.more)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seen_languages": "german"}, "seen_languages=german: unknown; the languages of mine"),
        ({"seen_languages": ["de", "zzzz"]}, "seen_languages=zzzz: unknown"),
        ({"benchmark": "dev.csv"}, "benchmark='dev.csv': is no Benchmark; load_table_benchmark"),
    ],
)
def test_what_is_no_benchmark_and_no_language_is_refused(
    benchmark: Benchmark, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        LanguagePoolEvaluator(**({"benchmark": benchmark} | arguments))


def by_command(model: SentenceTransformer, table: OwnTable, folder: Path) -> dict[str, float]:
    """Save a model, evaluate it with `hybridir evaluate`, and name its figures as we do."""
    model.save_pretrained(str(folder / "saved"), create_model_card=False)
    figures = folder / "figures.json"
    arguments = [
        *("evaluate", str(folder / "saved"), "--benchmark", "mine"),
        *("--table", str(table.path), "--passages", str(table.more)),
        *("--seen", "de,en", "--json", str(figures), "--cache", str(folder / "cache")),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    content = json.loads(figures.read_text())
    macro = {
        f"mine_{measure}_{setting}": value
        for setting, means in content["macro"].items()
        for measure, value in means.items()
    }
    return macro | {f"mine_{measure}": value for measure, value in content["bias"].items()}


def agree(model: SentenceTransformer, evaluator: Any, table: OwnTable, folder: Path) -> None:
    """Compare every figure that both have."""
    ours, expected = evaluator(model), by_command(model, table, folder)
    shared = {name: value for name, value in expected.items() if name in ours}
    assert {name: ours[name] for name in shared} == pytest.approx(shared, abs=1e-6)
    for setting in names.SETTINGS:
        assert {f"mine_map_{setting}", f"mine_set_f1_{setting}"} <= set(shared)
    assert {"mine_rank_distance", "mine_rank_distance_seen", "mine_max_at_r"} <= set(shared)


def with_layers(encoder: Path) -> SentenceTransformer:
    """Layers behind the pooling, prompts, and vectors of which the first numbers alone count."""
    torch.manual_seed(0)
    layers = [LayerNorm(32), Dense(32, 24), Normalize(), Dense(24, 16, bias=False)]
    return SentenceTransformer(
        modules=[*load(encoder), *layers],
        prompts={"query": "ask ", "document": "tell "},
        truncate_dim=7,
        device="cpu",
    )


def dotted(encoder: Path) -> SentenceTransformer:
    modules = list(load(encoder))[:2]  # without the normalisation
    return SentenceTransformer(modules=modules, similarity_fn_name="dot", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [with_layers, *(pytest.param(kind, marks=pytest.mark.long) for kind in (load, dotted))]
)
def test_figures_are_those_of_the_command_before_and_after_training(
    kind: Any, encoder: Path, table: OwnTable, benchmark: Benchmark, tmp_path: Path
) -> None:
    model = kind(encoder)
    evaluator = LanguagePoolEvaluator(benchmark, seen_languages=["de", "en"])
    agree(model, evaluator, table, tmp_path / "before")
    assert evaluator.evaluation is not None
    before = evaluator.evaluation.summary
    hybrid = HybridTraining(model, batches(8, batch_size=32))
    trainer_of(hybrid, tmp_path, learning_rate=0.01).train()
    agree(model, evaluator, table, tmp_path / "after")
    assert evaluator.evaluation.summary != before, "weights are shared, not copied"


def test_settings_that_change_between_calls_are_obeyed(
    encoder: Path, table: OwnTable, benchmark: Benchmark, tmp_path: Path
) -> None:
    model = load(encoder)
    evaluator = LanguagePoolEvaluator(benchmark, seen_languages=["de", "en"])
    before = evaluator(model)
    model.max_seq_length = 8
    shorter = evaluator(model)
    assert before != shorter
    model.prompts = {"query": "ask for the ", "document": ""}
    agree(model, evaluator, table, tmp_path)
    assert evaluator(load(encoder)) == before, "another model"


def test_a_model_of_half_precision_is_evaluated_as_its_folder_is(
    encoder: Path, table: OwnTable, benchmark: Benchmark, tmp_path: Path
) -> None:
    model = load(encoder).bfloat16()
    evaluator = LanguagePoolEvaluator(benchmark, seen_languages=["de", "en"])
    agree(model, evaluator, table, tmp_path)
    assert next(model.parameters()).dtype == torch.bfloat16


def test_a_model_of_other_modules_is_encoded_by_sentence_transformers(
    encoder: Path, benchmark: Benchmark, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    static = StaticEmbedding(load(encoder).tokenizer, embedding_dim=16)
    model = SentenceTransformer(modules=[static], device="cpu")
    evaluator = LanguagePoolEvaluator(benchmark)
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        figures = evaluator(model)
    assert "mine: encoded by sentence-transformers" in caplog.text
    assert "StaticEmbedding" in caplog.text
    # The rank of the first relevant passage, from all similarities.
    scores = model.similarity(
        model.encode_query(list(benchmark.queries)),
        model.encode_document(list(benchmark.passages)),
    )
    hits = [
        int(row.argmax()) in benchmark.relevant[start:stop]
        for row, start, stop in zip(
            scores, benchmark.relevant_offsets, benchmark.relevant_offsets[1:], strict=False
        )
    ]
    assert evaluator.evaluation is not None
    rows = evaluator.evaluation.table.query("setting == 'multilingual'")
    assert (rows["rr"] == 1).sum() == sum(hits)
    assert 0 < figures["mine_map_multilingual"] < 1


def test_the_trainer_chooses_the_best_model_by_it(
    encoder: Path, benchmark: Benchmark, tmp_path: Path
) -> None:
    evaluator = LanguagePoolEvaluator(benchmark, primary="rank_distance")
    assert (evaluator.primary_metric, evaluator.greater_is_better) == (
        "mine_rank_distance",
        False,
    )
    hybrid = HybridTraining(load(encoder), batches(6, batch_size=32))
    trainer = trainer_of(
        hybrid,
        tmp_path,
        {"evaluator": evaluator},
        learning_rate=0.01,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.primary_metric}",
        greater_is_better=evaluator.greater_is_better,
    )
    trainer.train()
    with (tmp_path / "eval" / evaluator.csv_file).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["2", "4", "6"]
    best = min(float(row["mine_rank_distance"]) for row in rows)
    assert trainer.state.best_metric == best
    assert evaluator(hybrid.model)["mine_rank_distance"] == pytest.approx(best, 1e-6)


def test_several_benchmarks_are_evaluated_one_after_another(
    encoder: Path, benchmark: Benchmark
) -> None:
    evaluators = [
        LanguagePoolEvaluator(benchmark),
        LanguagePoolEvaluator(benchmark, primary="map_mean"),
    ]
    both = SequentialEvaluator(evaluators, main_score_function=lambda scores: scores[0])
    figures = both(load(encoder))
    assert figures["sequential_score"] == figures["mine_map_multilingual"]


def test_a_figure_that_the_benchmark_lacks_is_refused_by_name(
    encoder: Path, benchmark: Benchmark
) -> None:
    with pytest.raises(InputError, match=r"primary='map_all': there is no such figure"):
        LanguagePoolEvaluator(benchmark, primary="map_all")
    # Questions have several relevant passages in a language, so that PEER can tell something else.
    with pytest.raises(InputError, match=r"primary='peer': mine has map_monolingual, "):
        LanguagePoolEvaluator(benchmark, primary="peer")(load(encoder))


def test_embeddings_beyond_the_memory_limit_give_the_same_figures(
    encoder: Path, benchmark: Benchmark
) -> None:
    model = load(encoder)
    expected = LanguagePoolEvaluator(benchmark)(model)
    small = LanguagePoolEvaluator(benchmark, settings=EvaluationConfig(memory_mb=0.01))
    for _ in range(2):
        assert small(model) == pytest.approx(expected, abs=1e-6)


def test_scores_need_an_evaluation(benchmark: Benchmark) -> None:
    with pytest.raises(InputError, match="nothing was evaluated yet"):
        LanguagePoolEvaluator(benchmark).scores(mixing_ratio=0.5, seed=0)
