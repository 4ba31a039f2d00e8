from typing import Any

import pandas as pd
import pytest

from analysis.page import Headline
from analysis.sections.answer import answer
from analysis.study.arrays import Key
from hybridir import names


def curve(
    n_seeds: int = 3,
    may_be_best: tuple[bool, ...] = (False, True, True, True),
    n_clusters: int = 48,
) -> pd.DataFrame:
    row = {
        "measure": names.AP,
        "setting": names.MULTILINGUAL,
        "mean": 0.45,
        "low": 0.4,
        "high": 0.5,
        "loss_at_most": 0.004,
        "n_seeds": n_seeds,
        "n_clusters": n_clusters,
        "n_questions": 1190,
    }
    ratios = (0.0, 0.4, 0.5, 1.0)
    return pd.DataFrame(
        [
            row | {names.MIXING_RATIO: ratio, "may_be_best": may}
            for ratio, may in zip(ratios, may_be_best, strict=True)
        ]
    )


def gains(*tested: tuple[float, float], measure: str = names.AP) -> pd.DataFrame:
    """Tabulate (difference, adjusted p) against each pure strategy, with intervals of +- .01."""
    rows = [
        {
            "measure": measure,
            "setting": names.MULTILINGUAL,
            "hybrid": 0.5,
            "pure": pure,
            "difference": difference,
            "low": difference - 0.01,
            "high": difference + 0.01,
            "clusters_alone": 0.008,
            "p_holm": p,
        }
        for pure, (difference, p) in zip((0.0, 1.0), tested, strict=False)
    ]
    return pd.DataFrame(rows)


def optima(**changed: Any) -> pd.DataFrame:
    row = {
        "measure": names.AP,
        "setting": names.MULTILINGUAL,
        "best": 0.5,
        "may_be_best": "{0.4, 0.5}",
        "low": 0.0,
        "high": 1.0,
        "bounded": True,
    }
    return pd.DataFrame([row | changed])


POINT = "at temperature 0.05, batch size 64 and 16,000 pairs"
PRIMARY = [(names.AP, names.MULTILINGUAL)]


def answered(
    curve: pd.DataFrame,
    gains: pd.DataFrame,
    optima: pd.DataFrame,
    primary: list[Key] = PRIMARY,
    benchmark: str = "xquad-r",
) -> Headline:
    return answer(benchmark, POINT, primary, (curve, gains, optima))


WON = gains((0.02, 0.003), (0.15, 0.0001))


@pytest.mark.parametrize(
    ("tested", "verdict"),
    [
        (
            [(0.02, 0.01), (0.1, 0.0001)],
            "In the pool of all languages, hybrid batches (α = 0.5) beat cross-lingual batches "
            "alone by 0.020 mAP and monolingual batches alone by 0.100 mAP.",
        ),
        (
            [(0.02, 0.06), (0.1, 0.0001)],
            "beat monolingual batches alone by 0.100 mAP and cannot be told from cross-lingual "
            "batches alone (+0.020 mAP).",
        ),
        (
            [(-0.02, 0.01), (0.1, 0.01)],
            "beat monolingual batches alone by 0.100 mAP and lose to cross-lingual batches alone "
            "by 0.020 mAP.",
        ),
        (
            [(-0.02, 0.01), (-0.1, 0.01)],
            "lose to cross-lingual batches alone by 0.020 mAP and monolingual batches alone by",
        ),
        (
            [(-0.02, 0.2), (0.1, 0.3)],
            "(α = 0.5) cannot be told from cross-lingual batches alone (\u22120.020 mAP) or "
            "monolingual batches alone (+0.100 mAP).",
        ),
        (
            [(0.02, 0.2)],
            "(α = 0.5) cannot be told from cross-lingual batches alone (+0.020 mAP).",
        ),
        (
            [],
            "At α = 0.5, the best of the confirmed ratios, mAP in the pool of all languages is "
            "0.450 [0.400, 0.500]. No gain is tested.",
        ),
    ],
)
def test_only_a_corrected_p_value_makes_a_gain_or_a_loss(
    tested: list[tuple[float, float]], verdict: str
) -> None:
    table = gains(*tested) if tested else WON.iloc[:0]
    assert verdict in answered(curve(), table, optima()).sentence


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {},
            "For mAP in the multilingual setting, α = 0.5 has the best mean of the confirmed "
            "ratios, and only one of {0.4, 0.5} may be the best: each other one falls short of "
            "another ratio in one-sided comparisons (.05), which are not corrected for other "
            "outcomes. The optimum lies between 0 and 1 (95 %).",
        ),
        (
            {"may_be_best": "{0.5}"},
            "α = 0.5 has the best mean of the confirmed ratios, and only α = 0.5 may be the best",
        ),
        ({"bounded": False}, "these data do not say which mixing ratio α is best."),
    ],
)
def test_the_best_ratio_is_stated_as_a_set_at_its_temperature_batch_size_and_budget(
    changed: dict[str, Any], expected: str
) -> None:
    headline = answered(curve(), WON, optima(**changed))
    assert headline.hedge.startswith(f"On xquad-r {POINT}, from 3 seeds and 48 clusters of quest")
    assert expected in headline.findings[0]


