import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir import __version__, names
from hybridir.config import read_trial
from hybridir.runtime.commands import script
from tests.support.tiny import ROOT
from tune import run_sweep
from tune.driver.interruption import SIGNALS
from tune.folders import Outcome, RunFolder, new_run
from tune.study.file import STUDIES, StudyConfig
from tune.study.planned import planned_trial
from tune.study.recorded import record_settings
from tune.study.reference import study_schema

SCRIPT = Path(run_sweep.__file__)

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {
        "from_scratch": {"layers": 1, "hidden_size": 16, "intermediate_size": 16, "heads": 1}
    },
    "training": {"pairs": 256},
    "confirm": {"mixing_ratio": [0.0, 0.5], "at": {"temperature": 0.05}, "seeds": 2},
}

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command, which runs in this process in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        with pytest.raises(SystemExit) as ended:
            run_sweep.run()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        output = capsys.readouterr()
        return code or 0, output.out, output.err

    return run


def write(folder: Path, **changes: Any) -> str:
    (folder / "study.yaml").write_text(yaml.safe_dump(SMALL | changes))
    return "study.yaml"


def refused(command: Command, folder: Path, *arguments: str) -> str:
    """Message of a command that is refused with code 2, without a traceback or a file."""
    before = sorted(folder.rglob("*"))
    code, out, err = command(*arguments)
    assert code == 2
    # At most the line that stands there while packages are loaded.
    assert out in ("", "study small: checks settings, data, encoder and machines\n")
    assert "Traceback" not in err
    assert sorted(folder.rglob("*")) == before
    return err


def test_three_mistakes_are_named_in_one_message_by_the_real_command(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump(
            SMALL
            | {
                "trainning": {"pairs": 10},
                "seed": -1,
                "confirm": {"mixing_ratio": [0.5, 1.2], "at": {"temperature": 0.05}},
            }
        )
    )
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "study.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0] == "error: study.yaml has 3 problems:"
    assert len(lines) == 4
    for mistake in ("trainning: there is no such setting", "seed=-1", "mixing_ratio=1.2"):
        assert mistake in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        ({"confirm": {"mixing_ratio": [1.2], "at": {"temperature": 1}}}, ["mixing_ratio=1.2"]),
        (
            {
                "space": {"mixing_ratio": {"uniform": [0, 1]}},
                "search": {"objective": "synthetic-test/map_mean"},
            },
            ["synthetic-test/map_mean", "tune on reported data"],
        ),
        (
            {"space": {"batch_size": {"choice": [16, 4096]}}, "search": {"trials": 2}},
            ["4096"],
        ),
        (
            {"train": {"lareqa": {"name": "mlqa-r"}}, "report_on": [], "data_root": "nowhere"},
            ["nowhere"],
        ),
        (
            {"train": {"table": {"path": "missing.jsonl"}}, "report_on": []},
            ["missing.jsonl"],
        ),
        ({"encoder": {"path": "no/encoder"}}, ["no/encoder", "config.json"]),
        ({"resources": {"cpu": 100_000}}, ["resources.cpu=100000", "this machine has"]),
    ],
    ids=["ratio", "objective", "batch", "data-root", "table", "encoder", "resources"],
)
def test_a_study_that_cannot_run_is_refused_before_anything_is_written(
    command: Command, tmp_path: Path, changes: dict[str, Any], phrases: list[str]
) -> None:
    message = refused(command, tmp_path, write(tmp_path, **changes))
    for phrase in phrases:
        assert phrase in message


@pytest.mark.parametrize(
    "setting",
    [
        "tracking_uri=http://me:planted@host",
        "tracking_uri=me:planted@host:5000",
        "tracking_uri=http://host?token=planted",
        "tracking_uri=[http://me:planted@host]",
        "tracking_uri={address: http://host?token=planted}",
        "tracking_uri=: http://me:planted@host: [",
        "train=http://me:planted@host",
        "http://me:planted@host",
    ],
)
def test_a_mistake_with_a_secret_is_named_without_it(
    command: Command, tmp_path: Path, setting: str
) -> None:
    message = refused(command, tmp_path, write(tmp_path), "--set", setting)
    assert message.startswith("error: study.yaml: ")
    assert "planted" not in message


