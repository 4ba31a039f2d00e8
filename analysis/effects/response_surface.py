"""How ratio, temperature and batch size act, alone and together: a response surface.

Every parameter is coded from -1 at its lowest to 1 at its highest value among the trials,
temperature by its logarithm and batch size by its logarithm to base 2. A coefficient is then the
effect of half the range; squares bend the curves, and products are interactions.

Assumed: the surface is of second order, errors are independent, normal and of one variance.
Trials of an adaptive sampler depend on each other, which no interval accounts for.

Source: Box and Wilson, On the Experimental Attainment of Optimum Conditions, Journal of the Royal
Statistical Society B 13, 1951.
"""

from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from hybridir import names
from hybridir.inference import LEVEL
from hybridir.inference.scores import Floats

PARAMETERS: Final = (names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE)
_LOGARITHMS: Final = {names.TEMPERATURE: np.log10, names.BATCH_SIZE: np.log2}
_BENT: Final = (names.MIXING_RATIO, names.TEMPERATURE)
SPARE: Final = 5  # trials beyond the number of terms, from which the errors are estimated
Term = tuple[str, ...]


class Surface(NamedTuple):
    """A fitted surface.

    Attributes:
        parameters: parameters that vary among the trials.
        terms: () for the constant, one name for a main effect, the same twice for a square, two
            for an interaction.
        fit: statsmodels' result.
        ranges: lowest and highest value of each parameter, after its logarithm.
        n_trials: number of trials.
    """

    parameters: tuple[str, ...]
    terms: tuple[Term, ...]
    fit: Any
    ranges: dict[str, tuple[float, float]]
    n_trials: int


def transformed(trials: pd.DataFrame) -> pd.DataFrame:
    """Take the logarithm of the parameters that are searched on a logarithmic scale."""
    columns = {
        name: trials[name].astype("float64").map(_LOGARITHMS.get(name, float))
        for name in PARAMETERS
    }
    return pd.DataFrame(columns)


def terms_of(trials: pd.DataFrame) -> tuple[tuple[Term, ...], int]:
    """Choose the terms that the trials can estimate.

    Args:
        trials: columns `PARAMETERS`.

    Returns:
        The terms of the whole surface, of the main effects alone, or none; and the number of
        trials that the whole surface takes.
    """
    levels = {name: trials[name].nunique() for name in PARAMETERS}
    varied = [name for name in PARAMETERS if levels[name] > 1]
    main: tuple[Term, ...] = ((), *((name,) for name in varied))
    squares = [(name, name) for name in varied if name in _BENT and levels[name] > 2]
    whole = (*main, *squares, *combinations(varied, 2))
    needed = len(whole) + SPARE
    for terms in (whole, main):
        matrix = _matrix(trials, terms)
        enough = len(trials) >= len(terms) + SPARE
        if varied and enough and np.linalg.matrix_rank(matrix) == len(terms):
            return terms, needed
    return (), needed


def fit_surface(trials: pd.DataFrame, measure: str, terms: tuple[Term, ...]) -> Surface:
    """Fit the surface by least squares.

    Args:
        trials: columns `PARAMETERS` and `measure`, without gaps.
        measure: column to explain.
        terms: from `terms_of`.

    Returns:
        The fit.
    """
    from statsmodels.regression.linear_model import OLS  # takes a second to import

    fit = OLS(trials[measure].to_numpy(dtype=np.float64), _matrix(trials, terms)).fit()
    inside = transformed(trials)
    ranges = {name: (float(inside[name].min()), float(inside[name].max())) for name in PARAMETERS}
    varied = tuple(term[0] for term in terms if len(term) == 1)
    return Surface(varied, terms, fit, ranges, len(trials))


def coefficient_table(surface: Surface) -> pd.DataFrame:
    """Tabulate the effects: ``term, coefficient, low, high, p, n_trials``; constant left out."""
    bounds = surface.fit.conf_int(alpha=1 - LEVEL)
    rows = [
        (term_label(term), surface.fit.params[index], *bounds[index], surface.fit.pvalues[index])
        for index, term in enumerate(surface.terms)
        if term
    ]
    table = pd.DataFrame(rows, columns=["term", "coefficient", "low", "high", "p"])
    return table.assign(n_trials=surface.n_trials)


def predict(surface: Surface, coded: pd.DataFrame) -> pd.DataFrame:
    """Predict the mean at coded points.

    Args:
        surface: the fit.
        coded: columns `PARAMETERS`, from -1 to 1; 0 is the middle of a range.

    Returns:
        Columns ``mean, low, high``: the interval of the mean at `LEVEL`, point by point.
    """
    predicted = surface.fit.get_prediction(_columns(coded, surface.terms))
    low, high = predicted.conf_int(alpha=1 - LEVEL).T
    return pd.DataFrame({"mean": predicted.predicted_mean, "low": low, "high": high})


def decoded(surface: Surface, name: str, coded: Floats) -> Floats:
    """Convert coded values of a parameter to its own unit."""
    low, high = surface.ranges[name]
    plain = (low + high) / 2 + coded * (high - low) / 2
    base = {names.TEMPERATURE: 10.0, names.BATCH_SIZE: 2.0}.get(name)
    return np.asarray(plain if base is None else base**plain)


def term_label(term: Term) -> str:
    """Name a term as tables print it.

    >>> term_label(("mixing_ratio", "mixing_ratio")), term_label(("mixing_ratio", "batch_size"))
    ('mixing ratio α, squared', 'mixing ratio α × batch size')
    """
    if len(term) == 2 and term[0] == term[1]:
        return f"{names.LABELS[term[0]]}, squared"
    return " × ".join(names.LABELS[name] for name in term)


def _matrix(trials: pd.DataFrame, terms: tuple[Term, ...]) -> Floats:
    inside = transformed(trials)
    middle, half = (inside.max() + inside.min()) / 2, (inside.max() - inside.min()) / 2
    return _columns((inside - middle) / half.where(half > 0, 1.0), terms)


def _columns(coded: pd.DataFrame, terms: tuple[Term, ...]) -> Floats:
    """Return [trials, terms] products of coded parameters; the empty product is 1."""
    return np.stack([coded[list(term)].prod(axis=1).to_numpy(np.float64) for term in terms], 1)
