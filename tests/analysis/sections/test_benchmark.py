"""The results of a benchmark as tables, and the sections made from them."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.sections.benchmark import (
    BenchmarkTables,
    benchmark_sections,
    corrected,
    measure_benchmarks,
    measure_scores,
)
from analysis.sections.curve import curve_section
from analysis.study.arrays import Key
from analysis.study.mlflow import Study, load_study
from hybridir import names
from hybridir.inference import Condition
from hybridir.inference.scores import Scores

PRIMARY = [(names.AP, names.MULTILINGUAL)]


@pytest.fixture(scope="module")
def tables(study: Study) -> BenchmarkTables:
    (measured,) = measure_benchmarks(study, np.random.default_rng(0))
    return measured


def test_tables_hold_the_curve_and_corrected_gains(tables: BenchmarkTables) -> None:
    assert (tables.benchmark, tables.n_languages) == ("known", 3)
    curve = tables.curve.curve
    pool = curve[(curve["measure"] == names.AP) & (curve["setting"] == names.MULTILINGUAL)]
    assert pool["mean"].tolist() == pytest.approx([0.40, 0.45, 0.30])
    gains = tables.curve.gains
    assert (gains["p_holm"] >= gains["p"]).all()
    primary = gains[gains["family"] == "primary"]
    assert set(zip(primary["measure"], primary["setting"], strict=True)) == {
        (names.AP, names.MULTILINGUAL)
    }
    assert len(primary) == 2


def test_sections_follow_in_the_order_of_the_report(tables: BenchmarkTables) -> None:
    headline, sections = benchmark_sections(tables, PRIMARY)
    assert headline.sentence.startswith("In the pool of all languages, hybrid batches (α = 0.5) ")
    assert headline.hedge.startswith(
        "On known at temperature 0.05 and batch size 64, from 3 seeds"
    )
    assert headline.figure is not None
    assert headline.figure.name == "ratio_curve-known"
    assert "ratio_curve-known" not in [figure.name for figure in sections[0].figures]
    assert [section.heading for section in sections] == [
        "Confirmed curve on known",
        "Trade-off on known",
        "Gains by language on known",
        "Variance and power on known",
    ]


def test_figures_that_a_benchmark_cannot_have_are_explained(tables: BenchmarkTables) -> None:
    def caption(curve: pd.DataFrame) -> str:
        section = curve_section("known", tables.curve._replace(curve=curve))
        return next(table.caption for table in section.tables if table.name == "curve-known")

    curve = tables.curve.curve
    assert "nothing is parallel" not in caption(curve)
    alone = curve[curve["setting"] != names.CROSSLINGUAL]
    alone = alone[~alone["measure"].isin(names.BIAS_MEASURES)]
    explained = caption(alone)
    assert "No figures of the cross-lingual setting: nothing is parallel" in explained
    assert "No language bias: no question has relevant passages in several" in explained


def test_captions_explain_what_their_tables_and_figures_show(tables: BenchmarkTables) -> None:
    section = curve_section("known", tables.curve)
    captions = {table.name: table.caption for table in section.tables}
    captions |= {figure.name: figure.caption for figure in section.figures}
    # Four relevant passages have the ranks 1 to 4 at best: a distance of 3.
    assert "at best their number less one" in captions["language_bias-known"]
    assert "The share of draws is how often" in captions["optimum-known"]
    # Levels have t or score intervals; the draws are for the comparisons with the best alone.
    assert "t intervals, near an end of the measure's range score" in captions["curve-known"]


def test_results_that_are_missing_have_no_section(tables: BenchmarkTables) -> None:
    fewer = tables._replace(tradeoff=None, languages=None, variance=None)
    _, sections = benchmark_sections(fewer, PRIMARY)
    assert [section.heading for section in sections] == ["Confirmed curve on known"]


def test_a_study_without_confirmation_has_no_tables(tracking_uri: str) -> None:
    unconfirmed = load_study("unconfirmed", tracking_uri)
    assert measure_benchmarks(unconfirmed, np.random.default_rng(0)) == []


def test_f1_of_one_relevant_passage_is_hit_at_1_in_a_crossed_study_as_well(
    scores: dict[Key, Scores],
) -> None:
    # A question that is found at one temperature and not at the other has a mean of .5.
    draws = np.random.default_rng(2)
    conditions: dict[Key, dict[Condition, Scores]] = {}
    for key in [(names.AP, names.MULTILINGUAL), (names.AP, names.CROSSLINGUAL)]:
        conditions[key] = {((names.TEMPERATURE, 0.05),): scores[key]}
        conditions[key][((names.TEMPERATURE, 0.2),)] = scores[key]
    like = scores[names.AP, names.CROSSLINGUAL]
    absent = np.isnan(like.values)
    f1 = {
        condition: replace(
            like,
            measure=names.SET_F1,
            values=np.where(absent, np.nan, draws.integers(0, 2, like.values.shape)),
        )
        for condition in conditions[names.AP, names.CROSSLINGUAL]
    }
    conditions[names.SET_F1, names.CROSSLINGUAL] = f1
    generator = np.random.default_rng(3)
    tables = measure_scores("known", conditions, generator, point="", seen=None)
    assert tables is not None
    whole = tables.curve.curve.groupby("measure")["all_or_nothing"].unique()
    assert whole[names.SET_F1].tolist() == [True]
    assert whole[names.AP].tolist() == [False]


@pytest.mark.parametrize("temperatures", [(0.05,), (0.05, 0.2)])
def test_one_ratio_alone_is_reported_without_comparisons(
    scores: dict[Key, Scores], temperatures: tuple[float, ...]
) -> None:
    # Of the ratios (0, .5, 1) the one in the middle, whose mean in the pool is .45.
    conditions: dict[Key, dict[Condition, Scores]] = {}
    for key, measured in scores.items():
        alone = replace(measured, ratios=(0.5,), values=measured.values[1:2])
        conditions[key] = {((names.TEMPERATURE, at),): alone for at in temperatures}
    tables = measure_scores("known", conditions, np.random.default_rng(3), point="", seen=None)
    assert tables is not None
    (tables,) = corrected([tables], {"known": PRIMARY})
    headline, sections = benchmark_sections(tables, PRIMARY)
    assert headline.sentence.startswith(
        "At α = 0.5, the only confirmed ratio, mAP in the pool of all languages is 0.450 ["
    )
    assert headline.hedge == "On known, from 3 seeds and 12 clusters of questions."
    assert [list(row)[2:] for row in headline.rows] == [["α = 0.5"]] * len(headline.rows)
    assert headline.figure is not None
    texts = [headline.sentence, headline.caveat, *headline.findings, headline.figure.caption]
    for section in sections:
        texts += [section.heading, *(table.caption for table in section.tables)]
        texts += [figure.caption for figure in section.figures]
    # The best rank of a passage is no comparison of ratios.
    compared = re.compile(r"\b(best confirmed|may be best|optimum|stable|gain|hybrid|pure)\b")
    assert [text for text in texts if compared.search(text)] == []


def test_one_seed_promises_nothing_about_other_seeds(scores: dict[Key, Scores]) -> None:
    conditions: dict[Key, dict[Condition, Scores]] = {
        key: {(): replace(measured, seeds=(1,), values=measured.values[:, :1])}
        for key, measured in scores.items()
    }
    tables = measure_scores("known", conditions, np.random.default_rng(3), point="", seen=None)
    assert tables is not None
    (tables,) = corrected([tables], {"known": PRIMARY})
    headline, sections = benchmark_sections(tables, PRIMARY)
    assert headline.hedge.endswith(
        "from 1 seed and 12 clusters of questions. Other seeds may differ."
    )
    assert headline.figure is not None
    captions = [headline.figure.caption, headline.caveat]
    for section in sections:
        captions += [table.caption for table in section.tables]
        captions += [figure.caption for figure in section.figures]
    assert [text for text in captions if "for other seeds" in text] == []
    assert any("intervals for other clusters of questions" in text for text in captions)
