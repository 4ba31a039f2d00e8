"""Commands that only explain or look load nothing heavy, so that they answer at once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "tune" / "studies" / "demo.yaml"
HEAVY = {
    *("altair", "datasets", "mlflow", "numba", "numpy", "optuna", "pandas", "pyarrow", "ray"),
    *("scipy", "sklearn", "torch", "transformers"),
}
SETTINGS = "hybridir.config"  # what reads settings needs it, what explains options does not


def imported(
    command_line: str, folder: Path, code: int = 0, environment: dict[str, str] | None = None
) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command_line.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (environment or {}),
    )
    assert done.returncode == code, done.stderr.splitlines()[-5:]
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))


def heavy(modules: set[str]) -> set[str]:
    return HEAVY & {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    "command_line",
    [
        "-m hybridir --help",
        "-m hybridir --version",
        "-m hybridir data show --help",
        "-m hybridir evaluate --help",
        f"{ROOT}/tune/run_sweep.py --help",
        f"{ROOT}/tune/run_sweep.py --version",
        f"{ROOT}/analysis/report.py --help",
    ],
)
def test_help_and_version_load_neither_heavy_packages_nor_the_settings(
    command_line: str, tmp_path: Path
) -> None:
    modules = imported(command_line, tmp_path)
    assert "typer" in modules
    assert not heavy(modules)
    assert SETTINGS not in modules


def test_completion_in_a_shell_loads_neither(tmp_path: Path) -> None:
    typed = {"COMP_WORDS": "hybridir ev", "COMP_CWORD": "1"}
    asked = {"_HYBRIDIR_COMPLETE": "complete_bash"} | typed
    modules = imported("-m hybridir", tmp_path, environment=asked)
    assert "typer" in modules
    assert not heavy(modules)
    assert SETTINGS not in modules


@pytest.mark.parametrize(
    ("command_line", "code"),
    [
        ("-m hybridir config training.temperature", 0),
        (f"{ROOT}/tune/run_sweep.py --help-all", 0),
        (f"{ROOT}/tune/run_sweep.py --status demo", 0),
        # Checked, and refused before anything of a study is loaded; so is its first line printed.
        (f"{ROOT}/tune/run_sweep.py --set training.pairs=0", 2),
    ],
)
def test_what_reads_settings_loads_nothing_heavy(
    command_line: str, code: int, tmp_path: Path
) -> None:
    run = tmp_path / "results" / "demo" / "run-001"
    run.mkdir(parents=True)
    shutil.copy(DEMO, run / "study.yaml")
    modules = imported(command_line, tmp_path, code)
    assert SETTINGS in modules
    assert not heavy(modules)
