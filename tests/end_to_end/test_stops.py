"""A study that is stopped, or loses its terminal or its disk, ends as if nothing had been."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.end_to_end.test_resume import _measured
from tests.support.clock import JumpingClock
from tests.support.disks import small_disk
from tests.support.tiny import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("study")]

RUN = Path("results") / "small" / "run-001"


def statuses(folder: Path) -> set[str]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        named = {row[0] for row in database.execute("SELECT status FROM runs")}
    database.close()
    return named


def progress_of(folder: Path, name: str) -> Callable[[], bool]:
    return (folder / RUN / "trials" / name / "progress.json").exists


def end_of(folder: Path, name: str) -> Callable[[], bool]:
    return (folder / RUN / "trials" / name / "outcome.json").exists


def attempts_at(folder: Path, name: str) -> list[dict[str, Any]]:
    """The processes that have worked on a trial."""
    file = folder / RUN / "trials" / name / "attempts.json"
    attempts: list[dict[str, Any]] = json.loads(file.read_bytes())["attempts"]
    return attempts


def assert_closed(folder: Path, output: str) -> None:
    assert "Traceback" not in output
    assert "RUNNING" not in statuses(folder)
    assert not (folder / RUN / ".reserve").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, study_text: str) -> Path:
    folder = tmp_path_factory.mktemp("stops")
    (folder / "small.yaml").write_text(study_text)
    return folder


def test_ctrl_c_twice_closes_the_study_and_names_the_command_that_goes_on(
    folder: Path, start_study: Any
) -> None:
    study = start_study(folder, "small.yaml")
    study.until(progress_of(folder, "search-000"))
    study.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    study.process.send_signal(signal.SIGINT)
    assert study.finish() == 130
    assert study.output.splitlines()[-1].endswith("run_sweep.py --resume small@run-001")
    assert_closed(folder, study.output)


def test_sigterm_to_all_processes_closes_the_study(folder: Path, start_study: Any) -> None:
    """As Slurm and container runtimes send it, Ray's processes included."""
    study = start_study(folder, "--resume", "small")
    study.until(end_of(folder, "search-001"))
    os.killpg(study.process.pid, signal.SIGTERM)
    assert study.finish() == 130
    assert "interrupted; resume with: " in study.output
    assert_closed(folder, study.output)


def test_a_terminal_that_goes_away_closes_the_study(folder: Path) -> None:
    command = [sys.executable, str(ROOT / "tune" / "run_sweep.py"), "--resume", "small"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started these tests
        os.execve(command[0], command, {**os.environ, "OMP_NUM_THREADS": "1"})
    os.set_blocking(terminal, False)
    output = b""
    while not progress_of(folder, "search-002")():
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), output.decode()
        try:
            output += os.read(terminal, 2**16)
        except BlockingIOError:
            time.sleep(0.02)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert_closed(folder, output.decode())
    shown = subprocess.run(
        [*command[:2], "--status", "small"], cwd=folder, capture_output=True, text=True
    )
    assert re.search(r"^resume: .*run_sweep.py --resume small@run-001$", shown.stdout, re.M)


