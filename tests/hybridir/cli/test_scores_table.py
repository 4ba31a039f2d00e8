"""The table of scores: its files, its columns, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from hybridir import names
from hybridir.cli.main import app
from hybridir.cli.scores_files import limits_of, primary_metadata
from hybridir.cli.scores_table import read_scores
from hybridir.errors import InputError
from tests.support.scores_of_three_ratios import N_CLUSTERS, RATIOS, SIZE, run, scores


def test_ratios_of_single_precision_are_those_that_were_meant(tmp_path: Path) -> None:
    table = scores().assign(temperature=np.float32(0.05))
    table["mixing_ratio"] = (table["mixing_ratio"] * 0.6).astype(np.float32) + (
        0.4 * (table["mixing_ratio"] == 1)
    ).astype(np.float32)
    (study,) = run(table, tmp_path, "--hybrid", "0.3")["studies"]
    assert sorted({row["mixing_ratio"] for row in study["curve"]}) == [0.0, 0.3, 1.0]
    assert study["parameters"][0]["values"] == [0.05]


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
    table = scores().assign(question_id=lambda rows: rows["question_id"] + ", asked")
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
    for column in ("difference", "low", "high", "p_holm"):
        expected = [row[column] for row in whole["gains"]]
        assert [row[column] for row in small["gains"]] == pytest.approx(expected, abs=1e-9)


def test_tables_by_cluster_of_other_questions_are_not_joined(tmp_path: Path) -> None:
    table = scores()
    fewer = table[table["question_id"] != "q0"].assign(seed=table["seed"] + 10)
    for name, rows in (("a", table), ("b", fewer)):
        rows.to_parquet(tmp_path / f"{name}.parquet")
        small = str(tmp_path / f"{name}-small.parquet")
        CliRunner().invoke(
            app, ["infer", str(tmp_path / f"{name}.parquet"), "--by-cluster", small]
        )
    with pytest.raises(InputError, match="count different questions in cluster article 0"):
        list(read_scores(tmp_path / "a-small.parquet", tmp_path / "b-small.parquet"))


def test_primary_outcomes_that_a_study_declared_are_corrected_together(tmp_path: Path) -> None:
    declared = [("value", "multilingual"), ("value", "monolingual")]
    written(scores().assign(measure="value"), tmp_path / "scores.parquet", declared)
    answer = answer_of_files(tmp_path, "scores.parquet")
    assert all(row["primary"] for row in answer["gains"])
    adjusted = multipletests([row["p"] for row in answer["gains"]], method="holm")[1]
    assert [row["p_holm"] for row in answer["gains"]] == pytest.approx(adjusted.tolist())
    # A table by cluster tells them, too; an option names another one.
    small = str(tmp_path / "small.parquet")
    CliRunner().invoke(app, ["infer", str(tmp_path / "scores.parquet"), "--by-cluster", small])
    assert all(row["primary"] for row in answer_of_files(tmp_path, "small.parquet")["gains"])
    (study,) = read_scores(tmp_path / "small.parquet")
    assert study.primary == tuple(declared)


def test_benchmarks_of_one_report_are_tested_together_and_other_studies_alone(
    tmp_path: Path,
) -> None:
    tables = [scores(study=name, gain=0.004, seed=seed) for seed, name in enumerate("ab")]
    both = pd.concat(tables).assign(measure="value")
    primary = {"a": [("value", "multilingual")], "b": []}  # b declares none of its own
    arrow = pa.Table.from_pandas(both, preserve_index=False)
    path = tmp_path / "report.parquet"
    pq.write_table(arrow.replace_schema_metadata(primary_metadata(primary)), path)
    both.to_parquet(tmp_path / "alone.parquet")
    found = {}
    for name in ("report", "alone"):
        done = ["infer", str(tmp_path / f"{name}.parquet"), "--json", str(tmp_path / "a.json")]
        assert CliRunner().invoke(app, done).exit_code == 0
        found[name] = [
            {**row, "study": study["study"]}
            for study in json.loads((tmp_path / "a.json").read_text())["studies"]
            for row in study["gains"]
        ]
    assert [row["p"] for row in found["report"]] == [row["p"] for row in found["alone"]]

    def adjusted(rows: list[dict[str, Any]]) -> list[float]:
        return list(multipletests([row["p"] for row in rows], method="holm")[1])

    # Two planned tests of a; its two others and the four of b are one family.
    planned = [row for row in found["report"] if row["primary"]]
    assert [(row["study"], row["setting"]) for row in planned] == [("a", "multilingual")] * 2
    others = [row for row in found["report"] if not row["primary"]]
    assert len(others) == 2 + 4
    for rows in (planned, others):
        assert [row["p_holm"] for row in rows] == pytest.approx(adjusted(rows))
    for study in "ab":
        for is_primary in (True, False):
            rows = [
                row
                for row in found["alone"]
                if (row["study"], row["primary"]) == (study, is_primary)
            ]
            assert len(rows) == 2
            assert [row["p_holm"] for row in rows] == pytest.approx(adjusted(rows))


def test_a_table_by_cluster_keeps_apart_what_two_reports_tested(tmp_path: Path) -> None:
    files = []
    for name in "ab":
        path = tmp_path / f"{name}.parquet"
        arrow = pa.Table.from_pandas(scores(study=name).assign(measure="value"))
        declared = primary_metadata({name: [("value", "multilingual")]})
        pq.write_table(arrow.replace_schema_metadata(declared), path)
        files.append(str(path))
    small = tmp_path / "small.parquet"
    done = CliRunner().invoke(app, ["infer", *files, "--by-cluster", str(small)])
    assert done.exit_code == 0, done.output
    assert [(study.name, study.family) for study in read_scores(small)] == [
        ("a", ("a",)),
        ("b", ("b",)),
    ]


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
