"""`hybridir infer` on tables of anyone's scores, against scipy, statsmodels and arithmetic."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from hybridir.cli.main import app
from hybridir.errors import InputError
from tests.support.scores_of_three_ratios import N_CLUSTERS, RATIOS, run, scores, select


def test_levels_are_means_over_cells_and_their_interval_is_by_cluster(tmp_path: Path) -> None:
    table = scores(n_seeds=1)
    (study,) = run(table, tmp_path)["studies"]
    row = select(study["curve"], setting="multilingual", mixing_ratio=1.0)
    rows = table[(table["setting"] == "multilingual") & (table["mixing_ratio"] == 1.0)]
    of_question = rows.groupby("question_id", sort=False)["value"].mean()
    cluster = rows.drop_duplicates("question_id")["cluster"].astype("category").cat.codes
    fit = sm.OLS(of_question.to_numpy(), np.ones(len(of_question))).fit(
        cov_type="cluster", cov_kwds={"groups": cluster.to_numpy()}
    )
    half = fit.bse[0] * stats.t.isf(0.025, N_CLUSTERS - 1)
    # A measure without known limits has a symmetric interval.
    expected = (fit.params[0], fit.params[0] - half, fit.params[0] + half)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(expected, rel=1e-9)
    assert (row["n_seeds"], row["n_clusters"], row["n_questions"]) == (1, N_CLUSTERS, 108)
    effect = select(
        study["design_effect"], setting="multilingual", quantity="level", mixing_ratio=1.0
    )
    alone = of_question.var(ddof=1) / len(of_question)
    assert effect["value"] == pytest.approx(fit.bse[0] ** 2 / alone, rel=1e-9)


def test_two_tests_of_the_primary_setting_are_one_family_and_all_others_another(
    tmp_path: Path,
) -> None:
    (study,) = run(scores(gain=0.01), tmp_path)["studies"]
    for setting, is_primary in (("multilingual", True), ("monolingual", False)):
        rows = [row for row in study["gains"] if row["setting"] == setting]
        first, second = sorted(rows, key=lambda row: row["p"])
        assert first["p_holm"] == pytest.approx(min(1, 2 * first["p"]))
        assert second["p_holm"] == pytest.approx(max(second["p"], first["p_holm"]))
        assert {row["primary"] for row in rows} == {is_primary}
    (other,) = run(scores(gain=0.01), tmp_path, "--primary", "monolingual")["studies"]
    assert {row["setting"] for row in other["gains"] if row["primary"]} == {"monolingual"}


def test_a_large_gain_is_told_with_its_direction_and_the_best_ratio_stands_alone(
    tmp_path: Path,
) -> None:
    (study,) = run(scores(n_seeds=5), tmp_path)["studies"]
    row = select(study["gains"], setting="multilingual", pure=0.0)
    assert row["low"] < 0.05 < row["high"]
    assert row["low"] > 0
    assert row["p_holm"] < 0.05
    best = select(study["optimum"], setting="multilingual")
    assert (best["best"], best["may_be_best"]) == (0.5, [0.5])
    assert (best["low"], best["high"]) == (0.0, 1.0)


def test_each_study_of_a_file_has_its_own_answer_whatever_stands_beside_it(
    tmp_path: Path,
) -> None:
    first, second = scores(study="first"), scores(study="second", gain=0.0, seed=1)
    both = run(pd.concat([first, second]), tmp_path)["studies"]
    assert [study["study"] for study in both] == ["first", "second"]
    assert run(second, tmp_path)["studies"] == [both[1]]
    shuffled = first.sample(frac=1, random_state=3).sort_values("setting", ascending=False)
    rows = zip(run(shuffled, tmp_path)["studies"][0]["gains"], both[0]["gains"], strict=True)
    for again, row in rows:
        assert again == pytest.approx(row)


def test_crossed_parameters_have_interactions_and_the_curve_is_their_mean(tmp_path: Path) -> None:
    cold, warm = scores(seed=2), scores(seed=2)
    warm["value"] += 0.1 * (warm["mixing_ratio"] == 0.5)
    table = pd.concat([cold.assign(temperature=0.01), warm.assign(temperature=0.05)])
    (study,) = run(table, tmp_path)["studies"]
    row = select(study["interactions"], setting="multilingual", pure=0.0)
    assert (row["parameter"], row["first"], row["second"]) == ("temperature", 0.01, 0.05)
    assert row["estimate"] == pytest.approx(0.1)
    # The changes are one family with the gains of the other setting.
    others = [row for row in study["gains"] if row["setting"] == "monolingual"]
    others += study["interactions"]
    expected = multipletests([row["p"] for row in others], method="holm")[1]
    assert [row["p_holm"] for row in others] == pytest.approx(list(expected))
    (alone,) = run(cold, tmp_path)["studies"]
    mean = select(study["curve"], setting="multilingual", mixing_ratio=0.5)["mean"]
    single = select(alone["curve"], setting="multilingual", mixing_ratio=0.5)["mean"]
    assert mean == pytest.approx(single + 0.05)
    assert alone["interactions"] == []


def test_values_of_each_ratio_alone_are_no_crossing(tmp_path: Path) -> None:
    table = scores()
    (study,) = run(table.assign(temperature=0.01 + table["mixing_ratio"]), tmp_path)["studies"]
    assert study["interactions"] == []
    assert study["parameters"] == [
        {"parameter": "temperature", "role": "own of each ratio", "values": [0.01, 0.51, 1.01]}
    ]
    notes = " ".join(row["note"] for row in study["notes"])
    assert (
        "each mixing ratio has its own temperature: a gain is that of the ratio with it" in notes
    )


def test_the_terminal_says_at_which_parameters_figures_hold_and_cuts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    path = tmp_path / "scores.parquet"
    cold, warm = scores(seed=2), scores(seed=2)
    warm["value"] += 1.2345e-5 * (warm["mixing_ratio"] == 0.5)
    both = pd.concat([cold.assign(temperature=0.01), warm.assign(temperature=0.05)])
    both.assign(pairs=512, notebook="a").to_parquet(path)
    done = CliRunner().invoke(app, ["infer", str(path)])
    assert done.exit_code == 0, done.output
    assert "means over temperature 0.01, 0.05; at pairs 512" in done.output
    assert "3 seeds, 108 questions in 36 clusters; design effect" in done.output
    assert "warning: columns that are not used: notebook; known are mixing_ratio" in done.output
    assert "0.00001234" in done.output or "0.00001235" in done.output  # change of the gain
    assert "…" not in done.output


@pytest.mark.parametrize(("factor", "of_levels", "of_gains"), [(1, 4, 4), (1000, 2, 3)])
def test_figures_of_a_table_have_as_many_decimals_each_and_one_line_a_row(
    factor: int, of_levels: int, of_gains: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels are near .5 and near 500, the ends of gains' intervals below .1 and below 100."""
    monkeypatch.setenv("COLUMNS", "80")
    table = scores()
    table.assign(value=table["value"] * factor).to_parquet(tmp_path / "scores.parquet")
    done = CliRunner().invoke(app, ["infer", str(tmp_path / "scores.parquet")])
    assert done.exit_code == 0, done.output
    rows = [line for line in done.output.splitlines() if re.match(r" (mono|multi)lingual", line)]
    intervals = [row.partition("[")[2].partition("]")[0] for row in rows]
    decimals = [[len(end.partition(".")[2]) for end in ends.split(",")] for ends in intervals]
    levels, gains = decimals[:6], decimals[6:10]
    assert levels == [[of_levels] * 2] * 6
    assert gains == [[of_gains] * 2] * 4


