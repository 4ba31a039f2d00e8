"""Tiny encoders of several families, and texts for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    FNetConfig,
    FNetModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from hybridir.config import FromScratchConfig
from hybridir.encoder.backbone import new_backbone

SMALL = BertConfig(
    vocab_size=50,
    num_hidden_layers=2,
    hidden_size=16,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=64,
)
TINY: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: BertModel(BertConfig(**TINY)),
    "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig(**TINY, pad_token_id=0)),
    "electra": lambda: ElectraModel(ElectraConfig(**TINY, embedding_size=8)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=2, hidden_dim=32)
    ),
    "mpnet": lambda: MPNetModel(MPNetConfig(**TINY, pad_token_id=0)),
    "t5": lambda: T5EncoderModel(
        T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    ),
    "fnet": lambda: FNetModel(
        FNetConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, intermediate_size=32)
    ),
    "modernbert": lambda: ModernBertModel(
        ModernBertConfig(**TINY, pad_token_id=0, embedding_dropout=0.1)
    ),
}


def backbone(seed: int = 0, dropout: float = 0.0) -> PreTrainedModel:
    """A BERT as a trial from scratch makes it."""
    size = FromScratchConfig(layers=2, hidden_size=16, intermediate_size=32, heads=2)
    return new_backbone(
        size, vocabulary=50, max_length=64, pad_token=0, dropout=dropout, seed=seed
    )


def texts(n: int, longest: int = 60, vocabulary: int = 50) -> list[NDArray[np.int32]]:
    """Random texts of 2 tokens or more, without padding tokens."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(2, longest, size=n)
    return [rng.integers(5, vocabulary, size=size, dtype=np.int32) for size in sizes]
