"""`hybridir infer` on tables of anyone's scores, against scipy, statsmodels and arithmetic."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from hybridir import names
from hybridir.cli.main import app
from hybridir.cli.scores_table import limits_of, primary_metadata, read_scores
from hybridir.errors import InputError

RATIOS = (0.0, 0.5, 1.0)
N_CLUSTERS, SIZE = 36, 3


def scores(
    n_seeds: int = 3, study: str = "mine", gain: float = 0.05, seed: int = 0
) -> pd.DataFrame:
    """Two question languages in the pool of all, and one of them in its own."""
    generator = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(N_CLUSTERS), SIZE)
    rows = []
    for setting, query, pool in (
        ("multilingual", "en", "all"),
        ("multilingual", "de", "all"),
        ("monolingual", "en", "en"),
    ):
        shared = generator.normal(0, 0.05, N_CLUSTERS)[cluster]
        for ratio in RATIOS:
            own = generator.normal(0, 0.02, N_CLUSTERS)[cluster]
            for number in range(n_seeds):
                noise = generator.normal(0, 0.02, len(cluster)) + generator.normal(0, 0.005)
                value = 0.5 + shared + own + noise + gain * (ratio == 0.5)
                rows.append(
                    pd.DataFrame(
                        {
                            "study": study,
                            "mixing_ratio": ratio,
                            "seed": number,
                            "question_id": [f"q{index}" for index in range(len(cluster))],
                            "cluster": [f"article {index}" for index in cluster],
                            "setting": setting,
                            "query_language": query,
                            "pool_language": pool,
                            "value": value,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def run(table: pd.DataFrame, folder: Path, *options: str) -> dict[str, Any]:
    path, figures = folder / "scores.parquet", folder / "answer.json"
    table.to_parquet(path)
    done = CliRunner().invoke(app, ["infer", str(path), "--json", str(figures), *options])
    assert done.exit_code == 0, done.output
    result: dict[str, Any] = json.loads(figures.read_text())
    return result


def select(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in values.items())]
    return row


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
        assert first["p_adjusted"] == pytest.approx(min(1, 2 * first["p"]))
        assert second["p_adjusted"] == pytest.approx(max(second["p"], first["p_adjusted"]))
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
    assert row["p_adjusted"] < 0.05
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
    assert [row["p_adjusted"] for row in others] == pytest.approx(list(expected))
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
    assert "1.234e-05" in done.output or "1.235e-05" in done.output
    assert "…" not in done.output


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


def test_ratios_of_single_precision_are_those_that_were_meant(tmp_path: Path) -> None:
    table = scores().assign(temperature=np.float32(0.05))
    table["mixing_ratio"] = (table["mixing_ratio"] * 0.6).astype(np.float32) + (
        0.4 * (table["mixing_ratio"] == 1)
    ).astype(np.float32)
    (study,) = run(table, tmp_path, "--hybrid", "0.3")["studies"]
    assert sorted({row["mixing_ratio"] for row in study["curve"]}) == [0.0, 0.3, 1.0]
    assert study["parameters"][0]["values"] == [0.05]


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


def test_numbers_by_cluster_give_the_same_answer(tmp_path: Path) -> None:
    table = scores(gain=0.02)
    # Clusters of 1 to 3 questions, a language that lacks some, and a crossed parameter.
    table = table[~table["question_id"].isin(["q1", "q2", "q5"])]
    table = table[(table["query_language"] != "de") | (table["question_id"] != "q7")]
    warm = table.assign(temperature=0.05, value=table["value"] * 0.9)
    table = pd.concat([table.assign(temperature=0.02), warm], ignore_index=True)
    (first,) = run(table, tmp_path, "--range", "0,1", "--by-cluster", str(tmp_path / "small.pq"))[
        "studies"
    ]
    reduced = pd.read_parquet(tmp_path / "small.pq")
    assert len(reduced) == N_CLUSTERS * len(RATIOS) * 3 * 2 * 2  # seeds, settings, temperatures
    (again,) = run(reduced, tmp_path, "--range", "0,1")["studies"]
    for rows in ("curve", "gains", "optimum", "interactions"):
        assert len(again[rows]) == len(first[rows]) > 0
        for one, other in zip(again[rows], first[rows], strict=True):
            assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert first["design_effect"]
    assert again["design_effect"] == []
    assert again["curve"][0]["n_questions"] == N_CLUSTERS * SIZE - 3


def test_a_table_by_cluster_tells_that_its_questions_had_no_cluster(tmp_path: Path) -> None:
    table, small = scores().drop(columns="cluster"), tmp_path / "small.parquet"
    run(table, tmp_path, "--by-cluster", str(small))
    (study,) = run(pd.read_parquet(small), tmp_path)["studies"]
    assert any("questions count as independent" in row["note"] for row in study["notes"])


def test_limits_are_those_of_known_measures() -> None:
    assert limits_of("map") == limits_of(names.SET_F1) == (0.0, 1.0)
    assert limits_of(names.RANK_DISTANCE) == (0.0, np.inf)
    assert limits_of("mine") == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["seed", "value"]), "the columns seed, value are missing"),
        (lambda t: t.iloc[:0], "the table has no row"),
        (
            lambda t: t.assign(value=t["value"].where(t.index > 0)),
            "value: 1 row is without a finite number, the first is row 0 with 'nan'",
        ),
        (lambda t: t.assign(mixing_ratio=t["mixing_ratio"] * 2), "must lie between 0 and 1"),
        (lambda t: t.assign(seed=0.5), "seed: must be a whole number"),
        (
            lambda t: t.assign(seed="one"),
            "rows are without a finite number, the first is row 0 with 'one'",
        ),
        (lambda t: t.assign(question_id=None), "rows are without question_id; fill"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "occurs more than once in a cell of a trial"),
        (lambda t: t.iloc[1:], "were scored on other questions than the first one"),
        (
            lambda t: t.assign(cluster=np.where(t["seed"] == 1, "other", t["cluster"])),
            "a question is in two clusters",
        ),
        (lambda t: t.assign(measure="map", value=2.0), "lie outside [0, 1], such as 2"),
        (
            lambda t: pd.concat(
                [t.assign(temperature=0.1), t[t["mixing_ratio"] < 1].assign(temperature=0.2)]
            ),
            "not every mixing ratio has been trained at",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "scores.parquet"
    change(scores()).to_parquet(path)
    with pytest.raises(InputError) as error:
        list(read_scores(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)


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


@pytest.mark.parametrize("name", ["absent.parquet", "damaged.parquet", "damaged.csv"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if not name.startswith("absent"):
        path.write_bytes(b"\x00\xffPAR1")
    with pytest.raises(InputError, match=name):
        list(read_scores(path))


def written(table: pd.DataFrame, path: Path, primary: list[tuple[str, str]]) -> None:
    """Write a table as a study's report does, with its primary outcomes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata(primary_metadata({"mine": primary})), path)


