"""Scores made up from arrays."""

from collections.abc import Callable
from math import inf

import pytest

from hybridir import names
from hybridir.inference.scores import Floats, Scores


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., Scores]:
    """Lay out values [A, S, C, Q] as scores, from (values, ratios, measure, clusters)."""

    def make(
        values: Floats,
        ratios: tuple[float, ...],
        measure: str = names.AP,
        clusters: tuple[str, ...] = (),
        limits: tuple[float, float] = (-inf, inf),
    ) -> Scores:
        _, n_seeds, n_cells, n_questions = values.shape
        return Scores(
            measure,
            names.MULTILINGUAL,
            ratios,
            tuple(range(n_seeds)),
            tuple((f"language {cell}", names.ALL_LANGUAGES) for cell in range(n_cells)),
            tuple(f"question {question}" for question in range(n_questions)),
            values,
            clusters,
            limits,
        )

    return make
