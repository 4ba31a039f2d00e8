"""How sure the confirmed figures are: intervals, the optimum, tests.

Arrays in, numbers out, with numpy and scipy alone. The input is `Scores`; the model is a score per
ratio, seed and question (`by_question`), in which seeds and questions are random and crossed
(`crossed`, by the mean squares of `mean_squares`). `bootstrap` resamples the curve, `curve` reads
its means and differences, `polynomial` fits a smooth curve and `optimum` finds its maximum.
`multiple_comparisons` tells which ratios may be the best, `hybrid_vs_pure` and `language_gains`
what hybrid batches gain, `between_studies` whether two studies differ in it,
`variance_components` what scores vary with, and `power` how large the next study must be.
"""

from hybridir.inference.bootstrap import DRAWS, Replicates, replicate
from hybridir.inference.by_question import score_by_question
from hybridir.inference.crossed import LEVEL, Crossed, Interval
from hybridir.inference.curve import difference, hybrid_ratio, mean_curve
from hybridir.inference.hybrid_vs_pure import PURE, SWAPS, HybridTest, compare_hybrid
from hybridir.inference.multiple_comparisons import (
    BestRatio,
    RatioLoss,
    best_ratio,
    compare_with_best,
    holm,
)
from hybridir.inference.optimum import Optimum, agrees, find_optimum
from hybridir.inference.polynomial import Fit, fit_curve
from hybridir.inference.scores import Scores

__all__ = [
    "DRAWS",
    "LEVEL",
    "PURE",
    "SWAPS",
    "BestRatio",
    "Crossed",
    "Fit",
    "HybridTest",
    "Interval",
    "Optimum",
    "RatioLoss",
    "Replicates",
    "Scores",
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
