"""Gains by language and pair, for the study of `conftest` whose figures are known."""

import numpy as np
import pytest

from analysis.study.arrays import Key
from hybridir import names
from hybridir.inference.language_gains import gains_by_cell, gains_by_group
from hybridir.inference.mean_squares import side_by_side
from hybridir.inference.scores import Scores

CELL = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE, "pure"]


@pytest.fixture
def together(scores: dict[Key, Scores]) -> Scores:
    settings = [scores[names.AP, setting] for setting in names.SETTINGS]
    return side_by_side(settings, settings[0].ratios)


def made(gain: dict[tuple[str, str], float]) -> Scores:
    """Scores at ratios 0 and .5 whose difference in a cell is `gain`, plus noise."""
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.1, (2, 4, len(gain), 25))
    noise[1] += np.array(list(gain.values()))[:, None]
    questions = tuple(f"q{number:02d}" for number in range(25))
    return Scores(names.AP, "", (0.0, 0.5), (1, 2, 3, 4), tuple(gain), questions, noise)


def test_every_language_pair_and_pool_has_its_gain_over_each_pure_strategy(
    together: Scores,
) -> None:
    found = gains_by_cell(together, 0.5).set_index(CELL)
    assert len(found) == 2 * (3 + 6 + 3)
    # monolingual .70 against .60 and .75, cross-lingual .48 against .50 and .20
    assert found["difference"]["en", "en", 0.0] == pytest.approx(0.10)
    assert found["difference"]["en", "en", 1.0] == pytest.approx(-0.05)
    assert found["difference"]["de", "es", 0.0] == pytest.approx(-0.02)
    assert found["difference"]["de", "es", 1.0] == pytest.approx(0.28)
    assert found["difference"]["de", names.ALL_LANGUAGES, 1.0] == pytest.approx(0.15)
    assert set(found["n_seeds"]) == {3}
    assert set(found["n_questions"]) == {12}


def test_p_is_adjusted_by_holms_rule_over_a_setting_and_pure_strategy() -> None:
    cells = [("en", "ru"), ("en", "de"), ("de", "en"), ("en", "en")]
    every = gains_by_cell(made(dict(zip(cells, [0.0, 0.05, 0.02, 0.03], strict=True))), 0.5)
    alone = every[every["setting"] == names.MONOLINGUAL]
    assert alone["p_holm"].tolist() == alone["p"].tolist()
    found = every[every["setting"] == names.CROSSLINGUAL]
    order = found["p"].to_numpy().argsort()
    # the smallest of three times 3, the next times 2, the largest as it is, never falling
    steps = found["p"].to_numpy()[order] * [3, 2, 1]
    expected = np.minimum(np.maximum.accumulate(steps), 1)
    np.testing.assert_allclose(found["p_holm"].to_numpy()[order], expected)


def test_groups_are_means_over_their_cells_and_contrasts_their_difference() -> None:
    gain = {("en", "en"): 0.1, ("en", "de"): 0.02, ("de", "en"): 0.04, ("de", "ru"): -0.06}
    scores = made(gain)
    values = (scores.values[1] - scores.values[0]).mean(axis=(0, 2))
    groups = gains_by_group(scores, 0.5, frozenset({"en", "de"}))
    found = groups.set_index(["grouping", "group"])["difference"]
    pair = "question and pool"
    assert found[pair, "same language"] == pytest.approx(values[0])
    assert found[pair, "other language"] == pytest.approx(values[1:].mean())
    assert found[f"{pair}, cross-lingual", "same script"] == pytest.approx(values[1:3].mean())
    assert found[f"{pair}, cross-lingual", "same script minus other script"] == pytest.approx(
        values[1:3].mean() - values[3]
    )
    assert found["languages, cross-lingual", "one unseen"] == pytest.approx(values[3])
    # en and de are seen, so that the monolingual pool of en alone makes no comparison
    assert set(groups["grouping"]) == {
        pair,
        f"{pair}, cross-lingual",
        "languages, cross-lingual",
    }
    assert groups.set_index("group")["n_cells"].to_dict()["other language"] == 3


def test_without_training_languages_nothing_is_said_about_seen_ones(together: Scores) -> None:
    assert set(gains_by_group(together, 0.5, None)["grouping"]) == {"question and pool"}
    assert "language, monolingual" in set(
        gains_by_group(together, 0.5, frozenset({"en"}))["grouping"]
    )


def test_a_pure_strategy_that_was_not_trained_has_no_rows() -> None:
    assert set(gains_by_cell(made({("en", "en"): 0.0}), 0.5)["pure"]) == {0.0}
