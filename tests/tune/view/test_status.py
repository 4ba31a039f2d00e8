import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from hybridir import names
from hybridir.runtime.commands import script, tool
from tests.support.tiny import ROOT, settings
from tune.folders import PROGRESS, Outcome, RunFolder
from tune.view.status import reported_curve_table, show_status


def status_of(folder: RunFolder) -> str:
    out = io.StringIO()
    show_status(folder, Console(file=out, width=120))
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "storage" / "tiny" / "run-001")
    run.path.mkdir(parents=True)
    base = settings()
    study = {
        "name": "tiny",
        **base.pop("data"),
        **base,
        "space": {"mixing_ratio": {"uniform": [0, 1]}},
        "search": {"trials": 6},
        "confirm": {"mixing_ratio": [0.0, 0.5], "seeds": 2},
    }
    run.study_file.write_text(yaml.safe_dump(study))
    return run


def run_one(folder: RunFolder, name: str, silent: float = 0.0) -> None:
    trial = folder.trial(name)
    trial.begin()
    progress = {"step": 30, "steps": 120, "host": "node-1", "time": time.time() - silent}
    trial.write(PROGRESS, progress)


def test_the_status_before_the_first_trial_is_empty(folder: RunFolder) -> None:
    text = status_of(folder)
    assert "not started; no trial yet" in text
    assert "tracking: not started" in text
    assert "nothing runs: 10 of 10 trials are left" in text  # 6 of the search, 2 ratios x 2 seeds
    with folder.lock():
        assert "time left: unknown until the first trial has ended" in status_of(folder)


def test_trials_are_counted_by_phase_and_state(folder: RunFolder) -> None:
    folder.trial("search-000").finalize(Outcome(names.COMPLETE, {}))
    folder.trial("search-001").finalize(Outcome(names.PRUNED, {}))
    run_one(folder, "search-002")
    folder.trial("search-003").write("config.json", {})
    text = status_of(folder)
    assert "interrupted; 1 COMPLETE, 1 PRUNED, 1 cut off, 1 waiting" in text
    with folder.lock():
        assert "running; 1 COMPLETE, 1 PRUNED, 1 running, 1 waiting" in status_of(folder)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    # complete, pruned, failed, cut off, waiting, of
    assert rows["search"] == ["1", "1", "0", "1", "1", "6"]
    assert rows["confirm"] == ["0", "0", "0", "0", "0", "4"]


def test_a_running_trial_has_its_step_and_host_and_a_silent_one_is_marked(
    folder: RunFolder,
) -> None:
    run_one(folder, "search-000")
    run_one(folder, "search-001", silent=1200)
    with folder.lock():
        text = status_of(folder)
    assert ": running;" in text
    assert "search-000: step 30 of 120 (25%) on node-1; last report 0 s ago" in text
    assert "search-001: step 30 of 120 (25%) on node-1; no progress for 20 min" in text
    assert "--resume" not in text


def test_without_a_driver_trials_are_cut_off_and_the_command_to_resume_is_shown(
    folder: RunFolder,
) -> None:
    run_one(folder, "search-000")
    folder.trial("search-001").finalize(Outcome(names.COMPLETE, {}))
    text = status_of(folder)
    assert ": interrupted; 1 COMPLETE, 1 cut off" in text
    assert "search-000: step 30 of 120 (25%) on node-1; cut off" in text
    assert "nothing runs: 9 of 10 trials are left" in text
    assert "running" not in text
    assert "per hour" not in text
    storage = folder.path.parent.parent
    command = script("tune/run_sweep.py", "--resume", "tiny@run-001", "--storage", str(storage))
    assert f"resume:   {command}\n" in text


def test_a_failure_is_shown_with_its_host_attempts_and_last_lines(folder: RunFolder) -> None:
    trial = folder.trial("search-000")
    trial.write("attempts.json", {"attempts": [{}, {}, {}]})
    trial.finalize(Outcome(names.FAIL, {}, "Traceback:\n  a line\nOSError: why", "node-2"))
    lines = status_of(folder).splitlines()
    at = lines.index("  search-000: FAIL on node-2 (restarted 2 times): OSError: why")
    assert lines[at + 1 : at + 3] == ["    Traceback:", "      a line"]


