"""The effect of the mixing ratio, in sentence-transformers' own trainer."""

from pathlib import Path

import pytest
import torch

from hybridir import load_encoder
from hybridir.config import BatchConfig, EncoderConfig
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder import save_encoder
from hybridir.integrations.sentence_transformers import (
    HybridBatches,
    HybridTraining,
    LanguagePoolEvaluator,
)
from tests.support.sentence_trainer import load, trainer_of

SIZE = {
    "layers": 1,
    "hidden_size": 64,
    "intermediate_size": 128,
    "heads": 2,
    "vocabulary": 2000,
}


@pytest.mark.long
def test_three_ratios_differ_as_the_method_says(tmp_path: Path) -> None:
    """Monolingual batches are best within a language, and put the pools of languages apart.

    With one seed: .848, .864, .885 monolingual; .368, .354, .043 cross-lingual; .450, .441, .305
    in the pool of all languages; rank distance 47, 58, 434.
    """
    corpus = synthetic_corpus(languages=3, seed=48, entities=100)
    config = EncoderConfig(
        from_scratch=SIZE,  # type: ignore[arg-type]
        query_length=64,
        passage_length=64,
    )
    encoder = load_encoder(config, texts=[*corpus.train.passage, *corpus.train.question])
    save_encoder(encoder.model, encoder.tokenizer, config, tmp_path / "encoder")
    evaluator = LanguagePoolEvaluator(corpus.test)
    figures = {}
    for ratio in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        batch = BatchConfig(mixing_ratio=ratio, batch_size=64, coin="stratified")
        batches = HybridBatches(corpus.train, batch, pairs=6400, seed=0)
        hybrid = HybridTraining(load(tmp_path / "encoder"), batches)
        trainer_of(hybrid, tmp_path, learning_rate=5e-3, warmup_steps=0.1).train()
        figures[ratio] = evaluator(hybrid.model)

    def gain(figure: str, ratio: float, other: float) -> float:
        name = f"synthetic-test_{figure}"
        return figures[ratio][name] - figures[other][name]

    assert gain("map_monolingual", 1.0, 0.0) > 0.01
    assert gain("map_crosslingual", 0.5, 1.0) > 0.1
    assert gain("map_crosslingual", 0.0, 1.0) > 0.1
    assert gain("map_multilingual", 0.5, 1.0) > 0.05
    assert gain("rank_distance", 1.0, 0.5) > 100
