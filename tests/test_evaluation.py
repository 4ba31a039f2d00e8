from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hybridir.config import EncoderConfig
from hybridir.data.prepare import TokenTable
from hybridir.data.synthetic import synthetic_corpus
from hybridir.encoder import BiEncoder, embed
from hybridir.evaluation import encode, encode_benchmark
from hybridir.loading import load_encoder
from hybridir.packing import Packed, pack
from hybridir.vocabulary import train_tokenizer
from tests.encoders import backbone
from tests.test_vocabulary import corpus


class Watched(BiEncoder):
    """An encoder that notes how many tokens each text has that it is given at once."""

    def __init__(self) -> None:
        super().__init__(backbone(), "mean", pad_token=0)
        self.sizes: list[list[int]] = []

    def forward(self, packed: Packed) -> torch.Tensor:
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
    encoder = Watched().eval()
    found = encode(encoder, token_table(texts), batch_tokens=batch_tokens)
    assert all(sum(sizes) <= batch_tokens or len(sizes) == 1 for sizes in encoder.sizes)
    for text, embedding in zip(texts, found, strict=True):
        with torch.no_grad():
            alone = embed(encoder, pack([text]))[0]
        np.testing.assert_allclose(embedding, alone.numpy(), atol=1e-5)


def test_equal_texts_are_encoded_once_and_get_equal_vectors() -> None:
    texts = random_texts(7)
    encoder = Watched().eval()
    found = encode(encoder, token_table(texts * 5), batch_tokens=64)
    assert sum(map(len, encoder.sizes)) == 7
    assert np.array_equal(found, np.tile(found[:7], (5, 1)))


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
    encoder = load_encoder(config, tokenizer, seed=0).train()
    queries_QD, passages_ND = encode_benchmark(
        encoder,
        benchmark,
        tokenizer,
        config,
        batch_tokens=2048,
        cache=tmp_path,
    )
    assert not encoder.training  # no dropout in what is scored

    def embedded(texts: list[str], prefix: str) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            ids = np.array(tokenizer(prefix + text)["input_ids"], dtype=np.int32)
            with torch.no_grad():
                rows.append(embed(encoder, pack([ids]))[0].numpy())
        return np.stack(rows)

    # Batches of several texts move vectors in their last bits.
    np.testing.assert_allclose(queries_QD, embedded(list(benchmark.queries), "q: "), atol=1e-5)
    np.testing.assert_allclose(passages_ND, embedded(list(benchmark.passages), ""), atol=1e-5)