def test_tracking_is_up_to_date_or_lacks_trials(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.db").touch()
    for number in range(3):
        folder.trial(f"search-{number:03d}").finalize(Outcome(names.COMPLETE, {}))
    record: dict[str, Any] = {
        "uri": "sqlite:///a.db",
        "run_id": "1",
        "sent": ["search-000"],
        "away": "refused",
    }
    folder.tracking.write_text(json.dumps(record))
    text = status_of(folder)
    assert "sqlite:///a.db: 2 trials not yet sent; the database is unreachable: refused" in text
    assert f"{tool('mlflow')} ui --host 127.0.0.1 --backend-store-uri sqlite:///a.db\n" in text
    assert "charts:" not in text
    record["view"] = "/#/experiments/1"
    everything = [trial.name for trial in folder.trials()]
    folder.tracking.write_text(json.dumps({**record, "sent": everything, "away": ""}))
    assert "sqlite:///a.db: up to date\n" in status_of(folder)
    assert "charts:   http://127.0.0.1:5000/#/experiments/1\n" in status_of(folder)
    record |= {"sent": everything, "away": "", "closed": False}
    folder.tracking.write_text(json.dumps(record))
    with folder.lock():
        assert "sqlite:///a.db: up to date\n" in status_of(folder)
    killed = (
        "up to date, but its runs were left open, as by a killed driver; --resume closes them\n"
    )
    assert f"sqlite:///a.db: {killed}" in status_of(folder)
    (tmp_path / "a.db").unlink()
    assert "sqlite:///a.db: the database is gone; --resume writes a new one\n" in status_of(folder)


def test_a_finished_study_says_so(folder: RunFolder) -> None:
    folder.finish()
    folder.journal.touch()
    text = status_of(folder)
    assert ": finished;" in text
    assert "left" not in text
    assert f"optuna-dashboard {folder.journal}\n" in text


def test_the_status_loads_neither_ray_nor_mlflow_nor_torch(folder: RunFolder) -> None:
    code = (
        "import sys, pathlib, rich.console, tune.folders, tune.view.status;"
        "run = tune.folders.RunFolder(pathlib.Path(sys.argv[1]));"
        "tune.view.status.show_status(run, rich.console.Console());"
        "assert not {'ray', 'mlflow', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(folder.path)], cwd=ROOT, check=True)


def test_seeds_of_one_part_of_the_data_are_averaged_first(folder: RunFolder) -> None:
    values = {0: [0.40, 0.50], 1: [0.60, 0.70]}
    for data_part, of_seeds in values.items():
        for seed, value in enumerate(of_seeds):
            trial = folder.trial(f"confirm-a0.5-s{2 * data_part + seed}")
            trial.write(
                names.ARTIFACT_CONFIG, {"data": {"data_part": {"number": data_part, "of": 2}}}
            )
            trial.finalize(Outcome(names.COMPLETE, {"xquad-r/map_monolingual": value}))
    # Means .45 and .65: t(1 degree) * standard deviation .1414 / sqrt(2) = 12.706 * .1.
    text = status_of(folder)
    assert "mean over parts of the data" in text
    assert " 0.550 " in text
    assert "n parts of the data" in text


def test_conditions_have_columns_of_their_own_in_the_order_of_their_numbers(
    folder: RunFolder,
) -> None:
    for temperature in ("0.1", "0.02"):
        for pairs in (1024, 256):
            name = f"confirm-a0.5-temperature{temperature}-pairs{pairs}-s0"
            metrics = {"xquad-r/map_monolingual": 0.5}
            folder.trial(name).finalize(Outcome(names.COMPLETE, metrics))
    lines = status_of(folder).splitlines()
    header = next(line for line in lines if "alpha" in line).replace("┃", " ").split()
    assert header[:4] == ["benchmark", "temperature", "pairs", "alpha"]
    rows = [line.replace("│", " ").split()[:4] for line in lines if "xquad-r" in line]
    assert rows == [
        ["xquad-r", temperature, pairs, "0.5"]
        for temperature in ("0.02", "0.1")
        for pairs in ("256", "1024")
    ]


def test_without_a_reported_benchmark_the_figures_are_said_to_be_no_answer(
    folder: RunFolder,
) -> None:
    folder.trial("confirm-a0.5-s0").finalize(Outcome(names.COMPLETE, {"dev/map_monolingual": 0.7}))
    assert "0.700" in status_of(folder)
    assert "on development data, which is no answer" in status_of(folder)
    assert "note:" not in status_of(folder), "the study names a benchmark"
    settings = yaml.safe_load(folder.study_file.read_text())
    folder.study_file.write_text(yaml.safe_dump(settings | {"report_on": []}))
    assert (
        "note: the figures are those of development data, which chose the parameters; for an "
        "answer, add a benchmark that nothing was tuned on (report_on) to the study file"
    ) in status_of(folder)
    del settings["confirm"]
    folder.study_file.write_text(yaml.safe_dump(settings))
    assert "add a confirmation (confirm) to the study file" in status_of(folder)


def test_the_curve_shows_means_until_the_report_has_intervals(folder: RunFolder) -> None:
    values = [0.40, 0.50, 0.60]
    for seed, value in enumerate(values):
        metrics = {"xquad-r/map_monolingual": value, "dev/map_monolingual": 0.999}
        folder.trial(f"confirm-a0.5-s{seed}").finalize(Outcome(names.COMPLETE, metrics))
    failed = Outcome(names.FAIL, {"xquad-r/map_monolingual": 0.1})
    folder.trial("confirm-a0.5-s3").finalize(failed)
    text = status_of(folder)
    assert " 0.500 " in text
    assert "intervals come with the report" in text
    assert "0.999" not in text, "the development benchmark is not reported"


def test_the_curve_at_the_end_has_the_intervals_of_the_report(folder: RunFolder) -> None:
    assert reported_curve_table(folder) is None
    tables = folder.report / names.REPORT_TABLES
    tables.mkdir(parents=True)
    (tables / "curve-xquad-r.csv").write_text(
        "measure,setting,mixing_ratio,mean,low,high,n_seeds,n_clusters\n"
        "ap,monolingual,0.5,0.6,0.55,0.65,5,48\n"
        "ap,multilingual,0.5,0.3,0.25,0.36,5,48\n"
        "set_f1,monolingual,0.5,0.5,0.45,0.55,5,48\n"
        "rank_distance,multilingual,0.5,20,10,30,5,48\n"
    )
    table = reported_curve_table(folder)
    assert table is not None
    cells = [list(column.cells) for column in table.columns]
    assert cells == [
        ["xquad-r", "xquad-r"],
        ["mAP", "F1 at R"],
        ["0.5", "0.5"],
        ["0.600 [0.550, 0.650]", "0.500 [0.450, 0.550]"],
        ["-", "-"],
        ["0.300 [0.250, 0.360]", "-"],
        ["5", "5"],
        ["48", "48"],
    ]


def test_a_curve_of_several_conditions_says_what_it_is_a_mean_over(folder: RunFolder) -> None:
    tables = folder.report / names.REPORT_TABLES
    tables.mkdir(parents=True)
    (tables / "curve-xquad-r.csv").write_text(
        "measure,setting,mixing_ratio,mean,low,high,n_seeds,n_clusters\n"
        "ap,monolingual,0.5,0.6,0.55,0.65,5,48\n"
    )
    run_one(folder, "confirm-a0.5-temperature0.02-pairs2048-s0")
    table = reported_curve_table(folder)
    assert table is not None
    assert str(table.title).startswith("Confirmed curve: mean over temperature and pairs [95 %")
