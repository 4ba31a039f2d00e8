"""Gains by cell and by kind of cell, for scores whose gains are known."""

import numpy as np
import pytest
from scipy import stats

from hybridir import names
from hybridir.inference.language_gains import gains_by_cell, gains_by_group
from hybridir.inference.scores import Cell, Scores

GAIN: dict[Cell, float] = {
    ("en", "en"): 0.1,
    ("en", "de"): 0.02,
    ("de", "en"): 0.04,
    ("de", "ru"): -0.06,
}


def scores_with(gain: dict[Cell, float], ratios: tuple[float, float] = (0.0, 0.5)) -> Scores:
    """Scores at two ratios whose difference in a cell is `gain`, plus noise."""
    generator = np.random.default_rng(0)
    values = generator.normal(0, 0.1, (2, 4, len(gain), 25))
    values[1] += np.array(list(gain.values()))[:, None]
    questions = tuple(f"q{number:02d}" for number in range(25))
    return Scores(names.AP, "", ratios, (1, 2, 3, 4), tuple(gain), questions, values)


def test_every_cell_has_its_gain_and_setting() -> None:
    scores = scores_with(GAIN)
    gains = gains_by_cell(scores, 0.5)
    means = (scores.values[1] - scores.values[0]).mean(axis=(0, 2))
    assert [gain.difference for gain in gains] == pytest.approx(means.tolist())
    assert [(gain.query_language, gain.pool_language) for gain in gains] == list(GAIN)
    assert [gain.setting for gain in gains] == [names.MONOLINGUAL, *[names.CROSSLINGUAL] * 3]
    assert {(gain.n_seeds, gain.n_clusters) for gain in gains} == {(4, 25)}


def test_with_one_seed_a_cell_has_the_paired_t_test_over_questions() -> None:
    scores = scores_with(GAIN)
    alone = Scores(
        *(names.AP, "", scores.ratios, (1,), scores.cells, scores.questions),
        scores.values[:, :1],
    )
    for cell, gain in enumerate(gains_by_cell(alone, 0.5)):
        test = stats.ttest_rel(alone.values[1, 0, cell], alone.values[0, 0, cell])
        interval = test.confidence_interval(0.95)
        assert gain.p == pytest.approx(test.pvalue, rel=1e-6)
        assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high))


def test_groups_are_means_over_their_cells_and_contrasts_their_difference() -> None:
    scores = scores_with(GAIN)
    means = (scores.values[1] - scores.values[0]).mean(axis=(0, 2))
    gains = gains_by_group(scores, 0.5, frozenset({"en", "de"}))
    differences = {(gain.grouping, gain.group): gain.difference for gain in gains}
    pair = "question and pool"
    cross = f"{pair}, cross-lingual"
    assert differences[pair, "same language"] == pytest.approx(means[0])
    assert differences[pair, "other language"] == pytest.approx(means[1:].mean())
    assert differences[cross, "same script"] == pytest.approx(means[1:3].mean())
    contrast = means[1:3].mean() - means[3]
    assert differences[cross, "same script minus other script"] == pytest.approx(contrast)
    assert differences["languages, cross-lingual", "one unseen"] == pytest.approx(means[3])
    # en and de are seen, so that the monolingual pool of en alone makes no comparison
    assert {gain.grouping for gain in gains} == {pair, cross, "languages, cross-lingual"}
    assert {gain.n_cells for gain in gains if gain.group == "other language"} == {3}
    assert [gain.group for gain in gains if gain.contrast and gain.grouping == pair] == [
        "same language minus other language"
    ]


def test_without_training_languages_no_group_depends_on_them() -> None:
    cells = dict.fromkeys([("en", "en"), ("de", "de"), ("en", "de"), ("de", "en")], 0.0)
    pair = "question and pool"
    assert {gain.grouping for gain in gains_by_group(scores_with(cells), 0.5, None)} == {pair}
    gains = gains_by_group(scores_with(cells), 0.5, frozenset({"en"}))
    assert {gain.grouping for gain in gains} == {pair, "language, monolingual"}


def test_a_pure_strategy_that_was_not_trained_has_no_gain() -> None:
    assert {gain.pure for gain in gains_by_cell(scores_with(GAIN), 0.5)} == {0.0}
    over_mono = scores_with(GAIN, (0.5, 1.0))
    assert {gain.pure for gain in gains_by_cell(over_mono, 0.5)} == {1.0}
