import re
from dataclasses import replace

from analysis.sections.languages import languages_section, measure_languages
from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from hybridir import names
from hybridir.inference.scores import Scores


def test_section_counts_the_languages_and_pairs_that_gain(
    study: Study, scores: dict[Key, Scores]
) -> None:
    tables = measure_languages(scores, study.training_languages())
    assert tables is not None
    section = languages_section("known", tables)
    # against α = 0: 3 languages and 3 pools gain, 6 pairs lose; against 1: 9 gain, 3 lose
    assert (
        "gains in 6 and loses in 6 of 12 languages and pairs against α = 0,"
        in section.paragraphs[0]
    )
    assert (
        "gains in 9 and loses in 3 of 12 languages and pairs against α = 1 "
        in section.paragraphs[0]
    )
    for figure in section.figures:
        assert re.search(
            r"95 % intervals. n = 3 seeds × 12 clusters of questions\.$", figure.caption
        )


def test_without_a_pure_strategy_there_is_no_section(
    study: Study, scores: dict[Key, Scores]
) -> None:
    key = (names.AP, names.MULTILINGUAL)
    hybrid = replace(scores[key], ratios=(0.5,), values=scores[key].values[1:2])
    assert measure_languages({key: hybrid}, study.training_languages()) is None
