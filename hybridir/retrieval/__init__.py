"""From vectors, or any other scores, to exact ranks."""

from hybridir.retrieval.bm25 import bm25_scorer
from hybridir.retrieval.encode import Embeddings, encode_benchmark
from hybridir.retrieval.ranks import rank_embeddings, rank_scores
from hybridir.retrieval.ranks_from_store import rank_stored

__all__ = [
    "Embeddings",
    "bm25_scorer",
    "encode_benchmark",
    "rank_embeddings",
    "rank_scores",
    "rank_stored",
]
