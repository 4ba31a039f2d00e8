"""The section on variance and power, for scores whose variances are known."""

import numpy as np
import pytest

from analysis.figures.power_curves import _get_power_curves_info
from analysis.figures.variance_split import _get_variance_split_info
from analysis.page.model import Section
from analysis.sections.variance import _power_tables, _split_table, variance_section
from analysis.study.arrays import Key
from analysis.study.data_parts import over_parts
from hybridir import names
from hybridir.inference import score_by_question
from hybridir.inference.mean_squares import mean_squares, paired_gain
from hybridir.inference.power import power_fixed, seeds_needed
from hybridir.inference.scores import Scores

KEY = (names.AP, names.MULTILINGUAL)


@pytest.fixture(scope="module")
def varied() -> dict[Key, Scores]:
    generator = np.random.default_rng(0)
    values = generator.normal(0.5, 0.05, (3, 4, 2, 30)) + generator.normal(0, 0.01, (3, 4, 1, 1))
    questions = tuple(f"q{number:02d}" for number in range(30))
    cells = (("en", names.ALL_LANGUAGES), ("de", names.ALL_LANGUAGES))
    return {KEY: Scores(*KEY, (0.0, 0.5, 1.0), (1, 2, 3, 4), cells, questions, values)}


@pytest.fixture(scope="module")
def section(varied: dict[Key, Scores]) -> Section:
    found = variance_section("known", varied, varied, {}, np.random.default_rng(1))
    assert found is not None
    return found


def test_shares_are_of_the_whole(section: Section) -> None:
    split = section.tables[0].data
    assert split["share"].sum() == pytest.approx(1.0)
    assert (split["low"] <= split["high"]).all()
    assert set(split["n_seeds"]) == {4}


def test_what_cancels_in_a_difference_is_hollow(varied: dict[Key, Scores]) -> None:
    split = _split_table({names.MULTILINGUAL: varied[KEY]}, {}, np.random.default_rng(2))
    info = _get_variance_split_info(split)
    cancels = dict(zip(info.parts["source"], info.parts["cancels"], strict=True))
    assert cancels == {
        "seed": True,
        "question": True,
        "ratio × seed": False,
        "ratio × question": False,
        "seed × question": True,
        "ratio × seed × question and rest": False,
    }
    assert info.order == list(cancels)


def test_a_smaller_difference_needs_more_seeds_and_the_interval_holds_the_count(
    section: Section,
) -> None:
    needed = section.tables[1].data
    rows = needed[(needed["pure"] == 0) & (needed["power"] == 0.8)]
    assert rows["difference"].tolist() == [0.001, 0.002, 0.005, 0.01]
    assert rows["seeds"].is_monotonic_decreasing
    assert ((rows["seeds_low"] <= rows["seeds"]) & (rows["seeds"] <= rows["seeds_high"])).all()


def test_power_rises_with_seeds_within_its_band(varied: dict[Key, Scores]) -> None:
    _, power = _power_tables({names.MULTILINGUAL: varied[KEY]})
    info = _get_power_curves_info(power)
    assert info.panels == [
        [("these questions", 0.0), ("these questions", 1.0)],
        [("all such questions", 0.0), ("all such questions", 1.0)],
    ]
    assert ((power["low"] <= power["power"]) & (power["power"] <= power["high"])).all()
    fixed = power[(power["speaks_of"] == "these questions") & (power["pure"] == 0.0)]
    assert fixed["power"].is_monotonic_increasing


def test_the_count_is_where_the_curve_crosses(varied: dict[Key, Scores]) -> None:
    spread = score_by_question(varied[KEY])
    squares = mean_squares(paired_gain(spread, varied[KEY], 0.5, 0.0))
    count = seeds_needed(0.005, squares, 0.8, random_questions=False)
    assert count is not None
    assert power_fixed(0.005, squares, count) >= 0.8 > power_fixed(0.005, squares, count - 1)


def test_one_seed_has_no_such_section(varied: dict[Key, Scores]) -> None:
    found = varied[KEY]
    one = Scores(*KEY, found.ratios, (1,), found.cells, found.questions, found.values[:, :1])
    assert variance_section("known", {KEY: one}, {KEY: one}, {}, np.random.default_rng(3)) is None


def test_the_section_says_what_one_study_cannot_see(section: Section) -> None:
    assert any("what other data would change cannot be seen" in one for one in section.paragraphs)
    assert section.figures[0].caption.endswith("n = 4 seeds × 30 questions.")


def test_with_parts_the_variance_of_the_data_is_split_off(varied: dict[Key, Scores]) -> None:
    parts = {1: 0, 2: 0, 3: 1, 4: 1}
    over = {KEY: over_parts(varied[KEY], parts)}
    found = variance_section("known", over, varied, parts, np.random.default_rng(4))
    assert found is not None
    split = found.tables[0].data
    assert split["source"].tolist()[:4] == ["data", "seed", "question", "ratio × data"]
    assert split["source"].tolist()[-1] == "ratio × seed × question and rest"
    assert split["share"].sum() == pytest.approx(1.0)
    assert split[["n_parts", "n_seeds"]].drop_duplicates().to_numpy().tolist() == [[2, 2]]
    assert found.figures[0].caption.endswith("n = 2 parts of the data × 2 seeds × 30 questions.")
    # What the next study needs is counted in parts, of which this one had two.
    assert set(found.tables[1].data["n_seeds"]) == {2}
    assert any("no two parts have a passage in common" in one for one in found.paragraphs)
