"""The section on variance and power, for scores with known variances."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures.power_curves import _get_power_curves_info
from analysis.figures.variance_components import _get_variance_components_info
from analysis.page import Section
from analysis.sections.variance import (
    component_table,
    measure_variance,
    power_tables,
    variance_section,
)
from analysis.study.arrays import Key
from analysis.study.data_parts import average_data_parts
from hybridir import names
from hybridir.inference import score_by_cluster
from hybridir.inference.by_cluster import paired_gain
from hybridir.inference.mean_squares import SeedsByClusters
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
    tables = measure_variance(varied, varied, {}, np.random.default_rng(1))
    assert tables is not None
    return variance_section("known", tables)


def test_shares_are_of_the_whole(section: Section) -> None:
    components = section.tables[0].data
    assert components["share"].sum() == pytest.approx(1.0)
    assert (components["low"] <= components["high"]).all()
    assert set(components["n_seeds"]) == {4}


def test_what_cancels_in_a_difference_is_hollow(varied: dict[Key, Scores]) -> None:
    table = component_table({names.MULTILINGUAL: varied[KEY]}, {}, np.random.default_rng(2))
    info = _get_variance_components_info(table)
    cancels = dict(zip(info.components["source"], info.components["cancels"], strict=True))
    assert cancels == {
        "seed": True,
        "cluster": True,
        "ratio × seed": False,
        "ratio × cluster": False,
        "seed × cluster": True,
        "ratio × seed × cluster and rest": False,
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
    _, power = power_tables({names.MULTILINGUAL: varied[KEY]})
    info = _get_power_curves_info(power)
    assert info.panels == [
        [("these clusters", 0.0), ("these clusters", 1.0)],
        [("all such clusters", 0.0), ("all such clusters", 1.0)],
    ]
    assert ((power["low"] <= power["power"]) & (power["power"] <= power["high"])).all()
    fixed = power[(power["scope"] == "these clusters") & (power["pure"] == 0.0)]
    assert fixed["power"].is_monotonic_increasing


def test_the_count_is_where_the_curve_crosses(varied: dict[Key, Scores]) -> None:
    spread = score_by_cluster(varied[KEY])
    squares = SeedsByClusters.of(paired_gain(spread, varied[KEY], 0.5, 0.0))
    count = seeds_needed(0.005, squares, 0.8, random_clusters=False)
    assert count is not None
    assert power_fixed(0.005, squares, count) >= 0.8 > power_fixed(0.005, squares, count - 1)


def test_one_seed_has_no_such_section(varied: dict[Key, Scores]) -> None:
    one_seed = {KEY: replace(varied[KEY], seeds=(1,), values=varied[KEY].values[:, :1])}
    assert measure_variance(one_seed, one_seed, {}, np.random.default_rng(3)) is None


def test_the_section_says_what_one_study_cannot_see(section: Section) -> None:
    assert any("the effect of other data cannot be seen" in text for text in section.paragraphs)
    assert section.figures[0].caption.endswith("n = 4 seeds × 30 clusters of questions.")


def test_with_parts_the_variance_of_the_data_is_split_off(varied: dict[Key, Scores]) -> None:
    parts = {1: 0, 2: 0, 3: 1, 4: 1}
    averaged = {KEY: average_data_parts(varied[KEY], parts)}
    tables = measure_variance(averaged, varied, parts, np.random.default_rng(4))
    assert tables is not None
    section = variance_section("known", tables)
    components = section.tables[0].data
    assert components["source"].tolist()[:4] == ["data", "seed", "cluster", "ratio × data"]
    assert components["source"].tolist()[-1] == "ratio × seed × cluster and rest"
    assert components["share"].sum() == pytest.approx(1.0)
    assert components[["n_parts", "n_seeds"]].drop_duplicates().to_numpy().tolist() == [[2, 2]]
    assert section.figures[0].caption.endswith(
        "n = 2 parts of the data × 2 seeds × 30 clusters of questions."
    )
    # What the next study needs is counted in parts, of which this one had two.
    assert set(section.tables[1].data["n_seeds"]) == {2}
    assert any("No two parts have a passage in common" in text for text in section.paragraphs)
