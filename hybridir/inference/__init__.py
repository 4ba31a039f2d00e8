"""How sure the confirmed figures are: intervals, the optimum, tests.

Everything rests on one model and one table: a score per ratio, seed and question
(`by_question`), in which seeds and questions are random and crossed (`crossed`). Levels of the
curve are resampled (`resampling`); what is read off them stands in `curve`, a smooth curve through
them in `smooth`, where it is highest in `optimum`, which ratios may be the best in `best`, and
hybrid against pure batches in `hybrid`.
"""

from hybridir.inference.bootstrap import DRAWS, Replicates, replicate
from hybridir.inference.by_question import score_by_question
from hybridir.inference.crossed import LEVEL, Crossed, Interval
from hybridir.inference.curve import difference, hybrid_ratio, mean_curve
from hybridir.inference.hybrid_vs_pure import PURE, SWAPS, HybridTest, compare_hybrid
from hybridir.inference.multiple_comparisons import (
    BestRatio,
    Compared,
    best_ratio,
    compare_with_best,
    holm,
)
from hybridir.inference.optimum import Optimum, agrees, find_optimum
from hybridir.inference.polynomial import Fit, fit_curve

__all__ = [
    "DRAWS",
    "LEVEL",
    "PURE",
    "SWAPS",
    "BestRatio",
    "Compared",
    "Crossed",
    "Fit",
    "HybridTest",
    "Interval",
    "Optimum",
    "Replicates",
    "agrees",
    "best_ratio",
    "compare_hybrid",
    "compare_with_best",
    "difference",
    "find_optimum",
    "fit_curve",
    "holm",
    "hybrid_ratio",
    "mean_curve",
    "replicate",
    "score_by_question",
]
