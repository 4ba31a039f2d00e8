"""From vectors, or any other scores, to exact ranks."""

from hybridir.retrieval.bm25 import bm25_scorer
from hybridir.retrieval.encode import encode_benchmark
from hybridir.retrieval.ranks import rank_relevant
from hybridir.retrieval.ranks_from_store import rank_stored

__all__ = ["bm25_scorer", "encode_benchmark", "rank_relevant", "rank_stored"]
