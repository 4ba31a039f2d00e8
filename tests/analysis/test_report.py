"""The command line and its files; `page/test_render.py` tests the page in a browser."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import typer
from mlflow import MlflowClient
from typer.testing import CliRunner

from analysis.report import main
from analysis.study.mlflow import load_study
from analysis.write import study_page, write_report, write_table_report
from hybridir import __version__, names
from hybridir.cli.main import app
from hybridir.errors import InputError

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(REPOSITORY / "analysis" / "report.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_command_from_elsewhere_prints_the_page_last(tracking_uri: str, tmp_path: Path) -> None:
    options = ("--tracking-uri", tracking_uri, "--no-log", "--paper", "a paper")
    done = run("unconfirmed", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "paper: a paper/paper.tex"
    assert (tmp_path / "a paper" / "paper.tex").is_file()
    page = tmp_path / done.stdout.splitlines()[-1]
    assert page == tmp_path / "results" / "unconfirmed" / "report" / "report.html"
    assert page.is_file()


def test_the_version_is_printed_without_a_study(tmp_path: Path) -> None:
    done = run("--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"hybridir {__version__}\n")


def test_unknown_study_exits_2_with_a_message_and_writes_nothing(
    tracking_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.Exit) as ended:
        main(["absent"], tracking_uri)
    assert ended.value.exit_code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: there is no study 'absent'")
    assert "small, unconfirmed" in message
    assert list(tmp_path.iterdir()) == [], "nothing is written, no database is made"


@pytest.mark.long
def test_report_is_logged_to_the_run_of_the_study(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    uri = write_study(tmp_path, "logged", make_trials([0.0, 0.5], [1]))
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("a file of the user's")
    page = write_report("logged", uri, out)
    client = MlflowClient(uri)
    run_id = load_study("logged", uri).run_id
    logged = {file.path for file in client.list_artifacts(run_id, names.ARTIFACT_REPORT)}
    contents = ("figures", "tables", "report.html", "scores.parquet", "scores_by_cluster.parquet")
    assert logged == {f"report/{name}" for name in contents}
    stored = client.download_artifacts(run_id, "report/report.html", str(tmp_path))
    assert Path(stored).read_bytes() == page.read_bytes()


def test_the_table_of_scores_gives_the_figures_of_the_report_again(
    report: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "answer.json"
    scores = str(report.parent / names.ARTIFACT_SCORES)
    done = CliRunner().invoke(app, ["infer", scores, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    (answer,) = json.loads(figures.read_text())["studies"]
    table = pd.read_csv(report.parent / "tables" / "hybrid_gain-known.csv")
    expected = {
        (row.measure, row.setting, row.pure): (
            row.difference,
            row.low,
            row.high,
            row.p,
            row.p_holm,
        )
        for row in table.itertuples()
    }
    assert len(expected) == len(answer["gains"]) > 10
    for row in answer["gains"]:
        found = [row[name] for name in ("difference", "low", "high", "p", "p_holm")]
        place = row["measure"], row["setting"], row["pure"]
        assert found == pytest.approx(expected[place], rel=1e-9, abs=1e-12)
    assert answer["parameters"] == [
        {"parameter": names.TEMPERATURE, "role": "fixed", "values": [0.05]},
        {"parameter": names.BATCH_SIZE, "role": "fixed", "values": [64.0]},
    ]


@pytest.fixture(scope="module")
def of_scores(report: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The reports of the study's table of scores, and of the same by cluster."""
    folder = tmp_path_factory.mktemp("scores")
    scores, small = report.parent / names.ARTIFACT_SCORES, folder / "small.parquet"
    done = CliRunner().invoke(app, ["infer", str(scores), "--by-cluster", str(small)])
    assert done.exit_code == 0, done.output
    return write_table_report([scores], folder / "all"), write_table_report([small])


def test_the_scores_by_cluster_are_those_that_infer_makes_of_the_table(
    report: Path, of_scores: tuple[Path, Path]
) -> None:
    made = of_scores[1].parent.with_name("small.parquet")
    found, expected = (
        pq.read_table(path) for path in (report.parent / names.ARTIFACT_BY_CLUSTER, made)
    )
    key = b"hybridir.primary"
    assert found.schema.metadata[key] == expected.schema.metadata[key]
    labels = ["measure", "setting", "mixing_ratio", "seed", "cluster"]
    sort = [(label, "ascending") for label in labels]
    pd.testing.assert_frame_equal(
        found.sort_by(sort).to_pandas(), expected.sort_by(sort).to_pandas(), check_like=True
    )


