"""Analysis of variance of a complete layout: the mean square of every effect.

The axes of a layout, such as seeds and clusters, are crossed unless one is nested in another, as
training seeds are in a part of the data. An effect is named by its axes. Several series, such as
one per mixing ratio, are analysed at once: squares then become products of two series.

What follows from the mean squares assumes that seeds and clusters are independent random samples
and that the seeds' effects are about normal; languages are fixed. The variance of a mean is then
estimated without bias, however few seeds there are, which a bootstrap does not achieve.

Shapes: see CONTRIBUTING; K series, N levels of an effect.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares of
crossed layouts); Satterthwaite, An Approximate Distribution of Estimates of Variance Components,
Biometrics Bulletin 2, 1946 (degrees of freedom).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations
from math import prod
from typing import Final, NamedTuple, TypeVar

import numpy as np

from hybridir.inference.scores import Floats

RATIO, DATA, SEED, CLUSTER = "ratio", "data", "seed", "cluster"
Source = frozenset[str]
"""The axes that an effect varies with; a nested axis stands for the axis around it as well."""

BY_SEED: Final[Source] = frozenset({SEED})
BY_CLUSTER: Final[Source] = frozenset({CLUSTER})
RESIDUAL: Final[Source] = frozenset({SEED, CLUSTER})
"""The rest of a layout of seeds and clusters."""

_Margins = dict[tuple[int, ...], Floats]
_Member = TypeVar("_Member")


class MeanSquare(NamedTuple):
    """How much the levels of an effect vary.

    Attributes:
        products: [K, K] sums, over the levels, of the products of two series' effects.
        degrees: degrees of freedom; 0 for an axis of one level.
        levels: levels of the effect.
        repeats: number of values that each level is the mean of.
    """

    products: Floats
    degrees: int
    levels: int
    repeats: int

    @property
    def square(self) -> Floats:
        """[K, K] mean squares on the diagonal, mean products elsewhere; NaN without freedom."""
        if not self.degrees:
            return np.full_like(self.products, np.nan)
        return self.repeats * self.products / self.degrees

    @property
    def of_mean(self) -> Floats:
        """[K, K] `square` over the number of values, as it enters the mean's variance.

        It is 0 without freedom.
        """
        if not self.degrees:
            return np.zeros_like(self.products)
        return self.products / (self.degrees * self.levels)


def mean_squares(
    values: Floats, axes: tuple[str, ...], nested: Mapping[str, str] | None = None
) -> dict[Source, MeanSquare]:
    """Compute the mean square of every effect of a layout without gaps.

    Args:
        values: [K, ...] series, then a dimension per axis.
        axes: names of the dimensions behind the first.
        nested: from an axis to the axis around it; its levels differ between those of the latter.

    Returns:
        A mean square for each set of axes, single axes first. A set never holds a nested axis
        together with the axis around it.
    """
    nested = nested or {}

    # Means over some of the axes, by the dimensions that they average over: the last one first.
    margins: _Margins = {(): values}
    for averaged in _subsets(range(1, values.ndim)):
        margins[averaged] = margins[averaged[1:]].mean(axis=averaged[0], keepdims=True)
    squares = {}
    for source in _sources(axes, nested):
        crossed = tuple(1 + axes.index(name) for name in axes if name in source)
        around = {1 + axes.index(nested[name]) for name in source if name in nested}
        fixed = {*crossed, *around}
        averaged = tuple(axis for axis in range(1, values.ndim) if axis not in fixed)
        effect_KN = _effect(margins, crossed, averaged).reshape(len(values), -1)
        squares[source] = MeanSquare(
            products=effect_KN @ effect_KN.T,
            degrees=prod(values.shape[axis] - (axis in crossed) for axis in fixed),
            levels=effect_KN.shape[1],
            repeats=prod(values.shape[axis] for axis in averaged),
        )
    return squares


def _subsets(members: Sequence[_Member]) -> Iterator[tuple[_Member, ...]]:
    """Yield the subsets of one member or more, small ones first."""
    return chain.from_iterable(combinations(members, 1 + size) for size in range(len(members)))


def _sources(axes: tuple[str, ...], nested: Mapping[str, str]) -> list[Source]:
    return [
        frozenset(subset)
        for subset in _subsets(axes)
        if not any(nested.get(name) in subset for name in subset)
    ]


def _effect(margins: _Margins, crossed: tuple[int, ...], averaged: tuple[int, ...]) -> Floats:
    """Take differences of differences: the margin less itself averaged over each crossed axis."""
    first, *rest = crossed
    wider = tuple(sorted((*averaged, first)))
    if not rest:
        return margins[averaged] - margins[wider]
    effect = _effect(margins, tuple(rest), averaged)
    effect -= _effect(margins, tuple(rest), wider)  # in place, since new memory costs more
    return effect


class SeedsByClusters(NamedTuple):
    """Mean squares of one series of seeds crossed with clusters; NaN where one level is all.

    Attributes:
        seed: expects n_clusters × seed variance + residual variance.
        cluster: expects n_seeds × cluster variance + residual variance.
        residual: expects the residual variance.
        n_seeds: number of seeds.
        n_clusters: number of clusters.
    """

    seed: float
    cluster: float
    residual: float
    n_seeds: int
    n_clusters: int

    @classmethod
    def of(cls, values_SG: Floats) -> "SeedsByClusters":
        """Analyse values without gaps."""
        squares = mean_squares(values_SG[None], (SEED, CLUSTER))
        seed, cluster, residual = (
            float(squares[source].square[0, 0]) for source in (BY_SEED, BY_CLUSTER, RESIDUAL)
        )
        return cls(seed, cluster, residual, *values_SG.shape)

    def variance_of_mean(self) -> tuple[float, float]:
        """Estimate the variance of the mean, and its degrees of freedom.

        With one seed it is the variance over clusters alone, and says nothing about other seeds.
        A mean square below the residual one counts as that, so that no variance is negative.
        """
        n = self.n_seeds * self.n_clusters
        if self.n_seeds == 1 or self.n_clusters == 1:
            single = self.cluster if self.n_seeds == 1 else self.seed
            return single / n, float(max(n - 1, 0))
        seeds, clusters = self.n_seeds - 1, self.n_clusters - 1
        total, degrees = satterthwaite(
            [
                (max(self.seed, self.residual), seeds),
                (max(self.cluster, self.residual), clusters),
                (-self.residual, seeds * clusters),
            ]
        )
        return total / n, degrees


def satterthwaite(terms: list[tuple[float, int]]) -> tuple[float, float]:
    """Add independent mean squares, each with its factor.

    Args:
        terms: (mean square times its factor, degrees of freedom).

    Returns:
        The sum, and the degrees of freedom of the chi-square distribution that comes closest;
        those of the first term where nothing varies.
    """
    total = sum(term for term, _ in terms)
    spread = sum(term**2 / degrees for term, degrees in terms)
    return total, total**2 / spread if spread else float(terms[0][1])