def test_several_primary_outcomes_are_all_in_the_headline() -> None:
    key = (names.SET_F1, names.MONOLINGUAL)
    f1 = {"measure": key[0], "setting": key[1]}
    headline = answered(
        pd.concat([curve(), curve().assign(**f1)]),
        pd.concat([WON, gains((0.02, 0.2), (0.1, 0.3)).assign(**f1)]),
        pd.concat([optima(), optima(**f1)]),
        [*PRIMARY, key],
    )
    assert headline.sentence.startswith(
        "In the pool of all languages, hybrid batches (α = 0.5) be"
    )
    assert "Within a language, hybrid batches (α = 0.5) cannot be told from" in headline.sentence
    in_pool = {"measure": names.SET_F1}
    points, won, best = (
        pd.concat([table, table.assign(**in_pool)]) for table in (curve(), WON, optima())
    )
    agreed = answered(points, won, best, [*PRIMARY, (names.SET_F1, names.MULTILINGUAL)])
    assert agreed.sentence.endswith("alone by 0.150 mAP. F1 at R agrees.")
    assert "(mAP, multilingual and F1 at R, monolingual) are corrected together" in headline.caveat
    assert [row["measure"] for row in headline.rows] == ["F1 at R (= hit@1)", "mAP"]


def test_data_that_chose_the_parameters_answer_nothing() -> None:
    headline = answered(curve(), WON, optima(), benchmark=names.DEV)
    assert "This study reports on no benchmark" in headline.sentence
    assert "beat" not in headline.sentence + "".join(headline.findings)


def test_an_interval_that_is_narrower_than_that_over_clusters_is_told() -> None:
    told = answered(curve(), WON.assign(clusters_alone=[0.0123, 0.008]), optima()).findings[1]
    assert told.startswith(
        "The seeds agree by chance on the gain in mAP, multilingual, over α = 0: its interval is "
        "narrower than that for other clusters alone, +0.020 ± 0.012."
    )
    assert not any("by chance" in text for text in answered(curve(), WON, optima()).findings)
    lost = gains((-0.02, 0.003), (0.15, 0.0001)).assign(clusters_alone=[0.0123, 0.008])
    assert "\u22120.020 ± 0.012" in answered(curve(), lost, optima()).findings[1]


def test_other_settings_follow_in_the_details() -> None:
    mono = {"setting": names.MONOLINGUAL, "best": 1.0, "may_be_best": "{1}"}
    both = pd.concat([optima(), optima(**mono)])
    rows = pd.concat([curve(), curve().assign(setting=names.MONOLINGUAL)])
    details = answered(rows, WON, both).findings[1]
    assert details.startswith("In the monolingual setting only α = 1 may be the best for mAP.")


