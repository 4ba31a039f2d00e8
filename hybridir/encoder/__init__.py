"""From text to vector: the bi-encoder, its weights, tokens and packing."""

from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.load import load_encoder, load_tokenizer
from hybridir.encoder.save import save_encoder

__all__ = ["BiEncoder", "embed", "load_encoder", "load_tokenizer", "save_encoder"]
