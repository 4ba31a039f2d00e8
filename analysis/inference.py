"""How sure the confirmed figures are: a hierarchical bootstrap over seeds and questions.

A ratios, S seeds, C cells, Q question ids, R replicates; see `analysis.scores`.

Every replicate draws S seeds and, independently, Q question ids, both with replacement, and uses
the same draw for all ratios. So curves of different ratios are paired, and a question keeps its
translations together.

Assumed: the seeds are a random sample of seeds, the question ids a random sample of questions;
the languages are fixed, not sampled. With S seeds the bootstrap's seed variance is (S - 1) / S
of the unbiased one: with 2 to 5 seeds the intervals are too narrow in the seed part, and with one
seed they hold question variance alone. Nothing is corrected for looking at several comparisons.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3 (percentile
interval).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.scores import Floats, Scores

DRAWS = 2000  # an end of a 95 % interval then moves by about 2 % of its width between generators
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate with its percentile interval at `LEVEL`, and what it rests on."""

    estimate: float
    low: float
    high: float
    n_seeds: int
    n_questions: int


class BestRatio(NamedTuple):
    """The ratio with the best mean, and how stable that is over replicates.

    Attributes:
        ratio: best in the data.
        low: lower end of the interval of the best ratio at `LEVEL`; always a ratio of the grid.
        high: upper end.
        share: share of replicates in which `ratio` is the best.
    """

    ratio: float
    low: float
    high: float
    share: float


@dataclass(frozen=True)
class Replicates:
    """Macro means under resampling.

    Attributes:
        values: [A, S, R] macro mean of each trial over the drawn questions; NaN if not trained.
        seed_counts: [S, R] how often each seed was drawn.
    """

    values: Floats
    seed_counts: NDArray[np.int64]


def replicate(scores: Scores, generator: np.random.Generator, draws: int = DRAWS) -> Replicates:
    """Resample seeds and questions, the same for all ratios.

    Args:
        scores: the trials' scores.
        generator: source of the draws.
        draws: R, number of replicates.

    Returns:
        The replicates. A cell of whose questions none was drawn is left out of its macro mean.
    """
    n_ratios, n_seeds, _, n_questions = scores.values.shape
    uniform = np.full(n_questions, 1 / n_questions)
    counts_QR = generator.multinomial(n_questions, uniform, size=draws).T.astype(np.float64)
    seed_counts_SR = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=draws).T
    values_ASR = np.full((n_ratios, n_seeds, draws), np.nan)
    trained = np.argwhere(scores.trained)
    present_CQ = ~np.isnan(scores.values[tuple(trained[0])])
    weight_CR = present_CQ @ counts_QR
    drawn_CR = weight_CR > 0
    for ratio, seed in trained:
        total_CR = np.where(present_CQ, scores.values[ratio, seed], 0.0) @ counts_QR
        mean_CR = np.divide(total_CR, weight_CR, out=np.zeros_like(total_CR), where=drawn_CR)
        values_ASR[ratio, seed] = mean_CR.sum(axis=0) / drawn_CR.sum(axis=0)
    return Replicates(values_ASR, seed_counts_SR)


def mean_curve(scores: Scores, replicates: Replicates) -> list[Interval]:
    """Mean over seeds at every ratio, with its interval.

    A ratio that lacks some seeds is averaged over those that it has.

    Returns:
        A entries, in the order of `scores.ratios`.
    """
    estimates = scores.macro_means()
    curves = _curves(replicates)
    return [
        _interval(estimates[index][trained], curves[index], len(scores.questions))
        for index, trained in enumerate(scores.trained)
    ]


def difference(
    scores: Scores, replicates: Replicates, ratio: float, baseline: float
) -> Interval | None:
    """Mean at one ratio minus the mean at another, paired by seed and question.

    Args:
        scores: the trials' scores.
        replicates: their replicates.
        ratio: one of `scores.ratios`.
        baseline: another one.

    Returns:
        The difference over the seeds that both ratios have; None if they share none.
    """
    first, second = scores.ratios.index(ratio), scores.ratios.index(baseline)
    shared = scores.trained[first] & scores.trained[second]
    if not shared.any():
        return None
    estimates = scores.macro_means()
    gains = replicates.values[first] - replicates.values[second]
    drawn = _seed_mean(gains, replicates.seed_counts)
    return _interval((estimates[first] - estimates[second])[shared], drawn, len(scores.questions))


def best_ratio(scores: Scores, replicates: Replicates) -> BestRatio:
    """Find the best ratio of the grid and the interval of the best ratio over replicates."""
    sign = -1.0 if scores.lower_is_better else 1.0
    ratios = np.array(scores.ratios)
    means = [entry.estimate for entry in mean_curve(scores, replicates)]
    best = ratios[int(np.argmax(sign * np.array(means)))]
    curves = np.nan_to_num(sign * _curves(replicates), nan=-np.inf)
    winners = ratios[curves.argmax(axis=0)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(winners, [tail, 1 - tail], method="inverted_cdf")
    return BestRatio(float(best), float(low), float(high), float((winners == best).mean()))


def hybrid_ratio(ratios: tuple[float, ...]) -> float | None:
    """Choose the ratio that stands for hybrid batches: the one between the ends nearest to .5.

    It is chosen without looking at scores, so that its gain is not flattered by the choice; .5 is
    what the method's authors recommend (arXiv 2408.10536). None if there is no mixed ratio.
    """
    mixed = [ratio for ratio in ratios if 0 < ratio < 1]
    return min(mixed, key=lambda ratio: abs(ratio - 0.5), default=None)


def _curves(replicates: Replicates) -> Floats:
    """[A, R] means over the drawn seeds; NaN where none of a ratio's seeds was drawn."""
    return np.stack([_seed_mean(row, replicates.seed_counts) for row in replicates.values])


def _seed_mean(values_SR: Floats, counts_SR: NDArray[np.int64]) -> Floats:
    there = ~np.isnan(values_SR)
    weight = (counts_SR * there).sum(axis=0)
    total = (counts_SR * np.where(there, values_SR, 0.0)).sum(axis=0)
    means: Floats = np.divide(total, weight, out=np.full(weight.shape, np.nan), where=weight > 0)
    return means


def _interval(estimates: Floats, replicated: Floats, n_questions: int) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(replicated, [tail, 1 - tail])
    return Interval(float(estimates.mean()), float(low), float(high), len(estimates), n_questions)
