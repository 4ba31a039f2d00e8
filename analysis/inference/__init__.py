"""How sure the confirmed figures are: intervals, the optimum, tests.

Everything rests on one model and one table: a score per ratio, seed and question
(`by_question`), in which seeds and questions are random and crossed (`crossed`). Levels of the
curve are resampled (`resampling`); what is read off them stands in `curve`, a smooth curve through
them in `smooth`, where it is highest in `optimum`, which ratios may be the best in `best`, and
hybrid against pure batches in `hybrid`.
"""

from analysis.inference.best import BestRatio, Compared, best_ratio, compare_with_best
from analysis.inference.by_question import score_by_question
from analysis.inference.crossed import LEVEL, Crossed, Interval
from analysis.inference.curve import difference, hybrid_ratio, mean_curve
from analysis.inference.hybrid import (
    PURE,
    SWAPS,
    HybridTest,
    compare_hybrid,
    holm,
)
from analysis.inference.optimum import Optimum, agrees, find_optimum
from analysis.inference.resampling import DRAWS, Replicates, replicate
from analysis.inference.smooth import Fit, fit_curve

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
