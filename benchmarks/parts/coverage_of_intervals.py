"""Coverage of the report's intervals on simulated studies.

A *case* is a known curve from which studies are drawn. Each study is analysed as the report does,
and each of its statements is checked against the curve.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.parts.simulation import RATIOS, Curve, Spread, flat, simulate
from hybridir import inference
from hybridir.inference.scores import Scores

Checks = dict[str, float]
"""1 for a true statement, 0 for a false one; beside them some measures of the study."""
_STEP = 1 / 200  # resolution of the optimum's interval, as a share of the range


@dataclass(frozen=True)
class Case:
    """A distribution of studies.

    Attributes:
        name: name of the case.
        curve: expected score over the ratio.
        best: ratio at which the curve is highest; None for a flat curve.
        n_seeds: number of seeds.
        ratios: confirmed ratios.
        n_questions: number of questions.
        spread: standard deviations of the effects.
    """

    name: str
    curve: Curve
    best: float | None
    n_seeds: int
    ratios: tuple[float, ...] = RATIOS
    n_questions: int = 200
    spread: Spread = field(default_factory=Spread)

    def draw(self, generator: np.random.Generator) -> Scores:
        """Draw a study."""
        return simulate(
            self.curve,
            self.n_seeds,
            generator,
            self.ratios,
            self.n_questions,
            spread=self.spread,
        )


def check_intervals(case: Case, generator: np.random.Generator, draws: int) -> Checks:
    """Analyse a study of a case.

    Args:
        case: the distribution of the study.
        generator: source of all draws.
        draws: draws of the bootstrap.

    Returns:
        Whether the intervals hold the middle ratio's ``level``, its ``difference`` from the first
        ratio, and the ``optimum``; whether the best ratio ``may be best``; whether every ratio's
        ``loss`` is below its bound; whether the ``leading`` interval of the optimum, which
        `tested.optimum_table` puts first, holds it. Share of ratios at which the band of the
        ``fit`` holds the curve. Beside these, the ``width`` of the fit's interval of the optimum,
        and whether the ``fit holds``.
    """
    scores = case.draw(generator)
    truth = case.curve(np.array(case.ratios))
    replicates = inference.replicate(scores, generator, draws)
    middle = len(case.ratios) // 2
    level = inference.mean_curve(scores, replicates)[middle]
    gain = inference.difference(scores, replicates, case.ratios[middle], case.ratios[0])
    compared = inference.compare_with_best(scores, replicates)
    fit = inference.fit_curve(scores, replicates)
    assert gain is not None
    assert fit is not None
    weights = fit.weights(np.array(case.ratios))
    off = np.abs(fit.means.estimates(weights) - truth)
    optimum = inference.find_optimum(scores, fit)
    losses = zip(compared, truth.max() - truth, strict=True)
    checks = {
        "level": level.low <= truth[middle] <= level.high,
        "difference": gain.low <= truth[middle] - truth[0] <= gain.high,
        "may be best": compared[int(truth.argmax())].may_be_best,
        "loss": all(bound.loss_at_most >= loss - 1e-12 for bound, loss in losses),
        "fit": float((off <= fit.means.half_widths(weights)).mean()),
        "fit holds": fit.holds,
        "width": optimum.high - optimum.low,
    }
    if case.best is not None:
        inside = optimum.low - _STEP <= case.best <= optimum.high + _STEP
        grid = inference.best_ratio(scores, replicates)
        checks["optimum"] = inside
        believed = fit.holds and inference.agrees(optimum, grid.ratio, case.ratios)
        checks["leading"] = inside if believed else grid.low <= case.best <= grid.high
    return {name: float(value) for name, value in checks.items()}


def false_gains(n_seeds: int, spread: Spread, generator: np.random.Generator) -> Checks:
    """Test hybrid against both pure strategies in three settings of a study without any effect.

    Returns:
        ``any false gain``: 1 if any of the six p-values is below .05 after Holm's correction.
    """
    tests = []
    for _ in range(3):
        scores = simulate(flat(), n_seeds, generator, (0.0, 0.5, 1.0), 200, spread=spread)
        replicates = inference.replicate(scores, generator, draws=1)
        tests += inference.compare_hybrid(scores, replicates, generator)
    # The first step of Holm's method decides whether any test is significant.
    smallest = min(test.p for test in tests) * len(tests)
    return {"any false gain": float(smallest < 1 - inference.LEVEL)}


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
