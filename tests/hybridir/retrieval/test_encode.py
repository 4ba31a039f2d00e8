from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hybridir.config import EncoderConfig, EvaluationConfig
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.load import LoadedEncoder, load_bi_encoder
from hybridir.encoder.packed.packing import PackedTexts, pack
from hybridir.encoder.token_table import TokenTable
from hybridir.encoder.vocabulary import train_tokenizer
from hybridir.retrieval.encode import encode, encode_benchmark, encode_to_file
from hybridir.runtime.distributed import init_distributed
from tests.hybridir.encoder.test_vocabulary import corpus
from tests.support.encoders import backbone
from tests.support.together import GROUP, run_together


class Watched(BiEncoder):
    """An encoder that records the tokens of each text in each call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sizes: list[list[int]] = []

    def forward(self, packed: PackedTexts) -> torch.Tensor:
        self.sizes.append(packed.lengths)
        return super().forward(packed)


def token_table(texts: list[NDArray[np.int32]]) -> TokenTable:
    return TokenTable(np.concatenate(texts), np.cumsum([0, *map(len, texts)]))


def random_texts(n: int) -> list[NDArray[np.int32]]:
    rng = np.random.default_rng(1)
    return [rng.integers(5, 50, size=rng.integers(2, 60), dtype=np.int32) for _ in range(n)]


@pytest.mark.parametrize("batch_tokens", [1, 100, 512, 100_000])
def test_the_size_of_batches_changes_no_embedding_and_keeps_the_order(batch_tokens: int) -> None:
    texts = random_texts(50)
    encoder = Watched.wrap(backbone(), "mean", pad_token=0).eval()
    embeddings = encode(encoder, token_table(texts), batch_tokens=batch_tokens)
    assert all(sum(sizes) <= batch_tokens or len(sizes) == 1 for sizes in encoder.sizes)
    for text, embedding in zip(texts, embeddings, strict=True):
        with torch.no_grad():
            single = embed(encoder, pack([text]))[0]
        np.testing.assert_allclose(embedding, single.numpy(), atol=1e-5)


def test_equal_texts_are_encoded_once_and_get_equal_vectors() -> None:
    texts = random_texts(7)
    encoder = Watched.wrap(backbone(), "mean", pad_token=0).eval()
    embeddings = encode(encoder, token_table(texts * 5), batch_tokens=64)
    assert sum(map(len, encoder.sizes)) == 7
    assert np.array_equal(embeddings, np.tile(embeddings[:7], (5, 1)))


@pytest.mark.slow
def test_a_benchmark_is_embedded_as_its_texts_are_one_by_one(tmp_path: Path) -> None:
    benchmark = synthetic_corpus(3, 20, 30).test
    tokenizer = train_tokenizer(corpus(), 400)
    config = EncoderConfig.model_validate(
        {
            "from_scratch": {"layers": 1, "hidden_size": 32, "intermediate_size": 64},
            "dropout": 0.5,
            "query_prefix": "q: ",
        }
    )
    encoder = load_bi_encoder(config, tokenizer, seed=0).train()
    queries_QD, passages_ND = encode_benchmark(
        LoadedEncoder(encoder, tokenizer, config),
        benchmark,
        EvaluationConfig(batch_tokens=2048),
        cache=tmp_path,
    )
    assert not encoder.training  # no dropout in an evaluation

    def embedded(texts: list[str], prefix: str) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            ids = np.array(tokenizer(prefix + text)["input_ids"], dtype=np.int32)
            with torch.no_grad():
                rows.append(embed(encoder, pack([ids]))[0].numpy())
        return np.stack(rows)

    # Every tenth; batches of several texts move vectors in their last bits.
    some_queries, some_passages = list(benchmark.queries)[::10], list(benchmark.passages)[::10]
    np.testing.assert_allclose(queries_QD[::10], embedded(some_queries, "q: "), atol=1e-5)
    assert isinstance(passages_ND, np.ndarray)
    assert len(passages_ND) == len(benchmark.passages)
    np.testing.assert_allclose(passages_ND[::10], embedded(some_passages, ""), atol=1e-5)


@pytest.mark.parametrize("shard_mb", [0.0001, 0.001, 1])
def test_embeddings_in_a_file_are_those_in_memory_to_the_last_bit(
    tmp_path: Path, shard_mb: float
) -> None:
    texts = token_table(random_texts(40) + random_texts(7))  # 7 occur twice
    encoder = Watched.wrap(backbone(), "mean", pad_token=0).eval()
    expected = encode(encoder, texts, batch_tokens=128)
    sizes, encoder.sizes = encoder.sizes, []
    stored = encode_to_file(
        encoder, texts, batch_tokens=128, folder=tmp_path, digest="d", shard_mb=shard_mb
    )
    assert np.array_equal(stored.rows(0, 47), expected)
    assert encoder.sizes == sizes


def stored_together(folder: str) -> list[list[float]]:
    texts = token_table(random_texts(40) + random_texts(7))
    with init_distributed() as distributed:
        stored = encode_to_file(
            Watched.wrap(backbone(), "mean", pad_token=0).eval(),
            texts,
            batch_tokens=128,
            folder=Path(folder),
            digest="d",
            distributed=distributed,
            shard_mb=0.001,
        )
        rows: list[list[float]] = distributed.on_rank_zero(lambda: stored.rows(0, 47).tolist())
        return rows


@pytest.mark.long
@pytest.mark.xdist_group(GROUP)
def test_two_processes_write_the_same_file_as_one(tmp_path: Path) -> None:
    by_one = stored_together(str(tmp_path / "one"))
    by_two = run_together(2, stored_together, str(tmp_path / "two"))
    assert by_two == [by_one, by_one]


def test_embeddings_beyond_the_memory_limit_go_to_a_file_and_continue_there(
    tmp_path: Path,
) -> None:
    benchmark = synthetic_corpus(3, 20, 12).test
    tokenizer = train_tokenizer(corpus(), 400)
    config = EncoderConfig.model_validate(
        {"from_scratch": {"layers": 1, "hidden_size": 32, "intermediate_size": 64}}
    )

    def encoded(seed: int, memory_mb: float) -> NDArray[np.float32]:
        encoder = load_bi_encoder(config, tokenizer, seed=seed)
        _, passages = encode_benchmark(
            LoadedEncoder(encoder, tokenizer, config),
            benchmark,
            EvaluationConfig(batch_tokens=2048, memory_mb=memory_mb),
            cache=tmp_path,
            folder=tmp_path / "embeddings",
        )
        assert isinstance(passages, np.ndarray) == (memory_mb == size_mb)
        return passages if isinstance(passages, np.ndarray) else passages.rows(0, len(passages))

    size_mb = len(benchmark.passages) * (32 + 256) * 4 / 1e6  # with a block of scores
    in_memory = encoded(0, size_mb)
    assert not (tmp_path / "embeddings").exists()
    assert np.array_equal(encoded(0, 0.99 * size_mb), in_memory)
    file = tmp_path / "embeddings" / "vectors.f32"
    written = file.stat().st_mtime_ns
    assert np.array_equal(encoded(0, 0.99 * size_mb), in_memory)
    assert file.stat().st_mtime_ns == written  # nothing was encoded again
    assert not np.array_equal(encoded(1, 0.99 * size_mb), in_memory)  # other weights
