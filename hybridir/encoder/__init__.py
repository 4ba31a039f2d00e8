"""From text to vector: the bi-encoder, its weights, tokens and packing."""

from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.load import LoadedEncoder, load_bi_encoder, load_encoder, load_tokenizer
from hybridir.encoder.save import save_encoder

__all__ = [
    "BiEncoder",
    "LoadedEncoder",
    "embed",
    "load_bi_encoder",
    "load_encoder",
    "load_tokenizer",
    "save_encoder",
]
