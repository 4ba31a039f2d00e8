import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.runtime.commands import python, script, tool
from tests.support.tiny import ROOT


def environment(folder: Path, *programs: str) -> Path:
    """A folder of programs like that of a virtual environment."""
    folder.mkdir(parents=True)
    for name in ("python", *programs):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_an_activated_environment_has_short_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = environment(tmp_path / "bin", "mlflow")
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    monkeypatch.chdir(ROOT)
    assert script("tune/run_sweep.py", "--status", "demo") == (
        "python tune/run_sweep.py --status demo"
    )
    assert tool("mlflow", "ui") == "mlflow ui"


def test_without_it_the_environment_s_own_programs_are_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = environment(tmp_path / ".venv" / "bin")
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    # Another environment is first on the path.
    monkeypatch.setenv("PATH", str(environment(tmp_path / "other", "mlflow")))
    monkeypatch.chdir(tmp_path)
    assert python() == ".venv/bin/python"
    assert script("tune/run_sweep.py") == f".venv/bin/python {ROOT}/tune/run_sweep.py"
    assert tool("mlflow", "ui", "--port", "5001") == ".venv/bin/python -m mlflow ui --port 5001"
    assert tool("optuna-dashboard", "a b", package="optuna-dashboard") == (
        ".venv/bin/python -m pip install optuna-dashboard && .venv/bin/optuna-dashboard 'a b'"
    )


@pytest.mark.slow
def test_pain_38_a_printed_command_runs_from_any_folder_with_blanks_in_its_name(
    tmp_path: Path,
) -> None:
    checkout = tmp_path / "my checkout"
    for folder in ("hybridir", "tune"):
        shutil.copytree(ROOT / folder, checkout / folder)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    say = "import sys; sys.path[0] = sys.argv[1]; from hybridir.runtime.commands import script;"
    say += "print(script('tune/run_sweep.py', '--schema'))"
    line = subprocess.check_output(
        [sys.executable, "-c", say, str(checkout)],
        cwd=elsewhere,
        env={"PATH": "/usr/bin:/bin"},
        text=True,
    )
    assert "my checkout/tune/run_sweep.py'" in line
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=elsewhere, env={"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b'"properties"' in done.stdout
