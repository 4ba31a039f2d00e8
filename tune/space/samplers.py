"""Optuna's samplers and those of others, made anew for each proposal.

Each proposal has its own random state, derived from the study's seed and the number of the trial;
everything else that a sampler knows is in the journal. So an interrupted search proposes the same
trials as an undisturbed one.
"""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    PartialFixedSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import Value
from tune.space.ranges import Space, grid_points
from tune.space.sampler_names import SAMPLERS, sampler_class


def make_sampler(
    name: str,
    space: Space,
    *,
    seed: int,
    number: int,
    startup_trials: int,
    fixed: Mapping[str, Value] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> BaseSampler:
    """The sampler of one proposal.

    | name | method | conditions (`Range.when`) |
    |---|---|---|
    | `tpe` | Bayesian; parallel trials by constant liar | a model for each group that occurs |
    | `gp` | Gaussian process; counts running trials | drawn at random beside the model |
    | `cma-es` | evolution of a normal distribution; choices at random | drawn at random |
    | `nsga-ii` | genetic; generations of `startup_trials` | drawn at random |
    | `random` | independent draws | drawn if the condition holds |
    | `quasi-random` | scrambled Sobol sequence | its coordinate is left out |
    | `grid` | every point once, in an order fixed by the seed | each point occurs once |
    | a class | gets `arguments`, and the proposal's ``seed`` if it takes one | its own way |

    Args:
        name: name of the sampler, or the path of its class.
        space: the search space.
        seed: seed of the study's search.
        number: number of the trial to propose, from 0.
        startup_trials: random trials before a model takes over.
        fixed: parameters that are not sampled, with their values.
        arguments: arguments of a sampler's own class.

    Raises:
        ValueError: if the grid has no point of this number.
    """
    trial_seed = derive_seed(seed, f"proposal/{number}") % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = (
            _unfixed_sampler(name, space, seed % 2**32, trial_seed, number, startup_trials)
            if name in SAMPLERS
            else _own_sampler(name, trial_seed, arguments or {})
        )
        return PartialFixedSampler(dict(fixed), sampler) if fixed else sampler


def _own_sampler(name: str, trial_seed: int, arguments: Mapping[str, Any]) -> BaseSampler:
    make = sampler_class(name)
    seeded = "seed" in inspect.signature(make).parameters and "seed" not in arguments
    return make(**arguments, **({"seed": trial_seed} if seeded else {}))


def _unfixed_sampler(
    name: str, space: Space, seed: int, trial_seed: int, number: int, startup_trials: int
) -> BaseSampler:
    conditional = any(values.when for values in space.values())
    if name == "grid":
        return _Grid(space, seed=seed, number=number)
    if name == "quasi-random":
        return _QuasiRandom(space, seed=seed, trial_seed=trial_seed, number=number)
    if name == "tpe":
        # Constant liar: parallel trials are not proposed next to each other.
        return TPESampler(
            seed=trial_seed,
            n_startup_trials=startup_trials,
            constant_liar=True,
            group=conditional,
            multivariate=True if conditional else None,
        )
    if name == "gp":
        return GPSampler(
            seed=trial_seed,
            n_startup_trials=startup_trials,
            warn_independent_sampling=not conditional,
        )
    if name == "cma-es":
        return CmaEsSampler(
            seed=trial_seed,
            n_startup_trials=startup_trials,
            independent_sampler=RandomSampler(seed=trial_seed),
            warn_independent_sampling=False,
        )
    if name == "nsga-ii":
        return NSGAIISampler(seed=trial_seed, population_size=max(2, startup_trials))
    return RandomSampler(seed=trial_seed)


class _Numbered(BaseSampler):
    """Proposes whole points of the space by the trial's number, regardless of earlier values."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {name: values.distribution for name, values in self._space.items()}


class _Grid(_Numbered):
    """A grid with conditions; Optuna's GridSampler has none, and stops Optuna's loop."""

    def __init__(self, space: Space, *, seed: int, number: int) -> None:
        super().__init__(space)
        points = grid_points(space)
        if number >= len(points):
            raise ValueError(f"number={number}: the grid has {len(points)} points, from 0")
        # Shuffled, so that an unfinished grid covers the whole space.
        order = np.random.default_rng(seed).permutation(len(points))
        self._point = points[order[number]]

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return {name: self._point[name] for name in search_space if name in self._point}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is no part of the grid")


class _QuasiRandom(_Numbered, QMCSampler):
    """One Sobol sequence over the whole space, indexed by the trials' numbers.

    Optuna's own count would skip a point if the driver is killed while proposing, its first trial
    is random, and it takes the first trial's parameters for the space.
    """

    def __init__(self, space: Space, *, seed: int, trial_seed: int, number: int) -> None:
        _Numbered.__init__(self, space)
        QMCSampler.__init__(
            self, seed=seed, scramble=True, independent_sampler=RandomSampler(seed=trial_seed)
        )
        self._number = number

    def _find_sample_id(
        self, study: optuna.Study, search_space: dict[str, BaseDistribution]
    ) -> int:
        return self._number
