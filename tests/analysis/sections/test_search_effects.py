"""The section on the effects of the search, with enough trials and with too few."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.page import Section
from analysis.sections.search_effects import (
    measure_search_effects,
    search_effects_section,
    search_points,
)
from analysis.study.mlflow import Study
from hybridir import names

OBJECTIVE = "dev/map_mean"


@pytest.fixture
def section_of(study: Study) -> Callable[[int, str], Section]:
    """Make the section of a study from a number of search trials and the search settings."""

    def make(n_trials: int, search: str) -> Section:
        generator = np.random.default_rng(0)
        ratio = generator.random(n_trials)
        trials = pd.DataFrame(
            {
                "phase": names.PHASE_SEARCH,
                "state": names.COMPLETE,
                names.MIXING_RATIO: ratio,
                names.TEMPERATURE: 10 ** generator.uniform(-2, 0, n_trials),
                names.BATCH_SIZE: generator.choice([16, 32, 64], n_trials),
                names.FIDELITY: 1.0,
                OBJECTIVE: ratio + generator.normal(0, 0.1, n_trials),
            }
        )
        searched = replace(study, trials=trials, text=f"search: {{{search}}}")
        effects = measure_search_effects(searched, generator)
        assert effects is not None
        return search_effects_section(searched, effects)

    return make


def test_with_too_few_trials_the_section_says_how_many_it_takes(study: Study) -> None:
    effects = measure_search_effects(study, np.random.default_rng(0))
    assert effects is not None
    section = search_effects_section(study, effects)
    # the two complete trials differ in ratio and batch size: constant, two, no square, one product
    assert "2 search trials were completed" in section.paragraphs[0]
    assert "take 9 trials spread over the space" in section.paragraphs[0]
    assert not section.figures


def test_the_heading_names_what_was_searched_and_the_text_what_else_was(study: Study) -> None:
    generator = np.random.default_rng(0)
    searched = pd.DataFrame(
        {
            "phase": names.PHASE_SEARCH,
            "state": names.COMPLETE,
            names.MIXING_RATIO: generator.random(20),
            names.TEMPERATURE: 0.1,
            names.BATCH_SIZE: 16,
            "learning_rate": 10 ** generator.uniform(-5, -3, 20),
            OBJECTIVE: generator.random(20),
        }
    )
    parameters = (names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE, "learning_rate")
    text = "search: {sampler: random}"
    own = replace(study, trials=searched, parameters=parameters, text=text)
    effects = measure_search_effects(own, generator)
    assert effects is not None
    section = search_effects_section(own, effects)
    assert section.heading == "Effects of mixing ratio α"
    assert "The search also varied learning_rate." in " ".join(map(str, section.paragraphs))
    fixed = replace(own, trials=searched.assign(**{names.MIXING_RATIO: 0.5}))
    assert measure_search_effects(fixed, generator) is None, "none of the three was searched"


def test_trials_of_a_smaller_budget_are_left_out(study: Study) -> None:
    trials = study.trials.copy()
    trials.loc[trials["trial"] == "search-000", names.FIDELITY] = 0.5
    trials.loc[trials["trial"] == "search-002", names.FIDELITY] = 1.0
    assert search_points(trials, OBJECTIVE)["trial"].tolist() == ["search-002"]


def test_effects_stand_with_their_interval_and_n(
    section_of: Callable[[int, str], Section],
) -> None:
    section = section_of(18, "sampler: tpe")
    table = section.tables[0].data.set_index("term")
    # half the range of the ratio changes the score by about .5
    assert table["low"]["mixing ratio α"] < 0.5 < table["high"]["mixing ratio α"]
    assert set(table["n_trials"]) == {18}
    assert "n = 18 trials, one seed each." in section.figures[0].caption
    assert "Importances take 20 trials; there are 18." in section.paragraphs


def test_pain_23_an_adaptive_sampler_comes_with_its_caveat_and_others_without(
    section_of: Callable[[int, str], Section],
) -> None:
    adaptive = section_of(18, "sampler: tpe").paragraphs[0]
    assert "Importances and effects are biased" in adaptive
    assert "Samplers serve optimisation" in adaptive
    spread = section_of(18, "sampler: quasi-random").paragraphs[0]
    assert spread == ("The sampler (quasi-random) spread the trials without looking at scores.")


def test_no_effect_is_read_from_the_survivors_of_a_scheduler(
    section_of: Callable[[int, str], Section],
) -> None:
    section = section_of(18, "sampler: grid, scheduler: asha")
    assert "The scheduler (asha) stopped trials" in section.paragraphs[0]
    assert "cross the parameter with the ratio under confirm" in section.paragraphs[0]
    assert not section.tables
    assert not section.figures
