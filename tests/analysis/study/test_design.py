import pandas as pd

from analysis.study.design import point_text, study_design
from hybridir import names

PARAMETERS = ("batch_size", "learning_rate", "mixing_ratio", "pairs", "seed", "temperature")


def trials(**columns: list[float]) -> pd.DataFrame:
    base = {"mixing_ratio": [0.0, 0.5] * 2, "seed": [1, 1, 2, 2], "batch_size": [32] * 4}
    return pd.DataFrame(base | columns)


def test_what_varies_within_a_ratio_is_crossed_and_what_varies_with_it_is_its_own() -> None:
    table = trials(
        temperature=[0.01, 0.01, 0.05, 0.05],
        learning_rate=[1e-3, 1e-4, 1e-3, 1e-4],
        pairs=[4096] * 4,
    )
    design = study_design(table, PARAMETERS)
    assert design.crossed == {"temperature": [0.01, 0.05]}
    assert design.by_ratio == ("learning_rate",)
    assert design.fixed == {"batch_size": 32, "pairs": 4096}
    assert design.condition(table.iloc[2]) == (("temperature", 0.05),)
    assert point_text(design) == (
        "at batch size 32, 4,096 pairs and each ratio's own learning rate, averaged over "
        "temperature (0.01, 0.05)"
    )


def test_a_budget_that_trials_do_not_record_is_the_study_files() -> None:
    design = study_design(trials(temperature=[0.05] * 4), PARAMETERS, pairs=16000)
    assert point_text(design) == "at temperature 0.05, batch size 32 and 16,000 pairs"


def test_without_trials_nothing_is_known() -> None:
    design = study_design(trials().iloc[:0], PARAMETERS)
    assert (design.crossed, design.fixed, point_text(design)) == ({}, {}, "")
    assert names.SEED not in design.fixed


def test_a_search_names_each_parameter_that_it_chose() -> None:
    table = trials(temperature=[0.05] * 4, learning_rate=[0.003] * 4)
    table["encoder.pooling"], table["seed_of_data"] = "mean", 7
    design = study_design(table, (*PARAMETERS, "encoder.pooling", "seed_of_data"))
    assert point_text(design, ["learning_rate", "encoder.pooling", "mixing_ratio"]) == (
        "at temperature 0.05, batch size 32, pooling mean and learning_rate 0.003"
    ).replace("_", " ")
