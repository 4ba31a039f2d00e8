"""Hybrid batches, their loss and language pools for sentence-transformers.

`HybridTraining` brings what `SentenceTransformerTrainer` needs to draw the batches of a plan and
to learn from them as `hybridir.training.train` does; `LanguagePoolEvaluator` measures a model in
every setting of a benchmark while it trains. docs/sentence_transformers.md shows both.
"""

try:
    import sentence_transformers as _sentence_transformers  # noqa: F401
except ImportError as error:
    raise ImportError(
        "hybridir.integrations.sentence_transformers needs sentence-transformers 6.2 or newer: "
        "pip install 'hybridir[sentence-transformers]'"
    ) from error

from hybridir.integrations.hybrid_batches import HybridBatches
from hybridir.integrations.sentence_transformers.evaluator import LanguagePoolEvaluator
from hybridir.integrations.sentence_transformers.loss import HybridLoss
from hybridir.integrations.sentence_transformers.training import HybridTraining

__all__ = ["HybridBatches", "HybridLoss", "HybridTraining", "LanguagePoolEvaluator"]
