"""How sure the confirmed figures are: intervals, the optimum, tests.

Arrays in, numbers out, with numpy and scipy alone. The input is `Scores`; the model is a score per
ratio, seed and cluster of questions (`by_cluster`), in which seeds and clusters are random and
crossed (`crossed`, by the mean squares of `mean_squares`). `limits` keeps intervals within a
measure's range, `curve` reads means and differences of the curve, `bootstrap` resamples it, and
`polynomial` draws a smooth curve through it. `multiple_comparisons` tells which ratios may be the
best, `hybrid_vs_pure` and `language_gains` what hybrid batches gain, `conditions` whether that
changes with temperature, batch size or budget, `between_studies` whether two studies differ in
it, `design_effect` how much clusters widen an interval, `variance_components` what scores vary
with, and `power` how large the next study must be.
"""

from hybridir.inference.bootstrap import DRAWS, Replicates, generator_of, replicate
from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.conditions import (
    Condition,
    Interaction,
    average_conditions,
    average_level,
    interactions,
    levels_of,
)
from hybridir.inference.crossed import LEVEL, Crossed, Interval
from hybridir.inference.curve import difference, hybrid_ratio, mean_curve
from hybridir.inference.design_effect import DesignEffect, design_effects
from hybridir.inference.hybrid_vs_pure import PURE, SWAPS, HybridTest, compare_hybrid, is_narrow
from hybridir.inference.multiple_comparisons import (
    BestRatio,
    RatioLoss,
    best_ratio,
    compare_with_best,
    holm,
)
from hybridir.inference.polynomial import Fit, fit_curve
from hybridir.inference.scores import Scores

__all__ = [
    "DRAWS",
    "LEVEL",
    "PURE",
    "SWAPS",
    "BestRatio",
    "Condition",
    "Crossed",
    "DesignEffect",
    "Fit",
    "HybridTest",
    "Interaction",
    "Interval",
    "RatioLoss",
    "Replicates",
    "Scores",
    "average_conditions",
    "average_level",
    "best_ratio",
    "compare_hybrid",
    "compare_with_best",
    "design_effects",
    "difference",
    "fit_curve",
    "generator_of",
    "holm",
    "hybrid_ratio",
    "interactions",
    "is_narrow",
    "levels_of",
    "mean_curve",
    "replicate",
    "score_by_cluster",
]