def test_scores_that_are_all_alike_have_no_best_ratio_and_a_note(tmp_path: Path) -> None:
    (study,) = run(scores().assign(value=0.37, measure="map"), tmp_path)["studies"]
    assert {row["best"] for row in study["optimum"]} == {None}
    assert study["optimum"][0]["may_be_best"] == list(RATIOS)
    assert any("all scores are 0.37" in row["note"] for row in study["notes"])


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda t: t.assign(cluster="one"), "with one cluster, a figure says nothing"),
        (lambda t: t[t["mixing_ratio"] > 0], "ratio 0 is absent: hybrid batches are not compared"),
        (lambda t: t[t["mixing_ratio"] != 0.5], "no ratio lies between 0 and 1"),
        (
            lambda t: t[(t["mixing_ratio"] > 0) | (t["seed"] > 0)],
            "gain over ratio 0 is over the 2 seeds that both ratios have, the curve over up to 3",
        ),
        (lambda t: t.assign(value=t["value"].clip(0, 1)), "name it with --range, such as 0,1"),
    ],
)
def test_what_limits_an_answer_is_noted(tmp_path: Path, change: Any, note: str) -> None:
    (study,) = run(change(scores()), tmp_path)["studies"]
    assert any(note in row["note"] for row in study["notes"])


