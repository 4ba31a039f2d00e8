import re

from analysis.sections.languages import gains_section
from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from hybridir import names
from hybridir.inference.scores import Scores


def test_section_says_how_many_languages_and_pairs_gain(
    study: Study, scores: dict[Key, Scores]
) -> None:
    section = gains_section(study, "known", scores)
    assert section is not None
    # against α = 0: 3 languages and 3 pools gain, 6 pairs lose; against 1: 9 gain, 3 lose
    assert "against α = 0 it gains in 6 and loses in 6 of 12" in section.paragraphs[0]
    assert "against α = 1 it gains in 9 and loses in 3 of 12" in section.paragraphs[0]
    for figure in section.figures:
        assert re.search(r"95 % intervals. n = 3 seeds × 12 questions\.$", figure.caption)


def test_without_a_pure_strategy_there_is_no_section(
    study: Study, scores: dict[Key, Scores]
) -> None:
    found = scores[names.AP, names.MULTILINGUAL]
    alone = Scores(
        *(found.measure, found.setting, found.ratios[1:2], found.seeds),
        *(found.cells, found.questions, found.values[1:2]),
    )
    assert gains_section(study, "known", {(names.AP, names.MULTILINGUAL): alone}) is None