def test_a_change_of_language_bias_is_called_good_or_bad_and_has_no_p() -> None:
    ranks = gains((95.0, 0.01), measure=names.RANK_DISTANCE)
    first_hits = gains((0.08, 0.0001), measure=names.TOP1_OWN_LANGUAGE)
    table = pd.concat([WON, ranks, first_hits])
    details = " ".join(answered(curve(), table, optima()).findings)
    assert "against cross-lingual batches alone, hybrid batches change rank distance" in details
    assert "by +95.0 [+95.0, +95.0] (worse) and" in details
    assert "by +0.080 [+0.070, +0.090] (higher)." in details, "own-language hits: neither is good"


@pytest.mark.parametrize(
    ("may_be_best", "expected"),
    [
        ((False, True, True, True), "α = 0.4, 0.5 may be the best, and at most 0.004 mAP below"),
        (
            (False, False, True, True),
            "not stable, worse than the best at α = 0.4, and at most 0.004 mAP below",
        ),
    ],
)
def test_the_claim_of_a_stable_middle_is_tested(
    may_be_best: tuple[bool, ...], expected: str
) -> None:
    details = " ".join(answered(curve(may_be_best=may_be_best), WON, optima()).findings)
    assert "Are ratios from 0.4 to 0.6 stable? By one-sided comparisons with" in details
    # The headline's tests are two-sided and corrected: no other word for another test.
    assert "significant" not in details
    assert expected in details


def test_without_a_ratio_in_the_middle_the_claim_stays_open() -> None:
    rows = curve()
    ends = rows[rows[names.MIXING_RATIO].isin([0.0, 1.0])]
    details = " ".join(answered(ends, WON, optima(best=1.0)).findings)
    assert "No ratio from 0.4 to 0.6 was confirmed" in details


def test_row_holds_best_ratio_level_and_gains_with_their_intervals() -> None:
    tested = gains((0.02, 0.003), (-0.15, 0.0001)).assign(family=["primary", "exploratory"])
    headline = answered(curve(), tested, optima())
    assert headline.rows == [
        {
            "setting": "multilingual",
            "measure": "mAP",
            "may be best α": "{0.4, 0.5}",
            "best confirmed": "0.450 [0.400, 0.500] at α = 0.5",
            "α = 0.5 minus α = 0": "+0.020 [+0.010, +0.030] (better, p = 0.003)",
            "α = 0.5 minus α = 1": "\u22120.150 [\u22120.160, \u22120.140] (worse)",
        }
    ]


@pytest.mark.parametrize(
    ("n_seeds", "warning"),
    [(1, "say nothing about the variance between seeds"), (2, "Two seeds hardly tell"), (5, "")],
)
def test_the_caveat_warns_about_few_seeds(n_seeds: int, warning: str) -> None:
    caveat = answered(curve(n_seeds), WON, optima()).caveat
    assert f"{n_seeds} seed" in caveat
    assert "1,190 questions in 48 clusters" in caveat
    for text in ("say nothing about the variance", "Two seeds hardly tell"):
        assert (text in caveat) == bool(warning and text in warning)


@pytest.mark.parametrize(("n_clusters", "warns"), [(29, True), (30, False)])
def test_the_caveat_warns_about_few_clusters(n_clusters: int, warns: bool) -> None:
    caveat = answered(curve(n_clusters=n_clusters), WON, optima()).caveat
    assert (f"{n_clusters} clusters are few" in caveat) == warns


def test_one_cluster_says_nothing_about_other_questions() -> None:
    caveat = answered(curve(n_clusters=1), WON, optima()).caveat
    assert caveat.startswith("Brackets are 95 % intervals for other seeds, each row by itself")
    assert "in 1 cluster. " in caveat
    assert "With one cluster, they say nothing about other questions." in caveat


def test_a_bound_beyond_the_range_of_map_is_left_out() -> None:
    findings = answered(curve().assign(loss_at_most=3.189), WON, optima()).findings
    (stable,) = (text for text in findings if text.startswith("Are ratios from 0.4 to 0.6"))
    assert stable.endswith("multilingual: α = 0.4, 0.5 may be the best.")
