"""Coverage of the report's intervals on simulated studies.

A *case* is a known curve from which studies are drawn. Each study is analysed as the report does,
and each of its statements is checked against the curve.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.parts.simulation import Curve, Design, NearALimit, Spread, flat, simulate
from hybridir import inference
from hybridir.inference.scores import Floats, Scores

Checks = dict[str, float]
"""1 for a true statement, 0 for a false one; beside them some measures of the study."""
_BETWEEN = 1001  # ratios at which a curve's maximum is looked for


@dataclass(frozen=True)
class Case:
    """A distribution of studies.

    Attributes:
        name: name of the case.
        curve: expected score over the ratio.
        design: ratios, seeds, clusters and cells.
        spread: standard deviations of the effects.
    """

    name: str
    curve: Curve
    design: Design
    spread: Spread = Spread()  # noqa: RUF009 (frozen)

    def draw(self, generator: np.random.Generator) -> Scores:
        """Draw a study."""
        return simulate(self.curve, self.design, self.spread, generator)

    @property
    def best(self) -> float | None:
        """The ratio at which the curve is highest; None for a flat curve."""
        at = np.linspace(self.design.ratios[0], self.design.ratios[-1], _BETWEEN)
        values = self.curve(at)
        return None if np.ptp(values) == 0 else float(at[values.argmax()])


def check_intervals(case: Case, generator: np.random.Generator, draws: int) -> Checks:
    """Analyse a study of a case.

    Args:
        case: the distribution of the study.
        generator: source of all draws.
        draws: draws of the bootstrap.

    Returns:
        Whether the intervals hold the middle ratio's ``level`` and its ``difference`` from the
        first ratio; the ``width`` of either, over that of the cluster-robust t interval of the
        means over seeds, which knows no variance between seeds; whether the best ratio of the grid
        ``may be best``; whether every ratio's ``loss`` is below its bound; whether the interval of
        the ``optimum`` holds it, and its width over that from grid neighbour to grid neighbour.
    """
    scores = case.draw(generator)
    ratios = case.design.ratios
    truth = case.curve(np.array(ratios))
    replicates = inference.replicate(scores, generator, draws)
    middle = len(ratios) // 2
    level = inference.mean_curve(scores, replicates.by_cluster)[middle]
    gain = inference.difference(scores, replicates, ratios[middle], ratios[0])
    assert gain is not None
    compared = inference.compare_with_best(scores, replicates)
    grid = inference.best_ratio(scores, replicates)
    losses = zip(compared, truth.max() - truth, strict=True)
    means_AG = replicates.by_cluster.mean(axis=1)
    checks = {
        "level": level.low <= truth[middle] <= level.high,
        "width of level": (level.high - level.low) / _robust_width(means_AG[middle]),
        "difference": gain.low <= truth[middle] - truth[0] <= gain.high,
        "width of difference": (gain.high - gain.low)
        / _robust_width(means_AG[middle] - means_AG[0]),
        "may be best": compared[int(truth.argmax())].may_be_best,
        "loss": all(bound.loss_at_most >= loss - 1e-12 for bound, loss in losses),
    }
    if case.best is not None:
        checks["optimum"] = grid.low <= case.best <= grid.high
        checks["width of optimum"] = grid.high - grid.low
    return {name: float(value) for name, value in checks.items()}


def check_near_a_limit(
    effects: NearALimit, level: float, design: Design, generator: np.random.Generator
) -> Checks:
    """Analyse a study whose scores are close to an end of their range.

    Args:
        effects: the distribution of the scores.
        level: their mean.
        design: ratios, seeds and clusters.
        generator: source of all draws.

    Returns:
        Whether the intervals hold the first ratio's ``level`` and its ``difference`` from the
        last, 0; the ``width`` of either, as in `check_intervals`.
    """
    scores = effects.draw(design, generator)
    replicates = inference.replicate(scores, generator, draws=1)
    mean = inference.mean_curve(scores, replicates.by_cluster)[0]
    gain = inference.difference(scores, replicates, design.ratios[0], design.ratios[-1])
    assert gain is not None
    means_AG = replicates.by_cluster.mean(axis=1)
    return {
        "level": float(mean.low <= level <= mean.high),
        "width of level": (mean.high - mean.low) / _robust_width(means_AG[0]),
        "difference": float(gain.low <= 0 <= gain.high),
        "width of difference": (gain.high - gain.low) / _robust_width(means_AG[0] - means_AG[-1]),
    }


def _robust_width(values_G: Floats) -> float:
    """Width of the t interval over clusters."""
    error = float(values_G.std(ddof=1)) / float(np.sqrt(len(values_G)))
    return 2 * error * float(stats.t.isf(0.025, len(values_G) - 1))


def false_gains(design: Design, spread: Spread, generator: np.random.Generator) -> Checks:
    """Test hybrid against both pure strategies in a study without any effect.

    Returns:
        ``any false gain``: 1 if either p-value is below .05 after Holm's correction.
    """
    scores = simulate(flat(), design, spread, generator)
    replicates = inference.replicate(scores, generator, draws=1)
    tests = inference.compare_hybrid(scores, replicates, generator)
    # The first step of Holm's method decides whether any test is significant.
    smallest = min(test.p for test in tests) * len(tests)
    return {"any false gain": float(smallest < 1 - inference.LEVEL)}


def detects(case: Case, generator: np.random.Generator) -> Checks:
    """Test the primary outcome of a study with an effect.

    Returns:
        ``power``: 1 if hybrid batches beat both pure strategies, after Holm's correction.
    """
    scores = case.draw(generator)
    replicates = inference.replicate(scores, generator, draws=1)
    tests = inference.compare_hybrid(scores, replicates, generator)
    adjusted = inference.holm(np.array([test.p for test in tests]))
    won = all(test.difference > 0 for test in tests) and (adjusted < 1 - inference.LEVEL).all()
    return {"power": float(won)}


def repeat(
    study: Callable[[np.random.Generator], Checks], replications: int, seed: int
) -> dict[str, list[float]]:
    """Repeat a simulated study, each with a generator of its own.

    Returns:
        The checks by name, a value per study.
    """
    generators = np.random.default_rng(seed).spawn(replications)
    results = [study(generator) for generator in generators]
    return {name: [result[name] for result in results] for name in results[0]}