def test_all_settings_of_a_study_are_explained_and_their_schema_printed(
    command: Command,
) -> None:
    code, printed, _ = command("--help-all")
    assert code == 0
    assert "  search.first_rung = 0.5\n" in printed
    assert "  train.table.path = needed\n" in printed
    code, printed, _ = command("--schema")
    assert (code, json.loads(printed)) == (0, study_schema())


def test_the_file_of_a_trial_is_printed(command: Command, tmp_path: Path) -> None:
    code, printed, _ = command(write(tmp_path), "--trial", "confirm-a0.5-s1", "--set", "seed=3")
    assert code == 0
    (tmp_path / "trial.yaml").write_text(printed)
    study = StudyConfig.model_validate({**SMALL, "seed": 3})
    assert read_trial(tmp_path / "trial.yaml") == planned_trial(study, "confirm-a0.5-s1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.yaml", "trial.yaml"]
    message = refused(command, tmp_path, "study.yaml", "--trial", "search-000")
    assert "it has confirm-a0-s0, confirm-a0.5-s0, confirm-a0-s1, confirm-a0.5-s1" in message
    message = refused(command, tmp_path, "study.yaml", "--trial", "search-000", "--plan")
    assert "--trial cannot be combined with --plan" in message


def test_the_error_for_a_missing_encoder_is_one_line(command: Command, tmp_path: Path) -> None:
    study = str(STUDIES / "mlqa_to_xquad.yaml")
    message = refused(command, tmp_path, study, "--set", f"data_root={tmp_path}")
    assert "encoder.path (a local Hugging Face folder)" in message
    assert len(message.splitlines()) == 1


def test_the_error_for_a_missing_study_file_lists_the_shipped_ones(
    command: Command, tmp_path: Path
) -> None:
    message = refused(command, tmp_path, "nowhere.yaml")
    assert "nowhere.yaml" in message
    assert "demo.yaml" in message


