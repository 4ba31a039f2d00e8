"""Tables of gains by language and pair, for the study of `conftest` whose figures are known."""

import numpy as np
import pytest

from analysis.study.arrays import Key
from analysis.tables.gains import adjust_together, cell_gain_table, group_gain_table
from hybridir import names
from hybridir.inference.scores import Scores, side_by_side

CELL = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE, "pure"]


@pytest.fixture
def together(scores: dict[Key, Scores]) -> Scores:
    settings = [scores[names.AP, setting] for setting in names.SETTINGS]
    return side_by_side(settings, settings[0].ratios)


def test_every_language_pair_and_pool_has_its_gain_over_each_pure_strategy(
    together: Scores,
) -> None:
    table = cell_gain_table(together, 0.5).set_index(CELL)
    assert len(table) == 2 * (3 + 6 + 3)
    # monolingual .70 against .60 and .75, cross-lingual .48 against .50 and .20
    assert table["difference"]["en", "en", 0.0] == pytest.approx(0.10)
    assert table["difference"]["en", "en", 1.0] == pytest.approx(-0.05)
    assert table["difference"]["de", "es", 0.0] == pytest.approx(-0.02)
    assert table["difference"]["de", "es", 1.0] == pytest.approx(0.28)
    assert table["difference"]["de", names.ALL_LANGUAGES, 1.0] == pytest.approx(0.15)
    assert set(table["n_seeds"]) == {3}
    assert set(table["n_clusters"]) == {12}


def test_p_is_adjusted_by_holms_rule_over_all_tables() -> None:
    cells = (("en", "ru"), ("en", "de"), ("de", "en"), ("en", "en"))
    values = np.random.default_rng(0).normal(0, 0.1, (2, 4, 4, 25))
    values[1] += np.array([0.0, 0.05, 0.02, 0.03])[:, None]
    questions = tuple(f"q{number:02d}" for number in range(25))
    scores = Scores(names.AP, "", (0.0, 0.5), (1, 2, 3, 4), cells, questions, values)
    cell_gains = cell_gain_table(scores, 0.5)
    tables = adjust_together([cell_gains, cell_gains.iloc[:1]])
    for table in tables:
        assert list(table.columns).index("p_holm") == list(table.columns).index("p") + 1
    p_values, adjusted = (
        np.concatenate([table[column].to_numpy() for table in tables])
        for column in ("p", "p_holm")
    )
    order = p_values.argsort(kind="stable")
    # The smallest of five times 5, the next times 4, the largest as it is, never falling.
    steps = p_values[order] * [5, 4, 3, 2, 1]
    expected = np.minimum(np.maximum.accumulate(steps), 1)
    np.testing.assert_allclose(adjusted[order], expected)


def test_groups_have_a_row_for_each_kind_and_each_contrast(together: Scores) -> None:
    table = group_gain_table(together, 0.5, None).set_index(["group", "pure"])
    # gains of .10 and -.05 in one language, of -.02 and .28 in pairs
    assert table["difference"]["same language", 0.0] == pytest.approx(0.10)
    assert table["difference"]["other language", 1.0] == pytest.approx(0.28)
    contrast = "same language minus other language"
    assert table["difference"][contrast, 1.0] == pytest.approx(-0.05 - 0.28)
    assert table["contrast"].sum() == 2


def test_scores_without_a_pure_strategy_give_empty_tables(together: Scores) -> None:
    hybrid = side_by_side([together], {0.5})
    assert cell_gain_table(hybrid, 0.5).empty
    assert group_gain_table(hybrid, 0.5, None).empty
