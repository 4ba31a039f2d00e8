import dataclasses

import numpy as np
import pytest

from hybridir import names
from hybridir.inference.scores import Cell, Floats, Scores, setting_of, side_by_side


def scores_of(values: Floats, cells: tuple[Cell, ...], questions: tuple[str, ...]) -> Scores:
    ratios = tuple(np.linspace(0, 1, values.shape[0]).tolist())
    seeds = tuple(range(values.shape[1]))
    return Scores(names.AP, setting_of(cells[0]), ratios, seeds, cells, questions, values)


MONO = scores_of(np.full((1, 1, 1, 2), 0.5), (("en", "en"),), ("b", "c"))
CROSS = scores_of(np.full((1, 1, 2, 2), 0.25), (("en", "de"), ("de", "en")), ("a", "b"))


def test_settings_side_by_side_keep_their_cells_and_line_up_questions() -> None:
    both = side_by_side([MONO, CROSS], {0.0, 0.5})
    assert both.questions == ("a", "b", "c")
    assert [setting_of(cell) for cell in both.cells] == [
        names.MONOLINGUAL,
        names.CROSSLINGUAL,
        names.CROSSLINGUAL,
    ]
    assert both.clusters == ("a", "b", "c")
    np.testing.assert_array_equal(
        both.values[0, 0],
        [[np.nan, 0.5, 0.5], [0.25, 0.25, np.nan], [0.25, 0.25, np.nan]],
    )


def test_settings_of_different_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in ratios, seeds or measure"):
        side_by_side([MONO, dataclasses.replace(CROSS, seeds=(7,))], {0.0})