def test_a_file_that_is_no_study_is_refused_with_the_folder_of_the_shipped_ones(
    command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "README.md"
    for text in ("# A title\n- [a list](of: links)\nand: `text`", "A page of words."):
        page.write_text(text)
        message = refused(command, tmp_path, str(page))
        assert "tune/studies has files of studies to begin with" in message


@pytest.mark.parametrize("option", ["--resume", "--status"])
def test_an_unknown_study_is_refused(command: Command, tmp_path: Path, option: str) -> None:
    assert "no study 'other'" in refused(command, tmp_path, option, "other")


@pytest.mark.parametrize(
    "arguments",
    [
        ["study.yaml", "--resume", "small"],
        ["--resume", "small", "--set", "seed=1"],
        ["--status", "small", "--plan"],
        ["--resume", "small", "--status", "small"],
    ],
)
def test_resume_and_status_take_a_name_alone(
    command: Command, tmp_path: Path, arguments: list[str]
) -> None:
    assert "cannot be combined" in refused(command, tmp_path, *arguments)


def test_a_run_that_another_process_has_locked_is_not_continued(
    command: Command, tmp_path: Path
) -> None:
    run = new_run(tmp_path / "results", "small")
    record_settings(StudyConfig.model_validate(SMALL), run)
    with run.lock():
        assert "another process" in refused(command, tmp_path, "--resume", "small")


@pytest.fixture
def two_runs(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    runs = []
    for _ in range(2):
        run = new_run(tmp_path / "results", "small")
        record_settings(StudyConfig.model_validate(SMALL), run)
        runs.append(RunFolder(run.path.relative_to(tmp_path)))
    return runs[0], runs[1]


@pytest.mark.parametrize(
    "text", ["small@run-001", "results/small/run-001", "{here}/results/small"]
)
def test_a_run_is_named_by_its_study_and_number_or_by_its_path(
    command: Command, tmp_path: Path, two_runs: tuple[RunFolder, RunFolder], text: str
) -> None:
    older, newer = two_runs
    run = older if "run-001" in text else newer
    text = text.format(here=tmp_path)
    code, out, _ = command("--status", text)
    assert code == 0
    assert out.startswith(f"{run.path}: not started")
    again = script("tune/run_sweep.py", "--resume", f"small@{run.path.name}")
    assert f"resume:   {again}\n" in out
    with run.lock():
        assert f"{run.path} is being run by" in refused(command, tmp_path, "--resume", text)
        for other in ("--clean", "--replay"):
            message = refused(command, tmp_path, other, text + "/search-000" * (other[2] == "r"))
            assert str(run.path) in message
    run.finish()
    assert command("--clean", text)[1].startswith(f"{run.path}: removed 0.0 MB\n")


def test_a_run_that_is_not_there_is_refused_and_so_is_a_storage_beside_a_path(
    command: Command, tmp_path: Path, two_runs: tuple[RunFolder, RunFolder]
) -> None:
    for text in ("small@run-003", "results/small/run-003"):
        message = refused(command, tmp_path, "--resume", text)
        assert "there is no run-003; the study has run-001, run-002" in message
    message = refused(command, tmp_path, "--status", "small@")
    assert "small@: a run's name is missing after @; the study has run-001, run-002" in message
    message = refused(command, tmp_path, "--status", "results/small/run-001", "--storage", "x")
    assert "--storage x: results/small/run-001 is a path; leave --storage out" in message


@pytest.mark.parametrize("option", ["--resume", "--status", "--replay", "--clean"])
def test_an_empty_name_starts_no_study(command: Command, tmp_path: Path, option: str) -> None:
    """As of a variable that is not set."""
    assert f"{option}: the name of a study is empty" in refused(command, tmp_path, option, "")


@pytest.mark.parametrize(("text", "number"), [("small", 2), ("small@run-001", 1)])
def test_a_replay_without_a_trial_says_which_folder_has_them(
    command: Command, tmp_path: Path, two_runs: tuple[RunFolder, RunFolder], text: str, number: int
) -> None:
    message = refused(command, tmp_path, "--replay", text)
    assert f"--replay {text}: name a trial as well, such as {text}/search-003; " in message
    assert f"are the folders in results/small/run-00{number}/trials" in message


def test_the_status_of_a_study_lists_its_trials(command: Command, tmp_path: Path) -> None:
    run = new_run(tmp_path / "results", "small")
    run.study_file.write_text(yaml.safe_dump(SMALL))
    run.trial("search-000").finalize(Outcome(names.FAIL, {}, "step 3: loss nan", "node-1"))
    code, out, _ = command("--status", "small")
    assert code == 0
    assert "interrupted; 1 FAIL" in out
    assert "search-000: FAIL on node-1: step 3: loss nan" in out


def test_the_status_is_shown_from_any_folder_and_a_nearer_study_comes_first(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(run_sweep, "_ROOT", checkout)
    for folder in (checkout, tmp_path):
        run = new_run(folder / "results", "small")
        run.study_file.write_text(yaml.safe_dump(SMALL))
        code, out, _ = command("--status", "small")
        assert code == 0
        assert out.startswith(f"{run.path if folder == checkout else 'results/small/run-001'}: ")


def test_the_version_is_printed(command: Command) -> None:
    assert command("--version") == (0, f"hybridir {__version__}\n", "")


def test_settings_are_kept_with_their_overrides_and_read_back(tmp_path: Path) -> None:
    from tune.study.file import as_yaml, read_study_file

    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL))
    study = read_study_file(tmp_path / "study.yaml", ["seed=3", "training.learning_rate=1.0e-5"])
    (tmp_path / "written.yaml").write_text(as_yaml(study))
    assert read_study_file(tmp_path / "written.yaml", []) == study


def test_a_relative_path_is_resolved_against_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.study.file import read_study_file

    monkeypatch.chdir(tmp_path)
    reports = ["xquad-r", {"name": "miracl", "folder": "hub"}]
    table = {
        "train": {"table": {"path": "pairs.jsonl"}},
        "report_on": reports,
        "data_root": "data",
    }
    study = read_study_file(Path(write(tmp_path, **table)), [])
    assert [report.folder for report in study.report_on] == [None, tmp_path / "hub"]
    assert study.train.table is not None
    assert study.train.table.path == tmp_path / "pairs.jsonl"
    assert study.data_root == tmp_path / "data"


def test_relative_paths_of_a_mixture_are_resolved_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.study.file import read_study_file

    monkeypatch.chdir(tmp_path)
    mix = [{"table": {"path": "a.jsonl"}}, {"lareqa": {"name": "mlqa-r"}}]
    train = {"train": {"mix": mix}, "report_on": [], "data_root": "data"}
    study = read_study_file(Path(write(tmp_path, **train)), [])
    first, second = study.train.sources
    assert first.table is not None
    assert first.table.path == tmp_path / "a.jsonl"
    assert second.lareqa is not None


def test_preflight_and_plan_show_checks_trials_and_time_and_write_nothing(
    command: Command, tmp_path: Path
) -> None:
    study = write(tmp_path)
    code, out, _ = command(study, "--preflight", "--plan", "--set", "confirm.seeds=3")
    assert code == 0
    assert "preflight: 1 node; storage, tracking, disk, memory: fine" in out
    # Two ratios with three seeds each.
    (row,) = [line for line in out.splitlines() if line.startswith("│ confirm")]
    assert row.split("│")[2].strip() == "6"
    assert "time:" in out
    assert "disk:" in out
    # Prepared data stay, since the study itself would prepare the same.
    assert {path.name for path in tmp_path.iterdir()} <= {"study.yaml", "results"}
    assert {path.name for path in tmp_path.glob("results/*")} <= {"cache"}


def test_a_plan_where_the_study_cannot_run_says_what_it_assumes_and_writes_nothing(
    command: Command, tmp_path: Path
) -> None:
    changes = ["confirm.seeds=3", "resources.nodes=2", "resources.gpu=0.5", "resources.cpu=3"]
    code, out, _ = command(
        write(tmp_path), "--plan", *(word for change in changes for word in ("--set", change))
    )
    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("│ confirm")]
    assert row.split("│")[2].strip() == "6", "two ratios with three seeds each"
    assert "time:  not measured" in out
    # Two nodes, on whose GPU two trials of three CPUs fit.
    assert "assumed: 4 at a time, on resources.nodes=2 with 6 CPU and 1 GPU each" in out
    assert "note:  resources.nodes=2: the study runs on this machine alone" in out
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with modules named like one of the standard library's."""
    checkout = tmp_path_factory.mktemp("checkout")
    for folder in ("hybridir", "tune", "analysis", "deploy"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, checkout / folder, ignore=ignore)
    for folder in ("tune", "analysis", "deploy"):
        shadow = "raise ImportError('it shadows the standard library')\n"
        (checkout / folder / "statistics.py").write_text(shadow)
    return checkout