def test_of_too_many_scores_only_those_by_cluster_are_written(
    report: Path, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = shutil.copy(report.parent / names.ARTIFACT_SCORES, tmp_path)
    n_rows = pq.read_metadata(earlier).num_rows
    monkeypatch.setattr("analysis.write._MOST_SCORES", n_rows - 1)
    page = write_report("small", tracking_uri, tmp_path, log=False)
    assert not Path(earlier).exists()
    for path in (page, tmp_path / names.ARTIFACT_BY_CLUSTER):
        assert path.read_bytes() == (report.parent / path.name).read_bytes()


@pytest.mark.parametrize("table", ["curve", "optimum", "hybrid_gain", "seeds", "tradeoff"])
def test_a_table_of_scores_has_the_report_of_its_study(
    report: Path, of_scores: tuple[Path, Path], table: str
) -> None:
    expected = pd.read_csv(report.parent / "tables" / f"{table}-known.csv")
    for page in of_scores:
        found = pd.read_csv(page.parent / "tables" / f"{table}-small.csv")
        # A number a cluster is no score, and is not counted as right or wrong.
        columns = [name for name in expected if name != "all_or_nothing"]
        pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-7, atol=1e-9)


def test_the_page_of_a_table_of_scores_answers_as_that_of_its_study(
    report: Path, of_scores: tuple[Path, Path]
) -> None:
    sentence = (
        "In the pool of all languages, hybrid batches (α = 0.5) beat cross-lingual batches alone "
        "by 0.050 mAP and monolingual batches alone by 0.150 mAP."
    )
    whole, by_cluster = of_scores
    assert by_cluster.parent.name == "small-report"
    for page in (report, whole, by_cluster):
        assert sentence in page.read_text()
    figures = {
        page: {path.name for path in (page.parent / "figures").glob("*.svg")} for page in of_scores
    }
    assert "pair_gains-small.svg" in figures[whole]
    assert figures[by_cluster] == {
        "ratio_curve-small.svg",
        "language_bias-small.svg",
        "tradeoff-small.svg",
        "variance_split-small.svg",
        "power_curves-small.svg",
    }


