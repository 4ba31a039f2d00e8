from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridir import load_encoder, names
from hybridir.config import EncoderConfig, EvaluationConfig
from hybridir.data.benchmark import build_benchmark
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder import save_encoder
from hybridir.errors import InputError
from hybridir.evaluation.evaluate import evaluate
from hybridir.retrieval import Embeddings
from hybridir.retrieval.vector_store import store_vectors

BENCHMARK = synthetic_corpus(2, 20, 1).test


def test_a_folder_an_encoder_its_embeddings_and_its_scores_give_the_same_figures(
    tmp_path: Path,
) -> None:
    config = EncoderConfig.model_validate({"from_scratch": {"layers": 1, "hidden_size": 32}})
    encoder = load_encoder(config, texts=BENCHMARK.passages, seed=1)
    save_encoder(encoder.model, encoder.tokenizer, config, tmp_path / "encoder")
    expected = evaluate(encoder, BENCHMARK, seen_languages=["qa"])

    queries = encoder.embed_queries(BENCHMARK.queries)
    passages = encoder.embed_passages(BENCHMARK.passages)

    def score(queries_B: np.ndarray, scores_BN: np.ndarray) -> None:
        scores_BN[:] = queries[queries_B] @ passages.T

    for retriever in (tmp_path / "encoder", Embeddings(queries, passages), score):
        evaluation = evaluate(retriever, BENCHMARK, seen_languages=["qa"])
        # Batches of other texts, and other products, round differently.
        assert evaluation.summary == pytest.approx(expected.summary, rel=0.02)
        keys = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.QUESTION_ID]
        pd.testing.assert_frame_equal(evaluation.table[keys], expected.table[keys])
    assert {path.name for path in tmp_path.iterdir()} == {"encoder"}


def test_prepared_data_stay_in_the_cache_and_embeddings_do_not(tmp_path: Path) -> None:
    config = EncoderConfig.model_validate({"from_scratch": {"layers": 1, "hidden_size": 32}})
    encoder = load_encoder(config, texts=BENCHMARK.passages)
    settings = EvaluationConfig(memory_mb=0.001)
    cache = tmp_path / "new" / "cache"
    stored = evaluate(encoder, BENCHMARK, settings=settings, cache=cache)
    assert list(cache.iterdir())
    assert not list(cache.glob("embeddings-*"))
    in_memory = evaluate(encoder, BENCHMARK, cache=cache)
    # Products of another shape may round differently and swap two neighbours.
    assert stored.summary == pytest.approx(in_memory.summary, rel=1e-3)


def test_full_rankings_of_passages_in_a_file_cannot_be_observed(tmp_path: Path) -> None:
    benchmark = build_benchmark("one", [("q", "en", "")], [("p", "en", "")], {"q": {"p"}})
    vectors = np.ones((1, 2), dtype=np.float32)
    stored = store_vectors(
        tmp_path, 1, 2, digest="", shards=1, make=lambda shard: (np.array([0]), vectors)
    )
    embeddings = Embeddings(vectors, stored)
    assert evaluate(embeddings, benchmark).table[names.AP].tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="leave out --trec and --mteb"):
        evaluate(embeddings, benchmark, observers=[lambda queries_B, scores_BN: None])
