"""The response surface on scores whose effects are known."""

import numpy as np
import pandas as pd
import pytest

from analysis.effects.importance import importance_table
from analysis.effects.response_surface import (
    coefficient_table,
    decoded,
    fit_surface,
    predict,
    terms_of,
)
from analysis.figures.search_effects import _get_search_effects_info
from hybridir import names

RATIO, TEMPERATURE, SIZE = names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE
# Per half range: ratio .2, temperature -.1, ratio × temperature .05, ratio squared -.15.
EFFECTS = {
    "mixing ratio α": 0.2,
    "temperature": -0.1,
    "batch size": 0.0,
    "mixing ratio α, squared": -0.15,
    "temperature, squared": 0.0,
    "mixing ratio α × temperature": 0.05,
    "mixing ratio α × batch size": 0.0,
    "temperature × batch size": 0.0,
}


def search_trials(generator: np.random.Generator, n: int, noise: float) -> pd.DataFrame:
    """Trials over the whole space, with both ends of every parameter among them."""
    coded = generator.uniform(-1, 1, (n, 3))
    coded[0], coded[1] = -1, 1
    a, t, b = coded.T
    score = 0.5 + 0.2 * a - 0.1 * t - 0.15 * a**2 + 0.05 * a * t + generator.normal(0, noise, n)
    # ratio 0 to 1, temperature .01 to 1, batch size 16 to 64
    columns = {RATIO: (a + 1) / 2, TEMPERATURE: 10 ** (t - 1), SIZE: 2 ** (b + 5), "score": score}
    return pd.DataFrame(columns)


def test_effects_are_exact_without_noise() -> None:
    trials = search_trials(np.random.default_rng(0), 20, 0.0)
    terms, _ = terms_of(trials)
    table = coefficient_table(fit_surface(trials, "score", terms)).set_index("term")
    assert table["coefficient"].to_dict() == pytest.approx(EFFECTS, abs=1e-9)


@pytest.mark.long
def test_intervals_of_effects_cover_at_their_nominal_rate() -> None:
    generator = np.random.default_rng(1)
    covered = []
    for _ in range(150):
        trials = search_trials(generator, 20, 0.05)
        table = coefficient_table(fit_surface(trials, "score", terms_of(trials)[0]))
        truth = table["term"].map(EFFECTS)
        covered += ((table["low"] <= truth) & (truth <= table["high"])).tolist()
    # eight effects of 150 studies; three standard errors of a study's share are .019 at most
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_few_trials_leave_main_effects_and_fewer_none() -> None:
    trials = search_trials(np.random.default_rng(2), 20, 0.05)
    assert len(terms_of(trials)[0]) == 9  # constant, three, two squares, three products
    assert terms_of(trials.head(13)) == (((), (RATIO,), (TEMPERATURE,), (SIZE,)), 14)
    assert terms_of(trials.head(8)) == ((), 14)


def test_a_parameter_that_does_not_vary_has_no_effect_to_tell() -> None:
    trials = search_trials(np.random.default_rng(3), 20, 0.05).assign(batch_size=32)
    terms, needed = terms_of(trials)
    assert all(SIZE not in term for term in terms)
    assert needed == 11  # constant, two, two squares, one product, and five to spare


def test_predictions_are_in_the_parameters_own_units() -> None:
    trials = search_trials(np.random.default_rng(4), 20, 0.0)
    surface = fit_surface(trials, "score", terms_of(trials)[0])
    assert decoded(surface, TEMPERATURE, np.array([-1.0, 0.0])) == pytest.approx([0.01, 0.1])
    assert decoded(surface, SIZE, np.array([-1.0, 1.0])) == pytest.approx([16, 64])
    points = pd.DataFrame({RATIO: [0.0, 1.0], TEMPERATURE: [0.0, 1.0], SIZE: [0.0, 0.0]})
    # .5 in the middle; .5 + .2 - .1 - .15 + .05 at the upper ends
    assert predict(surface, points)["mean"].tolist() == pytest.approx([0.5, 0.5])


def test_figure_has_a_panel_for_each_effect_and_each_interaction() -> None:
    trials = search_trials(np.random.default_rng(5), 20, 0.05)
    info = _get_search_effects_info(fit_surface(trials, "score", terms_of(trials)[0]))
    assert [panel.along for panel in info.main] == [RATIO, TEMPERATURE, SIZE]
    pairs = [(panel.along, panel.held) for panel in info.interactions]
    assert pairs == [(RATIO, TEMPERATURE), (RATIO, SIZE), (TEMPERATURE, SIZE)]
    assert list(dict.fromkeys(info.interactions[0].curves["level"])) == ["0.01", "1"]


def test_the_parameter_that_matters_is_the_important_one_in_both_methods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "analysis.effects.importance._RESAMPLES", 8
    )  # each takes a tenth of a second
    trials = search_trials(np.random.default_rng(6), 40, 0.01)
    table = importance_table(trials, "score", np.random.default_rng(7))
    sums = table.groupby("method")["importance"].sum()
    assert sums.to_dict() == pytest.approx({"fANOVA": 1.0, "PED-ANOVA": 1.0})
    fanova = table[table["method"] == "fANOVA"].set_index("parameter")["importance"]
    assert fanova.idxmax() == RATIO
    assert ((table["low"] <= table["high"]) & table["low"].between(0, 1)).all()


def test_the_best_trials_of_a_measure_that_is_minimised_are_the_lowest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analysis.effects.importance._RESAMPLES", 1)
    trials = search_trials(np.random.default_rng(6), 40, 0.01)
    trials["dev/map_mean"], trials["dev/rank_distance"] = trials["score"], -trials["score"]
    scores, distances = (
        importance_table(trials, measure, np.random.default_rng(7))
        for measure in ("dev/map_mean", "dev/rank_distance")
    )
    pd.testing.assert_frame_equal(scores, distances)