def test_what_a_report_of_scores_cannot_do_is_refused_by_name(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = str(report.parent / names.ARTIFACT_SCORES)
    table = pd.read_parquet(scores).astype({"measure": str, "setting": str})
    ap = table[table["measure"] == "ap"]
    ap.assign(measure="hits").to_csv(tmp_path / "hits.csv")
    ap.assign(setting="mine").to_csv(tmp_path / "mine.csv")
    ap.assign(measure="ndcg_at_10").to_csv(tmp_path / "ndcg.csv")
    for given, paper, message in (
        ([scores, "small"], None, "small: studies and files with scores cannot be reported toget"),
        ([scores], tmp_path, "belongs to studies; leave it out for files"),
        (["hits.csv"], None, "measure 'hits' is not one of a report; legal are"),
        (["mine.csv"], None, "legal are monolingual, crosslingual, multilingual"),
        (["ndcg.csv"], None, "is about mAP (measure ap or map), and the table has ndcg_at_10"),
        (["absent.csv"], None, "there is no such file"),
    ):
        with pytest.raises(typer.Exit) as ended:
            main(
                [str(tmp_path / one) if one.endswith(".csv") else one for one in given],
                paper=paper,
            )
        assert ended.value.exit_code == 2
        assert message in capsys.readouterr().err


def test_tables_and_figures_lie_beside_the_page(report: Path) -> None:
    curve = pd.read_csv(report.parent / "tables" / "curve-known.csv")
    rows = curve[(curve["measure"] == names.AP) & (curve["setting"] == names.MULTILINGUAL)]
    means = rows.set_index(names.MIXING_RATIO)["mean"].to_dict()
    assert means == pytest.approx({0.0: 0.40, 0.5: 0.45, 1.0: 0.30})
    figures = {path.name for path in (report.parent / "figures").glob("*.svg")}
    assert figures == {
        "ratio_curve-known.svg",
        "language_bias-known.svg",
        "language_pairs-known.svg",
        "tradeoff-known.svg",
        "pair_gains-known.svg",
        "group_gains-known.svg",
        "variance_split-known.svg",
        "power_curves-known.svg",
        "search_history.svg",
        "search_slices-map_mean.svg",
        "cost.svg",
    }


@pytest.mark.long
def test_same_study_gives_the_same_page_and_tables_twice(
    tracking_uri: str, report: Path, tmp_path: Path
) -> None:
    again = write_report("small", tracking_uri, tmp_path, log=False)
    assert report.read_bytes() == again.read_bytes()
    for table in (report.parent / "tables").iterdir():
        assert table.read_bytes() == (tmp_path / "tables" / table.name).read_bytes()


def test_answer_is_stated_in_words_with_n(report: Path) -> None:
    page = report.read_text()
    assert (
        "In the pool of all languages, hybrid batches (α = 0.5) beat cross-lingual batches alone "
        "by 0.050 mAP and monolingual batches alone by 0.150 mAP."
    ) in page
    assert "On known at temperature 0.05 and batch size 64, from 3 seeds and 12 clusters" in page
    assert "from 3 seeds and 12 questions in 12 clusters." in page
    assert "12 clusters are few" in page
    assert "1 search trial failed (search-003): loss is not finite at step 3." in page


def test_scores_of_an_older_version_are_told_to_lack_clusters(report: Path) -> None:
    assert "recorded by an older version, which did not name the article" in report.read_text()


def test_pain_23_the_search_states_its_n_and_that_it_is_no_evidence_about_the_ratio(
    report: Path,
) -> None:
    page = report.read_text()
    assert "The search trials in their order (complete: 2, pruned: 1, failed: 1)" in page
    assert "not evidence about the mixing ratio" in page


def test_a_study_without_confirmation_says_that_it_has_no_answer(tracking_uri: str) -> None:
    _, page = study_page(load_study("unconfirmed", tracking_uri))
    assert "no confirmed curve, so it does not answer" in page.headlines[0].sentence
    assert "2 COMPLETE, 1 PRUNED, 1 FAIL" in page.headlines[0].hedge


@pytest.mark.long
def test_missing_seeds_are_named(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    trials = make_trials([0.0, 0.5], [1, 2])
    trials[1] |= {"state": names.FAIL, "metrics": {}, "tables": {}}  # ratio 0, seed 2
    uri = write_study(tmp_path, "gap", trials)
    notes = " ".join(study_page(load_study("gap", uri))[1].notes)
    assert "1 confirm trial failed (confirm-a0-s2)." in notes
    assert "Seeds are missing: α = 0 has 1 of 2." in notes


@pytest.mark.long
def test_parts_of_the_data_take_the_place_of_seeds(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    trials = []
    for number, seeds in enumerate([(1, 2), (2, 3)]):
        for trial in make_trials([0.0, 0.5, 1.0], seeds):
            trial["params"] |= {names.DATA_PART: number}
            trial["params"][names.SEED] += 10 * number  # no two trials of a ratio share a seed
            trials.append(trial | {"name": f"{trial['name']}-{number}"})
    uri = write_study(tmp_path, "dealt", trials)
    tables, page = study_page(load_study("dealt", uri))
    notes = " ".join(page.notes)
    assert "split into 2 parts that have no passage in common" in notes
    assert "each part trained 2 encoders of every ratio" in notes
    (known,) = tables.benchmarks
    curve = known.curve.curve
    pool = curve[(curve["measure"] == names.AP) & (curve["setting"] == names.MULTILINGUAL)]
    assert set(pool["n_seeds"]) == {2}, "one for each part"
    # Seeds 1 and 2 are at -.01 and 0, seeds 2 and 3 at 0 and .01: parts at -.005 and .005.
    assert pool["mean"].tolist() == pytest.approx([0.40, 0.45, 0.30])
    assert known.variance is not None
    split = known.variance.components
    variances = split[split["setting"] == names.MULTILINGUAL].set_index("source")["variance"]
    # MS of parts = 3 ratios * 2 seeds * 12 questions * 2 * .005^2 = .0036, MS of seeds in parts
    # 3 * 12 * 4 * .005^2 / 2 = .0018; all others are 0: (.0036 - .0018) / 72 and .0018 / 36.
    assert variances["data"] == pytest.approx(2.5e-5)
    assert variances["seed"] == pytest.approx(5e-5)


@pytest.mark.long
def test_contamination_that_was_allowed_is_reported_first(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    overlap = "known: 3 of 12 questions (same words), e.g. 'who'"
    studies = (("clean", names.NO_CONTAMINATION, False), ("mixed", overlap, True))
    for study, value, reported in studies:
        uri = write_study(tmp_path, study, make_trials([0.0, 0.5], [1]))
        MlflowClient(uri).log_param(load_study(study, uri).run_id, names.CONTAMINATION, value)
        notes = " ".join(study_page(load_study(study, uri))[1].notes)
        assert ("are not zero-shot: known: 3 of 12 questions" in notes) == reported


def test_what_was_met_in_the_files_of_a_benchmark_is_reported(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    uri = write_study(tmp_path, "folders", make_trials([0.0, 0.5], [1]))
    key = f"{names.JUDGEMENTS}known"
    run = load_study("folders", uri).run_id
    MlflowClient(uri).log_param(run, key, "passages without text: 3, in the pool")
    notes = study_page(load_study("folders", uri))[1].notes
    assert "In the files of known: passages without text: 3, in the pool." in notes


@pytest.mark.parametrize("option", ["--out", "--paper"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is(
    option: str, tracking_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    folders = {"--out": tmp_path / "report", "--paper": tmp_path / "paper"}
    folders[option] = tmp_path / "file" / "report"
    with pytest.raises(InputError, match=rf"{option} '.*/file' is not a folder; choose another"):
        write_report("unconfirmed", tracking_uri, folders["--out"], paper=folders["--paper"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