def test_an_interval_that_is_narrower_than_that_over_clusters_is_noted(tmp_path: Path) -> None:
    table = scores(n_seeds=2)
    # Two seeds whose means are equal, although each question differs between them.
    means = table.groupby(["setting", "mixing_ratio", "seed"])["value"].transform("mean")
    of_ratio = table.groupby(["setting", "mixing_ratio"])["value"].transform("mean")
    table["value"] += of_ratio - means
    (study,) = run(table, tmp_path)["studies"]
    told = [row["note"] for row in study["notes"] if "by chance" in row["note"]]
    assert len(told) == 2
    at = table["setting"] == "multilingual"
    by_cluster = table[at].groupby(["cluster", "mixing_ratio"])["value"].mean().unstack()
    interval = stats.ttest_1samp(by_cluster[0.5] - by_cluster[0.0], 0).confidence_interval(0.95)
    assert f"± {(interval.high - interval.low) / 2:.3f}; more seeds" in told[0]


def test_several_studies_show_their_primary_gains(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    both = pd.concat([scores(study="first"), scores(study="second", gain=0.0, seed=1)])
    both.to_parquet(path)
    done = CliRunner().invoke(app, ["infer", str(path)])
    assert "2 studies; --json and --out have all figures" in done.output
    for name in ("first", "second"):
        assert len([line for line in done.output.splitlines() if line.split()[:1] == [name]]) == 2


def test_a_result_is_never_written_over_the_scores_or_another_result(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    scores().to_parquet(path)
    before = path.read_bytes()
    for options in (["--json", str(path)], ["--by-cluster", str(path.parent / "." / path.name)]):
        done = CliRunner().invoke(app, ["infer", str(path), *options])
        assert isinstance(done.exception, InputError)
        assert "is SCORES as well; name another file" in str(done.exception)
    assert path.read_bytes() == before

    # Without interactions a table of them would be removed.
    table = tmp_path / "interactions.csv"
    scores().to_csv(table, index=False)
    done = CliRunner().invoke(app, ["infer", str(table), "--out", str(tmp_path)])
    assert "--out's interactions.csv" in str(done.exception)
    assert table.is_file()


def test_with_a_range_no_interval_leaves_it(tmp_path: Path) -> None:
    table = scores(n_seeds=2)
    table["value"] = np.where(table["mixing_ratio"] == 0.5, 1.0, table["value"].clip(0, 1))
    (study,) = run(table, tmp_path, "--range", "0,1")["studies"]
    assert all(0 <= row["low"] <= row["mean"] <= row["high"] <= 1 for row in study["curve"])
    assert all(-1 <= row["low"] <= row["high"] <= 1 for row in study["gains"])
    ceiling = select(study["curve"], setting="multilingual", mixing_ratio=0.5)
    assert ceiling["mean"] == pytest.approx(1)
    assert ceiling["low"] < 0.95  # no certainty at a ceiling


def test_the_hybrid_ratio_can_be_chosen(tmp_path: Path) -> None:
    table = scores()
    table = pd.concat([table, table[table["mixing_ratio"] == 0.5].assign(mixing_ratio=0.25)])
    (study,) = run(table, tmp_path, "--hybrid", "0.25")["studies"]
    assert {row["hybrid"] for row in study["gains"]} == {0.25}


def test_which_of_two_ratios_equally_near_to_a_half_is_hybrid_is_said(tmp_path: Path) -> None:
    table = scores()
    half = table["mixing_ratio"] == 0.5
    pair = [table[half].assign(mixing_ratio=ratio) for ratio in (0.4, 0.6)]
    table = pd.concat([table[~half], *pair])
    (study,) = run(table, tmp_path)["studies"]
    notes = [row["note"] for row in study["notes"] if "equally near" in row["note"]]
    assert notes == [
        "ratios 0.4 and 0.6 are equally near to 0.5: hybrid batches are those of 0.4; "
        "--hybrid 0.6 takes the other ones"
    ]
    (study,) = run(table, tmp_path, "--hybrid", "0.6")["studies"]
    assert not [row for row in study["notes"] if "equally near" in row["note"]]


def test_ratios_without_a_common_seed_are_not_compared_and_a_note_says_so(tmp_path: Path) -> None:
    table = scores()
    table["seed"] += 10 * (table["mixing_ratio"] == 0.5)
    (study,) = run(table, tmp_path)["studies"]
    assert study["gains"] == []
    notes = " ".join(row["note"] for row in study["notes"])
    assert "multilingual: ratio 0 and the hybrid ratio have no seed in common" in notes


def test_at_the_ceiling_p_and_interval_agree(tmp_path: Path) -> None:
    table = scores()
    table["value"] = np.where(table["mixing_ratio"] == 0.5, 1.0, 0.95)
    (study,) = run(table, tmp_path, "--range", "0,1")["studies"]
    row = select(study["gains"], setting="multilingual", pure=0.0)
    assert row["low"] < 0 < row["high"]
    assert row["p"] == 1
    assert {row["value"] for row in study["design_effect"]} == {None}, "nothing varies"


def test_the_optimum_may_lie_beyond_a_grid_that_does_not_span_the_range(tmp_path: Path) -> None:
    table = scores(n_seeds=5)
    table["mixing_ratio"] = table["mixing_ratio"].map({0.0: 0.1, 0.5: 0.9, 1.0: 0.5})
    (study,) = run(table, tmp_path)["studies"]
    best = select(study["optimum"], setting="multilingual")
    assert (best["may_be_best"], best["low"], best["high"]) == ([0.9], 0.5, 1.0)


def test_csv_and_tables_of_one_answer(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    table = scores()
    # A question may be called NA, and a language is: Ndonga is na, of Namibia.
    table["question_id"] = table["question_id"].replace("q0", "NA")
    table.drop(columns=["study", "cluster"]).to_csv(path, index=False)
    done = CliRunner().invoke(app, ["infer", str(path), "--out", str(tmp_path / "tables")])
    assert done.exit_code == 0, done.output
    assert "Hybrid minus pure" in done.output
    assert "3 seeds, 108 questions in 108 clusters; design effect 1.00 to 1.00" in done.output
    assert "warning: without a column cluster questions count as independent" in done.output
    files = {file.name for file in (tmp_path / "tables").iterdir()}
    assert files >= {"curve.csv", "gains.csv", "optimum.csv", "design_effect.csv"}
    curve = pd.read_csv(tmp_path / "tables" / "curve.csv")
    assert set(curve["study"]) == {"scores"}
    assert set(curve["n_clusters"]) == {108}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--range", "1,0"], "--range 1,0: expected two numbers, the lower first"),
        (["--range", "one"], "--range one: expected two numbers"),
        (["--primary", "bilingual"], "has no such setting; it has multilingual, monolingual"),
        (["--hybrid", "0.4"], "study mine are 0.5; name one of them"),
        (["--hybrid", "0"], "mixing ratios between 0 and 1 of"),
    ],
)
def test_an_option_that_cannot_be_obeyed_is_refused_by_name(
    tmp_path: Path, options: list[str], message: str
) -> None:
    path = tmp_path / "scores.parquet"
    scores().to_parquet(path)
    done = CliRunner().invoke(app, ["infer", str(path), *options])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_one_ratio_has_a_curve_and_no_best(tmp_path: Path) -> None:
    table = scores()
    answer = run(table[table["mixing_ratio"] == 0.5], tmp_path)
    (study,) = answer["studies"]
    assert {row["mixing_ratio"] for row in study["curve"]} == {0.5}
    assert study["optimum"] == study["gains"] == []
