"""Whether intervals hold what they promise, on simulated studies.

A *case* is a curve that studies are drawn from, with what is true of it. Each study is analysed as
the report does, and each promise is kept or not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.parts.simulation import RATIOS, Curve, Spread, flat, simulate
from hybridir import inference
from hybridir.inference.scores import Scores

Promises = dict[str, float]
_STEP = 1 / 200  # of the range: a limit of the optimum's interval is as fine as this


@dataclass(frozen=True)
class Case:
    """What studies are drawn from.

    Attributes:
        name: of the case.
        curve: expected score over the ratio.
        best: ratio at which it is highest; None for a flat curve.
        n_seeds: S.
        ratios: those that are confirmed.
        n_questions: Q.
        spread: of the effects.
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


def keeps_promises(case: Case, generator: np.random.Generator, draws: int) -> Promises:
    """Analyse a study of a case.

    Args:
        case: what it is drawn from.
        generator: source of all draws.
        draws: of the bootstrap.

    Returns:
        1 or 0 for each: the middle ratio's ``level``, its ``difference`` from the first ratio and
        the ``optimum``'s ratio lie in their intervals; the best ratio is one that ``may be best``;
        every ratio's ``loss`` is below its bound; the optimum's ``leading`` interval, which
        `tested.optimum_table` puts first, has the optimum. Share of ratios at which the
        ``fit`` lies in its band. Beside them, of the fit's interval of the optimum, its ``width``,
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
    kept = {
        "level": level.low <= truth[middle] <= level.high,
        "difference": gain.low <= truth[middle] - truth[0] <= gain.high,
        "may be best": compared[int(truth.argmax())].may_be_best,
        "loss": all(found.loss_at_most >= loss - 1e-12 for found, loss in losses),
        "fit": float((off <= fit.means.half_widths(weights)).mean()),
        "fit holds": fit.holds,
        "width": optimum.high - optimum.low,
    }
    if case.best is not None:
        inside = optimum.low - _STEP <= case.best <= optimum.high + _STEP
        grid = inference.best_ratio(scores, replicates)
        kept["optimum"] = inside
        believed = fit.holds and inference.agrees(optimum, grid.ratio, case.ratios)
        kept["leading"] = inside if believed else grid.low <= case.best <= grid.high
    return {name: float(value) for name, value in kept.items()}


def false_gains(n_seeds: int, spread: Spread, generator: np.random.Generator) -> Promises:
    """Test hybrid against both pure strategies in three settings of a study without any effect.

    Returns:
        ``any false gain``: 1 if any of the six p-values is below .05 after Holm's correction.
    """
    found = []
    for _ in range(3):
        scores = simulate(flat(), n_seeds, generator, (0.0, 0.5, 1.0), 200, spread=spread)
        replicates = inference.replicate(scores, generator, draws=1)
        found += inference.compare_hybrid(scores, replicates, generator)
    # Holm's first step; his method as the report calls it takes longer than the studies.
    smallest = min(test.p for test in found) * len(found)
    return {"any false gain": float(smallest < 1 - inference.LEVEL)}


def repeat(
    study: Callable[[np.random.Generator], Promises], replications: int, seed: int
) -> dict[str, list[float]]:
    """Repeat a simulated study, each with a generator of its own.

    Returns:
        For each promise what every study made of it.
    """
    generators = np.random.default_rng(seed).spawn(replications)
    results = [study(generator) for generator in generators]
    return {name: [result[name] for result in results] for name in results[0]}