def answer_of_files(folder: Path, *files: str) -> dict[str, Any]:
    done = CliRunner().invoke(
        app, ["infer", *(str(folder / file) for file in files), "--json", str(folder / "a.json")]
    )
    assert done.exit_code == 0, done.output
    (study,) = json.loads((folder / "a.json").read_text())["studies"]
    return dict(study)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_seeds_of_a_later_run_are_joined_with_those_of_an_earlier_one(
    tmp_path: Path, ending: str
) -> None:
    table = scores(n_seeds=5)
    files = {"whole": table, "first": table[table["seed"] < 3], "later": table[table["seed"] >= 3]}
    for name, rows in files.items():
        getattr(rows, f"to_{ending}")(tmp_path / f"{name}.{ending}", index=False)
    joined = answer_of_files(tmp_path, f"first.{ending}", f"later.{ending}")
    assert joined == answer_of_files(tmp_path, f"whole.{ending}")
    assert {row["n_seeds"] for row in joined["curve"]} == {5}


@pytest.mark.parametrize("decimal", [".", ","])
def test_semicolons_and_decimal_commas_are_read(tmp_path: Path, decimal: str) -> None:
    table = scores()
    table.to_csv(tmp_path / "plain.csv", index=False)
    table.to_csv(tmp_path / "theirs.csv", index=False, sep=";", decimal=decimal)
    assert answer_of_files(tmp_path, "theirs.csv") == answer_of_files(tmp_path, "plain.csv")


def test_tables_by_cluster_are_joined_as_well(tmp_path: Path) -> None:
    table = scores(n_seeds=5)
    for name, rows in (("first", table[table["seed"] < 3]), ("later", table[table["seed"] >= 3])):
        rows.to_parquet(tmp_path / f"{name}.parquet")
        options = ["--by-cluster", str(tmp_path / f"{name}-small.parquet")]
        done = CliRunner().invoke(app, ["infer", str(tmp_path / f"{name}.parquet"), *options])
        assert done.exit_code == 0, done.output
    table.to_parquet(tmp_path / "whole.parquet")
    small = answer_of_files(tmp_path, "first-small.parquet", "later-small.parquet")
    whole = answer_of_files(tmp_path, "whole.parquet")
    for column in ("estimate", "low", "high", "p_adjusted"):
        expected = [row[column] for row in whole["gains"]]
        assert [row[column] for row in small["gains"]] == pytest.approx(expected, abs=1e-9)


def test_primary_outcomes_that_a_study_declared_are_corrected_together(tmp_path: Path) -> None:
    declared = [("value", "multilingual"), ("value", "monolingual")]
    written(scores().assign(measure="value"), tmp_path / "scores.parquet", declared)
    answer = answer_of_files(tmp_path, "scores.parquet")
    assert all(row["primary"] for row in answer["gains"])
    adjusted = multipletests([row["p"] for row in answer["gains"]], method="holm")[1]
    assert [row["p_adjusted"] for row in answer["gains"]] == pytest.approx(adjusted.tolist())
    # A table by cluster tells them, too; an option names another one.
    small = str(tmp_path / "small.parquet")
    CliRunner().invoke(app, ["infer", str(tmp_path / "scores.parquet"), "--by-cluster", small])
    assert all(row["primary"] for row in answer_of_files(tmp_path, "small.parquet")["gains"])
    (study,) = read_scores(tmp_path / "small.parquet")
    assert list(study.primary) == declared


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    table = scores().assign(measure="value")
    written(table, tmp_path / "a.parquet", [("value", "multilingual")])
    other = table.assign(seed=table["seed"] + 10)
    written(other, tmp_path / "b.parquet", [("value", "monolingual")])
    other.assign(temperature=0.1).to_parquet(tmp_path / "c.parquet")
    for file, message in (
        ("b.parquet", "declares the primary outcomes value monolingual, another file value multi"),
        ("c.parquet", "temperature is in this file or in"),
        ("a.parquet", "a question occurs more than once"),
    ):
        with pytest.raises(InputError, match=message):
            list(read_scores(tmp_path / "a.parquet", tmp_path / file))