@pytest.mark.parametrize(
    ("command_line", "code", "phrase"),
    [
        ("tune/run_sweep.py --help", 0, "Usage: run_sweep.py"),
        # The others import MLflow, which imports `statistics`.
        pytest.param("analysis/report.py --help", 0, "Usage: report.py", marks=pytest.mark.long),
        pytest.param(
            "tune/run_sweep.py --set resources.cpu=100000",
            2,
            "this machine has",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "analysis/report.py absent --tracking-uri sqlite:///absent.db",
            2,
            "absent.db",
            marks=pytest.mark.long,
        ),
        # This one runs the first one, which refuses the setting.
        pytest.param(
            "deploy/start_or_resume.py {study} --set resources.cpu=100000",
            2,
            "this machine has",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_module_beside_a_script_does_not_shadow_the_standard_library(
    checkout: Path, tmp_path: Path, command_line: str, code: int, phrase: str
) -> None:
    study = checkout / "tune" / "studies" / "demo.yaml"
    script, *arguments = command_line.format(study=study).split()
    ended = subprocess.run(
        [sys.executable, str(checkout / script), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stderr
    assert phrase in ended.stdout + ended.stderr
    assert "it shadows the standard library" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_packages_are_loaded_ends_the_command_in_one_line(
    number: int, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), write(tmp_path)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What started these tests may have switched them off, as nohup and shells do.
        preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in SIGNALS],
    )
    status = Path(f"/proc/{process.pid}/status")
    # The last that is heeded; Python itself heeds SIGINT from its start.
    awaited = 1 << (SIGNALS[-1] - 1)
    caught = 0
    while not caught & awaited:
        time.sleep(0.001)
        caught = int(status.read_text().split("SigCgt:")[1].split()[0], 16)
    process.send_signal(number)
    output, _ = process.communicate()
    assert (process.returncode, output) == (130, "interrupted; nothing has begun\n")
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