@pytest.mark.parametrize(
    ("name", "trial"), [("raylet", "search-003"), ("gcs_server", "confirm-a0.5-s0")]
)
def test_a_process_of_ray_that_is_killed_closes_the_study(
    folder: Path, start_study: Any, name: str, trial: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as parent:  # a socket's is short
        study = start_study(folder, "--resume", "small", RAY_TMPDIR=parent)
        study.until(progress_of(folder, trial))
        family = psutil.Process(study.process.pid).children(recursive=True)
        (needed,) = [process for process in family if process.name() == name]
        needed.kill()
        study.until(lambda: "interrupted: " in study.output)
        study.process.send_signal(signal.SIGTERM)  # the same request
        assert study.process.wait(timeout=30) == 130
        last = study.output.splitlines()[-1]
        assert last.startswith(f"interrupted: Ray's process {name} was killed (SIGKILL")
        assert last.endswith("run_sweep.py --resume small@run-001")
        assert "(raylet)" not in study.output, "Ray's own words"
        assert_closed(folder, study.output)
        _, left = psutil.wait_procs(family, timeout=10)
        assert left == []
        assert list(Path(parent).iterdir()) == []


def test_after_all_of_it_the_figures_are_those_of_an_undisturbed_study(
    folder: Path, start_study: Any, small_study: Any
) -> None:
    study = start_study(folder, "--resume", "small")
    assert study.finish() == 0, study.output
    assert _measured(folder) == _measured(small_study.folder)
    assert not (folder / RUN / "ray").exists(), "Ray's records of a finished study"


def test_sigterm_to_a_trial_alone_costs_a_study_no_figure(
    tmp_path: Path, start_study: Any, study_text: str, small_study: Any
) -> None:
    (tmp_path / "small.yaml").write_text(study_text)
    study = start_study(tmp_path, "small.yaml")
    for trial in ("search-000", "confirm-a0-s0"):
        study.until(progress_of(tmp_path, trial))
        os.kill(attempts_at(tmp_path, trial)[-1]["pid"], signal.SIGTERM)
    assert study.finish() == 0, study.output
    assert "Traceback" not in study.output
    assert len(attempts_at(tmp_path, "confirm-a0-s0")) == 2
    assert _measured(tmp_path) == _measured(small_study.folder)


@pytest.mark.parametrize("stage", ["search", "report"])
def test_a_ray_that_no_longer_answers_does_not_keep_a_study_from_closing(
    tmp_path: Path, start_study: Any, study_text: str, stage: str
) -> None:
    (tmp_path / "small.yaml").write_text(study_text)
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as parent:
        study = start_study(tmp_path, "small.yaml", RAY_TMPDIR=parent)
        study.until(progress_of(tmp_path, "search-000"))
        if stage == "report":
            study.until(lambda: "Confirmed curve" in study.output)
        family = psutil.Process(study.process.pid).children(recursive=True)
        for process in family:
            process.suspend()
        study.process.send_signal(signal.SIGTERM)
        # Slurm and Kubernetes kill after 30 s; the runs are closed before the report.
        assert study.process.wait(timeout=30 if stage == "search" else 120) == 130
        # By the main thread, if Ray lets it go in time.
        last = study.output.splitlines()[-1]
        assert re.match(r"interrupted(: Ray does not answer)?; (resume|go on) with: ", last)
        assert_closed(tmp_path, study.output)
        _, left = psutil.wait_procs(family, timeout=10)
        assert left == []
        assert list(Path(parent).iterdir()) == []


def test_a_worker_that_is_killed_since_memory_ran_out_is_retried(
    tmp_path: Path, start_study: Any, study_text: str
) -> None:
    (tmp_path / "small.yaml").write_text(study_text)
    total, free = psutil.virtual_memory()[:2]
    room = 4 * 2**30  # of which the study takes less than half
    limit = (total - free + room) / total
    if limit > 0.9:
        pytest.skip("less than 6 GiB of memory are free")
    long = ["search=null", "space={}", "training.pairs=40000", "confirm.mixing_ratio=[0.5]"]
    arguments = [word for setting in long for word in ("--set", setting)]
    study = start_study(
        tmp_path, "small.yaml", *arguments, RAY_memory_usage_threshold=f"{limit:.3f}"
    )
    trial = tmp_path / RUN / "trials" / "confirm-a0.5-s0"
    study.until((trial / "progress.json").exists)
    taken = []

    def killed() -> bool:
        if total - psutil.virtual_memory().available < limit * total + 2**29:
            taken.append(b"x" * 2**27)
        return "interrupted: Ray killed its process, since the" in study.output

    study.until(killed)
    taken.clear()
    assert study.finish() == 0, study.output
    assert "Traceback" not in study.output
    assert len(attempts_at(tmp_path, "confirm-a0.5-s0")) > 1
    assert json.loads((trial / "outcome.json").read_bytes())["state"] == "COMPLETE"


def test_a_disk_that_fills_in_the_middle_of_a_trial_stops_the_study_which_then_goes_on(
    tmp_path: Path, start_study: Any, study_text: str, small_study: Any
) -> None:
    (tmp_path / "small.yaml").write_text(study_text)
    with small_disk(tmp_path / "results", "size=60m") as disk:
        study = start_study(tmp_path, "small.yaml")
        study.until(progress_of(tmp_path, "search-000"))
        with pytest.raises(OSError), (disk / "other").open("wb") as other:
            while True:
                other.write(bytes(2**16))
        assert study.finish() == 2
        last = study.output.splitlines()[-1]
        assert last.startswith("error: the study stopped, since a disk is full")
        assert last.endswith("run_sweep.py --resume small@run-001")
        assert_closed(tmp_path, study.output)
        (disk / "other").unlink()
        resumed = start_study(tmp_path, "--resume", "small")
        assert resumed.finish() == 0, resumed.output
        assert _measured(tmp_path) == _measured(small_study.folder)


@pytest.mark.parametrize("short", ["storage", "database"])
def test_a_disk_that_is_too_small_is_named_before_the_first_trial(
    tmp_path: Path, start_study: Any, study_text: str, short: str
) -> None:
    with small_disk(tmp_path / "disk", "size=5m") as disk:
        large = tmp_path / "large"
        large.mkdir()
        cwd, storage = (large, disk) if short == "storage" else (disk, large)
        (tmp_path / "small.yaml").write_text(study_text)
        study = start_study(cwd, "../small.yaml", "--set", f"storage={storage / 'results'}")
        assert study.finish() == 2
        consumer = {
            "storage": f"the study [0-9]+ MB in {storage}",
            "database": f"its tracking database and artifacts [0-9]+ MB in {cwd}",
        }[short]
        expected = rf"disk: {disk} has [0-5] MB free, and [0-9]+ MB are needed \({consumer}"
        assert re.search(expected, study.output), study.output
        assert "Traceback" not in study.output
        assert not (storage / "results" / "small").exists()


def test_a_clock_that_jumps_by_days_changes_nothing_but_times(
    tmp_path: Path, start_study: Any, study_text: str, small_study: Any
) -> None:
    clock = JumpingClock(tmp_path)
    (tmp_path / "small.yaml").write_text(study_text)
    study = start_study(tmp_path, "small.yaml", **clock.environment)
    study.until(progress_of(tmp_path, "search-000"))
    clock.jump(-86_400)
    study.until(end_of(tmp_path, "search-001"))
    clock.jump(3 * 86_400)
    study.until(progress_of(tmp_path, "search-002"))
    clock.jump(-3600)
    assert study.finish() == 0, study.output
    assert "Traceback" not in study.output
    # It went back by an hour during the search.
    assert "the clock went back: Ray was started anew" in study.output
    assert _measured(tmp_path) == _measured(small_study.folder)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        spans = database.execute("SELECT name, start_time, end_time FROM runs").fetchall()
        seconds = database.execute(
            "SELECT value FROM latest_metrics WHERE key = 'study/seconds'"
        ).fetchall()
    database.close()
    assert [span for span in spans if span[1] > span[2]] == []
    assert [value for (value,) in seconds if value < 0] == []
    _, outlived = psutil.wait_procs(clock.programs(), timeout=10)
    assert outlived == []
